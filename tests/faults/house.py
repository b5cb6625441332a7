"""Real workspaces and sessions on a disk that fails, with a scripted model and a clock that moves by hand."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from flowchat.config import Folders, Settings
from flowchat.errors import CommandRefused, StorageFailed
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.store.cards import SessionCard
from flowchat.store.disk import Disk
from flowchat.transcript.entries import Record
from flowchat.transcript.events import StateDelta
from tests.desk import Ear, HandClock, project_folder
from tests.validating import broken_log, broken_rules

TOUCH = {"command": "echo ran >> ran.txt"}


class House:
    """`folder` is the workspace; every workspace opened here uses the same home."""

    def __init__(self, tmp_path: Path) -> None:
        tmp_path.mkdir(exist_ok=True)
        self.folder = project_folder(tmp_path)
        self.folders = Folders(*(tmp_path / "home" / name for name in ("data", "config", "cache", "state")))
        self.clock = HandClock()

    def workspace(self, model: ScriptedModel, disk: Disk | None = None) -> Workspace:
        settings = Settings(permission_mode="bypass")
        return Workspace(self.folder, settings, self.folders, {}, clock=self.clock, make_model=lambda name: model, disk=disk)

    def log(self, sid: str) -> Path:
        return self.folders.data / "sessions" / sid / "log.jsonl"

    def cards(self) -> list[SessionCard]:
        return self.workspace(ScriptedModel()).cards()

    def ran(self) -> int:
        """How often the command was run."""
        marks = self.folder / "ran.txt"
        return marks.read_text().count("ran") if marks.exists() else 0

    async def wrong(self, sid: str, heard: Sequence[Record], lost: bool = False) -> list[str]:
        """What is wrong with a session that is opened again on a good disk; what was heard is in it unless that may be `lost`."""
        model = ScriptedModel(*[says("Going on.")] * 9)
        there = self.workspace(model)
        session = await there.open(sid)
        records = session.transcript.records()
        wrong = broken_log(records)
        for record in () if lost else heard:
            kept = records[record.seq - 1] if record.seq <= len(records) else None
            if kept is None or (plain(kept), kept.parent) != (plain(record), record.parent):
                wrong.append(f"{record} was heard, {kept} is kept")
        await session.send("and now?")
        await self.clock.hurry(session.idle())
        wrong += [rule for request in model.asked() for rule in broken_rules(request.messages)]
        await there.close()
        return wrong


async def saved(house: House, session: Session) -> list[str]:
    """Let time pass until the session is saved; what is wrong if it never is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while session.transcript.unsaved is not None or session.state.unsaved:
                await house.clock.pass_seconds(0.1)
                await asyncio.sleep(0.001)
    return [] if session.state == StateDelta("idle") else [f"it is {session.state}: {session.transcript.unsaved}"]


def plain(record: Record) -> object:
    return msgspec.json.decode(msgspec.json.encode(record.entry))


def records_of(ear: Ear) -> list[Record]:
    return [event for event in ear.events if isinstance(event, Record)]


def script() -> ScriptedModel:
    return ScriptedModel(
        says("Let me look.", thinking="hm", calls=[("read_file", {"path": "a.txt"}), ("list_dir", {"path": "."})]),
        says("And run it.", calls=[("shell", TOUCH)]),
        says("All is there."),
        *[says("More.")] * 9,
    )


async def live(house: House, session: Session) -> list[str]:
    """All that a user does in one sitting, going on after each refusal; gives the refusals."""
    refused: list[str] = []

    async def tried(act: object) -> None:
        try:
            await act
        except (StorageFailed, CommandRefused) as error:
            refused.append(error.code)

    async def rest() -> None:
        await house.clock.hurry(session.idle())

    session.keep_composer("look at it")
    await tried(session.send("look at it", client_id="one"))
    await tried(session.send("then go on", client_id="two"))
    await rest()
    await tried(session.rename("A good name"))
    if session.transcript.head:
        await tried(session.edit(session.user_messages()[0].seq, "look again", "resend"))
        await rest()
    session.keep_composer("unsent")
    await tried(session.send("at last", client_id="three"))
    await rest()
    return refused
