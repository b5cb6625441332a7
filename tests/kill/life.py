"""A session's whole life as a child process lives it: every kind of write, on a disk that may kill it at any of them."""

import asyncio
import os
import select
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from flowchat.agent.clock import SystemClock, Timer
from flowchat.config import Folders, Settings
from flowchat.errors import FlowchatError
from flowchat.model.model import ModelFacts, ModelPiece, Request
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.serve.stream import event_line
from flowchat.store.disk import Disk
from flowchat.transcript.events import Heard
from tests.faulty import DeadlyDisk, SiteDisk, When

NAME = "scripted"
AT_ONCE = 4
COMMAND = "echo ran >> ran.txt; seq 20000"
"""Leaves one line for each time it is run, and an answer long enough for a blob."""
LONG = ("-" * 1_000 + "\n ") * 14


class QuickClock(SystemClock):
    """Fifty times faster: what is done every 250 ms happens within a short turn, too."""

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        return super().call_later(seconds / 50, act)


class Slow:
    """A scripted model that lets a little time pass with every piece."""

    def __init__(self, script: ScriptedModel) -> None:
        self._script, self.facts = script, script.facts

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        async for piece in self._script.stream(request):
            await asyncio.sleep(0.001)
            yield piece


def script() -> ScriptedModel:
    return ScriptedModel(
        says("Let me look.", thinking="where to begin", calls=[("read_file", {"path": "a.txt"}), ("list_dir", {"path": "."})]),
        says("And run it.", calls=[("shell", {"command": COMMAND})]),
        says("All of it is there, and so on and on and on."),
        says(LONG),
        says("Once more, otherwise."),
        others={"compact": [says("## Done\nIt went well.")] * 3, "title": [says("A life")]},
        facts=ModelFacts(NAME, NAME, 10_000, "config"),
    )


def workspace(home: Path, folder: Path, disk: Disk, model: ScriptedModel | None = None) -> Workspace:
    folders = Folders(*(home / name for name in ("data", "config", "cache", "state")))
    asked = Slow(model or script())
    settings = Settings(permission_mode="bypass")
    return Workspace(folder, settings, folders, {}, clock=QuickClock(), make_model=lambda name: asked, disk=disk)


async def live(home: Path, folder: Path, disk: Disk, heard: int) -> None:
    """From the first message to the last; what is heard goes to the descriptor `heard`, a line an event."""
    there = workspace(home, folder, disk)
    session = await there.new(model=NAME)
    _listen(session, heard)
    session.keep_composer("look at it")
    with suppress(FlowchatError):  # a disk that fails ends the story early
        await session.send("look at it")
        session.keep_composer("")
        await session.send("then go on")
        await session.rename("A good name")
        await session.idle()
        await session.edit(session.user_messages()[0].seq, "look at it again", "resend")
        session.keep_composer("unsent")
        await session.idle()
        fork = await there.fork(session, session.user_messages()[0].seq)
        await fork.rename("A fork")
    await there.close()


async def go_on(home: Path, folder: Path, disk: Disk, heard: int) -> None:
    """Open the newest session again and leave it."""
    there = workspace(home, folder, disk)
    session = await there.open_newest()
    assert session is not None
    _listen(session, heard)
    await there.close()


def _listen(session: Session, heard: int) -> None:
    def hear(event: Heard) -> None:
        os.write(heard, event_line(event.i, "1", session.sid, event.at_ms, event.event).encode())

    session.watch(hear)


LIVES = {"live": live, "go_on": go_on}


def main() -> None:
    """Read orders `life home folder at when`, one a line; live each in a fork of this process, a few at a time.

    The answers, in the order of the orders, are the exit codes, or minus the signals. Who survives leaves the names of its
    sites in the file `sites`.
    """
    pids: list[int] = []
    orders = _Orders()
    while True:
        while len(pids) < AT_ONCE and (order := orders.next(wait=not pids)):
            name, home, folder, at, when = order.split()
            pid = os.fork()
            if pid == 0:
                _child(name, Path(home), Path(folder), int(at), cast(When, when))
            pids.append(pid)
        if not pids:
            return
        _, status = os.waitpid(pids.pop(0), 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


class _Orders:
    """Lines on stdin."""

    def __init__(self) -> None:
        self._read = b""

    def next(self, wait: bool) -> str | None:
        """None at the end, and where none has come yet and we do not wait."""
        while b"\n" not in self._read:
            if not wait and not select.select([0], [], [], 0)[0]:
                return None
            piece = os.read(0, 1 << 16)
            if not piece:
                return None
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()


def _child(name: str, home: Path, folder: Path, at: int, when: When) -> None:
    code = 1
    try:
        home.mkdir(parents=True, exist_ok=True)
        heard = os.open(home / "heard", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        disk = DeadlyDisk(at, when) if at else SiteDisk()
        asyncio.run(LIVES[name](home, folder, disk, heard))
        (home / "sites").write_text("\n".join(disk.sites))
        code = 0
    except BaseException:
        import traceback

        (home / "error").write_text(traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
