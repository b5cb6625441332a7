"""The todo list of a branch: which of its answers gives it, and how it reads in one line."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from flowchat.transcript.entries import Record, TodoItem, ToolAnswered

TodoList: TypeAlias = tuple[TodoItem, ...]


def newest(records: Sequence[Record]) -> TodoList:
    """The list as a branch, or a replay of one, leaves it; empty: there is none."""
    return next((answered.todo or () for answered in answers(records)), ())


def answers(records: Sequence[Record]) -> Iterator[ToolAnswered]:
    """The answers that give a list, the newest first; nothing else is decoded."""
    for record in reversed(records):
        if record.type == "tool_answered" and record.has_todo and isinstance(record.entry, ToolAnswered):
            yield record.entry


def open_items(items: TodoList) -> TodoList:
    return tuple(item for item in items if item.status != "done")


def current(items: TodoList) -> TodoItem | None:
    """What is being done, else what is next; None: all is done."""
    left = open_items(items)
    return next((item for item in left if item.status == "in_progress"), left[0] if left else None)


def counted(items: TodoList) -> str:
    """`3 of 7`: how many are done."""
    return f"{len(items) - len(open_items(items))} of {len(items)}"


def in_one_line(items: TodoList) -> str:
    """`3 of 7 done · now: write the tests`."""
    if not items:
        return "the list is empty"
    item = current(items)
    then = "" if item is None else f" · {'now' if item.status == 'in_progress' else 'next'}: {item.text}"
    return f"{counted(items)} done{then}"
