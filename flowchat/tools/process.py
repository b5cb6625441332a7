"""Every program the application starts: without our keys, most without a terminal, watched, and ended with all it started."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from flowchat.tools.attended import Attended
from flowchat.tools.concealing import conceal
from flowchat.tools.descent import MARK, Descent, adopt_orphans, is_gone, is_no_orphan
from flowchat.tools.environment import attended_environment, child_environment, search_path, shown
from flowchat.tools.recording import Live, Recording
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import BadArguments, NotDone

PIPE_GRACE_SECONDS = 0.1
"""How long to read on after the program itself has exited: something it left behind may hold the pipe for ever."""
LIVE_PACE_SECONDS = 0.05
ATTENDED_GRACE_SECONDS = 1.0
"""How long a program that had the terminal may take over SIGHUP before SIGKILL."""
_CHUNK_BYTES = 64 * 1024


class Ended(Struct, frozen=True):
    """How a program ended: its exit status (minus the signal's number if one killed it), or None where we ended it.

    `recording` is what it printed, stdout and stderr as they came; close it. `left` names processes it had left running,
    which were ended too.
    """

    status: int | None
    recording: Recording
    left: tuple[str, ...] = ()
    timed_out: bool = False


async def run(
    command: Sequence[str] | Spawn,
    cwd: Path,
    timeout_seconds: float | None = None,
    show: Callable[[str], None] | None = None,
    enough_bytes: int | None = None,
) -> Ended:
    """Run a program to its end, to `timeout_seconds` or until it has printed `enough_bytes`, and end everything it started.

    `show` hears its output while it runs, merged to at most 20 pieces a second. Raises NotDone if it cannot be started,
    BadArguments if its words cannot be given to a program. Cancelled, it is back within 100 ms; whatever does not end by then
    is ended in the background.
    """
    program = _Program(command, cwd, show, enough_bytes)
    try:
        timed_out = await program.leader_over(timeout_seconds)
        if not timed_out:
            await asyncio.wait({program.pipe_closed}, timeout=PIPE_GRACE_SECONDS)
        status = program.status()
        left = await program.end(wait_for_all=timed_out or status is None)
    except asyncio.CancelledError:
        program.recording.close()
        await program.end(wait_for_all=False)
        raise
    finally:
        program.close_output()
    return Ended(None if timed_out else status, program.recording, left if status is not None else (), timed_out)


async def hand_over(command: Sequence[str], text: bytes, variables: Mapping[str, str], timeout_seconds: float) -> bool:
    """Give a program a text on its stdin; whether it took it and ended well in time.

    `variables` are ours that it gets beside the usual ones. What it leaves running stays, after us too: a clipboard of X11 or
    Wayland is served by the program that filled it.
    """
    return await asyncio.to_thread(_hand_over, command, text, variables, timeout_seconds)


async def attend(command: Sequence[str], cwd: Path) -> int:
    """Let a program have our terminal until it ends; gives its exit status (minus the signal's number if one killed it).

    Keys that mean a signal are for it alone; asked to stop (Ctrl+Z) it goes on, since there is no shell to go back to. It gets
    our environment but no key. Cancelled, it is hung up, then killed. Raises NotDone if it cannot be started.
    """
    process = _start_attended(command, cwd)
    program = Attended(process.pid)
    waiting = asyncio.get_running_loop().run_in_executor(None, program.wait)
    waiting.add_done_callback(lambda _: is_gone(process.pid))
    try:
        process.returncode = await asyncio.shield(waiting)
        return process.returncode
    except asyncio.CancelledError:
        program.signal(signal.SIGHUP)
        await asyncio.wait({waiting}, timeout=ATTENDED_GRACE_SECONDS)
        raise
    finally:
        program.signal(signal.SIGKILL)
        program.take_terminal_back()


async def settled() -> None:
    """Until nothing started here and then given up (cancelled, left behind) is running any more; 2 to 3 s at most."""
    while _ending:
        await asyncio.wait(set(_ending))


def find_program(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The absolute path of a program on our PATH, or on that of `environ`, never in the current directory by chance."""
    import shutil

    return shutil.which(name, path=search_path(os.environ if environ is None else environ))


_ending: set["asyncio.Task[None]"] = set()
"""Programs being ended in the background; `settled` awaits them."""


class _Program:
    """One running program: its process, its pipe and what came out of it."""

    def __init__(
        self, command: Sequence[str] | Spawn, cwd: Path, show: Callable[[str], None] | None, enough_bytes: int | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.recording = Recording()
        self.pipe_closed: asyncio.Future[None] = self._loop.create_future()
        self._left: tuple[str, ...] = ()
        self._ending: asyncio.Task[None] | None = None
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._enough: asyncio.Future[None] = self._loop.create_future()
        self._enough_bytes = enough_bytes
        self._live = Live(show) if show is not None else None
        self._flush: asyncio.TimerHandle | None = None
        mark = _watchdog.new_mark()
        spawn = command if isinstance(command, Spawn) else Spawn(tuple(command))
        self._process, self._pipe = _start(spawn, cwd, mark)
        _watchdog.watch(self._process.pid)
        self._descent = Descent(self._process.pid, mark, spawn.wrapped)
        self._loop.add_reader(self._pipe, self._read)
        self._watch_exit()

    async def leader_over(self, timeout_seconds: float | None) -> bool:
        """Until the program has exited or printed enough; True when the time was over first."""
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
        if self._ending is None and self.status() is not None and self._descent.gone():
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
        _watchdog.forget(self._process.pid)

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


def _hand_over(command: Sequence[str], text: bytes, variables: Mapping[str, str], timeout_seconds: float) -> bool:
    try:
        process = subprocess.Popen(
            command,
            cwd="/",
            env={**child_environment(os.environ), **variables, MARK: "handed over"},  # a mark of no call: nobody's to end
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    is_no_orphan(process.pid)
    try:
        process.communicate(text, timeout_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finally:
        is_gone(process.pid)
    return process.returncode == 0


def _start_attended(command: Sequence[str], cwd: Path) -> "subprocess.Popen[bytes]":
    try:
        process = subprocess.Popen(command, cwd=cwd, env=attended_environment(os.environ), process_group=0)
    except (OSError, ValueError) as error:
        raise NotDone(f"{command[0]} could not be started: {getattr(error, 'strerror', None) or error}") from None
    is_no_orphan(process.pid)
    return process


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _start(spawn: Spawn, cwd: Path, mark: str) -> tuple["subprocess.Popen[bytes]", int]:
    """The process in a session of its own, and our non-blocking end of the pipe it prints to."""
    adopt_orphans()
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            spawn.argv,
            cwd=cwd,
            env={**(child_environment(os.environ) if spawn.env is None else spawn.env), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            pass_fds=spawn.pass_fds,
            preexec_fn=spawn.preexec,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        os.close(ours)
        if isinstance(error, ValueError):
            raise BadArguments(f"{spawn.argv[0]} cannot be run with these arguments: {error}") from None
        raise NotDone(f"{spawn.argv[0]} could not be started in {cwd}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        for descriptor in (theirs, *spawn.pass_fds):
            os.close(descriptor)
    os.set_blocking(ours, False)
    return process, ours


# --- if we are killed ------------------------------------------------------------------------------------------------
_WATCHDOG = """
live=
while read -r sign pid; do
    rest=
    for one in $live; do [ "$one" = "$pid" ] || rest="$rest $one"; done
    live=$rest
    [ "$sign" = + ] && live="$live $pid"
done
for one in $live; do kill -9 "-$one"; done
rounds=50
while found=$(grep -las "$1" /proc/[0-9]*/environ); [ -n "$found" ] && [ $rounds -gt 0 ]; do
    for path in $found; do pid=${path#/proc/}; kill -9 "${pid%/environ}"; done
    rounds=$((rounds - 1))
done
"""
"""Reads "+ pid" and "- pid" of programs; when our end of its pipe closes, however we ended, it kills the groups of those
that are left, then whatever carries our mark."""


class _Watchdog:
    """A small shell that outlives us by a moment. Started with the first program, again should it have been ended."""

    def __init__(self) -> None:
        self._marks = 0
        self._owner = ""
        self._pipe: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def new_mark(self) -> str:
        """A value for MARK that no other program has; the watchdog is running when this returns."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        self._marks += 1
        return f"{self._owner}.{self._marks}"

    def watch(self, pid: int) -> None:
        self._tell("+", pid)

    def forget(self, pid: int) -> None:
        self._tell("-", pid)

    def _start(self) -> None:
        conceal(shown(os.environ) | {MARK.encode()})  # the mark: a flowchat within a flowchat's call stays recognisable
        self._owner = self._owner or f"{os.getpid()}-{os.urandom(8).hex()}"
        if self._pipe is not None:
            os.close(self._pipe)
        theirs, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "sh", f"{MARK}={self._owner}"],
                cwd="/",
                env={"PATH": search_path({})},
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise NotDone(f"/bin/sh could not be started: {error.strerror}") from None
        finally:
            os.close(theirs)
        os.set_blocking(self._pipe, False)
        is_no_orphan(self._process.pid)

    def _tell(self, sign: str, pid: int) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, f"{sign} {pid}\n".encode())
            except OSError:
                pass


_watchdog = _Watchdog()
