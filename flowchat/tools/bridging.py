"""A command whose sandbox has a bridge to allowed domains: how it is started, who answers it, and how that ends with it."""

import asyncio
import logging
import os
import socket
import struct
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from flowchat.tools.outward import Outward
from flowchat.tools.proxy import HEAD_LIMIT_BYTES, serve
from flowchat.tools.spawn import Spawn

CONNECTIONS_LIMIT = 32
"""At a time; more wait until one has ended. Each takes two descriptors, and we may have no more than 1,024 for all commands."""
AGAIN_SECONDS = 0.2
"""After a connection that could not be taken."""
REFUSED_LIMIT = 16
"""Hosts that were refused, as far as they are remembered."""
INTERPRETERS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3")
SCRIPT = Path(__file__).with_name("bridge.py").read_text(encoding="utf-8")
"""Given as a word, since a sandbox need not see where we lie."""
_log = logging.getLogger(__name__)
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
        self._program, self._outward, self._theirs = program, outward, theirs
        self._refused: dict[str, None] = {}
        self._answering = asyncio.create_task(self._answer(ours))

    @property
    def refused(self) -> tuple[str, ...]:
        """Hosts that the command asked for and that no rule is about, in the order in which it did."""
        return tuple(self._refused)

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The words of the command, with the bridge before them."""
        return [self._program, "-I", "-S", "-B", "-c", SCRIPT, str(self._theirs), *argv]

    def spawn(self, spawn: Spawn) -> Spawn:
        """How to start it, the other end of the bridge given with it."""
        theirs, self._theirs = self._theirs, -1
        return replace(spawn, pass_fds=(*spawn.pass_fds, theirs))

    async def close(self) -> None:
        """End every connection there is."""
        if self._theirs >= 0:
            os.close(self._theirs)
        self._answering.cancel()
        await asyncio.wait({self._answering})
        if not self._answering.cancelled():
            self._answering.result()

    async def _answer(self, ours: socket.socket) -> None:
        """Every connection to the port that the sandbox hands over: taken here, so that nobody in there holds our end of it."""
        with ours:
            listener = await _handed_over(ours)
        if listener is None:
            return
        free = asyncio.Semaphore(CONNECTIONS_LIMIT)
        with listener:
            async with asyncio.TaskGroup() as serving:
                while True:
                    await free.acquire()
                    connection = await _connection(listener)
                    task = serving.create_task(self._serve(connection))
                    task.add_done_callback(lambda _, connection=connection: (connection.close(), free.release()))

    async def _serve(self, connection: socket.socket) -> None:
        try:
            client = await asyncio.open_connection(sock=connection, limit=HEAD_LIMIT_BYTES)
            await serve(client, self._outward, self._refuse)
        except OSError:
            pass  # it has gone again
        except Exception:
            _log.exception("a connection of a command ended with a fault")  # and no other, nor the command

    def _refuse(self, host: str) -> None:
        if len(self._refused) < REFUSED_LIMIT:
            self._refused[host] = None


@asynccontextmanager
async def bridged(program: str, outward: Outward) -> AsyncGenerator[Bridge, None]:
    """A bridge for one command, which has ended, or been told to, by the end; so has all that came over it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours:  # a task that is cancelled before it begins closes nothing
        ours.setblocking(False)
        bridge = Bridge(program, outward, ours, theirs.detach())
        try:
            yield bridge
        finally:
            await bridge.close()


async def _handed_over(ours: socket.socket) -> socket.socket | None:
    """The port that waits for connections within the sandbox; None where no such thing comes."""
    await _readable(ours)
    with suppress(OSError):
        _, extra, flags, _ = ours.recvmsg(1, socket.CMSG_LEN(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC)
        if flags & socket.MSG_CTRUNC:
            _log.warning("a command reaches no domain: the port it handed over is one too many to have open")
        for _, _, data in extra:
            (descriptor,) = _DESCRIPTOR.unpack(data)
            return _listener(descriptor)
    return None


def _listener(descriptor: int) -> socket.socket | None:
    """One of TCP; anything else is closed."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    kind = found.family, found.type, found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if kind != (socket.AF_INET, socket.SOCK_STREAM, 1):
        found.close()
        return None
    found.setblocking(False)
    return found


async def _readable(what: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(what, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(what)


async def _connection(listener: socket.socket) -> socket.socket:
    """The next one."""
    while True:
        try:
            return (await asyncio.get_running_loop().sock_accept(listener))[0]
        except OSError:  # it has gone again, or we have too much open
            await asyncio.sleep(AGAIN_SECONDS)
