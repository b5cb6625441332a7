"""Which answer gives the todo list, and that finding it costs next to nothing."""

import pytest

from flowchat.transcript.entries import AnyEntry, Record, ToolAnswered
from flowchat.transcript.todo import current, in_one_line, newest, open_items
from tests.growing import Grown, todo_list


def test_the_newest_list_counts_and_an_answer_without_one_changes_nothing() -> None:
    grown = Grown().user("do it").run().plans("now look").plans("done look", "now write", step=2)
    grown.says("", "read_file", "todo", step=3).answers(0, "text").answers(1, "no", "error")
    assert newest(grown.branch()) == todo_list("done look", "now write")
    assert newest(grown.plans(step=4).branch()) == ()
    assert newest(()) == ()


def test_of_a_log_that_was_opened_the_one_answer_is_decoded() -> None:
    decoded: list[int] = []

    def read(record: Record) -> AnyEntry:
        decoded.append(record.seq)
        return ToolAnswered(f"{record.seq}.0", "ok", "list", todo=todo_list(f"now {record.seq}"))

    records = [Record(seq, 0, seq - 1, "tool_answered", None, read, has_todo=seq in (20, 60)) for seq in range(1, 101)]
    assert (newest(records), decoded) == (todo_list("now 60"), [60])


@pytest.mark.parametrize(
    ("items", "line", "item"),
    [
        (("done look", "next test", "now write"), "1 of 3 done · now: write", "write"),
        (("next look", "next test"), "0 of 2 done · next: look", "look"),
    ],
)
def test_what_is_being_done_comes_before_what_is_next(items: tuple[str, ...], line: str, item: str) -> None:
    found = todo_list(*items)
    now = current(found)
    assert (in_one_line(found), now and now.text) == (line, item)
    assert all(left.status != "done" for left in open_items(found))
