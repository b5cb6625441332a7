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

from flowchat.agent.proposal import CompactionFailed, Proposal
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

    def __init__(self, proposal: Proposal = PROPOSED, scores: Sequence[Any] = (SCORED,), keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self.accepted: list[tuple[str | None, tuple[str, ...]]] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
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
        self.page = FoldScreen(DARK, proposal, acts, keymap)

    def on_mount(self) -> None:
        self.push_screen(self.page, self.closed.append)

    async def _accept(self, summary: str | None, pinned: tuple[str, ...]) -> None:
        self.accepted.append((summary, pinned))
        if self.refusal is not None:
            raise self.refusal

    async def _score(self, summary: str, pinned: tuple[str, ...]) -> Score:
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


# --- what it shows ---------------------------------------------------------------------------------------------------
async def test_it_shows_the_draft_what_is_kept_beside_it_and_the_tokens_before_and_after() -> None:
    room = Room(
        replace(PROPOSED, todo=todo_list("now a", "next b"), files=(FileCopy("a.py", 1, "x"),), references=("b.py", "c.py"))
    )
    async with room.run_test(size=(100, 20)) as pilot:
        await pilot.pause()
        assert room.rows == [
            "  Fold 214 messages" + " " * 62 + "171k -> 9k tokens",
            "  kept word for word: 2 directives, 2 todo items, 1 unanswered message, 1 file, 2 references",
            "▸ ## Done",
            "  - use Decimal",
            "  - the rest",
            "  ## Current work",
            "  nothing",
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
    room = Room(replace(PROPOSED, summary="\n".join(texts)), [score])
    async with room.run_test(size=(120, 200)) as pilot:
        await strike(pilot, "s")
        draft = room.rows
        await strike(pilot, "s")
        assert len(draft) > len(texts)
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
