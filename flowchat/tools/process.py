"""Every program the application starts: without our keys, most without a terminal, watched, and ended with all it started."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

from msgspec import Struct

from flowchat.tools.attended import Attended
from flowchat.tools.concealing import conceal
from flowchat.tools.descent import KEPT, MARK, adopt_orphans, is_gone, is_no_orphan, orphans, threads_bounded
from flowchat.tools.environment import attended_environment, child_environment, search_path, shown
from flowchat.tools.program import PIPE_GRACE_SECONDS, Program, Started
from flowchat.tools.program import settled as settled
from flowchat.tools.recording import Recording
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import BadArguments, NotDone

ATTENDED_GRACE_SECONDS = 1.0
"""How long a program that had the terminal may take over SIGHUP before SIGKILL."""


class Ended(Struct, frozen=True):
    """How a program ended: its exit status (minus the signal's number if one killed it), or None where we ended it.

    `recording` is what it printed, stdout and stderr as they came; close it. `left` names processes it had left running,
    which were ended too; `crowded`: we ended it for having started more than PROCESS_LIMIT processes.
    """

    status: int | None
    recording: Recording
    left: tuple[str, ...] = ()
    timed_out: bool = False
    crowded: bool = False


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
    program = Program(_start(_spawn(command), cwd), Recording(), show, enough_bytes)
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
    ended = None if timed_out or program.crowded else status
    return Ended(ended, program.recording, left if status is not None else (), timed_out, program.crowded)


def start(command: Sequence[str] | Spawn, cwd: Path, recording: Recording, show: Callable[[str], None]) -> Program:
    """Start a program that goes on beside everything else, with a stdin to be written to; `show` and what is raised as in `run`.

    Whoever starts it ends it: `Program.end`, then `Program.close_output`.
    """
    return Program(_start(_spawn(command), cwd, reads=True), recording, show)


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


def find_program(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The absolute path of a program on our PATH, or on that of `environ`, never in the current directory by chance."""
    import shutil

    return shutil.which(name, path=search_path(os.environ if environ is None else environ))


def _hand_over(command: Sequence[str], text: bytes, variables: Mapping[str, str], timeout_seconds: float) -> bool:
    try:
        process = subprocess.Popen(
            command,
            cwd="/",
            env={**child_environment(os.environ), **variables, MARK: KEPT},
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
        orphans()  # a clipboard's keeper that another has relieved
    return process.returncode == 0


def _start_attended(command: Sequence[str], cwd: Path) -> "subprocess.Popen[bytes]":
    try:
        process = subprocess.Popen(command, cwd=cwd, env=attended_environment(os.environ), process_group=0)
    except (OSError, ValueError) as error:
        raise NotDone(f"{command[0]} could not be started: {getattr(error, 'strerror', None) or error}") from None
    is_no_orphan(process.pid)
    return process


def _spawn(command: Sequence[str] | Spawn) -> Spawn:
    return command if isinstance(command, Spawn) else Spawn(tuple(command))


def _start(spawn: Spawn, cwd: Path, reads: bool = False) -> Started:
    """The process in a session of its own; `reads`: with a pipe for its stdin, else at its end from the start."""
    ours: list[int] = []
    theirs: list[int] = []
    try:
        adopt_orphans()
        pipe, output = _piped(ours, theirs)
        source, stdin = _piped(theirs, ours) if reads else (subprocess.DEVNULL, None)
        mark = _watchdog.new_mark()
        with threads_bounded():
            process = subprocess.Popen(
                spawn.argv,
                cwd=cwd,
                env={**(child_environment(os.environ) if spawn.env is None else spawn.env), MARK: mark},
                stdin=source,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=spawn.pass_fds,
                preexec_fn=spawn.preexec,
            )
    except (OSError, ValueError, subprocess.SubprocessError, NotDone) as error:
        for descriptor in ours:
            os.close(descriptor)
        if isinstance(error, NotDone):
            raise
        if isinstance(error, ValueError):
            raise BadArguments(f"{spawn.argv[0]} cannot be run with these arguments: {error}") from None
        raise NotDone(f"{spawn.argv[0]} could not be started in {cwd}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        spawn.let_go()
        for descriptor in theirs:
            os.close(descriptor)
    for descriptor in ours:
        os.set_blocking(descriptor, False)
    _watchdog.watch(process.pid)
    return Started(process, pipe, stdin, mark, spawn.wrapped, _watchdog.forget, _watchdog.watch_orphans)


def _piped(reading: list[int], writing: list[int]) -> tuple[int, int]:
    """A pipe's two ends, each remembered with whose it is."""
    reads, writes = os.pipe()
    reading.append(reads)
    writing.append(writes)
    return reads, writes


# --- if we are killed ------------------------------------------------------------------------------------------------
_WATCHDOG = """
live=
while read -r sign pid; do
    rest=
    for one in $live; do [ "$one" = "$pid" ] || rest="$rest $one"; done
    live=$rest
    [ "$sign" = + ] && live="$live $pid"
done
for one in $live; do kill -9 "-$one"; kill -9 "$one"; done
rounds=50
while found=$(grep -las "$1" /proc/[0-9]*/environ); [ -n "$found" ] && [ $rounds -gt 0 ]; do
    for path in $found; do pid=${path#/proc/}; kill -9 "${pid%/environ}"; done
    rounds=$((rounds - 1))
done
"""
"""Reads "+ pid" and "- pid" of programs and of what has left them; when our end of its pipe closes, however we ended, it kills
those that are left and their groups, then whatever carries our mark."""


class _Watchdog:
    """A small shell that outlives us by a moment. Started with the first program, again should it have been ended."""

    def __init__(self) -> None:
        self._marks = 0
        self._owner = ""
        self._orphans: Set[int] = frozenset()
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

    def watch_orphans(self, orphans: Set[int]) -> None:
        """These are ours now, and no others: some have no mark left to be found by."""
        for sign, pids in (("+", orphans - self._orphans), ("-", self._orphans - orphans)):
            for pid in pids:
                self._tell(sign, pid)
        self._orphans = set(orphans)

    def _start(self) -> None:
        conceal(shown(os.environ) | {MARK.encode()})  # the mark: a flowchat within a flowchat's call stays recognisable
        self._owner = self._owner or f"{os.getpid()}-{os.urandom(8).hex()}"
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            os.close(pipe)
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
