"""Forks: what a copy takes over and what it begins with, wherever it is cut short."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from flowchat.config import Folders, Settings
from flowchat.errors import StorageFailed
from flowchat.model.scripted import ScriptedModel, says, waits
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.store.disk import Disk
from flowchat.transcript.entries import AssistantSaid, ContextAdded, ModeSet, RunEnded, ToolAnswered, UserSaid, text_of
from flowchat.transcript.parts import Blob
from tests.desk import HandClock, project_folder, settle
from tests.faulty import FailingDisk, SiteDisk
from tests.validating import broken_log

READ_A = ("read_file", {"path": "a.txt"})


class Home:
    """Workspaces in one folder and one home, each on a disk and a model of its own."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = project_folder(tmp_path)
        self.folders = Folders(*(tmp_path / "home" / name for name in ("data", "config", "cache", "state")))
        self.clock = HandClock()
        self._made: list[Workspace] = []

    def workspace(self, *script: object, disk: Disk | None = None, mode: str = "default") -> Workspace:
        model = ScriptedModel(*script)
        settings = Settings(permission_mode=mode)
        made = Workspace(self.folder, settings, self.folders, {}, clock=self.clock, make_model=lambda name: model, disk=disk)
        self._made.append(made)
        return made

    def sids(self) -> set[str]:
        return {path.name for path in (self.folders.data / "sessions").iterdir() if not path.name.startswith(".")}

    def log(self, sid: str) -> Path:
        return self.folders.data / "sessions" / sid / "log.jsonl"

    async def close(self) -> None:
        for made in self._made:
            await made.close()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    house = Home(tmp_path)
    yield house
    await house.close()


def spoken(session: Session) -> list[tuple[str, object]]:
    """The head's branch as it reads, without numbers."""
    told: list[tuple[str, object]] = []
    for record in session.transcript.branch():
        match record.entry:
            case UserSaid():
                told.append(("user", text_of(record.entry.parts)))
            case AssistantSaid():
                told.append(("assistant", text_of(record.entry.parts)))
            case ToolAnswered():
                told.append(("answer", record.entry.content))
            case RunEnded():
                told.append(("end", record.entry.outcome))
            case _:
                pass
    return told


async def unsaved_session(house: Home) -> Session:
    """One run on disk, and one of which only the beginning is: another program has written to the log meanwhile."""
    hold = waits("", says("Let me see.", calls=[READ_A]))
    there = house.workspace(says("First."), hold)
    session = await there.new(model="scripted")
    await session.send("one")
    await session.idle()
    await session.send("two")
    await hold.reached.wait()
    with house.log(session.sid).open("ab") as log:
        log.write(b"not ours\n")
    hold.gate.set()
    await house.clock.hurry(session.idle())
    assert session.transcript.unsaved is not None
    assert {"assistant_said", "tool_answered", "run_ended"} <= {record.type for record in session.transcript.branch()}
    return session


async def test_a_fork_of_what_could_not_be_saved_reads_as_the_original_did(house: Home) -> None:
    session = await unsaved_session(house)
    there = house.workspace(says("Going on."))
    fork = await there.fork(session)
    assert spoken(fork) == spoken(session)
    assert broken_log(fork.transcript.records()) == []
    calls = [record.entry.call for record in fork.transcript.branch() if isinstance(record.entry, ToolAnswered)]
    said = [record.seq for record in fork.transcript.branch() if isinstance(record.entry, AssistantSaid) and record.entry.calls]
    assert calls == [f"{seq}.0" for seq in said]
    await fork.send("go on")
    await fork.idle()
    await fork.close()
    again = await house.workspace().open(fork.sid)
    assert spoken(again) == [*spoken(session), ("user", "go on"), ("assistant", "Going on."), ("end", "completed")]


async def test_a_fork_takes_the_blobs_along_that_only_unsaved_entries_name(house: Home) -> None:
    session = await unsaved_session(house)
    blob = await session.transcript.blobs.put(b"kept", "text/plain")
    await session.transcript.append(ContextAdded("file", "x", (Blob(blob),)))
    fork = await house.workspace().fork(session)
    assert await fork.transcript.blobs.get(blob.sha256) == b"kept"


async def test_a_fork_at_a_place_that_is_not_on_disk_yet_ends_there(house: Home) -> None:
    session = await unsaved_session(house)
    at = next(record.seq for record in session.transcript.branch() if record.type == "tool_answered")
    fork = await house.workspace().fork(session, at)
    assert spoken(fork) == [*spoken(session)[:-1], ("end", "interrupted")]


async def test_a_session_forked_in_the_middle_of_a_write_comes_along_with_that_write(house: Home) -> None:
    gate = threading.Event()
    gate.set()
    session = await house.workspace(says("First."), disk=SiteDisk(lambda site: waited(gate))).new(model="scripted")
    await session.send("one")
    await session.idle()
    gate.clear()
    renaming = asyncio.create_task(session.rename("A name"))
    await settle()
    forking = asyncio.create_task(house.workspace().fork(session))
    await asyncio.wait({forking}, timeout=0.2)
    gate.set()
    await renaming
    assert broken_log((await forking).transcript.records()) == []
    assert (await forking).title == "A name"


def waited(gate: threading.Event) -> None:
    """Hold up the log's writer, not the loop."""
    if threading.current_thread() is not threading.main_thread():
        gate.wait()


@pytest.mark.parametrize(("held", "configured", "begun"), [
    ("bypass", "default", "default"), ("accept-edits", "default", "default"), ("plan", "bypass", "plan"),
    ("default", "accept-edits", "accept-edits"),
])  # fmt: skip
async def test_a_fork_begins_in_plan_or_the_configured_mode(house: Home, held: str, configured: str, begun: str) -> None:
    first = await house.workspace(says("First.")).new(model="scripted", mode=held)
    await first.send("one")
    await first.idle()
    other = house.workspace(mode=configured)
    fork = await other.fork(await other.open(first.sid))
    assert fork.mode == begun
    await fork.close()
    assert fork.transcript.facts.mode == begun


async def test_a_mode_that_could_not_be_saved_is_not_forked_either(house: Home) -> None:
    session = await unsaved_session(house)
    await session.transcript.append(ModeSet("bypass"))
    assert (await house.workspace().fork(session)).mode == "default"


async def test_wherever_a_fork_is_cut_short_it_is_whole_or_not_there(house: Home) -> None:
    """Whole: a session of its own name, with nothing in its queue that the other would send too."""
    first = house.workspace(waits("Hm", says("never")), mode="bypass")
    session = await first.new(model="scripted")
    await session.send("one")
    await session.send("two")
    await session.interrupt()
    before = house.sids()
    wrong: list[object] = []
    for site in range(1, 100):
        disk = FailingDisk(site, "EIO", count=None)
        cut = house.workspace(disk=disk)
        with suppress(StorageFailed):
            await cut.fork(session)
        for sid in house.sids() - before:
            again = await house.workspace().open(sid)
            facts = again.transcript.facts
            if (facts.session, facts.queue, facts.mode) != (sid, (), "default"):
                wrong.append((site, disk.sites, sid, facts))
            await again.close()
            before.add(sid)
        if not disk.fired:
            break
    assert (wrong, 10 < site < 99) == ([], True)
