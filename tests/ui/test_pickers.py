"""The lists one picks from: sessions, earlier messages, the queue."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.screen import Screen

from flowchat.errors import NotFound, ReadOnly
from flowchat.transcript.entries import QueueItem, Record, Text, UserSaid
from flowchat.ui.context_screen import raw_lines
from flowchat.ui.found_sessions import FoundSessions, Lazily
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.message_picker import Edit, MessagePicker, Said, Walk, numbered, said_on_branch
from flowchat.ui.palette import DARK
from flowchat.ui.prose import ROW_CHARS
from flowchat.ui.queue_list import QueueList, moved
from flowchat.ui.rows import Rows
from flowchat.ui.sessions_screen import SessionsScreen, Shelf
from tests.staging import until

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
    model: str = "demo"


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


class Shelved:
    """Sessions to pick from, and what was done with them."""

    def __init__(self, here: Sequence[Card] = HERE, everywhere: Sequence[Card] = EVERYWHERE, held: Sequence[str] = ()) -> None:
        self.here, self.everywhere, self._held = list(here), list(everywhere), set(held)
        self.told: list[str] = []

    async def load(self, everywhere: bool) -> FoundSessions:
        return FoundSessions(self.everywhere if everywhere else self.here)

    async def held(self, sids: Sequence[str]) -> set[str]:
        return self._held & set(sids)

    async def bytes_of(self, sid: str) -> int:
        return 1_234_567

    async def rename(self, sid: str, title: str) -> None:
        self.told.append(f"rename {sid} {title}")
        self.here = [replace(card, title=title) if card.sid == sid else card for card in self.here]

    async def trash(self, sid: str) -> str:
        if sid in self._held:
            raise ReadOnly("another flowchat (process 7) has this session open; close it there first")
        self.told.append(f"trash {sid}")
        self.here = [card for card in self.here if card.sid != sid]
        return f"{sid}.1"

    async def restore(self, name: str) -> str:
        self.told.append(f"restore {name}")
        self.here = list(HERE)
        return name.partition(".")[0]

    def shelf(self, here: str = "") -> Shelf:
        return Shelf(self.load, self.held, self.bytes_of, self.rename, self.trash, self.restore, here)


def picker(shelved: Shelved | None = None, here: str = "") -> SessionsScreen:
    return SessionsScreen(DARK, (shelved or Shelved()).shelf(here), NOW)


def shown(app: App[Any], part: str) -> str:
    """The text of a part of the screen, its rows joined."""
    rows = app.screen.query_one(part, Rows)
    return " ".join(" ".join(rows.render_line(y).text for y in range(rows.size.height)).split())


async def settled(pilot: Any, app: App[Any]) -> None:
    """Until what the screen began is done."""
    await app.workers.wait_for_complete()
    await pilot.pause()


async def test_sessions_narrow_as_one_types_and_enter_gives_the_chosen_one() -> None:
    app = Pushed(picker())
    async with app.run_test(size=(80, 24)) as pilot:
        assert chosen(app) == "fix rounding in invoices"
        await pilot.press(*"pyd")
        assert chosen(app) == "Upgrade to pydantic 2 please"
        await pilot.press("enter")
    assert app.given == ["s1"]


async def test_tab_shows_every_directory_and_escape_gives_nothing() -> None:
    app = Pushed(picker())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", *"another")
        assert chosen(app) == "another place  there/"
        await pilot.press("escape")
    assert app.given == [None]


async def test_a_session_is_renamed_in_its_place_and_leaving_changes_nothing() -> None:
    shelved = Shelved()
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, app)
        await pilot.press("down", "f2")
        assert shown(app, ".head").startswith("New title Upgrade to pydantic 2 please")
        await pilot.press("ctrl+u", *"New name", "enter")
        await settled(pilot, app)
        assert (shelved.told, chosen(app)) == (["rename s1 New name"], "New name")
        await pilot.press("ctrl+r", "x", "escape")
        await settled(pilot, app)
        assert (len(shelved.told), app.given, chosen(app)) == (1, [], "New name")


async def test_trashing_asks_first_and_can_be_undone() -> None:
    shelved = Shelved()
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, app)
        await pilot.press("delete")
        assert shown(app, ".foot").startswith("Move “fix rounding in invoices” to the trash? y trash it")
        await pilot.press("n")
        assert (shelved.told, shown(app, ".foot")[:14]) == ([], "Type to search")
        await pilot.press("delete", "y")
        await settled(pilot, app)
        assert (shelved.told, chosen(app)) == (["trash s2"], "Upgrade to pydantic 2 please")
        assert shown(app, ".foot") == "“fix rounding in invoices” is in the trash; Alt+Z puts it back"
        await pilot.press("alt+z")
        await settled(pilot, app)
        assert (shelved.told[1:], chosen(app)) == (["restore s2.1"], "fix rounding in invoices")
        await pilot.press("alt+z")
        await settled(pilot, app)
        assert (len(shelved.told), shown(app, ".foot")[:24]) == (2, "Nothing was trashed here")


async def test_a_session_that_is_open_is_marked_and_not_trashed() -> None:
    shelved = Shelved(held=["s2"])
    app = Pushed(picker(shelved, here="s1"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, app)
        listing = app.screen.query_one(Listing)
        assert [row.cells[1] for row in listing.rows] == ["open elsewhere", "open here"]
        assert shown(app, ".preview").count("open elsewhere: read or fork it 2 messages 1.2 MB demo /srv/here") == 1
        await pilot.press("delete", "y")
        await settled(pilot, app)
        assert "close it there first" in shown(app, ".foot")
        await pilot.press("down", "delete")
        assert shown(app, ".foot") == "This session is open here; /new first, then it can be trashed"
        assert shelved.told == []


async def test_what_is_asked_or_named_is_the_session_it_was_begun_for_though_the_list_comes_anew() -> None:
    shelved, arrives = Shelved(), asyncio.Event()
    loads = shelved.load

    async def late(everywhere: bool) -> FoundSessions:
        if everywhere:
            await arrives.wait()
        return await loads(everywhere)

    shelved.load = late
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, app)
        await pilot.press("down", "tab", "delete")
        arrives.set()
        await settled(pilot, app)
        assert "Move “Upgrade to pydantic 2 please” to the trash?" in shown(app, ".foot")
        assert chosen(app).startswith("Upgrade to pydantic 2 please")
        await pilot.press("y")
        await settled(pilot, app)
        assert shelved.told == ["trash s1"]


async def test_a_disk_that_takes_its_time_is_told_of() -> None:
    shelved, arrives = Shelved(), asyncio.Event()
    loads = shelved.load

    async def late(everywhere: bool) -> FoundSessions:
        await arrives.wait()
        return await loads(everywhere)

    shelved.load = late
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: shown(app, ".foot") == "Looking for sessions")
        arrives.set()
        await settled(pilot, app)
        assert (shown(app, ".foot")[:14], chosen(app)) == ("Type to search", "fix rounding in invoices")


async def test_a_session_that_has_gone_meanwhile_is_said_to_have_and_is_not_listed_any_more() -> None:
    shelved = Shelved()

    async def gone(sid: str) -> str:
        raise NotFound(f"there is no session {sid}")

    shelved.trash = gone
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, app)
        shelved.here = shelved.here[1:]
        await pilot.press("delete", "y")
        await settled(pilot, app)
        assert shown(app, ".foot") == "there is no session s2"
        assert [row.cells[0] for row in app.screen.query_one(Listing).rows] == ["Upgrade to pydantic 2 please"]


async def test_another_session_chosen_by_the_mouse_takes_the_question_back() -> None:
    shelved = Shelved()
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, app)
        for key, text in (("delete", "y"), ("f2", "name")):
            await pilot.press("home", key)
            await pilot.click(Listing, offset=(5, 1))
            await pilot.pause()
            assert (shown(app, ".head")[:6], shown(app, ".foot")[:14]) == ("Resume", "Type to search")
            await pilot.press(*text, "ctrl+u")
            await settled(pilot, app)
        assert (shelved.told, app.given) == ([], [])


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_an_empty_list_says_what_to_do(size: tuple[int, int]) -> None:
    app = Pushed(picker(Shelved(here=(), everywhere=())))
    async with app.run_test(size=size) as pilot:
        await settled(pilot, app)
        words = shown(app, ".preview").lstrip("─ ")
        if size[0] == 80:
            assert words == (
                "No sessions in this directory yet. Esc goes back: write a message, and it is kept; Tab looks in all directories."
            )
        assert words.startswith("No sessions in this directory yet.")


async def test_what_is_typed_before_the_list_is_there_narrows_it_and_enter_waits() -> None:
    shelved, arrived = Shelved(), asyncio.Event()
    loads = shelved.load

    async def late(everywhere: bool) -> FoundSessions:
        await arrived.wait()
        return await loads(everywhere)

    shelved.load = late
    app = Pushed(picker(shelved))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"pyd", "enter")
        assert (shown(app, ".head")[:10], app.given) == ("Resume pyd", [])
        arrived.set()
        await settled(pilot, app)
    assert app.given == ["s1"]


async def test_of_thousands_of_sessions_only_the_rows_in_view_are_made() -> None:
    cards = [Card(f"s{n}", f"title {n}", "") for n in range(5_000)]
    made: list[str] = []
    rows = Lazily(cards, lambda card: made.append(card.sid) or Row(card, (card.title,)))
    assert (len(rows), rows[4_999].cells) == (5_000, ("title 4999",))
    assert [row.cells for row in rows[10:12]] == [("title 10",), ("title 11",)]
    assert (rows[10].cells, made) == (("title 10",), ["s4999", "s10", "s11"])
    found = FoundSessions(cards)
    assert [card.sid for card in found.narrowed("TITLE 4999")] == ["s4999"]
    assert [len(found.narrowed(sought)) for sought in ("", "title 49", "no such")] == [
        5_000,
        sum("49" in card.sid for card in cards),
        0,
    ]


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


async def test_of_megabytes_a_row_of_the_queue_and_of_the_messages_has_the_beginning() -> None:
    text = "\n  word " + "漢字 " * 3_000_000
    app = Queues()
    async with app.run_test(size=(30, 10)) as pilot:
        app.queue.show((QueueItem("long", (Text(text),)),), held=False)
        await pilot.pause()
        assert rows(app.queue) == ["  1 queued   w…  Alt+Up edit"]
    picked = Pushed(MessagePicker(DARK, [Said(1, 2, text, NOW, (2,))], NOW))
    async with picked.run_test(size=(80, 24)):
        assert len(chosen(picked)) <= ROW_CHARS + 3
        assert shown(picked, ".preview").startswith("─" * 80 + " ▎ word 漢字 漢字")


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
