"""What is found of a session whose process ended in the middle: closed once, nothing lost, nothing run again."""

import asyncio
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from flowchat.model.model import ConnectionLost
from flowchat.model.scripted import Fails, ScriptedModel, says, waits
from flowchat.runtime.session import Session
from flowchat.transcript.entries import (
    AssistantSaid,
    Entry,
    Recovered,
    RunEnded,
    Text,
    ToolAnswered,
)
from tests.faults.house import House, saved
from tests.faulty import FailingDisk, Site, SiteDisk
from tests.validating import broken_log, broken_rules


class Crash:
    """A house as it was when the process in another one ended."""

    def __init__(self, house: House, tmp_path: Path, name: str) -> None:
        self.house = House(tmp_path / name)
        shutil.copytree(house.folders.data.parent, self.house.folders.data.parent)
        self.house.folder = house.folder

    async def open(self, sid: str, model: ScriptedModel | None = None, disk: FailingDisk | None = None) -> Session:
        self.workspace = self.house.workspace(model or ScriptedModel(), disk)
        return await self.workspace.open(sid)


async def streamed(house: House, *script: Any, words: str = "begin") -> tuple[Session, Any]:
    """A session in the middle of the first answer of the script that waits, its draft written."""
    held = next(step for step in script if hasattr(step, "gate"))
    session = await house.workspace(ScriptedModel(*script)).new(model="scripted")
    await session.send(words)
    await house.clock.hurry(held.reached.wait())
    await house.clock.pass_seconds(0.25)
    await drafted(house, session, b"Half of ")
    return session, held


async def drafted(house: House, session: Session, words: bytes | None) -> None:
    """Until the draft on disk holds these words, or nothing any more."""
    draft = house.log(session.sid).with_name("draft.jsonl")
    async with asyncio.timeout(10):
        while not _holds(draft.read_bytes() if draft.exists() else b"", words):
            await house.clock.pass_seconds(0.01)
            await asyncio.sleep(0.001)


def _holds(content: bytes, words: bytes | None) -> bool:
    return not content if words is None else words in content


def ends(session: Session, behind: int) -> list[Entry]:
    return [record.entry for record in session.transcript.records()[behind:]]


async def left(house: House, session: Session, held: Any) -> None:
    held.gate.set()
    await house.clock.hurry(session.close())


async def test_what_was_streamed_becomes_an_interrupted_answer_once(house: House, tmp_path: Path) -> None:
    step = waits("Half of ", then=says("it."))
    session, held = await streamed(house, step)
    before, run = session.transcript.last_seq, session.state.run
    crash = Crash(house, tmp_path, "crash")
    await left(house, session, held)
    opened = await crash.open(session.sid)
    said = AssistantSaid(run, 1, 1, "scripted", (Text("Half of "),), "interrupted")
    ended = next(entry for entry in ends(opened, before) if isinstance(entry, RunEnded))
    assert ends(opened, before) == [said, RunEnded(run, "crashed", 1, ended.duration_ms), Recovered((run,))]
    await crash.workspace.close()
    again = await crash.open(session.sid)
    assert ends(again, before + 3) == []
    await crash.workspace.close()


async def test_a_withdrawn_attempt_is_not_found_again(house: House, tmp_path: Path) -> None:
    """Its last words are drafted while the log is still busy with its end."""
    free = threading.Event()
    free.set()

    def arrive(site: Site) -> None:
        if site[1] == "write":
            free.wait(10)

    disk = SiteDisk(arrive)
    lost = waits("Never ", then=Fails(ConnectionLost("lost"), says("said.")))
    held = waits("", then=says("Said."))
    session = await house.workspace(ScriptedModel(lost, held), disk).new(model="scripted")
    await session.send("begin")
    await house.clock.hurry(lost.reached.wait())
    free.clear()
    lost.gate.set()
    await house.clock.pass_seconds(0.25)
    free.set()
    await house.clock.hurry(held.reached.wait())
    await drafted(house, session, None)
    crash = Crash(house, tmp_path, "crash")
    await left(house, session, held)
    opened = await crash.open(session.sid)
    assert [entry for entry in ends(opened, 0) if isinstance(entry, AssistantSaid)] == []
    await crash.workspace.close()


async def test_a_recovery_that_finds_no_room_keeps_the_draft_until_it_is_saved(house: House, tmp_path: Path) -> None:
    session, held = await streamed(house, waits("Half of ", then=says("it.")))
    crash = Crash(house, tmp_path, "crash")
    await left(house, session, held)
    full = FailingDisk(1, "ENOSPC", count=None, names=("write",))
    opened = await crash.open(session.sid, disk=full)
    assert opened.state.unsaved
    await crash.workspace.close()
    full = FailingDisk(1, "ENOSPC", count=None, names=("write",))
    opened = await crash.open(session.sid, disk=full)
    full.mend()
    assert await saved(crash.house, opened) == []
    await crash.workspace.close()
    opened = await crash.open(session.sid)
    kept = [entry.parts for entry in ends(opened, 0) if isinstance(entry, AssistantSaid)]
    assert (kept, broken_log(opened.transcript.records())) == ([(Text("Half of "),)], [])
    await crash.workspace.close()


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
async def test_an_opening_on_a_disk_that_fails_once_puts_everything_right(house: House, tmp_path: Path, fault: Any) -> None:
    session, held = await streamed(house, waits("Half of ", then=says("it.")))
    with house.log(session.sid).open("ab") as log:
        log.write(b'{"v":1,"seq":99,"t":')
    crashes = [Crash(house, tmp_path, f"crash{n}") for n in range(30)]
    house.log(session.sid).write_bytes(house.log(session.sid).read_bytes()[:-20])
    await left(house, session, held)
    wrong: dict[int, object] = {}
    for first, crash in enumerate(crashes, 1):
        disk = FailingDisk(first, fault)
        opened = await crash.open(session.sid, ScriptedModel(*[says("On.")] * 9), disk)
        found = [] if opened.read_only else await saved(crash.house, opened)
        await crash.workspace.close()
        opened = await crash.open(session.sid, ScriptedModel(*[says("On.")] * 9))
        texts = [entry.parts for entry in ends(opened, 0) if isinstance(entry, AssistantSaid)]
        found += broken_log(opened.transcript.records()) + ([] if texts == [(Text("Half of "),)] else [f"{texts}"])
        await crash.workspace.close()
        wrong |= {first: found} if found else {}
        if not disk.fired:
            break
    assert (wrong, first > 5) == ({}, True)


async def test_a_run_whose_end_was_damaged_ends_again_and_changes_no_request(house: House) -> None:
    model = ScriptedModel(says("One."), says("Two."), says("Three."))
    there = house.workspace(model)
    session = await there.new(model="scripted")
    for words in ("one", "two"):
        await session.send(words)
        await house.clock.hurry(session.idle())
    first = next(record for record in session.transcript.records() if isinstance(record.entry, RunEnded))
    await there.close()
    log = house.log(session.sid)
    lines = log.read_bytes().splitlines(keepends=True)
    lines[first.seq - 1] = lines[first.seq - 1].replace(b"completed", b"c0mpleted")
    log.write_bytes(b"".join(lines))
    there = house.workspace(model)
    opened = await there.open(session.sid)
    ended = [record.entry for record in opened.transcript.records() if isinstance(record.entry, RunEnded)]
    assert sorted(end.run for end in ended) == [r.seq for r in opened.transcript.records() if r.type == "run_started"]
    await opened.send("three")
    await house.clock.hurry(opened.idle())
    before, after = model.asked()[-2:]
    assert (broken_rules(after.messages), after.messages[: len(before.messages)]) == ([], before.messages)
    assert [message.text for message in after.messages if hasattr(message, "calls")] == ["One.", "Two."]
    await there.close()


async def test_a_call_that_was_running_is_unknown_and_is_not_run_again(house: House, tmp_path: Path) -> None:
    touch = {"command": "echo ran >> ran.txt; echo out; read -t 20 < <(sleep 20)"}
    session = await house.workspace(ScriptedModel(says("Run.", calls=[("shell", touch), ("list_dir", {"path": "."})]))).new(
        model="scripted"
    )
    await session.send("run it")
    await drafted(house, session, b"out")
    crash = Crash(house, tmp_path, "crash")
    await house.clock.hurry(session.close())
    ran = house.ran()
    opened = await crash.open(session.sid, ScriptedModel(says("On.")))
    answers = [entry for entry in ends(opened, 0) if isinstance(entry, ToolAnswered)]
    assert [answer.status for answer in answers] == ["unknown", "not_run"]
    assert "out" in answers[0].content
    await opened.send("and now?")
    await crash.house.clock.hurry(opened.idle())
    assert (house.ran(), broken_log(opened.transcript.records())) == (ran, [])
    await crash.workspace.close()


async def test_a_session_with_a_long_torn_end_is_listed_and_opened(house: House) -> None:
    """What a lost power supply leaves: blocks that were never written read as zeros."""
    there = house.workspace(ScriptedModel(says("One.")))
    session = await there.new(model="scripted")
    await session.send("one")
    await house.clock.hurry(session.idle())
    await there.close()
    log = house.log(session.sid)
    size = log.stat().st_size
    os.truncate(log, 20_000_000)
    assert [(card.sid, card.messages, card.at_least) for card in house.cards()] == [(session.sid, 2, True)]
    assert await house.wrong(session.sid, session.transcript.records()) == []
    assert log.with_name("log.torn-1").stat().st_size == 20_000_000 - size
