"""Unsent text on a disk that is full or does not answer: nobody waits for it, one sentence tells of it, nothing is lost."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.errors import StorageFailed
from flowchat.model.scripted import ScriptedModel, Step, says, waits
from flowchat.runtime.session import Session
from flowchat.transcript.entries import QueueItem, Text, UserSaid
from flowchat.transcript.events import Toast
from tests.desk import Ear, said
from tests.faults.house import House
from tests.faulty import FailingDisk, Site, SiteDisk


async def begun(house: House, disk: SiteDisk, then: Step | None = None) -> Session:
    """A session in which one message was answered."""
    session = await house.workspace(ScriptedModel(says("Hello."), then or says("On.")), disk).new(model="scripted")
    await session.send("hi")
    await house.clock.hurry(session.idle())
    return session


async def eventually(house: House, is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await house.clock.pass_seconds(0.1)
            await asyncio.sleep(0.001)


def composer_of(house: House, session: Session) -> Path:
    return house.log(session.sid).with_name("composer.json")


async def test_on_a_full_disk_one_sentence_tells_and_the_text_is_kept_as_soon_as_there_is_room(house: House) -> None:
    disk = FailingDisk(1, "ENOSPC", count=0, names=("write",))
    session = await begun(house, disk)
    ear = Ear(session.watch)
    disk.count = None
    for text in ("a", "ab", "abc"):
        session.keep_composer(text)
        with pytest.raises(StorageFailed, match="No space left"):
            await session.composer_kept()
    [toast] = ear.entries(Toast)
    assert ("not on disk yet" in toast.text, session.composer_text) == (True, "abc")
    assert not composer_of(house, session).exists()
    disk.mend()
    await eventually(house, composer_of(house, session).exists)
    assert composer_of(house, session).read_text() == '{"text":"abc"}'
    await session.close()


class HangingDisk(SiteDisk):
    """Answers nothing while it hangs."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.free = threading.Event()
        self.free.set()

    def _wait(self, site: Site) -> None:
        self.free.wait(30)


async def test_a_disk_that_does_not_answer_is_told_of_once_and_typing_goes_on(house: House) -> None:
    disk = HangingDisk()
    session = await begun(house, disk)
    ear = Ear(session.watch)
    disk.free.clear()
    for text in ("a", "ab", "abc"):
        session.keep_composer(text)
        await house.clock.pass_seconds(20)
    assert [toast.text for toast in ear.entries(Toast)] == [
        "Your unsent text is not on disk yet; trying again: the disk does not respond"
    ]
    disk.free.set()
    await session.composer_kept()
    assert composer_of(house, session).read_text() == '{"text":"abc"}'
    await session.close()


async def test_a_message_stays_in_the_queue_until_its_text_is_unsent_on_disk(house: House) -> None:
    disk = FailingDisk(1, "ENOSPC", count=0, names=("rename",))
    session = await begun(house, disk)
    item = await _queued(session)
    disk.count = None
    session.keep_composer("wait for me")
    with pytest.raises(StorageFailed):
        await session.waiting.take(item)
    assert [waiting.client_id for waiting in session.queue] == [item]
    disk.mend()
    assert await session.waiting.take(item) is not None
    assert (session.queue, composer_of(house, session).read_text()) == ((), '{"text":"wait for me"}')
    await session.close()


async def test_an_edit_whose_queue_cannot_be_kept_changes_nothing(house: House) -> None:
    disk = FailingDisk(1, "ENOSPC", count=0, names=("rename",))
    session = await begun(house, disk)
    item = await _queued(session)
    disk.count, before = None, session.transcript.last_seq
    with pytest.raises(StorageFailed):
        await session.edit(session.user_messages()[0].seq, "hello", "resend")
    assert (session.transcript.last_seq, session.composer_text) == (before, "")
    disk.mend()
    await session.edit(session.user_messages()[0].seq, "hello", "resend")
    await house.clock.hurry(session.idle())
    assert said([record.entry for record in session.user_messages() if isinstance(record.entry, UserSaid)]) == ["hello"]
    assert (session.queue, session.composer_text, item) == ((), "wait for me", item)
    await session.close()


async def test_what_was_said_while_an_edit_kept_the_queue_is_not_run_over(house: House) -> None:
    """The queue's text takes a moment to reach the disk; who sends meanwhile comes first."""
    disk, hold = HangingDisk(), waits("", says("On."))
    session = await begun(house, disk, hold)
    await _queued(session)
    disk.free.clear()
    editing = asyncio.create_task(session.edit(session.user_messages()[0].seq, "hello", "resend"))
    await house.clock.pass_seconds(0)
    sending = asyncio.create_task(session.send("first"))
    await house.clock.pass_seconds(0)
    disk.free.set()
    results = await asyncio.gather(editing, sending, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["Busy", "str"]
    hold.gate.set()
    await house.clock.hurry(session.idle())
    assert (session.composer_text, [item.client_id for item in session.queue]) == ("", ["q"])
    await session.close()


async def _queued(session: Session) -> str:
    """A message that is held in the queue."""
    await session.waiting.set((QueueItem("q", (Text("wait for me"),)),), held=True)
    return "q"


async def test_every_kind_of_session_is_left_while_the_disk_does_not_answer(house: House) -> None:
    disk = HangingDisk()
    there = house.workspace(ScriptedModel(*[says("Hello.")] * 9), disk)
    sessions = [await there.new(model="scripted", saved=saved) for saved in (True, False)]
    for session in sessions:
        await session.send("hi")
        await house.clock.hurry(session.idle())
    fork = await there.fork(sessions[0])
    other = house.workspace(ScriptedModel(), disk)
    read = await other.open(sessions[0].sid)
    assert read.read_only is not None
    disk.free.clear()
    for session in (*sessions, fork):
        session.keep_composer("unsent")
        sending = asyncio.create_task(session.send("on"))
        await house.clock.pass_seconds(0)
        sending.add_done_callback(lambda task: task.cancelled() or task.exception())
    forking = asyncio.create_task(there.fork(sessions[1]))
    async with asyncio.timeout(20):
        await asyncio.gather(there.close(), other.close())
    forking.cancel()
    assert [session.state.state for session in (*sessions, fork, read)] == ["closed"] * 4
    disk.free.set()


async def test_before_the_first_message_text_is_kept_for_the_workspace_in_the_same_way(house: House) -> None:
    disk = FailingDisk(1, "EIO", count=None, names=("fsync",))
    there = house.workspace(ScriptedModel(), disk)
    ear = Ear((await there.new(model="scripted")).watch)
    for text in ("a", "ab"):
        there.writing.keep_draft(text)
        with pytest.raises(StorageFailed, match="Input/output error"):
            await there.writing.draft_kept()
    fresh = house.workspace(ScriptedModel()).writing
    assert (len(ear.entries(Toast)), there.writing.kept_draft(), fresh.kept_draft()) == (1, "ab", "")
    disk.mend()
    await eventually(house, lambda: house.workspace(ScriptedModel()).writing.kept_draft() == "ab")
    await there.close()
