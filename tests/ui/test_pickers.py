"""The lists one picks from: sessions, earlier messages, the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.screen import Screen

from flowchat.errors import NotFound
from flowchat.transcript.entries import QueueItem, Record, Text, UserSaid
from flowchat.ui.context_screen import raw_lines
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.message_picker import Edit, MessagePicker, Said, Walk, numbered, said_on_branch
from flowchat.ui.palette import DARK
from flowchat.ui.queue_list import QueueList, moved
from flowchat.ui.rows import Rows
from flowchat.ui.sessions_screen import SessionsScreen

NOW = 1_764_000_000_000


@dataclass(frozen=True)
class Card:
    """What the picker reads of a session."""

    sid: str
    title: str
    first_message: str
    cwd: str = "/srv/here"
    updated_ms: int = NOW
    messages: int = 2
    tokens: int = 1200


HERE = [Card("s2", "fix rounding in invoices", "The total is off."), Card("s1", "", "Upgrade to pydantic 2\nplease")]
EVERYWHERE = [*HERE, Card("s0", "another place", "hello", "/srv/there")]


class Pushed(App[None]):
    """A screen on top of nothing, and what it gave."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._pushed, self.given = screen, list[Any]()

    def on_mount(self) -> None:
        self.push_screen(self._pushed, self.given.append)


def chosen(app: App[Any]) -> str:
    row = app.screen.query_one(Listing).chosen
    return row.cells[0].strip() if row else ""


async def load(everywhere: bool) -> Sequence[Any]:
    return EVERYWHERE if everywhere else HERE


async def test_sessions_narrow_as_one_types_and_enter_gives_the_chosen_one() -> None:
    app = Pushed(SessionsScreen(DARK, load, NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        assert chosen(app) == "fix rounding in invoices"
        await pilot.press(*"pyd")
        assert chosen(app) == "Upgrade to pydantic 2"
        await pilot.press("enter")
    assert app.given == ["s1"]


async def test_tab_shows_every_directory_and_escape_gives_nothing() -> None:
    app = Pushed(SessionsScreen(DARK, load, NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", *"another")
        assert chosen(app) == "another place  there/"
        await pilot.press("escape")
    assert app.given == [None]


def said(seq: int, text: str, edits: int | None = None) -> Record:
    return Record(seq, NOW, 0, "user_said", UserSaid(str(seq), (Text(text),), edits=edits))


FIRST, SECOND, AGAIN, THIRD = said(2, "one"), said(4, "two"), said(6, "two, again", 4), said(8, "three")
BRANCH = said_on_branch([FIRST, AGAIN, THIRD], [FIRST, SECOND, AGAIN, THIRD])


def test_messages_know_what_stands_in_their_place_on_other_branches() -> None:
    assert [
        Said(1, 2, "one", NOW, (2,)),
        Said(2, 6, "two, again", NOW, (4, 6)),
        Said(3, 8, "three", NOW, (8,)),
    ] == BRANCH


def test_a_number_names_a_message_from_either_end() -> None:
    assert [numbered(BRANCH, number).seq for number in ("1", "3", "-1", "-3")] == [2, 8, 8, 2]
    refused = []
    for number in ("4", "-4", "0", "x"):
        try:
            numbered(BRANCH, number)
        except NotFound as error:
            refused.append(str(error))
    assert refused == [f"there is no message {n}; this branch has 3 messages of yours" for n in ("4", "-4", "0", "x")]


async def test_the_last_message_is_chosen_first_and_enter_edits() -> None:
    app = Pushed(MessagePicker(DARK, BRANCH, NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("up", "enter")
    assert app.given == [Edit(BRANCH[1])]


async def test_b_walks_to_the_next_branch_of_a_message_that_has_one() -> None:
    app = Pushed(MessagePicker(DARK, BRANCH, NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("b")
        assert app.given == []
        await pilot.press("up", "b")
    assert app.given == [Walk(4)]


async def test_the_key_to_another_branch_is_named_where_there_is_one() -> None:
    feet: list[str] = []
    for messages in (BRANCH, BRANCH[:1]):
        app = Pushed(MessagePicker(DARK, messages, NOW))
        async with app.run_test(size=(80, 24)):
            feet.append(app.screen.query(Rows).last().render_line(0).text.rstrip())
    assert feet == ["  Enter edit   b other branch   Esc close", "  Enter edit   Esc close"]


@pytest.mark.parametrize("width", [40, 60])
def test_a_raw_request_keeps_its_margins_and_ends_a_row_at_each_newline_of_a_value(width: int) -> None:
    raw = '{\n  "system": "One line.\\nAnother, which is longer than a row has cells to show it in.\\n"\n}'
    lines = ["".join(text for text, _ in line) for line in raw_lines(raw, DARK, width)]
    assert lines[:3] == ["  {", '    "system": "One line.\\n', lines[2]]
    assert lines[2].startswith("      Another, which")
    assert "".join(line.strip() for line in lines).replace(" ", "") == raw.replace("\n", "").replace(" ", "")
    assert max(map(len, lines)) <= width - 2


class Lists(App[None]):
    def __init__(self, listing: Listing) -> None:
        super().__init__()
        self.listing = listing

    def compose(self) -> ComposeResult:
        yield self.listing


async def test_a_listing_keeps_the_chosen_row_in_view_and_drops_columns_that_do_not_fit() -> None:
    listing = Listing(DARK, (Column("text"), Column("dim", "right")), limit=3)
    app = Lists(listing)
    async with app.run_test(size=(30, 10)) as pilot:
        listing.show([Row(n, (f"row {n}", f"{n} k")) for n in range(10)])
        await pilot.pause()
        listing.act("last")
        assert [listing.render_line(y).text for y in range(3)] == [
            "  row 7                  7 k  ",
            "  row 8                  8 k  ",
            "▸ row 9                  9 k  ",
        ]


async def test_columns_stand_under_each_other_and_one_that_would_say_too_little_is_left_out() -> None:
    listing = Listing(DARK, (Column("text"), Column("dim")))
    app = Lists(listing)
    async with app.run_test(size=(50, 10)) as pilot:
        listing.show([Row(0, ("/new", "Start a new session; this one is kept")), Row(1, ("/resume [id]", "Go on"))])
        await pilot.pause()
        assert [listing.render_line(y).text for y in range(2)] == [
            "▸ /new            Start a new session; this one…  ",
            "  /resume [id]    Go on                           ",
        ]
        await pilot.resize_terminal(34, 10)
        await pilot.pause()
        assert [listing.render_line(y).text.rstrip() for y in range(2)] == ["▸ /new", "  /resume [id]"]


class Queues(App[None]):
    """A queue, and what was asked of it."""

    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.told = QueueList(DARK), list[Any]()

    def compose(self) -> ComposeResult:
        yield self.queue

    def on_queue_list_dropped(self, message: QueueList.Dropped) -> None:
        self.told.append(f"drop {message.item.client_id}")

    def on_queue_list_moved(self, message: QueueList.Moved) -> None:
        self.told.append(f"move {message.item.client_id} {message.by}")

    def on_queue_list_taken(self, message: QueueList.Taken) -> None:
        self.told.append(f"edit {message.item.client_id}")

    def on_queue_list_promoted(self, message: QueueList.Promoted) -> None:
        self.told.append(f"promote {message.item.client_id}")

    def on_queue_list_held(self, message: QueueList.Held) -> None:
        self.told.append("hold" if message.held else "go on")

    def on_queue_list_closed(self) -> None:
        self.told.append("closed")


ITEMS = tuple(QueueItem(name, (Text(f"message {name}"),)) for name in "abcd")


def rows(queue: QueueList) -> list[str]:
    return [queue.render_line(y).text.rstrip() for y in range(queue.size.height)]


async def test_three_waiting_messages_are_shown_and_the_rest_counted() -> None:
    app = Queues()
    async with app.run_test(size=(60, 10)) as pilot:
        app.queue.show(ITEMS, held=False)
        await pilot.pause()
        assert rows(app.queue) == [
            "  1 queued   message a                         Alt+Up edit",
            "  2 queued   message b",
            "  3 queued   message c",
            "  1 more",
        ]
        app.queue.show(ITEMS[:1], held=True)
        await pilot.pause()
        assert rows(app.queue) == ["  1 held     message a                         Alt+Up edit"]


async def test_a_walked_queue_says_on_which_side_the_others_are_and_keeps_its_margin() -> None:
    app = Queues()
    long = QueueItem("long", (Text("a message that is longer than a row of this terminal has room"),))
    async with app.run_test(size=(60, 10)) as pilot:
        app.queue.show((*ITEMS, long), held=False)
        app.queue.focus()
        await pilot.pause()
        assert rows(app.queue)[:4] == [
            "  3 queued   message c",
            "  4 queued   message d",
            "▸ 5 queued   a message that is longer than a row of this…",
            "  2 above",
        ]
        await pilot.press("up")
        assert rows(app.queue)[2:4] == ["▸ 4 queued   message d", "  1 above, 1 below"]


async def test_keys_in_the_queue_edit_drop_move_and_promote() -> None:
    app = Queues()
    async with app.run_test(size=(60, 10)) as pilot:
        app.queue.show(ITEMS, held=False)
        app.queue.focus()
        await pilot.pause()
        await pilot.press("up", "d", "enter", "p", "shift+up", "escape")
    assert app.told == ["drop c", "edit c", "promote c", "move c -1", "closed"]


async def test_one_key_holds_the_queue_and_lets_a_held_one_go_on() -> None:
    app = Queues()
    async with app.run_test(size=(60, 10)) as pilot:
        app.queue.show(ITEMS, held=False)
        app.queue.focus()
        await pilot.pause()
        assert any("H hold" in row or "h hold" in row for row in rows(app.queue))
        await pilot.press("h")
        app.queue.show(ITEMS, held=True)
        await pilot.pause()
        assert any("h let go on" in row for row in rows(app.queue))
        await pilot.press("h")
    assert app.told == ["hold", "go on"]


async def test_a_click_chooses_the_message_that_was_seen_there_and_one_on_a_hint_does_what_it_says() -> None:
    app = Queues()
    async with app.run_test(size=(60, 12)) as pilot:
        app.queue.show(ITEMS, held=False)
        await pilot.pause()
        await pilot.click(QueueList, offset=(6, 1))
        await pilot.pause()
        assert any(row.startswith("▸ 2 queued   message b") for row in rows(app.queue))
        y = next(y for y, row in enumerate(rows(app.queue)) if "d drop" in row)
        await pilot.click(QueueList, offset=(rows(app.queue)[y].index("d drop"), y))
        await pilot.pause()
    assert app.told == ["drop b"]


async def test_the_chosen_message_stays_chosen_when_one_before_it_is_sent() -> None:
    app = Queues()
    async with app.run_test(size=(60, 10)) as pilot:
        app.queue.show(ITEMS, held=False)
        app.queue.focus()
        await pilot.pause()
        await pilot.press("up")
        app.queue.show(ITEMS[1:], held=False)
        await pilot.press("d")
    assert app.told == ["drop c"]


@pytest.mark.parametrize(("name", "by", "order"), [("a", 1, "bacd"), ("d", -1, "abdc"), ("a", -1, "abcd"), ("x", 1, "abcd")])
def test_a_message_is_moved_as_far_as_there_are_places(name: str, by: int, order: str) -> None:
    assert "".join(item.client_id for item in moved(ITEMS, QueueItem(name, ()), by)) == order
