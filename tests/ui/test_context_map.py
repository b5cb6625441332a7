"""The screen of /context: what it lists, that nothing is done before it was shown and confirmed, and how large it may be."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.pilot import Pilot

import flowchat.ui
from flowchat.agent.itemise import Kind, Row
from flowchat.agent.items import Change, Effect, Taken
from flowchat.errors import Busy, CommandRefused, FlowchatError
from flowchat.transcript.entries import ItemRef
from flowchat.transcript.events import ContextUsed
from flowchat.ui.context_map import Access, ContextMap
from flowchat.ui.context_rows import Lines, Map, brief, mapped, told, why
from flowchat.ui.palette import DARK
from tests.pictures.drawing import screen_segments

SYSTEM = Row("system", "system prompt", 500, "flowchat", "every request begins with it", 0, cached=True)
SAID = Row("user", "Find out why.", 40, "you", "you said it", 2, cached=True, ref=ItemRef(3), node=3)
CALL = Row("call", "read_file", 5_460, "model", "the model called it", 1, ref=ItemRef(6), node=6, detail='{"path": "src/a.py"}')
ANSWER = Row("answer", "It rounds.", 100, "model", "the model's answer", 0, ref=ItemRef(8), node=8)
MINUTE = 60_000


class Desk(App[None]):
    """The screen over a session that keeps what is asked of it; `fails` is what it answers with instead."""

    CSS_PATH = Path(flowchat.ui.__file__).with_name("flowchat.tcss")

    def __init__(self, *rows: Row, fails: FlowchatError | None = None, effect: Effect | None = None) -> None:
        super().__init__()
        self.rows, self.fails = list(rows or (SYSTEM, SAID, CALL, ANSWER)), fails
        self.effect = effect or Effect(6_100, 700, 5_400, 0.0123)
        self.forbids: FlowchatError | None = None
        self.done: list[tuple[ItemRef | None, Change | None]] = []
        self.watchers: list[Callable[[], None]] = []

    def on_mount(self) -> None:
        def look() -> Map:
            tokens = sum(row.tokens for row in self.rows)
            return mapped(tuple(self.rows), ContextUsed(tokens, 20_000, 24_000, "config", "measured", None))

        def effect(ref: ItemRef, change: Change) -> Effect:
            if self.fails is not None:
                raise self.fails
            return self.effect

        def may_change() -> None:
            if self.forbids is not None:
                raise self.forbids

        async def put(ref: ItemRef | None, change: Change | None) -> None:
            if self.fails is not None:
                raise self.fails
            self.done.append((ref, change))
            self.rows = [
                Row(row.kind, row.title, 60, row.source_kind, row.why, 1, state=change, ref=ref, node=row.node, detail=row.detail)
                if row.ref == ref and change in ("pruned", "pinned", "excluded")
                else row
                for row in self.rows
            ]

        def setting(ref: ItemRef, change: Change) -> Awaitable[None]:
            return put(ref, change)

        def last() -> Taken | None:
            items = tuple(ref for ref, _ in self.done[-1:] if ref is not None)
            return Taken(items, self.done[-1][1] or "restored", Effect(700, 6_100, 0, None)) if self.done else None

        undo, text = lambda: put(None, None), lambda row: f"all of {row.title}"
        access = Access(look, effect, last, setting, undo, text, lambda node: MINUTE, may_change, self.watch_entries)
        self.push_screen(ContextMap(DARK, access, 2 * MINUTE))

    def watch_entries(self, happened: Callable[[], None]) -> Callable[[], None]:
        self.watchers.append(happened)
        return lambda: self.watchers.remove(happened)


def rows(desk: Desk) -> list[str]:
    return ["".join(segment.text for segment in row).rstrip() for row in screen_segments(desk)]


def shown(desk: Desk) -> str:
    return " ".join(" ".join(row.split()) for row in rows(desk))


async def settled(pilot: Pilot[Any]) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


PINNED = replace(SAID, state="pinned")
PRUNED = replace(CALL, state="pruned", cached=True)
ANSWERED = Row("answer", "It rounds.", 100, "model", "the model's answer", 0, state="excluded", ref=ItemRef(8), node=8)


def listed(desk: Desk, first: int, count: int = 4) -> list[str]:
    """The rows of the list, each run of blanks as one."""
    return [" ".join(row.split()) for row in rows(desk)[first : first + count]]


async def test_an_item_is_one_row_with_its_tokens_its_age_its_state_and_why_it_is_there() -> None:
    desk = Desk()
    async with desk.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert listed(desk, 4) == [
            "▸ system prompt 500 now cached begins every request ▰",
            "▎ Find out why. 40 2 ago cached you said it ▰",
            "read src/a.py 5.5k 1 ago the model called it ▰▰▰▰▰▰▰▰",
            "It rounds. 100 now the model said it ▰",
        ]
        assert "6.1k of 20k, 30 % 9 % cached" in shown(desk)
        assert "always there 500 ▰ said 140 ▰ calls and files 5.5k ▱ free 14k" in shown(desk)


@pytest.mark.parametrize(
    ("size", "first", "shows"),
    [
        (
            (120, 30),
            4,
            [
                "▸ system prompt 500 now cached begins every request ▰",
                "▎ Find out why. 40 2 ago cached pinned you said it ▰",
                "read src/a.py 5.5k 1 ago cached pruned the model called it ▰▰▰▰▰▰▰▰",
                "It rounds. now excluded the model said it ▰",
            ],
        ),
        (
            (80, 24),
            4,
            [
                "▸ system prompt 500 now cached flowchat",
                "▎ Find out why. 40 2 ago cached pinned you",
                "read src/a.py 5.5k 1 ago cached pruned model",
                "It rounds. now excluded model",
            ],
        ),
        (
            (40, 12),
            2,
            [
                "▸ system prompt 500 cached",
                "▎ Find out why. 40 cached pin",
                "read src/a.py 5.5k cached cut",
                "It rounds. excluded",
            ],
        ),
    ],
)
async def test_what_is_set_of_an_item_hides_neither_its_age_nor_whether_it_is_cached(
    size: tuple[int, int], first: int, shows: list[str]
) -> None:
    desk = Desk(SYSTEM, PINNED, PRUNED, ANSWERED)
    async with desk.run_test(size=size) as pilot:
        await pilot.pause()
        assert listed(desk, first) == shows


async def test_a_row_says_in_full_what_it_says_however_long_its_title_is() -> None:
    folder = Row("instructions", "~/code/" + "x" * 200, 40, "folder", "instructions that hold in this folder", 12, cached=True)
    desk = Desk(SYSTEM, folder)
    for size, end in (((120, 30), "… 40 12 ago cached this folder's instructions ▰"), ((80, 24), "… 40 12 ago cached folder")):
        desk = Desk(replace(SYSTEM, tokens=40), folder)
        async with desk.run_test(size=size) as pilot:
            await pilot.pause()
            assert listed(desk, 5, 1)[0].endswith(end.removesuffix(" ▰") if size[0] < 100 else end.replace("▰", "▰" * 8))


async def test_the_rows_follow_the_width_and_the_same_one_stays_chosen() -> None:
    desk = Desk()
    async with desk.run_test(size=(120, 30)) as pilot:
        await pilot.press("down")
        for width, row in ((40, "▸ ▎ Find out why. 40 cached"), (80, "▸ ▎ Find out why. 40 2 ago cached you")):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            assert row in [" ".join(row.split()) for row in rows(desk)]


async def test_what_a_change_does_is_shown_first_and_done_only_when_it_is_confirmed() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "down", "u")
        await settled(pilot)
        question = (
            "Cut its output to one line? read src/a.py: 5,400 tokens less, 6.1k to 700; 5,400 cached tokens are read anew,"
            " about $0.01 once."
        )
        assert question in shown(desk)
        assert desk.done == []
        await pilot.press("enter")
        await settled(pilot)
        assert (desk.done, question in shown(desk)) == ([], False)
        await pilot.press("u", "y")
        await settled(pilot)
        assert desk.done == [(ItemRef(6), "pruned")]
        assert "▸ read src/a.py 60 1 ago pruned model" in shown(desk)
        assert "Done; the next request is made of this" in shown(desk)


async def test_what_may_not_be_now_is_said_before_anything_is_asked() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "u", "y")
        await settled(pilot)
        done, desk.forbids = list(desk.done), Busy("a run is under way; change the context when it has ended")
        for key in ("x", "z"):
            await pilot.press(key)
            await settled(pilot)
            assert "A run is under way; change the context when it has ended" in shown(desk)
            await pilot.press("y")
            await settled(pilot)
        assert desk.done == done != []


async def test_a_change_leaves_the_list_where_it_was_scrolled_to() -> None:
    said = [Row("user", f"message {n}", 40, "you", "you said it", 2, ref=ItemRef(n + 3), node=n + 3) for n in range(60)]
    desk = Desk(SYSTEM, *said)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press(*["down"] * 16, *["up"] * 3)
        before = [row.startswith("▸") for row in rows(desk)]
        await pilot.press("x", "y")
        await settled(pilot)
        assert "▸ ▎ message 12 1 ago excluded you" in shown(desk)
        await pilot.press("down", "up")
        assert [row.startswith("▸") for row in rows(desk)] == before


async def test_each_key_asks_for_its_change_and_undo_says_what_it_takes_back() -> None:
    desk = Desk(effect=Effect(6_100, 6_100, 0, None))
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("z")
        assert "There is no change to take back" in shown(desk)
        await pilot.press("down", "down", "x")
        assert "Leave it out? read src/a.py: no change to the next request; nothing is lost from the cache." in shown(desk)
        assert "The call goes with its answer." in shown(desk)
        await pilot.press("y", "p", "y", "r", "y", "z")
        await settled(pilot)
        assert desk.done == [(ItemRef(6), "excluded"), (ItemRef(6), "pinned"), (ItemRef(6), "restored")]
        assert "Take back the last change (1 item restored)? 5,400 tokens more, 700 to 6.1k" in shown(desk)
        await pilot.press("y")
        await settled(pilot)
        assert desk.done[-1] == (None, None)


async def test_of_what_every_request_holds_nothing_can_be_set() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("x", "y")
        assert desk.done == []
        await pilot.press("x")
        assert "This is part of every request; nothing can be set of it" in shown(desk)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Row("checkpoint", "summary", 219, "flowchat", "stands for 4 messages", 0, node=9), "/compact undo"),
        (Row("outcome", "the run ended: limit", 9, "flowchat", "tells the model so", 0, node=9), "keeps the turns in order"),
        (Row("instructions", "instructions", 10, "folder", "they hold in this folder", 0), "go with your first message"),
    ],
)
async def test_why_nothing_can_be_set_of_what_is_not_in_every_request_is_told(row: Row, why: str) -> None:
    desk = Desk(row, SAID)
    async with desk.run_test(size=(120, 24)) as pilot:
        await pilot.press("x")
        assert why in shown(desk)
        assert "every request" not in shown(desk)


async def test_why_something_cannot_be_done_is_told_and_the_map_stays() -> None:
    for error in (CommandRefused("nothing has answered this message yet"), Busy("a run is under way")):
        desk = Desk(fails=error)
        async with desk.run_test(size=(80, 24)) as pilot:
            await pilot.press("down", "x")
            sentence = str(error)
            assert sentence[0].upper() + sentence[1:] in shown(desk)
            assert isinstance(desk.screen, ContextMap)


async def test_a_change_that_is_refused_after_it_was_confirmed_says_so() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "x")
        desk.fails = Busy("a run is under way")
        await pilot.press("y")
        await settled(pilot)
        assert (desk.done, "A run is under way" in shown(desk)) == ([], True)


async def test_enter_shows_all_of_an_item_and_esc_comes_back_to_it() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("end", "enter")
        await pilot.pause()
        assert ("all of It rounds." in shown(desk), "free" in shown(desk)) == (True, False)
        await pilot.press("escape")
        await pilot.pause()
        assert "▸ It rounds." in shown(desk)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(desk.screen, ContextMap)


async def test_ten_thousand_items_are_walked_and_only_those_in_view_are_worded() -> None:
    many = [
        Row("user", f"message {number}", number, "you", "you said it", 0, ref=ItemRef(number), node=number)
        for number in range(10_000)
    ]
    worded = Lines(many, DARK)
    assert (len(worded), worded[9_999].cells[0], [line.key for line in worded[9_990:]]) == (
        10_000,
        "▎ message 9999",
        list(range(9_990, 10_000)),
    )
    desk = Desk(*many)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        assert "▸ ▎ message 9999" in shown(desk)
        await pilot.press("pageup", "x")
        assert "Leave it out?" in shown(desk)


async def until_shown(desk: Desk, pilot: Pilot[Any], words: str) -> None:
    async with asyncio.timeout(10):
        while words not in shown(desk):
            await pilot.pause(0.01)


async def test_while_the_session_goes_on_its_new_items_come_and_the_chosen_one_stays() -> None:
    desk = Desk()
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "down", "x")
        desk.rows.insert(1, replace(SAID, title="before it", node=2, ref=ItemRef(2)))
        for happened in desk.watchers:
            happened()
        await pilot.press("n")
        await until_shown(desk, pilot, "before it")
        assert "▸ read src/a.py" in shown(desk)
        await pilot.press("escape")
        await pilot.pause()
        assert desk.watchers == []


async def test_on_a_small_screen_the_rows_and_their_state_stay() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press("down")
        assert "▸ ▎ Find out why. 40 cached" in shown(desk)
        assert listed(desk, 9, 3) == ["2 answers ago: you said it", "x exclude p pin u prune ? all", "Enter open Esc close"]
        await pilot.press("question_mark")
        assert listed(desk, 9, 3) == ["x exclude p pin u prune", "r restore z undo Enter open", "Esc close"]
        await pilot.press("down")
        assert listed(desk, 9, 2) == ["1 answer ago: the model called it", "x exclude p pin u prune ? all"]
        await pilot.press("x")
        assert "y do it" in shown(desk)


def test_where_there_is_one_row_for_it_age_and_reason_stay_readable() -> None:
    old = Row("instructions", "AGENTS.md", 40, "folder", "instructions that hold in this folder", 12)
    assert (brief(old, 36), brief(old, 60)) == (
        "12 ago: this folder's instructions",
        "12 answers ago: this folder's instructions",
    )
    assert brief(SAID, 36) == "2 answers ago: you said it"
    checkpoint = Row("checkpoint", "summary", 219, "flowchat", "stands for 4 messages; you asked for it", 0, node=9)
    assert brief(checkpoint, 36) == "now: stands for 4 messages"


@pytest.mark.parametrize("kind", [kind for kinds in get_args(Kind) for kind in get_args(kinds)])
def test_every_kind_says_in_a_few_words_why_it_is_there(kind: Any) -> None:
    assert 0 < len(why(Row(kind, "x", 1, "flowchat", "something; long", 0))) <= 26


def test_what_is_told_of_an_item_says_what_is_set_where_it_is_from_and_how_old_it_is() -> None:
    assert told(SYSTEM, None, MINUTE) == "every request begins with it"
    assert told(ANSWER, None, MINUTE) == "the model's answer, since the last answer"
    pinned = Row("user", "x", 1, "you", "you said it", 3, state="pinned", ref=ItemRef(3), node=3)
    assert told(pinned, None, MINUTE) == "kept through compactions; you said it, 3 answers ago"


def test_what_text_brings_reaches_the_screen_clean() -> None:
    hostile = Row("user", "a\x1b[2Jb", 1, "you", "you said it", 0, ref=ItemRef(3), node=3)
    assert "\x1b" not in Lines([hostile], DARK)[0].cells[0]
    call = Row("call", "x\x1b]0;t\x07", 1, "model", "why", 0, ref=ItemRef(3), node=3, detail='{"path": "a\\u001b[2J"}')
    assert "\x1b" not in Lines([call], DARK)[0].cells[0]
