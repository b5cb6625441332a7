"""Every process that descends from a program we started, however it tried to leave, and the end of them.

A program runs in a session of its own and carries MARK in its environment. We are the reaper of our orphans
(PR_SET_CHILD_SUBREAPER, prctl(2)), so whatever leaves its session or its parent becomes our child instead of init's. Without
/proc (macOS) only the program's process group is known.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import NamedTuple

MARK = "FLOWCHAT_CALL"
KEPT = f"kept-{os.urandom(8).hex()}"
"""The mark of what shall go on without us."""
PROCESS_LIMIT = 1_000
"""Processes one program may have at a time. A builder with a process for each core has fewer; a fork bomb has no end."""
THREADS_LIMIT = 4_000
"""Threads beyond those the machine has when a program starts, from which on the system refuses that program more: what doubles
all the time is stopped before anybody looks. For root there is no such limit (RLIMIT_NPROC, getrlimit(2))."""
TERM_GRACE_SECONDS = 2.0
"""How long a process may take over SIGTERM before SIGKILL."""
_KILL_GRACE_SECONDS = 1.0
_FALL_SECONDS = 0.05
_ROUNDS = 20
_PR_SET_CHILD_SUBREAPER = 36
_leaders: set[int] = set()
"""Children we started ourselves and have not reaped yet: no orphans."""
_others = {KEPT}
"""Marks that keep a process from being anyone's orphan; a mark it made up does not."""


class _Process(NamedTuple):
    pid: int
    name: str
    state: str
    parent: int
    session: int
    started: int
    """Clock ticks since boot."""


class Descent:
    """One program's processes. `leader` is its pid, not reaped as long as this lives: so its group belongs to no one else.

    `wrapped`: the leader would take the rest down with it, so it is not asked to end, only killed.
    """

    def __init__(self, leader: int, mark: str, wrapped: bool = False) -> None:
        self.leader, self._wrapped = leader, wrapped
        self._mark = mark
        process = _process(leader)
        self._started = process.started if process is not None else 0
        self._beyond_us: set[int] = set()
        self._threads = _threads()
        _leaders.add(leader)
        _others.add(mark)

    def gone(self) -> bool:
        """Whether nothing of an ended leader is left; a cheap look that may say no where `living` finds nothing."""
        return _children() <= _leaders

    async def fallen(self) -> bool:
        """Whether the rest of a wrapped program has gone with its leader, as it does within a moment; a cheap look, too."""
        orphans = _children() - _leaders
        if not self._wrapped or -1 in orphans:
            return False
        pidfds: list[int] = []
        for pid in filter(_has_children, orphans):  # the first process of a namespace: without it the others are killed
            with suppress(OSError):
                pidfds.append(os.pidfd_open(pid))
        try:
            await _all_readable(pidfds, _FALL_SECONDS)
        finally:
            for pidfd in pidfds:
                os.close(pidfd)
        for pid in orphans:
            _bury(pid)
        return not any(map(_has_children, orphans))

    def living(self) -> list[_Process]:
        """All processes of the program that run, the leader included; orphans of ours that ended are reaped on the way."""
        table = _processes()
        ours = {pid for pid, process in table.items() if self._is_ours(process)}
        grown = True
        while grown:
            below = {pid for pid, process in table.items() if process.parent in ours} - ours
            ours |= below
            grown = bool(below)
        return [table[pid] for pid in sorted(ours - self._beyond_us) if table[pid].state not in "ZX"]

    def count_beyond(self, limit: int) -> bool:
        """Whether there are more processes than this; a cheap look as long as the whole machine has not got that many more."""
        return _threads() - self._threads >= limit and len(self.living()) > limit

    async def end(self, leader_exit: "asyncio.Future[None]") -> None:
        """SIGTERM to all, two seconds, SIGKILL to whatever is left until nothing is."""
        found = self.living()
        asked = self._asked(found)
        if asked == found:
            _send_group(self.leader, signal.SIGTERM)
            _send_group(self.leader, signal.SIGCONT)  # who is stopped hears nothing
        await self._signal(asked, (signal.SIGTERM, signal.SIGCONT), TERM_GRACE_SECONDS)
        if not found:
            await asyncio.wait({leader_exit}, timeout=TERM_GRACE_SECONDS)
        for _ in range(_ROUNDS):
            if not (left := self.freeze()):
                break
            _send_group(self.leader, signal.SIGKILL)
            await self._signal(left, (signal.SIGKILL,), _KILL_GRACE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all there is now, without waiting."""
        found = self.freeze()
        _send_group(self.leader, signal.SIGKILL)
        for process in found:
            _send(process.pid, signal.SIGKILL)

    def freeze(self) -> list[_Process]:
        """Stop all there is, so that none can start another while they are being killed; gives them. A wrapped program, with
        all of its namespace, has nothing to be stopped for: its leader's end is theirs, however many they are."""
        if self._wrapped:
            _send(self.leader, signal.SIGKILL)
        frozen: set[int] = set()
        found = self.living()
        for _ in range(_ROUNDS):
            moving = [process.pid for process in found if process.pid not in frozen]
            if not moving:
                break
            _send_group(self.leader, signal.SIGSTOP)
            for pid in moving:
                _send(pid, signal.SIGSTOP)
            frozen.update(moving)
            found = self.living()
        return found

    def forget(self) -> None:
        """The leader is reaped: its number means nothing any more."""
        is_gone(self.leader)
        _others.discard(self._mark)

    def _asked(self, found: list[_Process]) -> list[_Process]:
        """Of a wrapped program those below its leader; all where there are none."""
        below = [process for process in found if process.pid != self.leader]
        return below if self._wrapped and below else found

    async def _signal(self, processes: Iterable[_Process], numbers: Sequence[signal.Signals], seconds: float) -> None:
        waited: list[int] = []
        for process in processes:
            try:
                waited.append(os.pidfd_open(process.pid))
                for number in numbers:
                    signal.pidfd_send_signal(waited[-1], number)
            except PermissionError:
                self._beyond_us.add(process.pid)
                os.close(waited.pop())
            except (OSError, AttributeError):
                for number in numbers:
                    _send(process.pid, number)
        try:
            await _all_readable(waited, seconds)
        finally:
            for pidfd in waited:
                os.close(pidfd)

    def _is_ours(self, process: _Process) -> bool:
        if process.pid == self.leader:
            return True
        if process.pid in _leaders or process.session == os.getsid(0):
            return False
        if process.state == "Z":
            _reap_orphan(process)
            return False
        if process.session == self.leader:
            return True
        if process.started < self._started:
            return False
        mark = _mark_of(process.pid)
        return mark == self._mark or (mark not in _others and process.parent == os.getpid())


def end_marked(mark: str) -> list[str]:
    """SIGKILL to whatever carries a mark, of whichever flowchat it was, and what is below it; gives their names. Blocks."""
    names: dict[int, str] = {}
    for _ in range(_ROUNDS):
        table = _processes()
        found = {pid for pid in table if pid not in _leaders and _mark_of(pid) == mark}
        while grown := {pid for pid, process in table.items() if process.parent in found} - found:
            found |= grown
        living = [table[pid] for pid in sorted(found - {os.getpid()}) if table[pid].state not in "ZX"]
        if not living:
            break
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in living:
                _send(process.pid, number)
        names |= {process.pid: process.name for process in living}  # who is slow to die is met again
    return list(names.values())


@cache
def adopt_orphans() -> None:
    """Make the orphans of our programs our own children. Nothing happens where the system has no such thing."""
    import ctypes

    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass


@contextmanager
def threads_bounded() -> Generator[None]:
    """What is started meanwhile, with all it starts, may have THREADS_LIMIT threads; so may we for that moment."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _threads() + THREADS_LIMIT
    resource.setrlimit(resource.RLIMIT_NPROC, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


def orphans() -> set[int]:
    """Processes that became our children when their parents ended; empty where that cannot be told. The dead are reaped."""
    found = _children()
    adopted = set[int]() if -1 in found else found - _leaders
    for pid in tuple(adopted):
        process = _process(pid)
        if process is None or (process.state == "Z" and process.session != os.getsid(0)):
            _reap(pid)
            adopted.discard(pid)
    return adopted


def is_no_orphan(pid: int) -> None:
    """This child is ours by intention and stays."""
    _leaders.add(pid)


def is_gone(pid: int) -> None:
    """This child has been reaped."""
    _leaders.discard(pid)


# --- /proc, as proc(5) describes it ----------------------------------------------------------------------------------
def _processes() -> dict[int, _Process]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    found = (_process(int(name)) for name in names if name.isdecimal())
    return {process.pid: process for process in found if process is not None}


def _process(pid: int) -> _Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            before, _, after = file.read().decode("utf-8", "replace").rpartition(")")
    except OSError:
        return None
    fields = after.split()
    return _Process(pid, before.partition("(")[2], fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def _mark_of(pid: int) -> str | None:
    """The last mark in a process's environment; None where it has none, or is not ours to read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return None
    start = f"{MARK}=".encode()
    marks = [variable.removeprefix(start) for variable in variables if variable.startswith(start)]
    return marks[-1].decode("utf-8", "replace") if marks else None


def _threads() -> int:
    """Of the whole machine; 0 where that cannot be seen."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def _children() -> set[int]:
    """Our children; -1 stands for "cannot tell"."""
    found: set[int] = set()
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except OSError:
        return {-1}
    return found


def _has_children(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return bool(file.read())
    except OSError:
        return False


# --- signals ---------------------------------------------------------------------------------------------------------
def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _send_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except OSError:
        pass


def _reap_orphan(process: _Process) -> None:
    if process.parent == os.getpid():
        _reap(process.pid)


def _bury(pid: int) -> None:
    """Reap an orphan, once it has ended: nobody waits for that."""
    _reap(pid)
    with suppress(OSError, AttributeError):
        pidfd = os.pidfd_open(pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, _buried, loop, pidfd, pid)


def _buried(loop: asyncio.AbstractEventLoop, pidfd: int, pid: int) -> None:
    loop.remove_reader(pidfd)
    os.close(pidfd)
    if pid not in _leaders:  # the number may be another's by now
        _reap(pid)


def _reap(pid: int) -> None:
    with suppress(OSError):
        os.waitpid(pid, os.WNOHANG)


async def _all_readable(pidfds: Iterable[int], seconds: float) -> None:
    """Until every process has ended or the time is over: a pidfd is readable once its process has ended (pidfd_open(2))."""
    loop = asyncio.get_running_loop()
    waiting = {pidfd: loop.create_future() for pidfd in pidfds}
    if not waiting:
        return
    for pidfd, ended in waiting.items():
        loop.add_reader(pidfd, _settle, loop, pidfd, ended)
    try:
        await asyncio.wait(waiting.values(), timeout=seconds)
    finally:
        for pidfd in waiting:
            loop.remove_reader(pidfd)


def _settle(loop: asyncio.AbstractEventLoop, pidfd: int, ended: "asyncio.Future[None]") -> None:
    loop.remove_reader(pidfd)
    if not ended.done():
        ended.set_result(None)
