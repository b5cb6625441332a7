"""The todo list that a checkpoint carries: what is still open of the newest one that it folds, word for word."""

from bisect import bisect_left
from collections.abc import Container, Sequence

from flowchat.agent.reading import standing
from flowchat.transcript.entries import CallId, Record, Seq, ToolAnswered
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.todo import TodoList, counted, open_items


def carried(branch: Sequence[Record], facts: SessionFacts, line: Seq, upto: Seq, calls_out: Container[CallId]) -> TodoList:
    """The newest list a branch gave before the checkpoint at `line` was written, if that folds it and not all of it is done.

    What comes later stands behind the checkpoint and changes nothing in it, so that requests go on with each other. `calls_out`
    is left out of requests, and here as if it had never been said.
    """
    for record in standing(branch, facts.todos[: bisect_left(facts.todos, line)]):
        if isinstance(answered := record.entry, ToolAnswered) and answered.call not in calls_out:
            return folded_with(answered, upto)
    return ()


def folded_with(answered: ToolAnswered, upto: Seq) -> TodoList:
    """The list of the newest answer that gives one, if a checkpoint up to this node carries it."""
    is_folded = int(answered.call.partition(".")[0]) <= upto  # an answer goes where its call does
    return answered.todo if is_folded and answered.todo and open_items(answered.todo) else ()


def open_text(items: TodoList) -> str:
    """The open items for the model, and how many are done."""
    lines = [f"- [{item.status}] {item.text}" for item in open_items(items)]
    return "\n".join([f"Your todo list as it stood here, {counted(items)} done; what is open of it, word for word:", *lines])
