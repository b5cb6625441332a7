"""How an entry gets its place, who hears of it, and what becomes of it when the log cannot be written."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.errors import StorageFailed
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.entries import (
    Compacted,
    Damaged,
    Entry,
    HeadMoved,
    ItemRef,
    ItemsSet,
    Node,
    Noticed,
    QueueItem,
    QueueSet,
    Record,
    SessionStarted,
    Text,
    TitleSet,
    UserSaid,
)
from flowchat.transcript.transcript import RECORD_LIMIT_BYTES, Transcript
from tests.transcript.building import HandLog, written


def started() -> SessionStarted:
    return SessionStarted("s", "/w", "1", "m", "default", "You are a test.", ())


def user(text: str) -> UserSaid:
    return UserSaid(text, (Text(text),))


def note(text: str) -> Noticed:
    return Noticed("info", "test", text)


class Table:
    """A transcript over a log settled by hand, and who heard what."""

    def __init__(self) -> None:
        self.log, self.heard = HandLog(), list[int]()
        self.book = Transcript(self.log, MemoryBlobs(), now_ms=lambda: 5)
        self.book.publish_to(lambda record: self.heard.append(record.seq))

    async def begin(self, *entries: Entry) -> None:
        for entry in (started(), *entries):
            await self.now(self.book.append(entry))

    async def now(self, act: "asyncio.Future[Record] | object") -> Record:
        """Do something, the log settled."""
        doing = asyncio.ensure_future(act)
        while not doing.done():
            await asyncio.sleep(0)
            await self.log.settle()
        return await doing

    def places(self) -> list[tuple[int, int | None, str]]:
        return [(record.seq, record.parent, text_of(record)) for record in self.book.records()]


def text_of(record: Record) -> str:
    entry = record.entry
    return entry.text if isinstance(entry, Noticed) else entry.client_id if isinstance(entry, UserSaid) else record.type


async def test_a_place_is_given_at_once_and_heard_when_it_is_durable() -> None:
    table = Table()
    first = asyncio.ensure_future(table.book.append(started()))
    second = asyncio.ensure_future(table.book.append(user("a"), note("b")))
    await asyncio.sleep(0)
    assert table.places() == [(1, 0, "session_started"), (2, 1, "a"), (3, 2, "b")]
    assert (table.book.head, table.heard, first.done()) == (3, [], False)
    assert [sync for _, sync, _ in table.log.waiting] == [False, True]
    await table.log.settle(1)
    assert (table.heard, first.done(), second.done()) == ([1], True, False)
    await table.log.settle()
    assert (table.heard, (await second).seq) == ([1, 2, 3], 3)
    assert [line["seq"] for line in written(table.log.lines)] == [1, 2, 3]


async def test_a_cancelled_await_takes_nothing_back() -> None:
    table = Table()
    waiting = asyncio.ensure_future(table.book.append(started()))
    await asyncio.sleep(0)
    waiting.cancel()
    await table.log.settle()
    assert (waiting.cancelled(), table.heard, table.book.head) == (True, [1], 1)


async def test_an_entry_that_is_withdrawn_frees_its_place_and_what_is_behind_moves_up() -> None:
    table = Table()
    await table.begin(user("before"))
    table.log.full = True
    queue = QueueSet((QueueItem("q", ()),), held=True)
    sent = asyncio.ensure_future(table.book.append_or_withdraw(queue, user("sent"), HeadMoved(1)))
    behind = asyncio.ensure_future(table.book.append(TitleSet("behind", "user"), note("node behind")))
    also = asyncio.ensure_future(table.book.append_or_withdraw(user("also sent")))
    await asyncio.sleep(0)
    assert [seq for seq, _, _ in table.places()] == [1, 2, 3, 4, 5, 6, 7, 8]
    await table.log.settle()
    with pytest.raises(StorageFailed, match="no room"):
        await sent
    with pytest.raises(StorageFailed, match="no room"):
        await also
    record = await behind
    assert (record.seq, record.parent) == (4, 2)
    assert table.places() == [(1, 0, "session_started"), (2, 1, "before"), (3, None, "title_set"), (4, 2, "node behind")]
    assert table.heard == [1, 2, 3, 4]
    facts = table.book.facts
    assert (facts.queue, facts.held, facts.title, sorted(facts.said)) == ((), False, "behind", ["before"])
    assert [node.seq for node in table.book.branch()] == [1, 2, 4]
    table.log.full = False
    await table.now(table.book.append_or_withdraw(user("sent")))
    assert written(table.log.lines)[2:] == [
        {"seq": 3, "type": "title_set", "title": "behind", "origin": "user"},
        {"seq": 4, "type": "noticed", "parent": 2, "level": "info", "source": "test", "text": "node behind"},
        {"seq": 5, "type": "user_said", "parent": 4, "client_id": "sent", "parts": [{"kind": "text", "text": "sent"}]},
    ]
    assert table.heard == [1, 2, 3, 4, 5]


async def test_what_is_set_with_a_checkpoint_names_it_where_it_stands_when_it_has_moved_up() -> None:
    table = Table()
    await table.begin(user("before"))
    table.log.full = True
    sent = asyncio.ensure_future(table.book.append_or_withdraw(user("sent")))
    await asyncio.sleep(0)
    made = Compacted(2, "## Done", 10, 5, "soft", "summary")
    items = ItemsSet((ItemRef(2),), "pruned", table.book.last_seq + 1)
    behind = asyncio.ensure_future(table.book.append(made, items))
    await asyncio.sleep(0)
    await table.log.settle()
    with pytest.raises(StorageFailed):
        await sent
    await behind
    assert [(line, entry) for line, entry in table.book.facts.checkpoints] == [(3, made)]
    assert [(line, entry.with_checkpoint) for line, entry in table.book.facts.items] == [(4, 3)]
    table.log.full = False
    await table.now(table.book.save_again())
    assert [(line["type"], line.get("with")) for line in written(table.log.lines)[2:]] == [("compacted", None), ("items_set", 3)]


async def test_what_cannot_be_written_is_kept_heard_once_and_written_in_front_of_what_follows() -> None:
    table = Table()
    await table.begin()
    table.log.full = True
    for text in ("one", "two"):
        await table.now(table.book.append(note(text)))
    assert (str(table.book.unsaved), table.heard, len(table.log.lines)) == ("no room", [1, 2, 3], 1)
    assert [record.entry for record in table.book.unsaved_records()] == [note("one"), note("two")]
    with pytest.raises(StorageFailed):
        await table.now(table.book.append_or_withdraw(user("refused")))
    assert (table.book.last_seq, table.heard) == (3, [1, 2, 3])
    table.log.full = False
    await table.now(table.book.append_or_withdraw(user("sent")))
    assert (table.book.unsaved, table.book.unsaved_records(), table.heard) == (None, [], [1, 2, 3, 4])
    assert [line["seq"] for line in written(table.log.lines)] == [1, 2, 3, 4]


async def test_what_is_appended_while_older_things_are_saved_stays_behind_them() -> None:
    table = Table()
    await table.begin()
    table.log.full = True
    await table.now(table.book.append(note("one")))
    saving = asyncio.ensure_future(table.book.save_again())
    await asyncio.sleep(0)
    behind = asyncio.ensure_future(table.book.append(note("two")))
    await asyncio.sleep(0)
    await table.log.settle()
    await asyncio.gather(saving, behind)
    assert [record.entry for record in table.book.unsaved_records()] == [note("one"), note("two")]
    table.log.full = False
    await table.now(table.book.close())
    assert ([line["seq"] for line in written(table.log.lines)], table.log.closed) == ([1, 2, 3], True)


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_an_entry_over_the_limit_is_refused_with_all_that_came_with_it(place: int) -> None:
    table = Table()
    await table.begin(user("before"))
    entries: list[Entry] = [user("a"), HeadMoved(1)]
    entries.insert(place, note("x" * RECORD_LIMIT_BYTES))
    with pytest.raises(StorageFailed, match=r"a noticed of 16,777,\d\d\d bytes is over the limit of 16,777,216"):
        await table.book.append(*entries)
    assert (table.book.head, table.book.last_seq, sorted(table.book.facts.said)) == (2, 2, ["before"])
    assert [node.seq for node in table.book.branch()] == [1, 2]
    assert (await table.now(table.book.append(note("after")))).seq == 3


async def test_a_lone_surrogate_becomes_a_replacement_character_here_and_on_disk() -> None:
    table = Table()
    await table.begin()
    record = await table.now(table.book.append(note("a\ud800b")))
    assert record.entry == note("a�b")
    assert table.log.lines[-1].decode().count("a�b") == 1


async def test_the_head_moves_only_to_nodes() -> None:
    table = Table()
    await table.begin(user("a"), HeadMoved(1), user("b"), TitleSet("t", "user"), HeadMoved(5), HeadMoved(99))
    assert (table.book.head, [node.seq for node in table.book.branch()]) == (4, [1, 4])
    await table.now(table.book.append(HeadMoved(2)))
    assert (table.book.head, [node.seq for node in table.book.branch()]) == (2, [1, 2])
    assert [node.seq for node in table.book.branch(4)] == [1, 4]
    await table.now(table.book.append(HeadMoved(0)))
    assert (table.book.head, table.book.branch()) == (0, ())


def test_a_record_that_hangs_on_no_node_is_damage_at_the_head() -> None:
    records = [
        Record(1, 5, 0, "session_started", started()),
        Record(2, 5, None, "title_set", TitleSet("t", "user")),
        Record(3, 5, 2, "user_said", user("lost")),
        Record(4, 5, 3, "user_said", user("kept")),
    ]
    book = Transcript(MemoryLog(), MemoryBlobs(), records)
    damaged = book.record(3)
    assert damaged is not None
    assert (damaged.parent, damaged.entry) == (1, Damaged("line 3 of the log follows no message"))
    assert [node.seq for node in book.branch()] == [1, 3, 4]
    assert sorted(book.facts.said) == ["kept"]


async def test_drafts_go_to_the_log_in_order() -> None:
    table = Table()
    table.book.draft(b"a")
    table.book.clear_draft()
    assert table.log.drafts == [b"a", None]


# --- whatever happens ----------------------------------------------------------------------------------------------------
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.booleans()),
        st.tuples(st.just("send"), st.booleans()),
        st.tuples(st.just("move"), st.integers(0, 12)),
        st.tuples(st.just("settle"), st.integers(1, 4)),
        st.tuples(st.just("full"), st.booleans()),
        st.tuples(st.just("save"), st.none()),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_whatever_the_log_does_places_have_no_gap_and_each_is_heard_once(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_live(steps))


async def _live(steps: list[tuple[str, int]]) -> None:
    table, doing = Table(), list[asyncio.Future[object]]()
    heard: list[Record] = []
    table.book.publish_to(heard.append)
    await table.now(table.book.append(started()))
    for number, (what, how) in enumerate(steps):
        match what:
            case "append":
                doing.append(
                    asyncio.ensure_future(table.book.append(note(f"{number}") if how else TitleSet(f"{number}", "user")))
                )
            case "send":
                doing.append(asyncio.ensure_future(table.book.append_or_withdraw(user(f"{number}"))))
            case "move":
                doing.append(asyncio.ensure_future(table.book.append(HeadMoved(how))))
            case "save":
                doing.append(asyncio.ensure_future(table.book.save_again()))
            case "settle":
                await table.log.settle(how)
            case _:
                table.log.full = bool(how)
        await asyncio.sleep(0)
        records = table.book.records()
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert heard == list(records[: len(heard)])
    table.log.full = False
    while not all(act.done() for act in doing) or table.book.unsaved is not None:
        await table.log.settle()
        saving = asyncio.ensure_future(table.book.save_again())
        await table.now(saving)
    records = table.book.records()
    sent = [act.exception() for act in doing]
    assert [error for error in sent if error is not None and not isinstance(error, StorageFailed)] == []
    assert heard == list(records)
    assert [line["seq"] for line in written(table.log.lines)] == [record.seq for record in records]
    assert [line.get("parent") for line in written(table.log.lines)] == [record.parent for record in records]
    again = Transcript(MemoryLog(), MemoryBlobs(), [Record(r.seq, r.at_ms, r.parent, r.type, r.entry) for r in records])
    assert (again.head, again.facts) == (table.book.head, table.book.facts)
    assert [node.seq for node in again.branch()] == [node.seq for node in table.book.branch()]


@given(st.lists(st.integers(0, 20), max_size=30))
def test_a_node_is_on_the_branch_if_it_leads_to_the_head(moves: list[int]) -> None:
    records = [Record(1, 0, 0, "session_started", started())]
    for to in moves:
        head = min(to, len(records)) or 1
        records.append(Record(len(records) + 1, 0, head, "noticed", note("")))
    book = Transcript(MemoryLog(), MemoryBlobs(), records)
    branch = [record.seq for record in book.branch()]
    assert all(isinstance(record.entry, Node) for record in book.branch())
    assert [seq for seq in range(len(records) + 2) if book.on_branch(seq)] == branch
