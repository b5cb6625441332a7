"""The conversation pane: what it shows of a branch, what stays where it is, and what the keys do."""

from collections.abc import Sequence

import pytest
from rich.style import Style
from textual.app import App, ComposeResult
from textual.selection import Selection

from flowchat.transcript.entries import (
    AnyEntry,
    AttemptUsed,
    Call,
    Edited,
    Record,
    RunEnded,
    RunStarted,
    Text,
    Thinking,
    TitleSet,
    ToolAnswered,
    ToolStarted,
)
from flowchat.transcript.events import (
    AttemptWithdrawn,
    CallDelta,
    Event,
    OutputDelta,
    StateDelta,
    TextDelta,
    ThinkingDelta,
    Toast,
)
from flowchat.ui.conversation import Conversation
from flowchat.ui.palette import DARK, Palette
from tests.ui.telling import answer, numbered, said


class Room(App[None]):
    """Nothing but the pane; `copied` is what it asked to copy."""

    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__()
        self.pane = Conversation(DARK, clock=lambda: 100.0)
        self.copied: list[str] = []
        self.told: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_conversation_told(self, message: Conversation.Told) -> None:
        self.told.append(message.text)

    def on_conversation_copied(self, message: Conversation.Copied) -> None:
        self.copied.append(message.text)


def text_of(pane: Conversation) -> str:
    return "\n".join(row.text.rstrip() for row in pane.rows())


def in_view(pane: Conversation) -> list[str]:
    """The screen's rows as they are drawn, trailing blanks taken off."""
    return [pane.render_line(y).text.rstrip() for y in range(pane.size.height)]


async def shown(events: Sequence[Event], width: int = 60, height: int = 20) -> str:
    """All rows of a pane that heard these events."""
    room = Room()
    async with room.run_test(size=(width, height)) as pilot:
        hear(room.pane, events)
        await pilot.pause()
        return text_of(room.pane)


def hear(pane: Conversation, events: Sequence[Event]) -> None:
    for event in events:
        pane.show(event)


DIFF = "--- a/x.py\n+++ b/x.py\n@@ -7,4 +7,4 @@\n a\n b\n-old\n+new\n c\n"
RUN = numbered(
    said("Find out why."),
    RunStarted("send", "m"),
    ThinkingDelta(2, 1, 1, "Let me "),
    ThinkingDelta(2, 1, 1, "see."),
    TextDelta(2, 1, 1, "I look **fir"),
    TextDelta(2, 1, 1, "st**.\n"),
    CallDelta(2, 1, 1, 0, "grep", '{"pattern":"rou'),
    CallDelta(2, 1, 1, 0, "", 'nd(","path":"src"}'),
    CallDelta(2, 1, 1, 1, "edit_file", '{"path":"x.py","old":"a","new":"b"}'),
    AttemptUsed(2, 1, 1, "run"),
    answer(
        Thinking("Let me see."),
        "I look **first**.\n",
        Call("a", "grep", '{"pattern":"round(","path":"src"}'),
        Call("b", "edit_file", '{"path":"x.py","old":"a","new":"b"}'),
        Call("c", "shell", '{"command":"pytest -q"}'),
        finish="calls",
        ms=12_300,
    ),
    ToolStarted("4.0"),
    ToolAnswered("4.0", "ok", "14 matches", "x:1: round(", duration_ms=31),
    ToolStarted("4.1"),
    ToolAnswered("4.1", "ok", "+1 -1", "done", diff=DIFF, duration_ms=1400),
    ToolAnswered("4.2", "denied", "the user denied this call", "no"),
    TextDelta(2, 2, 1, "- one\n- t"),
    TextDelta(2, 2, 1, "wo\n\n```py\nx = 1\n``"),
    TextDelta(2, 2, 1, "`\n"),
    answer("- one\n- two\n\n```py\nx = 1\n```\n", step=2),
    TitleSet("title", "generated"),
    RunEnded(2, "completed", 2, 5000),
    said("Thanks."),
)
RUN_ROWS = """\
▎ Find out why.

  ▸ thought for 12 s

  I look first.

  ✓ grep   "round(" in src              14 matches   31 ms
  ✓ edit   x.py                              +1 -1   1.4 s
    │  8   b
    │  9 - old
    │  9 + new
    │ 10   c
  ⊘ shell  pytest -q                                denied
    │ the user denied this call

  • one
  • two

    x = 1

▎ Thanks."""


@pytest.mark.parametrize("width", [60, 120])
async def test_a_loaded_branch_shows_what_was_shown_live_in_text_and_style(width: int) -> None:
    live, loaded = Room(), Room()
    async with live.run_test(size=(width, 24)) as pilot:
        hear(live.pane, RUN)
        await pilot.pause()
        heard = live.pane.rows()
    async with loaded.run_test(size=(width, 24)) as pilot:
        loaded.pane.load([event for event in RUN if isinstance(event, Record)])
        await pilot.pause()
        assert loaded.pane.rows() == heard


async def test_a_run_looks_like_this() -> None:
    assert await shown(RUN) == RUN_ROWS


async def test_an_edited_message_reads_as_edited() -> None:
    assert await shown(numbered(said("first"), Edited(1, (Text("second"),)))) == "▎ second"


async def test_what_shows_elsewhere_does_not_show_here() -> None:
    assert (
        await shown(numbered(said("a"), StateDelta("running", "streaming"), Toast("info", "t"), TitleSet("x", "user"))) == "▎ a"
    )


async def test_a_withdrawn_attempt_is_gone_at_once() -> None:
    events = numbered(said("a"), RunStarted("send", "m"), TextDelta(2, 1, 1, "Half an ans"), AttemptWithdrawn(2, 1, 1, "cut"))
    assert await shown(events) == "▎ a"
    assert await shown([*events, TextDelta(2, 1, 2, "Whole.")]) == "▎ a\n\n  Whole."


async def test_what_was_heard_and_never_said_is_gone_when_the_run_ends() -> None:
    assert await shown(numbered(said("a"), RunStarted("send", "m"), TextDelta(2, 1, 1, "x"), RunEnded(2, "crashed"))) == (
        "▎ a\n\n  ✗ crashed  the program was closed during this answer"
    )


async def test_what_is_said_counts_and_not_what_was_heard() -> None:
    assert await shown(numbered(RunStarted("send", "m"), TextDelta(1, 1, 1, "heard"), answer("said", run=1))) == "  said"


async def test_a_running_call_shows_the_end_of_its_output() -> None:
    call = Call("a", "shell", '{"command":"make"}')
    output = "".join(f"\x1b[32mline {number}\x1b[0m\n" for number in range(1, 11))
    events = numbered(
        answer(call, finish="calls"), ToolStarted("1.0"), OutputDelta("1.0", output[:33]), OutputDelta("1.0", output[33:])
    )
    assert await shown(events) == (
        "  ◐ shell  make                            running     0 s\n"
        "    │ line 8\n    │ line 9\n    │ line 10\n    │ 7 lines above, Ctrl+O unfolds"
    )


# --- the end and the reader ------------------------------------------------------------------------------------------
def paragraphs(count: int, first: int = 1) -> str:
    return "".join(f"p{number}\n\n" for number in range(first, first + count))


async def test_a_loaded_branch_shows_its_end() -> None:
    room = Room()
    async with room.run_test(size=(40, 6)) as pilot:
        room.pane.load([event for event in numbered(answer(paragraphs(20))) if isinstance(event, Record)])
        await pilot.pause()
        assert in_view(room.pane) == ["", "  p18", "", "  p19", "", "  p20"]


async def test_while_text_arrives_the_view_stands_still_and_jumps_only_when_it_is_full() -> None:
    room = Room()
    tops: list[str] = []
    async with room.run_test(size=(40, 12)) as pilot:
        for number in range(1, 13):
            room.pane.show(TextDelta(1, 1, 1, f"p{number}\n"))
            await pilot.pause()
        before = in_view(room.pane)
        for number in range(13, 20):
            room.pane.show(TextDelta(1, 1, 1, f"p{number}\n"))
            await pilot.pause()
            tops.append(in_view(room.pane)[0].strip())
    assert before == [f"  p{number}" for number in range(1, 13)]
    assert tops == ["p5", "p5", "p5", "p5", "p9", "p9", "p9"] or tops == ["p4", "p4", "p4", "p4", "p8", "p8", "p8"]


async def test_a_reader_who_scrolled_up_is_left_there_and_told_of_news() -> None:
    room = Room()
    async with room.run_test(size=(40, 6)) as pilot:
        room.pane.show(TextDelta(1, 1, 1, paragraphs(20)))
        await pilot.pause()
        room.pane.scroll_page(-1)
        await pilot.pause()
        before = in_view(room.pane)
        assert before[-1].endswith("↓ more below")
        room.pane.show(TextDelta(1, 1, 1, paragraphs(5, first=21)))
        await pilot.pause()
        after = in_view(room.pane)
        assert (after[:-1], after[-1].strip()) == (before[:-1], before[-1].replace("more", "new").strip())
        room.pane.scroll_end()
        await pilot.pause()
        assert in_view(room.pane)[-1].strip() == "p25"


async def test_sending_goes_back_to_the_end_and_a_queued_message_does_not() -> None:
    room = Room()
    async with room.run_test(size=(40, 6)) as pilot:
        hear(room.pane, numbered(answer(paragraphs(20))))
        room.pane.scroll_page(-1)
        hear(room.pane, numbered(said("later", "queue")))
        await pilot.pause()
        assert in_view(room.pane)[-1].endswith("new below")
        hear(room.pane, numbered(said("now", "send")))
        await pilot.pause()
        assert in_view(room.pane)[-1] == "▎ now"


async def test_a_resize_leaves_the_reader_at_the_same_block() -> None:
    room = Room()
    async with room.run_test(size=(40, 6)) as pilot:
        hear(room.pane, numbered(*(said(f"message {number} " + "word " * 30) for number in range(20))))
        await pilot.pause()
        room.pane.scroll_page(-1)
        room.pane.scroll_page(-1)
        await pilot.pause()
        await pilot.resize_terminal(80, 6)
        await pilot.pause()
        narrow = [row for row in in_view(room.pane) if "message" in row]
        assert narrow[0].startswith("▎ message 18")


async def test_other_colours_are_used_at_once() -> None:
    room = Room()
    async with room.run_test(size=(40, 6)) as pilot:
        hear(room.pane, numbered(said("a")))
        await pilot.pause()
        room.pane.use(Palette(accent=Style(color="red")))
        await pilot.pause()
        assert next(iter(room.pane.rows()[0])).style == Style(color="red")


async def test_a_cleared_pane_is_empty_and_can_be_filled_again() -> None:
    room = Room()
    async with room.run_test(size=(40, 4)) as pilot:
        hear(room.pane, numbered(answer(paragraphs(20))))
        await pilot.pause()
        room.pane.clear()
        hear(room.pane, numbered(said("new")))
        await pilot.pause()
        assert in_view(room.pane) == ["▎ new", "", "", ""]


async def test_only_what_is_looked_at_is_read() -> None:
    read: list[int] = []

    def later(record: Record) -> AnyEntry:
        read.append(record.seq)
        return said(f"message {record.seq}")

    room = Room()
    async with room.run_test(size=(40, 6)) as pilot:
        room.pane.load([Record(seq, 0, seq - 1, "user_said", None, later) for seq in range(1, 10_001)])
        await pilot.pause()
        assert in_view(room.pane)[-1] == "▎ message 10000"
        assert len(set(read)) < 12


# --- keys ------------------------------------------------------------------------------------------------------------
TALK = numbered(
    said("one"),
    RunStarted("send", "m"),
    answer("*two*", Call("a", "read_file", '{"path":"x"}'), finish="calls"),
    ToolAnswered("3.0", "ok", "1-2", "line 1\nline 2", duration_ms=4),
    said("three"),
)


async def test_the_chosen_block_is_marked_only_while_the_pane_has_the_focus() -> None:
    room = Room()
    async with room.run_test(size=(40, 8)) as pilot:
        hear(room.pane, TALK)
        await pilot.pause()
        assert in_view(room.pane)[-2:] == ["▎ three", ""]
        room.pane.focus()
        await pilot.pause()
        assert in_view(room.pane)[-2:] == ["▌ three", ""]
        room.screen.set_focus(None)
        await pilot.pause()
        assert in_view(room.pane)[-2:] == ["▎ three", ""]


async def test_blocks_are_walked_and_their_source_copied_as_it_was_written() -> None:
    room = Room()
    async with room.run_test(size=(40, 8)) as pilot:
        hear(room.pane, TALK)
        room.pane.focus()
        await pilot.pause()
        await pilot.press("y", "k", "y", "k", "y", "left_square_bracket", "y", "right_square_bracket", "y", "j", "y")
        assert room.copied == ["three", "line 1\nline 2", "*two*", "one", "three", "three"]


async def test_answers_are_copied_counted_from_the_last() -> None:
    room = Room()
    async with room.run_test(size=(40, 8)) as pilot:
        room.pane.copy_answer()
        hear(
            room.pane, numbered(said("a"), RunStarted("send", "m"), answer("*one*", "", Call("a", "glob", "{}"), finish="calls"))
        )
        hear(room.pane, [TextDelta(2, 2, 1, "**two"), ThinkingDelta(2, 2, 1, "hm")])
        for number in (1, 2, 3, 0):
            room.pane.copy_answer(number)
        await pilot.pause()
        assert room.copied == ["**two", "*one*"]
        assert room.told == ["There is no answer yet", *["2 answers in all; /copy 1 is the last"] * 2]


async def test_walking_brings_a_block_into_view() -> None:
    room = Room()
    async with room.run_test(size=(40, 4)) as pilot:
        hear(room.pane, numbered(*(said(f"message {number}") for number in range(20))))
        room.pane.focus()
        await pilot.pause()
        await pilot.press("k", "k", "k")
        assert in_view(room.pane)[0] == "▌ message 16"


async def test_a_call_unfolds_to_all_that_came_back_and_folds_again() -> None:
    room = Room()
    async with room.run_test(size=(50, 12)) as pilot:
        hear(room.pane, TALK)
        room.pane.focus()
        await pilot.pause()
        folded = text_of(room.pane)
        await pilot.press("k", "enter")
        assert text_of(room.pane).split("\n")[4:7] == [
            "  ✓ read   x                         1-2    4 ms",
            "    │ line 1",
            "    │ line 2",
        ]
        await pilot.press("space")
        assert text_of(room.pane) == folded


async def test_all_calls_unfold_and_fold_with_one_key() -> None:
    room = Room()
    async with room.run_test(size=(50, 12)) as pilot:
        hear(room.pane, TALK)
        room.pane.focus()
        await pilot.pause()
        folded = text_of(room.pane)
        await pilot.press("ctrl+o")
        assert "    │ line 2" in text_of(room.pane)
        await pilot.press("ctrl+o")
        assert text_of(room.pane) == folded


async def test_thoughts_fold_with_the_calls_and_as_they_are_said() -> None:
    room = Room()
    async with room.run_test(size=(50, 12)) as pilot:
        hear(room.pane, numbered(answer(Thinking("Let me see."), "So.", ms=2_000)))
        room.pane.fold_all()
        hear(room.pane, [ThinkingDelta(3, 1, 1, "And ")])
        await pilot.pause()
        hear(room.pane, [ThinkingDelta(3, 1, 1, "now?")])
        await pilot.pause()
        assert text_of(room.pane).split("\n") == [
            "  ▾ thought for 2 s", "    │ Let me see.", "", "  So.", "", "  ◐ thinking  0 s", "    │ And now?"
        ]  # fmt: skip


async def test_errors_are_walked_from_one_to_the_next() -> None:
    room = Room()
    failing = [
        (answer(Call(f"c{step}", "shell", '{"command":"x"}'), step=step, finish="calls"), status)
        for step, status in ((1, "error"), (2, "ok"), (3, "denied"), (4, "error"))
    ]
    events = [said("go"), RunStarted("send", "m")]
    for step, status in failing:
        events += [step, ToolAnswered(f"{len(events) + 1}.0", status, f"answer {len(events)}", "x")]
    async with room.run_test(size=(50, 20)) as pilot:
        hear(room.pane, numbered(*events, RunEnded(2, "failed", message="no network")))
        room.pane.focus()
        await pilot.pause()
        copied: list[str] = []
        for key in ("E", "E", "E", "e", "e", "e"):
            await pilot.press(key)
            copied += [row for row in in_view(room.pane) if row.startswith("▌ ✗")]
        assert [row.split("  ")[1] for row in copied] == ["x", "x", "x", "x", "no network", "no network"]
        assert room.told == ["No error above", "No error below"]


async def test_what_stands_above_an_unfolded_block_stays_where_it_is() -> None:
    room = Room()
    events = numbered(
        answer("above", Call("a", "read_file", '{"path":"x"}'), finish="calls"), ToolAnswered("1.0", "ok", "", "l\n" * 50)
    )
    async with room.run_test(size=(40, 6)) as pilot:
        hear(room.pane, events)
        room.pane.focus()
        await pilot.pause()
        await pilot.press("o")
        assert in_view(room.pane)[:4] == ["  above", "", "▌ ✓ read   x                      done", "▌   │ l"]
        assert in_view(room.pane)[-1].endswith("↓ more below")


async def test_home_end_and_the_wheel_scroll() -> None:
    room = Room()
    async with room.run_test(size=(40, 5)) as pilot:
        hear(room.pane, numbered(answer(paragraphs(20))))
        room.pane.focus()
        await pilot.pause()
        await pilot.press("home")
        assert in_view(room.pane)[0].strip() == "▌ p1"
        await pilot.press("down", "down", "pagedown", "up")
        assert in_view(room.pane)[0].strip() == "▌ p3"
        await pilot.press("end")
        assert in_view(room.pane)[-1].strip() == "▌ p20"


async def test_a_selection_is_whole_blocks_as_written_and_lines_without_filling() -> None:
    room = Room()
    async with room.run_test(size=(40, 8)) as pilot:
        hear(room.pane, TALK)
        await pilot.pause()
        assert room.pane.get_selection(Selection(None, None)) == (
            "one\n\n*two*\n\n✓ read  x  1-2  4 ms\n\nthree",
            "\n",
        )


async def test_the_mouse_selects_from_character_to_character() -> None:
    room = Room()
    async with room.run_test(size=(40, 8)) as pilot:
        hear(room.pane, TALK)
        await pilot.pause()
        await pilot.mouse_down(offset=(3, 0))
        await pilot.hover(offset=(3, 2))
        await pilot.mouse_up(offset=(3, 2))
        assert room.screen.get_selected_text() == "ne\n\ntw"
        grounds = [(segment.text, segment.style.bgcolor) for segment in room.pane.render_line(0) if segment.style]
        assert [text for text, ground in grounds if ground == DARK.selected.bgcolor] == ["ne"]


async def test_a_click_on_a_call_unfolds_it() -> None:
    room = Room()
    async with room.run_test(size=(50, 12)) as pilot:
        hear(room.pane, TALK)
        await pilot.pause()
        await pilot.click(offset=(8, 4))
        assert "    │ line 2" in text_of(room.pane)
