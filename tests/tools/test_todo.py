"""todo: what a model may give as its list, and the one sentence it gets for anything else."""

from pathlib import Path

import pytest

from flowchat.tools.todo import ITEMS_LIMIT, LIST_LIMIT_BYTES, TEXT_LIMIT_CHARS, Todo
from flowchat.tools.tool import BadArguments, Reach
from tests.growing import todo_list
from tests.tools.conftest import Bench


def item(text: object, status: object = "pending") -> dict[str, object]:
    return {"text": text, "status": status}


async def test_the_whole_list_is_the_answers_and_its_line_says_how_far_it_is(bench: Bench) -> None:
    outcome = await bench.call("todo", items=[item("look", "done"), item("write\n  it", "in_progress"), item("test")])
    assert outcome.todo == todo_list("done look", "now write it", "next test")
    assert (outcome.status, outcome.summary, outcome.content) == ("ok", "1 of 3 done · now: write it", outcome.summary)
    assert outcome.files == ()


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([], "the list is empty"),
        ([item("look", "done")], "1 of 1 done"),
        ([item("look", "done"), item("write")], "1 of 2 done · next: write"),
    ],
)
async def test_what_is_next_all_done_and_an_empty_list_are_told_so(bench: Bench, items: list[object], line: str) -> None:
    assert (await bench.call("todo", items=items)).summary == line


async def test_words_of_other_programs_for_the_same_are_taken(bench: Bench) -> None:
    given = [item("a", "Completed"), {"content": "b", "status": "in-progress", "id": 2}, {"text": "c"}, item("d", None)]
    assert (await bench.call("todo", items=given)).todo == todo_list("done a", "now b", "next c", "next d")


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ("look", "todo: `items` must be a list, not text"),
        ([item("a"), "b"], "todo: item 2 must be an object with text and status, not text"),
        ([item(" \n ")], "todo: item 1 has no text"),
        ([item(7)], "todo: item 1 has no text"),
        ([item("a", "cancelled")], "todo: item 1 is 'cancelled'; it may be pending, in_progress or done"),
        ([item("a", "doing"), item("b"), item("c", "doing")], "todo: items 1 and 3 are both in_progress; at most one may be"),
        ([item("a")] * (ITEMS_LIMIT + 1), f"todo: a list may have {ITEMS_LIMIT} items, not 51"),
        ([item("a" * 301)], f"todo: the text of item 1 may have {TEXT_LIMIT_CHARS} characters, not 301"),
        ([item("ä" * 300)] * 7, f"todo: the texts may have {LIST_LIMIT_BYTES:,} bytes together, not 4,200; say it shorter"),
    ],
)
async def test_anything_else_is_refused_in_a_sentence(bench: Bench, items: object, sentence: str) -> None:
    with pytest.raises(BadArguments) as told:
        await bench.call("todo", items=items)
    assert str(told.value) == sentence


async def test_the_list_itself_is_asked_for(bench: Bench) -> None:
    with pytest.raises(BadArguments, match="todo needs `items`"):
        await bench.call("todo")


def test_it_reads_and_touches_nothing() -> None:
    assert (Todo.read_only, Todo().reach({"items": []}, Path("/"))) == (True, Reach("read"))
