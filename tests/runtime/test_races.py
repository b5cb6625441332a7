"""Orders that meet: whatever is given in the same moment, nothing is lost, doubled or said against the user's word."""

import asyncio

import pytest

from flowchat.errors import AlreadyExists, Busy, NotFound, ReadOnly
from flowchat.model.model import AuthFailed
from flowchat.model.scripted import fails, says, waits
from flowchat.store.memory import MemoryLog
from flowchat.transcript.entries import Noticed, RunEnded, RunStarted, SessionStarted, UserSaid
from flowchat.transcript.events import StateDelta
from tests.desk import Desk, said


class SlowLog(MemoryLog):
    """Holds writes that contain `match` until `let`."""

    def __init__(self) -> None:
        self.match = b"\0"
        self.held: list[asyncio.Future[None]] = []
        self.reached = asyncio.Event()

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        done = super().write(lines, sync)
        if self.match not in lines:
            return done
        later: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held.append(later)
        self.reached.set()
        return later

    def let(self) -> None:
        self.match = b"\0"
        for later in self.held:
            later.set_result(None)


def waiting(sitting) -> list[str]:
    return [item.parts[0].text for item in sitting.session.queue]


async def test_two_sends_at_once_are_one_run_and_one_queued_message_behind_the_sessions_first_entry(desk: Desk) -> None:
    sitting = desk.open(says("one"), says("two"))
    await asyncio.gather(sitting.session.send("first"), sitting.session.send("second"))
    await sitting.session.idle()
    records = sitting.session.transcript.records()
    assert isinstance(records[0].entry, SessionStarted)
    assert said(sitting.branch(UserSaid)) == ["first", "second"]
    assert len(sitting.branch(RunStarted)) == 2


async def test_a_name_given_with_the_first_message_is_kept(desk: Desk) -> None:
    sitting = desk.open(says("one"), others={"title": []})
    await asyncio.gather(sitting.session.send("first"), sitting.session.rename("My title"))
    await sitting.session.idle()
    assert sitting.session.title == "My title"


async def test_a_message_said_instead_is_not_lost_to_a_promotion_in_the_same_moment(desk: Desk) -> None:
    hold = waits("par")
    sitting = desk.open(hold, says("urgent"), says("b"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    await session.send("b", client_id="b")
    await asyncio.gather(session.send("URGENT", "interrupt"), session.waiting.promote("b"))
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "URGENT", "b"]


async def test_a_message_queued_while_the_queue_is_released_stays_in_it(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold, says("a"), says("b"), says("new"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    for name in "ab":
        await session.send(name)
    await session.interrupt()
    await asyncio.gather(session.waiting.release(), session.send("NEW"))
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "a", "b", "NEW"]


async def test_a_message_queued_while_a_held_one_is_promoted_stays_in_the_queue(desk: Desk) -> None:
    first, second = waits("x"), waits("y")
    sitting = desk.open(first, second, says("a"), says("b"), says("new"))
    session = sitting.session
    await session.send("one")
    await first.reached.wait()
    for name in "ab":
        await session.send(name, client_id=name)
    await session.interrupt()
    await session.send("two")
    await second.reached.wait()
    promotion = asyncio.create_task(session.waiting.promote("a"))
    await asyncio.sleep(0)
    await session.send("NEW")
    await promotion
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "two", "a", "b", "NEW"]


async def test_a_queued_message_that_is_deleted_before_its_turn_is_not_said(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold, says("b"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    await session.send("a", client_id="a")
    promotion = asyncio.create_task(session.waiting.promote("a"))
    await asyncio.sleep(0)
    assert await session.waiting.take("a") is not None
    with pytest.raises(NotFound):
        await promotion
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one"]


async def test_deleting_what_is_not_queued_changes_nothing(desk: Desk) -> None:
    sitting = desk.open(says("ok"))
    await sitting.session.send("one")
    await sitting.session.idle()
    before = sitting.session.transcript.last_seq
    assert await sitting.session.waiting.take("nope") is None
    assert sitting.session.transcript.last_seq == before


async def test_the_same_id_with_two_texts_is_refused_while_the_first_waits_to_be_said(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold, says("A"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    first = asyncio.create_task(session.send("A", "interrupt", client_id="same"))
    await asyncio.sleep(0)
    with pytest.raises(AlreadyExists):
        await session.send("B", "interrupt", client_id="same")
    await first
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "A"]


async def test_an_interrupt_while_the_last_entry_is_being_written_holds_the_queue(desk: Desk) -> None:
    log = SlowLog()
    sitting = desk.open(says("done"), says("never asked for"), log=log)
    log.match = b'"run_ended"'
    session = sitting.session
    await session.send("one")
    await session.send("queued")
    await log.reached.wait()
    stopped = asyncio.create_task(session.interrupt())
    await asyncio.sleep(0)
    log.let()
    await stopped
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one"]
    assert (waiting(sitting), session.held) == (["queued"], True)
    assert sitting.branch(RunEnded)[0].outcome == "completed"


async def test_a_message_said_while_stopping_runs_ahead_of_the_held_queue(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold, says("x"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    await session.send("a")
    stopped = asyncio.create_task(session.interrupt())
    await asyncio.sleep(0)
    assert session.state.state == "interrupting"
    await session.send("x")
    await stopped
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "x"]
    assert (waiting(sitting), session.held) == (["a"], True)


async def test_a_steer_that_found_no_boundary_is_held_with_the_queue_at_its_head(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold, says("two"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    await session.send("queued")
    await session.send("STEER", "steer")
    await session.interrupt()
    await session.send("two")
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "two"]
    assert (waiting(sitting), session.held) == (["STEER", "queued"], True)


async def test_what_a_failed_run_left_in_the_queue_is_not_sent_by_a_compaction(desk: Desk) -> None:
    hold = waits("x", fails(AuthFailed("no key")))
    sitting = desk.open(says("first"), hold, others={"compact": [says("## Done\nit")], "title": []})
    session = sitting.session
    await session.rename("t")
    await session.send("zero")
    await session.idle()
    await session.send("one")
    await hold.reached.wait()
    await session.send("KEPT")
    hold.gate.set()
    await session.idle()
    await session.compact()
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["zero", "one"]
    assert waiting(sitting) == ["KEPT"]


async def compacting(desk: Desk, *more: object):
    """A session whose compaction is under way with one message queued meanwhile."""
    summary = waits("", says("## Done\nit"))
    sitting = desk.open(says("first"), *more, others={"compact": [summary], "title": []})
    await sitting.session.rename("t")
    await sitting.session.send("zero")
    await sitting.session.idle()
    compaction = asyncio.create_task(sitting.session.compact())
    await summary.reached.wait()
    await sitting.session.send("QUEUED")
    return sitting, compaction, summary


async def test_what_is_queued_during_a_compaction_is_said_when_it_ends(desk: Desk) -> None:
    sitting, compaction, summary = await compacting(desk, says("queued done"))
    summary.gate.set()
    await compaction
    await sitting.session.idle()
    assert said(sitting.branch(UserSaid)) == ["zero", "QUEUED"]


async def test_an_edit_cancels_a_compaction_and_takes_the_queue_back(desk: Desk) -> None:
    sitting, compaction, _ = await compacting(desk, says("edited"))
    await sitting.session.edit(sitting.session.user_messages()[0].seq, "EDITED", "resend")
    await asyncio.gather(compaction, return_exceptions=True)
    await sitting.session.idle()
    assert said(sitting.branch(UserSaid)) == ["EDITED"]
    assert (desk.shelf.text, waiting(sitting)) == ("QUEUED", [])


async def test_closing_during_a_compaction_starts_nothing(desk: Desk) -> None:
    sitting, compaction, _ = await compacting(desk)
    await sitting.session.close()
    await asyncio.gather(compaction, return_exceptions=True)
    assert said(sitting.branch(UserSaid)) == ["zero"]
    assert waiting(sitting) == ["QUEUED"]


async def test_a_session_that_is_being_closed_takes_no_more_messages(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold)
    await sitting.session.send("one")
    await hold.reached.wait()
    closing = asyncio.create_task(sitting.session.close())
    await asyncio.sleep(0)
    with pytest.raises(ReadOnly, match="closed"):
        await sitting.session.send("two")
    await closing
    assert sitting.session.state.state == "closed"
    assert [delta.state for delta in sitting.ear.entries(StateDelta)][-1] == "closed"


async def test_a_message_that_waited_for_an_interrupt_when_the_session_closed_is_refused_not_forgotten(desk: Desk) -> None:
    log = SlowLog()
    hold = waits("x")
    sitting = desk.open(hold, log=log)
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    log.match = b'"run_ended"'
    instead = asyncio.create_task(session.send("two", "interrupt"))
    await log.reached.wait()
    closing = asyncio.create_task(session.close())
    await asyncio.sleep(0)
    log.let()
    with pytest.raises(ReadOnly):
        await instead
    await closing
    assert said(sitting.branch(UserSaid)) == ["one"]


async def test_a_retry_while_a_run_goes_on_is_refused(desk: Desk) -> None:
    hold = waits("x", says("done"))
    sitting = desk.open(hold)
    await sitting.session.send("one")
    await hold.reached.wait()
    with pytest.raises(Busy):
        await sitting.session.retry()
    hold.gate.set()
    await sitting.session.idle()
    assert sitting.branch(RunEnded)[0].outcome == "completed"


async def test_an_edit_while_another_message_waits_for_the_interrupt_is_refused(desk: Desk) -> None:
    hold = waits("x")
    sitting = desk.open(hold, says("two"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    instead = asyncio.create_task(session.send("two", "interrupt"))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await session.edit(session.user_messages()[0].seq, "other", "resend", interrupt=True)
    await instead
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "two"]


async def test_interrupting_a_compaction_is_over_when_the_compaction_is(desk: Desk) -> None:
    hold = waits("x", says("queued done"))
    sitting, compaction, _ = await compacting(desk, hold)
    await sitting.session.interrupt()
    await asyncio.gather(compaction, return_exceptions=True)
    await hold.reached.wait()
    assert sitting.session.state.state == "running"
    hold.gate.set()
    await sitting.session.idle()


async def test_a_compaction_that_was_written_before_it_could_be_stopped_is_done(desk: Desk) -> None:
    log = SlowLog()
    sitting = desk.open(says("first"), log=log, others={"compact": [says("## Done\nit")], "title": []})
    session = sitting.session
    await session.rename("t")
    await session.send("zero")
    await session.idle()
    log.match = b'"compacted"'
    compaction = asyncio.create_task(session.compact())
    await log.reached.wait()
    stopped = asyncio.create_task(session.interrupt())
    await asyncio.sleep(0)
    log.let()
    await asyncio.gather(stopped, compaction)
    assert len(session.transcript.facts.checkpoints) == 1
    assert sitting.branch(Noticed) == []
