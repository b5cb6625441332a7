"""One running program: its exit, what it prints, what it is told on its stdin, and its end with all it started."""

import asyncio
import os
from collections.abc import Callable, Set
from typing import Protocol

from msgspec import Struct

from flowchat.tools.descent import PROCESS_LIMIT, Descent, orphans
from flowchat.tools.recording import Live, Recording

PIPE_GRACE_SECONDS = 0.1
"""How long to read on after the program itself has exited: something it left behind may hold the pipe for ever."""
LIVE_PACE_SECONDS = 0.05
INPUT_LIMIT_BYTES = 1024 * 1024
"""Of input that a program has not read yet."""
LOOK_PACE_SECONDS, LOOK_SLOWEST_SECONDS = 0.1, 0.5
"""How often a program is looked at for having started too many others, and for what has left it: at first, and later on."""
_SLOWER = 1.05
_CHUNK_BYTES = 64 * 1024
_ending: set["asyncio.Task[None]"] = set()
"""Programs being ended in the background; `settled` awaits them."""


class Child(Protocol):
    """A process we started, as subprocess.Popen has it."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...


class Started(Struct, frozen=True):
    """A process in a session of its own. `pipe` is our non-blocking end of what it prints, `stdin` of what it reads, or None.

    `reaped` is called once its number means nothing any more, `seen` again and again with the orphans we have meanwhile.
    """

    process: Child
    pipe: int
    stdin: int | None
    mark: str
    wrapped: bool
    reaped: Callable[[int], None]
    seen: Callable[[Set[int]], None]


async def settled() -> None:
    """Until nothing started here and then given up (cancelled, left behind) is running any more; 2 to 3 s at most."""
    while _ending:
        await asyncio.wait(set(_ending))


class Program:
    """Reads its output from the moment it is made. `crowded`: it was ended for having more than PROCESS_LIMIT processes."""

    def __init__(
        self,
        started: Started,
        recording: Recording,
        show: Callable[[str], None] | None = None,
        enough_bytes: int | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.recording, self.crowded = recording, False
        self.pipe_closed: asyncio.Future[None] = self._loop.create_future()
        self._started, self._process, self._pipe = started, started.process, started.pipe
        self._left: tuple[str, ...] = ()
        self._ending: asyncio.Task[None] | None = None
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._enough: asyncio.Future[None] = self._loop.create_future()
        self._enough_bytes = enough_bytes
        self._live = Live(show) if show is not None else None
        self._flush: asyncio.TimerHandle | None = None
        self._stdin, self._input = started.stdin, bytearray()
        self._input_ends = False
        self._descent = Descent(self._process.pid, started.mark, started.wrapped)
        self._loop.add_reader(self._pipe, self._read)
        self._watch_exit()
        self._pace = LOOK_PACE_SECONDS
        self._look = self._loop.call_later(self._pace, self._look_around)

    @property
    def mark(self) -> str:
        """What its processes carry in their environment."""
        return self._started.mark

    async def leader_over(self, timeout_seconds: float | None) -> bool:
        """Until the program has exited, printed enough or got too many; True when the time was over first."""
        over = {self._exited, self._enough}
        done, _ = await asyncio.wait(over, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        return not done

    def status(self) -> int | None:
        """The exit status, without reaping; None while it runs."""
        if self._process.returncode is not None:
            return self._process.returncode
        if not hasattr(os, "waitid"):
            return self._process.poll()
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    async def end(self, wait_for_all: bool) -> tuple[str, ...]:
        """End every process that is left and give their names: all of them before this returns, or those that take longer
        than the grace time in the background, where `settled` awaits them. Asked again, it joins the end under way."""
        self._look.cancel()
        self._close_stdin()
        if self._ending is None and self.status() is not None and (self._descent.gone() or await self._descent.fallen()):
            self._reap()
            return ()
        if self._ending is None:
            self._left = tuple(process.name for process in self._descent.living())
            self._ending = self._loop.create_task(self._end_all())
            _ending.add(self._ending)
            self._ending.add_done_callback(_ending.discard)
        await asyncio.wait({self._ending}, timeout=None if wait_for_all else PIPE_GRACE_SECONDS)
        return self._left

    def close_output(self) -> None:
        """Show what has come and take no more."""
        self._close_pipe()
        if self._flush is not None:
            self._flush.cancel()
        if self._live is not None:
            self._live.flush()
            self._live = None

    # --- its stdin ---------------------------------------------------------------------------------------------------
    @property
    def reads(self) -> bool:
        """Whether it has a stdin that was not closed by either side."""
        return self._stdin is not None and not self._input_ends

    def put_in(self, text: bytes, ends: bool) -> bool:
        """Give it input, as fast as it reads; `ends`: and then the end of it. False where too much waits already."""
        if len(self._input) + len(text) > INPUT_LIMIT_BYTES:
            return False
        self._input += text
        self._input_ends = ends
        self._write()
        return True

    def _write(self) -> None:
        if self._stdin is None:
            return
        try:
            while self._input:
                del self._input[: os.write(self._stdin, self._input)]
        except BlockingIOError:
            self._loop.add_writer(self._stdin, self._write)
            return
        except OSError:
            self._close_stdin()
            return
        self._loop.remove_writer(self._stdin)
        if self._input_ends:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = None

    # --- its end -----------------------------------------------------------------------------------------------------
    async def _end_all(self) -> None:
        try:
            await self._descent.end(self._exited)
        except asyncio.CancelledError:
            self._descent.kill()
            raise
        finally:
            self._reap()

    def _reap(self) -> None:
        self._process.poll()
        self._descent.forget()
        self._started.reaped(self._process.pid)

    def _watch_exit(self) -> None:
        try:
            pidfd = os.pidfd_open(self._process.pid)
        except (OSError, AttributeError):
            waiting = self._loop.run_in_executor(None, self._process.wait)
            waiting.add_done_callback(lambda _: _set(self._exited))
            return
        self._loop.add_reader(pidfd, self._has_exited, pidfd)

    def _has_exited(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        os.close(pidfd)
        _set(self._exited)

    def _look_around(self) -> None:
        self._started.seen(orphans())
        self.crowded = self._descent.count_beyond(PROCESS_LIMIT)
        if self.crowded:
            self._descent.freeze()
            _set(self._enough)
        else:
            self._pace = min(self._pace * _SLOWER, LOOK_SLOWEST_SECONDS)
            self._look = self._loop.call_later(self._pace, self._look_around)

    # --- its output --------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        try:
            chunk = os.read(self._pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._close_pipe()
            return
        self.recording.add(chunk)
        if self._enough_bytes is not None and self.recording.total_bytes >= self._enough_bytes:
            _set(self._enough)
        if self._live is not None:
            self._live.add(chunk, self.recording.binary)
            self._flush = self._flush or self._loop.call_later(LIVE_PACE_SECONDS, self._show)

    def _show(self) -> None:
        self._flush = None
        if self._live is not None:
            self._live.flush()

    def _close_pipe(self) -> None:
        if not self.pipe_closed.done():
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self.pipe_closed.set_result(None)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
