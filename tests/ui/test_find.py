"""Finding in the conversation: what counts, where the reader is brought, and how the search ends."""

import re
from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult
from textual.events import Paste

from flowchat.transcript.entries import (
    AnyEntry,
    Call,
    Edited,
    Record,
    RunEnded,
    RunStarted,
    Text,
    Thinking,
    ToolAnswered,
    ToolStarted,
)
from flowchat.transcript.events import AttemptWithdrawn, Event, TextDelta
from flowchat.ui.blocks import Look
from flowchat.ui.find_bar import FindBar
from flowchat.ui.finding import Find
from flowchat.ui.palette import DARK
from flowchat.ui.panes import Panes
from flowchat.ui.story import Story
from tests.ui.telling import answer, numbered, said

WIDE = Look(60, DARK)


def story(*items: AnyEntry | Event) -> Story:
    told = Story()
    for event in numbered(*items):
        told.take(event, None) if isinstance(event, Record) else told.hear(event, 0.0)
    return told


def found(told: Story, query: str) -> Find:
    find = Find(told)
    find.look_for(query, 0, 0)
    return find


def marked_text(find: Find, told: Story, look: Look = WIDE) -> list[str]:
    """What is marked on the screen, the match the reader is at in brackets."""
    marks: list[str] = []
    for passage in told.passages:
        for number in range(len(passage.blocks)):
            rows = passage.texts(number, look)
            for (row, start, end), here in find.spans(passage, number, look):
                marks.append(f"[{rows[row][start:end]}]" if here else rows[row][start:end])
    return marks


# --- what counts -----------------------------------------------------------------------------------------------------
TALK = (
    said("Where is Total rounded?"),
    RunStarted("send", "m"),
    answer(
        Thinking("the total, perhaps"),
        "In **`total.py`**: the *total* of a [line](http://x/total).",
        Call("a", "grep", '{"pattern":"total"}'),
        finish="calls",
        ms=1_000,
    ),
    ToolStarted("3.0"),
    ToolAnswered("3.0", "ok", "1 match", "x.py: total = 1"),
    RunEnded(2, "failed", message="total loss"),
)


@pytest.mark.parametrize(
    ("query", "count"),
    [("total", 8), ("Total", 1), ("TOTAL", 0), ("the   total", 1), ("tot.l", 0), ("total.py", 1), ("failed", 1), ("1 match", 1)],
)
def test_matches_are_counted_in_all_that_was_said_and_capitals_count_only_where_there_are_some(query: str, count: int) -> None:
    assert found(story(*TALK), query).total == count


def test_a_match_broken_over_two_rows_is_marked_in_both() -> None:
    told = story(said("one two three four five"))
    assert marked_text(found(told, "three four"), told, Look(17, DARK)) == ["[three]", "[four]"]


def test_a_match_across_markup_is_marked_where_it_is_read() -> None:
    told = story(answer("Look **first** at `x`, first of all."))
    find = found(told, "first")
    assert marked_text(find, told) == ["[first]", "first"]
    assert find.step(1)
    assert marked_text(find, told) == ["first", "[first]"]


def test_going_on_from_the_last_match_leads_to_the_first_and_back() -> None:
    find = found(story(said("a"), said("b a"), said("a a")), "a")
    numbers = [find.ordinal]
    for by in (1, 1, 1, 1, -1, -1):
        find.step(by)
        numbers.append(find.ordinal)
    assert numbers == [1, 2, 3, 4, 1, 4, 3]


def test_the_search_stays_right_while_text_comes_and_goes() -> None:
    told = story(said("a word"), RunStarted("send", "m"), TextDelta(2, 1, 1, "wor"))
    find = found(told, "word")
    totals = [find.total]
    told.hear(TextDelta(2, 1, 1, "d and word"), 0.0)
    find.refresh()
    totals.append(find.total)
    find.step(-1)
    told.withdraw(2, 1, 1)
    find.refresh()
    totals.append(find.total)
    assert (totals, find.ordinal) == ([1, 3, 1], 1)
    told.take(Record(9, 0, 1, "user_said", said("word")), 0.0)
    find.refresh()
    assert (find.total, find.ordinal) == (2, 1)


def test_an_answer_that_comes_with_the_next_step_is_searched_too() -> None:
    records = numbered(
        answer(Call("a", "grep", "{}"), finish="calls"),
        ToolAnswered("1.0", "ok", "", "needle"),
        answer("So.", step=2),
    )
    told = Story()
    told.take(records[0], 0.0)
    find = found(told, "needle")
    find.refresh()
    told.take(records[1], 0.0)
    told.take(records[2], 0.0)
    find.refresh()
    assert find.total == 1


def test_going_on_from_a_match_that_has_just_gone_finds_what_is_left() -> None:
    told = story(said("needle"), RunStarted("send", "m"), TextDelta(2, 1, 1, "needle"))
    find = found(told, "needle")
    told.withdraw(2, 1, 1)
    assert (find.step(1), find.ordinal, find.at is not None and find.at.passage) == (True, 1, told.passages[0])


def test_a_long_stretch_of_blanks_is_searched_as_fast_as_letters() -> None:
    told = story(*TALK, said("x" + " " * 300_000 + "y\n\n z"))
    assert [found(told, query).total for query in (" a", " y", "  ", " z")] == [1, 1, found(told, " ").total, 1]


def test_a_narrower_search_finds_what_a_new_one_does() -> None:
    narrowed = found(story(*TALK), "t")
    for query in ("to", "tot", "total", "total l"):
        narrowed.look_for(query, 0, 0)
    assert (narrowed.total, narrowed.ordinal) == (1, 1)


def test_only_what_is_jumped_to_is_laid_out() -> None:
    told = story(*(said(f"message {number}") for number in range(1, 301)))
    find = found(told, "message 300")
    assert (find.total, sum(passage.is_built for passage in told.passages)) == (1, 0)
    assert find.row(WIDE) == 0
    assert sum(passage.is_built for passage in told.passages) == 1


# --- in the chat -----------------------------------------------------------------------------------------------------
class Room(App[None]):
    """The panes of a session without one."""

    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__()
        self.panes = Panes(DARK)

    def compose(self) -> ComposeResult:
        yield self.panes

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            self.panes.show(event)

    @property
    def view(self) -> list[str]:
        pane = self.panes.conversation
        return [pane.render_line(y).text.rstrip() for y in range(pane.size.height)]

    @property
    def bar(self) -> str:
        return self.panes.find.render_line(0).text.strip("─ ")


LONG = numbered(*(said(f"number {number}" + (" needle" if number % 10 == 0 else "")) for number in range(1, 41)))


async def begun(pilot: object, room: Room, events: Sequence[Event], *keys: str) -> None:
    room.hear(events)
    await pilot.pause()
    room.panes.conversation.focus()
    await pilot.press(*keys)
    await pilot.pause()


async def test_what_is_written_is_found_at_once_and_enter_and_n_go_on_from_there() -> None:
    room = Room()
    async with room.run_test(size=(80, 12)) as pilot:
        await begun(pilot, room, LONG, "slash", *"needle")
        assert re.split(" ─+ ", room.bar) == ["/needle  4 of 4", "Esc back   Enter stay   Down next"]
        await pilot.press("enter", "N", "N")
        assert (room.bar.partition(" ──")[0], any("number 20" in row for row in room.view)) == ("/needle  2 of 4", True)
        await pilot.press("n")
        assert any(row.startswith("▌ number 30") for row in room.view)


async def test_the_first_match_in_view_is_nearer_than_those_above_it_in_the_same_block() -> None:
    room = Room()
    text = "\n".join(f"{number} needle" for number in range(1, 31))
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, numbered(answer(text), said("needle")))
        before = room.view
        await pilot.press("slash", *"needle")
        assert [row[2:] for row in room.view] == [row[2:] for row in before]
        assert room.bar.partition(" ──")[0] == f"/needle  {before[0].split()[-2]} of 31"


async def test_escape_leads_back_to_where_the_reader_was() -> None:
    room = Room()
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, LONG)
        before = room.view
        await pilot.press("slash", *"number 3", "enter", "n")
        assert room.view != before
        await pilot.press("N", "N")
        room.panes.come_back()
        await pilot.pause()
        assert (room.view, room.panes.find.display, room.panes.conversation.has_focus) == (before, False, True)


async def test_who_scrolls_on_from_a_match_stays_there_when_the_search_ends() -> None:
    room = Room()
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, LONG, "slash", *"number 10", "enter", "up")
        before = [row.replace("▌", "▎") for row in room.view]
        room.panes.come_back()
        await pilot.pause()
        assert [row.replace("▌", "▎") for row in room.view] == before


async def test_a_search_begun_while_writing_ends_where_one_was_writing() -> None:
    room = Room()
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, LONG)
        room.panes.composer.focus()
        await pilot.pause()
        room.panes.begin_search()
        await pilot.press(*"needle", "escape")
        assert room.panes.composer.has_focus


async def test_a_folded_block_that_matches_unfolds_and_folds_again_behind_the_reader() -> None:
    room = Room()
    lines = "\n".join(f"line {number}" for number in range(1, 40))
    events = numbered(
        answer(Thinking("a hidden thought"), Call("a", "shell", '{"command":"make"}'), finish="calls", ms=1_000),
        ToolAnswered("1.0", "ok", "done", lines),
    )
    async with room.run_test(size=(60, 14)) as pilot:
        await begun(pilot, room, events, "slash", *"line 33")
        assert any("│ line 33" in row for row in room.view)
        await pilot.press("ctrl+u", *"hidden")
        assert [row[1:] for row in room.view if "│" in row] == ["   │ a hidden thought"]
        await pilot.press("escape")
        assert [row for row in room.view if "│" in row] == []


async def test_a_diff_that_was_unfolded_for_a_match_is_as_it_was_afterwards() -> None:
    room = Room()
    diff = "--- a/x\n+++ b/x\n@@ -1,1 +1,40 @@\n a\n" + "".join(f"+line {number}\n" for number in range(40))
    events = numbered(
        answer(Call("a", "edit_file", '{"path":"x"}'), finish="calls"), ToolAnswered("1.0", "ok", "+40", "done", diff=diff)
    )
    async with room.run_test(size=(60, 60)) as pilot:
        await begun(pilot, room, events)
        before = room.view
        await pilot.press("slash", *"line 39")
        assert any("line 39" in row for row in room.view)
        await pilot.press("escape")
        await pilot.pause()
        assert room.view == before


async def test_a_match_that_no_row_shows_is_said_to_be_in_the_source() -> None:
    room = Room()
    async with room.run_test(size=(90, 14)) as pilot:
        await begun(pilot, room, numbered(answer("- one\n* two\n")), "slash", "*")
        assert room.bar.startswith("/*  1 of 1, in the source")


async def test_while_a_match_is_read_the_end_is_not_followed() -> None:
    room = Room()
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, LONG, "slash", *"needle")
        before = room.view
        room.hear([TextDelta(99, 1, 1, "A needle in an answer.\n\n" * 20)])
        await pilot.pause()
        assert (room.view[:-1], room.bar.partition(" ──")[0]) == (before[:-1], "/needle  4 of 24")
        await pilot.press("escape")
        assert "A needle in an answer." in " ".join(room.view)


async def test_an_edited_message_is_searched_as_it_reads_now() -> None:
    room = Room()
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, numbered(said("a needle")), "slash", *"needle")
        room.hear([Record(2, 0, None, "edited", Edited(1, (Text("no more"),)))])
        await pilot.pause()
        assert room.bar.startswith("/needle  not found")


async def test_a_search_for_what_is_gone_with_its_attempt_goes_on() -> None:
    room = Room()
    async with room.run_test(size=(60, 12)) as pilot:
        await begun(pilot, room, [*numbered(said("x")), TextDelta(2, 1, 1, "needle")], "slash", *"needle")
        room.hear([AttemptWithdrawn(2, 1, 1, "cut")])
        await pilot.pause()
        assert room.bar.startswith("/needle  not found")


async def test_what_is_pasted_is_searched_for_on_one_line_and_what_it_hides_is_shown() -> None:
    app = App[None]()
    bar = FindBar(DARK)
    async with app.run_test(size=(60, 3)) as pilot:
        await app.mount(bar)
        bar.begin()
        await pilot.pause()
        bar.on_paste(Paste("a\x1b[2J\nb"))
        assert bar.render_line(0).text.startswith("── /a␛ b ")
