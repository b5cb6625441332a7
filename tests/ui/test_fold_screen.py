"""The page before a compaction: what it shows, what its keys do, and that nothing is folded by accident."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from textual import events
from textual.app import App

from flowchat.agent.proposal import PINNED_TOKENS, CompactionFailed, Proposal, without
from flowchat.agent.recall_score import Answered, NoScore, Score
from flowchat.transcript.entries import FileCopy
from flowchat.ui.fold_draft import Draft
from flowchat.ui.fold_screen import GUARD_SECONDS, Acts, FoldScreen
from flowchat.ui.keymap import DEFAULT, Change, Keymap, changed
from flowchat.ui.palette import DARK
from tests.growing import todo_list
from tests.injections import INJECTIONS

SUMMARY = "## Done\n- use Decimal\n- the rest\n\n## Current work\nnothing"
PROPOSED = Proposal(9, (3,), SUMMARY, ("a", "b"), 171_000, 214, (), "user", 10, 9_000)
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202e\u2028\u2060\u2066\ufeff]")
SCORED = Score(2, 1, (Answered("Which port?", "8431", "8431", True), Answered("Who reviews?", "Ines", "", False)))


class Room(App[None]):
    """The page alone; what it asked for is remembered. `scores` are given one after the other, or raised."""

    AUTO_FOCUS = None

    def __init__(
        self,
        proposal: Proposal = PROPOSED,
        scores: Sequence[Any] = (SCORED,),
        keymap: Keymap = DEFAULT,
        waiting: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.accepted: list[tuple[str | None, tuple[str, ...]]] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.proposals: list[Proposal] = []
        self.passed: list[str] = []
        self.closed: list[bool | None] = []
        self.refusal: Exception | None = None
        self.edited: Any = "from the editor"
        self.gate = asyncio.Event()
        self.gate.set()
        self.typed = float("-inf")
        self.queued = 0
        self._scores = iter(scores)
        acts = Acts(self._accept, self._score, self._edit, lambda: self.queued, lambda: self.typed, self._pass)
        self.page = FoldScreen(DARK, proposal, acts, keymap, waiting)

    def on_mount(self) -> None:
        self.push_screen(self.page, self.closed.append)

    async def _accept(self, proposal: Proposal, summary: str | None, pinned: tuple[str, ...]) -> None:
        self.proposals.append(proposal)
        self.accepted.append((summary, pinned))
        if self.refusal is not None:
            raise self.refusal

    async def _score(self, proposal: Proposal, summary: str, pinned: tuple[str, ...]) -> Score:
        self.proposals.append(proposal)
        self.asked.append((summary, pinned))
        await self.gate.wait()
        found = next(self._scores)
        if isinstance(found, Exception):
            raise found
        return found

    async def _edit(self, text: str) -> str:
        if isinstance(self.edited, Exception):
            raise self.edited
        return self.edited

    def _pass(self, event: events.Key | events.Paste) -> None:
        self.passed.append(event.key if isinstance(event, events.Key) else event.text)

    @property
    def rows(self) -> list[str]:
        """What is on the screen, blank rows left out."""
        strips = self.screen._compositor.render_strips()
        return [text for strip in strips if (text := "".join(segment.text for segment in strip).rstrip())]


async def strike(pilot: Any, *keys: str, after: float = 60.0) -> None:
    """Keys struck so long after now: much later than the page was painted."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.time = time.monotonic() + after
        pilot.app.screen.post_message(event)
    await pilot.pause()
    await pilot.pause()


def told(text: str, label: str, width: int = 100) -> str:
    """A row of what travels."""
    return f"{text}{label:>{width - 2 - len(text)}}"


# --- what it shows ---------------------------------------------------------------------------------------------------
async def test_it_shows_the_draft_what_is_kept_beside_it_and_the_tokens_before_and_after() -> None:
    room = Room(
        replace(PROPOSED, todo=todo_list("now a", "next b"), files=(FileCopy("a.py", 1, "x"),), references=("b.py", "c.py")),
        waiting=("Which one?",),
    )
    async with room.run_test(size=(100, 24)) as pilot:
        await pilot.pause()
        assert room.rows == [
            "  Fold 214 messages" + " " * 62 + "171k -> 9k tokens",
            "  kept word for word: 2 directives, 2 todo items, 1 unanswered message, 1 file, 2 references",
            "▸ ## Done",
            "  - use Decimal",
            "  - the rest",
            "  ## Current work",
            "  nothing",
            "  ── travels with it, word for word",
            told("  a", "directive"),
            told("  b", "directive"),
            told("  a", "todo now"),
            told("  b", "todo"),
            told("  Which one?", "unanswered"),
            told("  a.py", "file 3"),
            told("  b.py", "reference"),
            told("  c.py", "reference"),
            "─" * 100,
            "  Enter fold   e edit   p pin the line   s recall score   Esc cancel",
        ]


async def test_it_says_what_waits_for_it_to_be_closed() -> None:
    room = Room()
    room.queued = 2
    async with room.run_test(size=(100, 20)) as pilot:
        await pilot.pause()
        assert room.rows[2] == "  2 queued messages wait until this page is closed"
        room.queued = 1
        await strike(pilot, "down")
        assert room.rows[2] == "  1 queued message waits until this page is closed"


async def test_the_tokens_stand_whole_at_the_end_of_the_heading_where_there_is_just_room() -> None:
    app = Room(replace(PROPOSED, tokens_before=7_900, folded=12))
    heading = "  Fold 12 messages  7.9k -> 9k tokens"
    async with app.run_test(size=(len(heading), 12)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert app.rows[0] == heading


async def test_the_tokens_move_with_what_is_written() -> None:
    room = Room()
    async with room.run_test(size=(100, 20)) as pilot:
        await strike(pilot, "e", *"word " * 100)
        assert room.rows[0].endswith("171k -> 9.1k tokens")


async def test_nothing_in_a_summary_or_an_answer_acts_on_the_terminal() -> None:
    texts = [given.encode(errors="replace").decode() for given, _ in INJECTIONS.values()]
    score = Score(len(texts), 0, tuple(Answered(text, text, text, False) for text in texts))
    beside = replace(
        PROPOSED,
        directives=tuple(texts),
        pinned=tuple(texts),
        references=tuple(texts),
        todo=todo_list(*(f"now {text}" for text in texts)),
    )
    files = tuple(FileCopy(text, 2, "x") for text in texts)
    room = Room(replace(beside, summary="\n".join(texts), files=files), [score], waiting=texts)
    async with room.run_test(size=(120, 900)) as pilot:
        await strike(pilot, "s")
        draft = room.rows
        await strike(pilot, "s")
        assert len(draft) > 7 * len(texts)
        assert len(room.rows) > 3 * len(texts)
        assert [row for row in (*draft, *room.rows) if ACTING.search(row)] == []


# --- folding and leaving ---------------------------------------------------------------------------------------------
async def test_enter_folds_as_it_was_proposed() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "enter")
        assert (room.accepted, room.closed) == ([(None, ())], [True])


async def test_escape_leaves_all_as_it_is() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "escape")
        assert (room.accepted, room.closed) == ([], [False])


async def test_what_was_changed_is_left_only_by_a_second_escape() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "e", "x", "escape", "escape")
        assert "  Esc again leaves, and what you changed here is lost" in room.rows
        await strike(pilot, "down", "escape")
        assert room.closed == []
        await strike(pilot, "escape")
        assert (room.accepted, room.closed) == ([], [False])


async def test_a_refusal_is_said_and_what_was_written_stays() -> None:
    room = Room()
    room.refusal = CompactionFailed("the conversation was compacted meanwhile; nothing was changed")
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "e", "x", "escape", "enter")
        assert "  The conversation was compacted meanwhile; nothing was changed" in room.rows
        assert "▸ x## Done" in room.rows
        room.refusal = None
        await strike(pilot, "enter")
        assert (room.accepted, room.closed) == ([("x" + SUMMARY, ())] * 2, [True])


async def test_without_a_word_there_is_nothing_to_fold_into() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "e", *["ctrl+k"] * 20, "escape", "enter")
        assert "  There is no summary: nothing was folded" in room.rows
        assert (room.accepted, room.closed) == ([], [])


# --- writing ---------------------------------------------------------------------------------------------------------
async def test_it_is_written_in_as_in_the_composer_from_the_chosen_line_on() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "down", "down", "e", "ctrl+k", *"- other", "enter", *"and", "left", "alt+t", "ctrl+slash")
        await strike(pilot, "escape", "enter")
        assert room.accepted == [("## Done\n- use Decimal\n- other\nand\n\n## Current work\nnothing", ())]


async def test_a_paste_goes_where_is_written_and_nowhere_else() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        for keys in (("down",), ("e",)):
            await strike(pilot, *keys)
            paste = events.Paste("two\nlines ")
            paste.time = time.monotonic() + 60
            room.page.post_message(paste)
            await pilot.pause()
        assert room.page.query_one(Draft).text == SUMMARY.replace("- use", "two\nlines - use")


@pytest.mark.parametrize("keys", [("ctrl+g",), ("e", "ctrl+g", "escape")])
async def test_the_key_of_the_editor_opens_it_here_too(keys: tuple[str, ...]) -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, *keys)
        await strike(pilot, "enter")
        assert room.accepted == [("from the editor", ())]


async def test_an_editor_that_fails_leaves_the_text() -> None:
    room = Room()
    room.edited = CompactionFailed("no editor is set")
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "ctrl+g")
        assert "  No editor is set" in room.rows
        await strike(pilot, "enter")
        assert room.accepted == [(None, ())]


async def test_a_click_chooses_a_line_and_the_wheel_goes_on_from_there() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        await pilot.click(Draft, offset=(5, 1))
        assert "▸ - use Decimal" in room.rows
        room.page.query_one(Draft).post_message(events.MouseScrollDown(None, 5, 1, 0, 1, 0, False, False, False))
        await pilot.pause()
        assert "▸ ## Current work" in room.rows


# --- pinned lines ----------------------------------------------------------------------------------------------------
async def test_a_pinned_line_says_so_and_goes_with_the_summary() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "down", "p", "down", "p", "p")
        assert [row.split() for row in room.rows if row.endswith("pinned")] == [["-", "use", "Decimal", "pinned"]]
        assert "  kept word for word: 2 directives, 1 unanswered message, 1 pinned line" in room.rows
        await strike(pilot, "enter")
        assert room.accepted == [(None, ("- use Decimal",))]


async def test_a_line_that_is_rewritten_is_pinned_no_more() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "down", "p", "e", "end", *"!", "escape", "enter")
        assert room.accepted == [(SUMMARY.replace("Decimal", "Decimal!"), ())]


async def test_an_empty_line_cannot_be_pinned() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "down", "down", "down", "p", "enter")
        assert room.accepted == [(None, ())]


# --- what travels with the summary -----------------------------------------------------------------------------------
CARRIED = replace(
    PROPOSED,
    directives=("Use port 8431.", "No new files."),
    pinned=("the reviewer is Ines",),
    todo=todo_list("now write the tests"),
    files=(FileCopy("a.py", 41, "x = 1\n" * 1_000),),
    references=("b.py",),
)


def travelling(room: Room) -> list[str]:
    """The rows of what travels: text, label."""
    rows = [" ".join(row.split()) for row in room.rows]
    return rows[rows.index("── travels with it, word for word") + 1 : -2]


async def test_each_thing_that_travels_can_be_reached_and_dropped_and_brought_back() -> None:
    room = Room(CARRIED)
    async with room.run_test(size=(80, 24)) as pilot:
        await strike(pilot, *["down"] * 6)
        assert told("▸ Use port 8431.", "directive", 80) in room.rows
        assert "  Enter fold   e edit   p drop it   s recall score   Esc cancel" in room.rows
        await strike(pilot, "p", "down", "down", "p")
        assert travelling(room) == [
            "Use port 8431. ⊘ dropped",
            "No new files. directive",
            "▸ the reviewer is Ines ⊘ dropped",
            "write the tests todo now",
            "a.py, from line 41 file 1.5k",
            "b.py reference",
        ]
        assert "  Enter fold   e edit   p pin it   s recall score   Esc cancel" in room.rows
        await strike(pilot, "p", "enter")
        assert room.proposals == [without(CARRIED, {("directive", "Use port 8431.")})]
        assert room.accepted == [(None, ())]


async def test_the_tokens_follow_what_is_dropped_and_so_does_the_count() -> None:
    room = Room(CARRIED)
    async with room.run_test(size=(80, 24)) as pilot:
        await strike(pilot, "end", "up", "p")
        assert room.rows[0].endswith("171k -> 7.5k tokens")
        assert room.rows[1] == "  kept word for word: 6 below"
        await strike(pilot, "p")
        assert room.rows[0].endswith("171k -> 9k tokens")
        assert room.rows[1] == "  kept word for word: 7 below"


async def test_what_always_travels_says_so_and_stays() -> None:
    room = Room(CARRIED, waiting=("And the rest?",))
    async with room.run_test(size=(80, 26)) as pilot:
        await strike(pilot, *["down"] * 9)
        assert "  Enter fold   e edit   s recall score   Esc cancel" in room.rows
        await strike(pilot, "p")
        assert "  What is open of the todo list always travels" in room.rows
        await strike(pilot, "down", "p")
        assert "  What waits for its answer always travels" in room.rows
        await strike(pilot, "enter")
        assert room.proposals == [CARRIED]


async def test_what_was_dropped_is_left_only_by_a_second_escape() -> None:
    room = Room(CARRIED)
    async with room.run_test(size=(80, 24)) as pilot:
        await strike(pilot, "end", "p", "escape")
        assert "  Esc again leaves, and what you changed here is lost" in room.rows
        await strike(pilot, "escape")
        assert (room.accepted, room.closed) == ([], [False])


async def test_a_score_is_asked_for_without_what_was_dropped() -> None:
    room = Room(CARRIED, scores=(SCORED, SCORED))
    async with room.run_test(size=(80, 30)) as pilot:
        await strike(pilot, "s")
        await strike(pilot, "end", "p")
        assert "  recall: 1 of 2 questions answered from the summary before the last change" in room.rows
        await strike(pilot, "s")
        assert room.proposals == [CARRIED, without(CARRIED, {("reference", "b.py")})]


async def test_pinned_lines_have_a_limit_that_is_told_and_what_is_unpinned_makes_room() -> None:
    long = "word " * (PINNED_TOKENS * 4 // 5 - 10)
    room = Room(replace(CARRIED, pinned=(long.strip(),), summary="- one\n" + "- two " + "more " * 20))
    async with room.run_test(size=(80, 24)) as pilot:
        await strike(pilot, "p", "down", "p")
        assert "  Pinned lines take at most 1,000 tokens together; unpin one first" in room.rows
        assert [row for row in room.rows if row.startswith("  - one") and row.endswith("pinned")]
        await strike(pilot, *["down"] * 3, "p", *["up"] * 3, "p", "enter")
        assert room.accepted == [(None, ("- one", "- two " + ("more " * 20).strip()))]
        assert room.proposals[0].pinned == ()


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
async def test_the_chosen_row_is_always_in_view_and_nothing_scrolls_while_it_is(size: tuple[int, int]) -> None:
    lines = [f"line {number}" for number in range(30)]
    asked = tuple(f"directive {number} of quite some words, more than stand on one row" for number in range(9))
    room = Room(replace(PROPOSED, summary="\n".join(lines), directives=asked))
    async with room.run_test(size=size) as pilot:
        await pilot.pause()
        bodies: list[list[str]] = []
        for key, texts in (("down", [*lines[1:], *asked]), ("up", [*lines, *asked][-2::-1])):
            for text in texts:
                await strike(pilot, key)
                [chosen] = [row for row in room.rows if row.startswith("▸")]
                assert chosen[2:].startswith(text[:20])
                bodies.append([row[2:] for row in room.rows if not row.startswith("  Enter")])
        there, back = bodies[: len(lines) + len(asked) - 1], bodies[len(lines) + len(asked) - 1 :]
        assert (there[0] == there[1], back[0] == there[-1], back[-1] == there[0]) == (True, True, True)


async def test_what_is_higher_than_the_page_is_read_to_its_end_before_another_is_chosen() -> None:
    long = " ".join(f"word{number}" for number in range(60))
    room = Room(replace(PROPOSED, directives=(long, "b")))
    async with room.run_test(size=(40, 12)) as pilot:
        await strike(pilot, *["down"] * 6)
        assert "▸ word0 word1 word2 word3" in [row[:25] for row in room.rows]
        seen = set[str]()
        while not any(row.startswith("▸ b ") for row in room.rows):
            seen.update(word for row in room.rows for word in row.split())
            await strike(pilot, "down")
        assert seen.issuperset(long.split())
        await strike(pilot, "up", "up")
        assert "▸ nothing" in room.rows


async def test_a_click_chooses_a_row_of_what_travels_and_the_wheel_goes_on_from_there() -> None:
    room = Room(CARRIED)
    async with room.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.click(Draft, offset=(5, 8))
        assert "▸ Use port 8431." in [row[:16] for row in room.rows]
        await pilot.click(Draft, offset=(5, 7))  # the heading is never chosen
        assert "▸ Use port 8431." in [row[:16] for row in room.rows]
        room.page.query_one(Draft).post_message(events.MouseScrollDown(None, 5, 1, 0, 1, 0, False, False, False))
        await pilot.pause()
        assert "▸ write the tests" in [row[:17] for row in room.rows]
        room.page.query_one(Draft).post_message(events.MouseScrollUp(None, 5, 1, 0, -1, 0, False, False, False))
        room.page.query_one(Draft).post_message(events.MouseScrollUp(None, 5, 1, 0, -1, 0, False, False, False))
        await pilot.pause()
        assert "▸" in room.rows  # the blank line before the last heading


async def test_writing_begins_in_the_text_also_where_something_else_was_chosen() -> None:
    room = Room(CARRIED)
    async with room.run_test(size=(40, 12)) as pilot:
        await strike(pilot, "end", "e", *"so: ", "escape", "enter")
        assert room.accepted == [(SUMMARY.replace("nothing", "so: nothing"), ())]


# --- the score -------------------------------------------------------------------------------------------------------
async def test_the_score_is_asked_for_once_and_then_its_questions_are_listed_the_missed_ones_first() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        room.gate.clear()
        await strike(pilot, "s", "s")
        assert "  recall: asking what the summary still tells" in room.rows
        room.gate.set()
        await strike(pilot)
        assert "  recall: 1 of 2 questions answered from the summary" in room.rows
        await strike(pilot, "s")
        assert room.rows[2:] == [
            "  recall: 1 of 2 questions answered from the summary",
            "  ✗ missed    Who reviews?",
            "              the messages say Ines",
            "              the summary says nothing of it",
            "  ✓ recalled  Which port?",
            "              8431",
            "─" * 80,
            "  Up, Down scroll   Esc back to the summary",
        ]
        await strike(pilot, "enter", "e")
        assert room.asked == [(SUMMARY, ())]
        assert room.accepted == []


async def test_a_score_of_other_words_says_so_and_is_asked_for_anew() -> None:
    room = Room(scores=(SCORED, Score(2, 2, ())))
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "s")
        await strike(pilot, "down", "p")
        assert "  recall: 1 of 2 questions answered from the summary before the last change" in room.rows
        await strike(pilot, "s")
        assert "  recall: 2 of 2 questions answered from the summary" in room.rows
        assert room.asked == [(SUMMARY, ()), (SUMMARY, ("- use Decimal",))]


async def test_where_there_is_no_score_it_says_why_and_folding_goes_on() -> None:
    room = Room(scores=(NoScore("No score: the model wrote no question that can be checked"),))
    async with room.run_test(size=(80, 20)) as pilot:
        await strike(pilot, "s")
        assert "  No score: the model wrote no question that can be checked" in room.rows
        await strike(pilot, "enter")
        assert room.closed == [True]


async def test_escape_stops_the_questions_first() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        room.gate.clear()
        await strike(pilot, "s")
        await strike(pilot, "escape")
        assert "  The questions were stopped" in room.rows
        assert room.closed == []
        await strike(pilot, "escape")
        assert room.closed == [False]


@pytest.mark.parametrize("again", [False, True])
async def test_folding_does_not_wait_for_the_questions(again: bool) -> None:
    room = Room(scores=(SCORED, SCORED))
    async with room.run_test(size=(80, 20)) as pilot:
        room.gate.clear()
        await strike(pilot, "s")
        if again:
            await strike(pilot, "escape", "s")
        assert "  recall: asking what the summary still tells" in room.rows
        await strike(pilot, "enter")
        await pilot.pause()
        assert (room.closed, len(room.asked)) == ([True], 1 + again)


# --- what is being written below -------------------------------------------------------------------------------------
async def test_what_is_typed_as_it_opens_goes_on_where_it_was_being_written() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        await strike(pilot, "a", "enter", "e", after=0.0)
        paste = events.Paste("pasted")
        room.page.post_message(paste)
        await pilot.pause()
        assert (room.passed, room.accepted) == (["a", "enter", "e", "pasted"], [])
        await strike(pilot, "enter", after=2 * GUARD_SECONDS)
        assert room.accepted == [(None, ())]


async def test_a_key_right_behind_one_that_was_typed_below_is_no_answer() -> None:
    room = Room()
    async with room.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        room.typed = time.monotonic() + 60
        await strike(pilot, "enter", after=60 + GUARD_SECONDS / 2)
        assert (room.passed, room.accepted) == (["enter"], [])


async def test_its_keys_are_those_of_the_users_map() -> None:
    room = Room(keymap=changed([Change("fold", "w", "edit", 1)]))
    async with room.run_test(size=(100, 20)) as pilot:
        await strike(pilot, "w", *"e ")
        assert room.page.query_one(Draft).text.startswith("e ## Done")
