"""A command whose sandbox has a bridge to allowed domains: how it is started, who answers it, and how that ends with it."""

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from flowchat.tools.outward import Outward
from flowchat.tools.proxy import HEAD_LIMIT_BYTES, serve
from flowchat.tools.spawn import Spawn

CONNECTIONS_LIMIT = 64
"""At a time; more wait until one has ended."""
REFUSED_LIMIT = 16
"""Hosts that were refused, as far as they are remembered."""
INTERPRETERS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3")
SCRIPT = Path(__file__).with_name("bridge.py").read_text(encoding="utf-8")
"""Given as a word, since a sandbox need not see where we lie."""
_DESCRIPTOR = struct.Struct("i")


def interpreter(hidden: Sequence[Path]) -> str | None:
    """A Python that a confined program can start; None where there is none."""
    unseen = (*hidden, Path("/tmp"))
    for place in filter(None, INTERPRETERS):
        path = Path(os.path.realpath(place))
        if os.access(path, os.X_OK) and not any(path.is_relative_to(folder) for folder in unseen):
            return str(path)
    return None


class Bridge:
    """Answers what comes over the bridge of one command."""

    def __init__(self, program: str, outward: Outward, ours: socket.socket, theirs: int) -> None:
        self._program, self._outward, self._ours, self._theirs = program, outward, ours, theirs
        self._serving: set[asyncio.Task[None]] = set()
        self._refused: dict[str, None] = {}
        self._reads = False
        self._loop = asyncio.get_running_loop()
        self._read(True)

    @property
    def refused(self) -> tuple[str, ...]:
        """Hosts that the command asked for and that no rule is about, in the order in which it did."""
        return tuple(self._refused)

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The words of the command, with the bridge before them."""
        return [self._program, "-I", "-S", "-B", "-c", SCRIPT, str(self._theirs), "--", *argv]

    def spawn(self, spawn: Spawn) -> Spawn:
        """How to start it, the other end of the bridge given with it."""
        theirs, self._theirs = self._theirs, -1
        return replace(spawn, pass_fds=(*spawn.pass_fds, theirs))

    async def close(self) -> None:
        """End every connection there is."""
        self._read(False)
        self._ours.close()
        if self._theirs >= 0:
            os.close(self._theirs)
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(set(self._serving))

    def _read(self, on: bool) -> None:
        if on != self._reads:
            self._reads = on
            if on:
                self._loop.add_reader(self._ours, self._take)
            else:
                self._loop.remove_reader(self._ours)

    def _take(self) -> None:
        """One connection: what comes is a command's to choose, so it is looked at before it is used."""
        try:
            word, extra, _, _ = self._ours.recvmsg(1, socket.CMSG_LEN(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            word, extra = b"", []
        if not word:
            self._read(False)
        for _, _, data in extra:
            for (descriptor,) in _DESCRIPTOR.iter_unpack(data[: len(data) - len(data) % _DESCRIPTOR.size]):
                if (connection := _stream(descriptor)) is not None:
                    task = self._loop.create_task(self._serve(connection))
                    self._serving.add(task)
                    task.add_done_callback(self._served)
        if len(self._serving) >= CONNECTIONS_LIMIT:
            self._read(False)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            client = await asyncio.open_connection(sock=connection, limit=HEAD_LIMIT_BYTES)
        except OSError:
            connection.close()
            return
        await serve(client, self._outward, self._refuse)

    def _served(self, task: "asyncio.Task[None]") -> None:
        self._serving.discard(task)
        if self._ours.fileno() >= 0:
            self._read(True)

    def _refuse(self, host: str) -> None:
        if len(self._refused) < REFUSED_LIMIT:
            self._refused[host] = None


@asynccontextmanager
async def bridged(program: str, outward: Outward) -> AsyncGenerator[Bridge, None]:
    """A bridge for one command, which has ended, or been told to, by the end; so has all that came over it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    bridge = Bridge(program, outward, ours, theirs.detach())
    try:
        yield bridge
    finally:
        await bridge.close()


def _stream(descriptor: int) -> socket.socket | None:
    """A connection over TCP; anything else is closed."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    if found.family != socket.AF_INET or found.type != socket.SOCK_STREAM:
        found.close()
        return None
    found.setblocking(False)
    return found
