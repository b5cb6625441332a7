"""A log that somebody else wrote to, or put another file in the place of: what follows goes on in a fork, and nothing is lost."""

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.errors import NotFound, ReadOnly, StorageFailed
from flowchat.model.scripted import ScriptedModel, says, waits
from flowchat.transcript.entries import Forked, RunEnded, ToolAnswered
from tests.desk import Ear
from tests.faults.house import House, plain, records_of
from tests.validating import broken_log, broken_rules


def written_to(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"v":1,"seq":99,"somebody":"else"}\n')


def replaced(log: Path) -> None:
    other = log.with_name("other")
    other.write_bytes(b'{"v":1}\n' + log.read_bytes()[:100])
    other.replace(log)


@pytest.mark.parametrize("meddle", [written_to, replaced])
@pytest.mark.parametrize("again", [False, True], ids=["new", "opened again"])
async def test_a_log_that_was_taken_is_left_alone_and_the_run_goes_on_in_a_fork(
    house: House, meddle: Callable[[Path], None], again: bool
) -> None:
    held = waits("Let me", then=says(" look.", calls=[("read_file", {"path": "a.txt"}), ("list_dir", {"path": "."})]))
    model = ScriptedModel(says("First."), held, says("In the fork."))
    there = house.workspace(model)
    session = await there.new(model="scripted")
    ear = Ear(session.watch)
    await session.send("before")
    await house.clock.hurry(session.idle())
    if again:
        await session.close()
        session = await there.open(session.sid)
        ear = Ear(session.watch)
    await session.send("look")
    await held.reached.wait()
    log = house.log(session.sid)
    meddle(log)
    theirs = log.read_bytes()
    held.gate.set()
    await house.clock.hurry(session.idle())
    heard = records_of(ear)
    assert session.state.unsaved
    assert [type(record.entry) for record in heard if isinstance(record.entry, ToolAnswered)] == [ToolAnswered] * 2
    with pytest.raises(StorageFailed, match="fork"):
        await session.send("more")
    fork = await there.fork(session)
    records = fork.transcript.records()
    assert log.read_bytes() == theirs
    assert [(plain(record), record.parent) for record in records[: session.transcript.last_seq]] == [
        (plain(record), record.parent) for record in session.transcript.records()
    ]
    assert isinstance(records[session.transcript.last_seq].entry, Forked)
    assert (broken_log(records), fork.transcript.unsaved) == ([], None)
    await fork.send("on")
    await house.clock.hurry(fork.idle())
    assert broken_rules(model.asked()[-1].messages) == []
    await there.close()
    assert await house.wrong(fork.sid, fork.transcript.records()) == []


async def test_a_fork_in_the_middle_of_a_run_ends_it_there_and_not_here(house: House) -> None:
    held = waits("Half", then=says(" of it."))
    model = ScriptedModel(held, says("In the fork."))
    there = house.workspace(model)
    session = await there.new(model="scripted")
    await session.send("begin")
    await held.reached.wait()
    fork = await there.fork(session)
    ended = [record.entry for record in fork.transcript.records() if isinstance(record.entry, RunEnded)]
    assert [(end.outcome, end.code) for end in ended] == [("interrupted", "forked")]
    held.gate.set()
    await house.clock.hurry(session.idle())
    assert [record.entry.outcome for record in session.transcript.records() if isinstance(record.entry, RunEnded)] == [
        "completed"
    ]
    await there.close()
    assert await house.wrong(session.sid, session.transcript.records()) == []
    assert await house.wrong(fork.sid, fork.transcript.records()) == []


async def test_a_fork_at_an_earlier_message_has_what_came_before_and_starts_its_totals_anew(house: House) -> None:
    there = house.workspace(ScriptedModel(says("One."), says("Two.")))
    session = await there.new(model="scripted")
    for text in ("one", "two"):
        await session.send(text)
        await house.clock.hurry(session.idle())
    before = house.log(session.sid).read_bytes()
    at = session.user_messages()[1].seq
    fork = await there.fork(session, at)
    assert house.log(fork.sid).read_bytes().startswith(b"".join(before.splitlines(keepends=True)[:at]))
    assert (fork.transcript.head, fork.transcript.facts.session, fork.queue) == (at, fork.sid, ())
    assert house.log(session.sid).read_bytes() == before
    with pytest.raises(NotFound):
        await there.fork(session, 9_999)
    await there.close()


async def test_a_session_without_a_word_and_one_that_is_not_kept_cannot_be_forked(house: House) -> None:
    there = house.workspace(ScriptedModel(says("One.")))
    with pytest.raises(NotFound):
        await there.fork(await there.new(model="scripted"))
    unkept = await there.new(model="scripted", saved=False)
    await unkept.send("one")
    await house.clock.hurry(unkept.idle())
    with pytest.raises(NotFound):
        await there.fork(unkept)
    await there.close()


async def test_a_session_of_a_newer_program_is_not_forked(house: House) -> None:
    there = house.workspace(ScriptedModel(says("One.")))
    session = await there.new(model="scripted")
    await session.send("one")
    await house.clock.hurry(session.idle())
    await there.close()
    log = house.log(session.sid)
    later = b'{"v":2,"seq":%d,"t":1,"type":"label_set","node":1,"label":"x"' % (session.transcript.last_seq + 1)
    with log.open("ab") as file:
        file.write(b'%b,"crc":%d}\n' % (later, zlib.crc32(later)))
    there = house.workspace(ScriptedModel())
    opened = await there.open(session.sid)
    with pytest.raises(ReadOnly, match="newer"):
        await there.fork(opened)
    assert [path.name for path in (house.folders.data / "sessions").iterdir()] == [session.sid]
    await there.close()
