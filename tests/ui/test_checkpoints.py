"""Checkpoints in the conversation: what is folded, what unfolds it, and that it never hangs on how the story was told."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.selection import SELECT_ALL

from flowchat.agent.prompt import checkpoint_line, place_of
from flowchat.runtime.branches import replayed
from flowchat.transcript.entries import (
    Compacted,
    CompactionUndone,
    Edited,
    FileCopy,
    HeadMoved,
    Record,
    RunEnded,
    RunStarted,
    Text,
)
from flowchat.transcript.events import StateDelta
from flowchat.ui.blocks import Look
from flowchat.ui.conversation import Conversation
from flowchat.ui.keymap import DEFAULT, Change, Keymap, changed
from flowchat.ui.palette import DARK
from flowchat.ui.story import Story
from tests.growing import Grown
from tests.ui.telling import answer, numbered, said
from tests.ui.test_conversation import Room, hear, in_view, text_of
from tests.ui.test_find import Room as Finding
from tests.ui.test_find import begun


def folds(upto: int, summary: str = "## Done\n- x", trigger: str = "user", **more: object) -> Compacted:
    return Compacted(upto, summary, 171_000, 9_000, trigger, "summary", **more)


TALK = (said("first"), RunStarted("send", "m"), answer("one"), RunEnded(2, "completed"), said("second"), answer("two"))
"""Seqs 1 to 6."""
FOLDED = """\
  ⤒ compacted  2 messages, 171k -> 9k tokens  ▸
  · summary  what the model reads in their place  ▸

▎ second

  two"""
LINE = "  · summary  what the model reads in their place  ▸"
UNFOLDED = """\
▎ first

  one

  ⤒ compacted  2 messages, 171k -> 9k tokens  ▾ ──────────
  · summary  what the model reads in their place  ▸

▎ second

  two"""
PLAIN = """\
▎ first

  one

▎ second

  two"""


async def told(*entries: object, keys: Sequence[str] = (), width: int = 60) -> str:
    """The rows of a pane that heard these entries, after some keys."""
    room = Room()
    async with room.run_test(size=(width, 20)) as pilot:
        hear(room.pane, numbered(*entries))
        await pilot.pause()
        if keys:
            room.pane.focus()
            await pilot.pause()
            await pilot.press(*keys)
        return text_of(room.pane)


# --- what is folded --------------------------------------------------------------------------------------------------
async def test_a_checkpoint_stands_between_what_it_covers_which_is_folded_and_what_is_kept() -> None:
    assert await told(*TALK, folds(4)) == FOLDED


async def test_it_unfolds_to_all_it_covers_and_folds_again() -> None:
    room = Room()
    async with room.run_test(size=(60, 20)) as pilot:
        hear(room.pane, numbered(*TALK, folds(4)))
        room.pane.focus()
        await pilot.pause()
        await pilot.press("k", "k", "k", "enter")
        assert text_of(room.pane) == UNFOLDED
        await pilot.press("space")
        assert text_of(room.pane) == FOLDED


async def test_a_click_on_its_line_unfolds_it_and_what_was_painted_below_stays_below() -> None:
    room = Room()
    async with room.run_test(size=(60, 20)) as pilot:
        hear(room.pane, numbered(*TALK, folds(4)))
        await pilot.pause()
        await pilot.click(room.pane, offset=(4, 0))
        await pilot.pause()
        assert "\n".join(in_view(room.pane)).rstrip() == UNFOLDED
        await pilot.click(room.pane, offset=(4, 4))
        await pilot.pause()
        assert text_of(room.pane) == FOLDED


async def test_its_summary_unfolds_by_itself() -> None:
    rows = await told(*TALK, folds(4), keys=("home", "k", "k", "o"))
    assert rows.split("\n")[:4] == [
        "  ⤒ compacted  2 messages, 171k -> 9k tokens  ▸",
        "  · summary  what the model reads in their place  ▾",
        "    │  Done",
        "    │  • x",
    ]


async def test_with_it_unfolds_what_else_the_model_is_told() -> None:
    more = {"directives": ("never",), "pinned": ("port 8431",), "files": (FileCopy("a.py", 7, "x"),), "references": ("b.py",)}
    rows = (await told(*TALK, folds(4, **more), keys=("k", "k", "o"))).split("\n")
    shown = [row.removeprefix("    │").strip() for row in rows if row.startswith("    │")]
    assert [row for row in shown if row] == [
        "Done", "• x", "User directives", "• never", "Pinned", "• port 8431",
        "Files", "• a.py, from line 7", "References", "• b.py",
    ]  # fmt: skip


async def test_what_travels_with_the_summary_is_counted_on_the_line() -> None:
    line = (await told(*TALK, folds(4, directives=("a", "b"), pinned=("c",)), width=100)).split("\n")[0]
    assert line == "  ⤒ compacted  2 messages, 171k -> 9k tokens, kept 2 directives and 1 pinned line  ▸"


async def test_one_that_covers_everything_leaves_its_line() -> None:
    assert (await told(*TALK, folds(6))).startswith("  ⤒ compacted  4 messages, 171k -> 9k tokens  ▸")


async def test_a_later_checkpoint_folds_an_earlier_one_with_the_rest_and_one_key_unfolds_everything() -> None:
    entries = (*TALK, folds(4), said("third"), answer("three"), folds(9, "later"), said("last"))
    assert (await told(*entries)).split("\n") == [
        "  ⤒ compacted  6 messages, 171k -> 9k tokens  ▸",
        "  · summary  what the model reads in their place  ▸",
        "",
        "▎ last",
    ]
    unfolded = await told(*entries, keys=("home", "k", "k", "k", "o"))
    assert [row for row in unfolded.split("\n") if row and "summary" not in row] == [
        "▎ first",
        "  one",
        "  ⤒ compacted  2 messages, 171k -> 9k tokens  ▾ ──────────",
        "▎ second",
        "  two",
        "▎ third",
        "  three",
        "  ⤒ compacted  6 messages, 171k -> 9k tokens  ▾ ──────────",
        "▎ last",
    ]


# --- undone, restored, stale -----------------------------------------------------------------------------------------
async def test_an_undone_checkpoint_is_not_to_be_seen_and_what_it_covered_is() -> None:
    assert await told(*TALK, folds(4), CompactionUndone(7)) == f"{PLAIN}\n\n  ⤒ compaction undone"


async def test_one_that_is_restored_folds_again() -> None:
    rows = await told(*TALK, folds(4), CompactionUndone(7), CompactionUndone(7, undone=False))
    assert rows == f"{FOLDED}\n\n  ⤒ compaction undone\n  ⤒ compaction restored"


async def test_one_made_after_another_was_undone_covers_that_it_was() -> None:
    assert (await told(*TALK, folds(6), CompactionUndone(7), folds(6))).split("\n")[1:] == [LINE]


async def test_with_the_later_one_undone_the_earlier_one_folds() -> None:
    rows = await told(*TALK, folds(4), said("third"), folds(8), CompactionUndone(9))
    assert rows == f"{FOLDED}\n\n▎ third\n\n  ⤒ compaction undone"


async def test_an_edit_of_what_it_covers_unfolds_it_for_the_model_reads_that_again() -> None:
    assert await told(*TALK, folds(4), Edited(1, (Text("other"),))) == PLAIN.replace("first", "other")


async def test_an_edit_from_before_it_was_written_does_not() -> None:
    assert await told(*TALK, Edited(1, (Text("other"),)), folds(4)) == FOLDED


# --- while somebody reads --------------------------------------------------------------------------------------------
LONG = [said(f"message {number}") for number in range(1, 31)]


async def reading(act: Callable[[Conversation], object], *entries: object) -> tuple[list[str], list[str]]:
    """What is in view before and after entries come, once the reader has gone somewhere."""
    room = Room()
    async with room.run_test(size=(40, 10)) as pilot:
        hear(room.pane, numbered(*LONG))
        await pilot.pause()
        act(room.pane)
        await pilot.pause()
        before = in_view(room.pane)
        hear(room.pane, numbered(*LONG, *entries)[len(LONG) :])
        await pilot.pause()
        return before, in_view(room.pane)


async def test_at_the_end_nothing_in_view_moves_when_what_is_above_it_folds() -> None:
    before, after = await reading(lambda pane: None, folds(20, trigger="soft"))
    assert before == after
    assert before[-1] == "▎ message 30"


async def test_what_is_read_further_up_does_not_fold_away_when_the_program_compacts_by_itself() -> None:
    before, after = await reading(lambda pane: pane.scroll_page(-3), folds(28, trigger="soft"))
    assert before[:-1] == after[:-1]  # below it is said that there is news
    assert before[1].startswith("▎ message ")


async def test_it_does_fold_away_when_it_was_asked_for() -> None:
    _, after = await reading(lambda pane: pane.scroll_page(-3), folds(28))
    assert after[0] == "  ⤒ compacted  28 messages, 171k -> 9k"


async def test_unfolding_shows_the_end_of_what_is_covered_above_the_line() -> None:
    room = Room()
    async with room.run_test(size=(50, 10)) as pilot:
        hear(room.pane, numbered(*LONG, folds(29)))
        room.pane.focus()
        await pilot.press("home", "k", "k", "o")
        await pilot.pause()
        assert [row for row in in_view(room.pane) if row][:3] == [
            "▎ message 28",
            "▎ message 29",
            "▌ ⤒ compacted  29 messages, 171k -> 9k tokens  ▾",
        ]


async def test_walking_and_the_start_of_the_conversation_stop_at_the_fold() -> None:
    room = Room()
    async with room.run_test(size=(60, 10)) as pilot:
        hear(room.pane, numbered(*LONG, folds(26)))
        room.pane.focus()
        await pilot.press("home")
        await pilot.pause()
        assert in_view(room.pane)[0].endswith("⤒ compacted  26 messages, 171k -> 9k tokens  ▸")
        await pilot.press(*["left_square_bracket"] * 5, *["k"] * 3, "E", "y")
        await pilot.pause()
        assert room.copied == ["## Done\n- x"]


async def test_all_that_is_selected_is_what_shows() -> None:
    room = Room()
    async with room.run_test(size=(60, 20)) as pilot:
        hear(room.pane, numbered(*TALK, folds(4)))
        await pilot.pause()
        room.screen.selections = {room.pane: SELECT_ALL}
        assert "first" not in (room.screen.get_selected_text() or "")
        assert (room.screen.get_selected_text() or "").endswith("second\n\ntwo")


async def test_what_is_selected_is_so_no_more_when_something_folds() -> None:
    room = Room()
    async with room.run_test(size=(60, 20)) as pilot:
        hear(room.pane, numbered(*TALK))
        await pilot.pause()
        room.screen.selections = {room.pane: SELECT_ALL}
        hear(room.pane, numbered(*TALK, folds(4))[-1:])
        await pilot.pause()
        assert room.screen.get_selected_text() is None


@pytest.mark.parametrize(("trigger", "said_so"), [("soft", True), ("user", False)])
async def test_a_compaction_nobody_asked_for_is_told(trigger: str, said_so: bool) -> None:
    room = Finding()
    async with room.run_test(size=(100, 14)) as pilot:
        await begun(pilot, room, numbered(*TALK, folds(4, trigger=trigger)))
        sentence = "Folded to make room: 171k -> 9k tokens; /compact undo takes it back"
        assert (sentence in room.panes.edge.render_line(0).text) is said_so


# --- finding ---------------------------------------------------------------------------------------------------------
HIDING = numbered(
    *[said(f"message {number}" + (" needle" if number in (3, 4, 29) else "")) for number in range(1, 31)], folds(25)
)


async def test_what_is_folded_is_found_and_unfolded_and_folded_again_when_the_search_is_over() -> None:
    room = Finding()
    async with room.run_test(size=(60, 14)) as pilot:
        await begun(pilot, room, HIDING)
        before = room.view
        await pilot.press("slash", *"needle")
        assert room.bar.startswith("/needle  3 of 3")
        assert "▎ message 1" not in text_of(room.panes.conversation)
        await pilot.press("down")
        assert room.bar.startswith("/needle  1 of 3")
        assert any(row.endswith("message 3 needle") for row in room.view)
        await pilot.press("down")
        assert any(row.endswith("message 4 needle") for row in room.view)
        await pilot.press("escape")
        await pilot.pause()
        assert (room.view, "message 3 needle" in text_of(room.panes.conversation)) == (before, False)


async def test_a_match_further_on_folds_again_what_was_unfolded_for_the_one_before() -> None:
    room = Finding()
    async with room.run_test(size=(60, 14)) as pilot:
        await begun(pilot, room, HIDING, "slash", *"needle", "down", "up")
        assert room.bar.startswith("/needle  3 of 3")
        assert text_of(room.panes.conversation).startswith("  ⤒ compacted  25 messages")


async def test_who_stays_at_a_match_in_what_is_folded_finds_it_unfolded() -> None:
    room = Finding()
    async with room.run_test(size=(60, 14)) as pilot:
        await begun(pilot, room, HIDING, "slash", *"needle", "down", "enter", "up")
        room.panes.come_back()
        await pilot.pause()
        assert any("message 3 needle" in row for row in room.view)


async def test_a_compaction_during_a_search_changes_no_count_and_the_match_is_still_the_one_read() -> None:
    room = Finding()
    async with room.run_test(size=(60, 14)) as pilot:
        await begun(pilot, room, HIDING[:-1], "slash", *"needle", "down")
        before = room.view
        room.hear([Record(31, 0, None, "compacted", folds(25, trigger="soft"))])
        await pilot.pause()
        assert room.view[:-1] == before[:-1]
        await pilot.press("down")
        assert any(row.endswith("message 4 needle") for row in room.view)


# --- any size --------------------------------------------------------------------------------------------------------
async def test_of_ten_thousand_folded_messages_none_is_read_and_unfolded_only_those_in_view() -> None:
    read: list[int] = []

    def later(record: Record) -> object:
        read.append(record.seq)
        return said(f"message {record.seq}")

    records = [Record(seq, 0, seq - 1, "user_said", None, later) for seq in range(1, 10_001)]
    records.append(Record(10_001, 0, None, "compacted", folds(9_999)))
    room = Room()
    async with room.run_test(size=(50, 10)) as pilot:
        room.pane.load(records)
        await pilot.pause()
        assert in_view(room.pane)[:1] == ["  ⤒ compacted  9,999 messages, 171k -> 9k tokens"]
        assert read == [10_000]
        room.pane.focus()
        await pilot.press("home", "k", "k", "o")
        await pilot.pause()
        assert "▎ message 9999" in in_view(room.pane)
        assert len(set(read)) < 12


# --- as the model has it ---------------------------------------------------------------------------------------------
ACTS = st.lists(st.tuples(st.sampled_from(["turn", "fold", "undo", "redo", "edit", "back"]), st.integers(0, 1_000)), max_size=14)


def grown_by(acts: Sequence[tuple[str, int]]) -> Grown:
    grown = Grown().turn("q", "a")
    for act, number in acts:
        branch, facts = grown.branch(), grown.facts
        line = checkpoint_line(branch, facts)
        match act:
            case "turn":
                grown.turn(f"q{number}", f"a{number}")
            case "fold":
                grown.add(folds(branch[number % len(branch)].seq, trigger="soft"))
            case "undo" if line is not None:
                grown.add(CompactionUndone(line))
            case "redo":
                there = [seq for seq, entry in facts.checkpoints if seq in facts.undone and place_of(branch, entry.upto) >= 0]
                grown.add(CompactionUndone(there[number % len(there)], undone=False)) if there else None
            case "edit":
                messages = [record.seq for record in branch if record.type == "user_said"]
                grown.add(Edited(messages[number % len(messages)], (Text("other"),))) if messages else None
            case "back":
                grown.add(HeadMoved(branch[number % len(branch)].seq)).turn("again", "yes")
            case _:
                pass
    return grown


def drawn(records: Sequence[Record]) -> list[str]:
    story = Story()
    for record in records:
        story.take(record, None)
    return [row.text.rstrip() for row in story.rows(Look(80, DARK))]


@given(ACTS)
def test_folded_on_the_screen_is_what_is_folded_in_the_request(acts: list[tuple[str, int]]) -> None:
    grown = grown_by(acts)
    branch = grown.branch()
    story = Story()
    for record in replayed(grown.records, branch):
        story.take(record, None)
    line = checkpoint_line(branch, grown.facts)
    upto = 0 if line is None else next(entry.upto for seq, entry in grown.facts.checkpoints if seq == line)
    nodes = [passage.record.seq for passage in story.passages[: story.first] if passage.record and passage.record.is_node]
    shown = [passage.record.seq for passage in story.passages[story.first :] if passage.record and passage.record.is_node]
    assert all(seq <= upto for seq in nodes)
    assert all(seq > upto for seq in shown)


@given(ACTS)
def test_heard_one_by_one_it_looks_as_replayed(acts: list[tuple[str, int]]) -> None:
    grown = grown_by(acts)
    live = Story()
    for count, record in enumerate(grown.records, 1):
        if record.type == "head_moved":
            live.clear()
            past = Grown()
            past.records, past.head = grown.records[:count], record.entry.to
            for shown in replayed(past.records, past.branch()):
                live.take(shown, None)
        else:
            live.take(record, 0.0)
    rows = [row.text.rstrip() for row in live.rows(Look(80, DARK))]
    assert rows == drawn(replayed(grown.records, grown.branch()))


# --- taking it back ----------------------------------------------------------------------------------------------------
class Undoing(Room):
    """`undone`: how often the pane asked for it; `keys`: what it left to others."""

    def __init__(self, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self.pane = Conversation(DARK, clock=lambda: 100.0, keymap=keymap)
        self.undone, self.keys = 0, list[str]()

    def on_conversation_undo_wanted(self) -> None:
        self.undone += 1

    def on_key(self, event: events.Key) -> None:
        self.keys.append(event.key)


CLOSED = "▌ ⤒ compacted  2 messages, 171k -> 9k tokens  ▸"
OPEN = "▌ ⤒ compacted  2 messages, 171k -> 9k tokens  ▾   u undo ──────────────"


async def test_the_line_of_the_compaction_in_force_says_while_it_is_chosen_by_which_key_it_is_taken_back() -> None:
    room = Undoing()
    async with room.run_test(size=(73, 20)) as pilot:
        hear(room.pane, numbered(*TALK, folds(4)))
        await pilot.pause()
        assert "u undo" not in "".join(in_view(room.pane))
        room.pane.focus()
        await pilot.press("k")
        assert "u undo" not in "".join(in_view(room.pane))
        await pilot.press("k", "k")
        assert in_view(room.pane)[0] == f"{CLOSED}   u undo"
        await pilot.press("o")
        assert OPEN in in_view(room.pane)
        await pilot.press("u")
        assert (room.undone, room.keys) == (1, [])


@pytest.mark.parametrize("hindrance", ["a run", "only read", "elsewhere", "undone already"])
async def test_where_it_cannot_be_taken_back_the_key_is_a_letter_like_any_other(hindrance: str) -> None:
    room = Undoing()
    async with room.run_test(size=(80, 20)) as pilot:
        told = (*TALK, folds(4), CompactionUndone(7)) if hindrance == "undone already" else (*TALK, folds(4))
        room.pane.undoing.read_only = hindrance == "only read"
        hear(room.pane, numbered(*told))
        room.pane.focus()
        await pilot.pause()
        await pilot.press(*["k"] * (1 if hindrance == "elsewhere" else 6))
        if hindrance == "a run":
            room.pane.show(StateDelta("running", "streaming"))
        await pilot.press("u")
        await pilot.pause()
        assert "u undo" not in "".join(in_view(room.pane))
        assert (room.undone, room.keys) == (0, ["u"])


async def test_the_key_is_one_of_the_users_map() -> None:
    room = Undoing(changed([Change("conversation", "z", "undo", 1), Change("conversation", "u", None, 2)]))
    async with room.run_test(size=(80, 20)) as pilot:
        hear(room.pane, numbered(*TALK, folds(4)))
        room.pane.focus()
        await pilot.pause()
        await pilot.press("k", "k", "k", "u", "z")
        assert in_view(room.pane)[0] == f"{CLOSED}   z undo"
        assert (room.undone, room.keys) == (1, ["u"])


async def test_a_line_without_room_for_it_says_nothing_of_the_key() -> None:
    room = Undoing()
    async with room.run_test(size=(52, 20)) as pilot:
        hear(room.pane, numbered(*TALK, folds(4)))
        room.pane.focus()
        await pilot.pause()
        await pilot.press("k", "k", "k")
        assert in_view(room.pane)[0] == CLOSED
        await pilot.press("u")
        assert room.undone == 1
