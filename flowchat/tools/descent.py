"""Every process that descends from a program we started, however it tried to leave, and the end of them.

A program runs in a session of its own and carries MARK in its environment. We are the reaper of our orphans
(PR_SET_CHILD_SUBREAPER, prctl(2)), so whatever leaves its session or its parent becomes our child instead of init's. Without
/proc (macOS) only the program's process group is known.
"""

import asyncio
import os
import signal
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

MARK = "FLOWCHAT_CALL"
TERM_GRACE_SECONDS = 2.0
"""How long a process may take over SIGTERM before SIGKILL."""
_KILL_GRACE_SECONDS = 1.0
_KILL_ROUNDS = 20
_PR_SET_CHILD_SUBREAPER = 36
_leaders: set[int] = set()
"""Children we started ourselves and have not reaped yet: no orphans."""


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
        self._mark = f"{MARK}={mark}".encode()
        process = _process(leader)
        self._started = process.started if process is not None else 0
        self._beyond_us: set[int] = set()
        _leaders.add(leader)

    def gone(self) -> bool:
        """Whether nothing of an ended leader is left; a cheap look that may say no where `living` finds nothing."""
        return _children() <= _leaders

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

    async def end(self, leader_exit: "asyncio.Future[None]") -> None:
        """SIGTERM to all, two seconds, SIGKILL to whatever is left until nothing is."""
        found = self.living()
        asked = self._asked(found)
        if asked == found:
            _send_group(self.leader, signal.SIGTERM)
        await self._signal(asked, signal.SIGTERM, TERM_GRACE_SECONDS)
        if not found:
            await asyncio.wait({leader_exit}, timeout=TERM_GRACE_SECONDS)
        for _ in range(_KILL_ROUNDS):
            if not (left := self.living()):
                break
            _send_group(self.leader, signal.SIGKILL)
            await self._signal(left, signal.SIGKILL, _KILL_GRACE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all there is now, without waiting."""
        _send_group(self.leader, signal.SIGKILL)
        for process in self.living():
            _send(process.pid, signal.SIGKILL)

    def forget(self) -> None:
        """The leader is reaped: its number means nothing any more."""
        is_gone(self.leader)

    def _asked(self, found: list[_Process]) -> list[_Process]:
        """Of a wrapped program those below its leader; all where there are none."""
        below = [process for process in found if process.pid != self.leader]
        return below if self._wrapped and below else found

    async def _signal(self, processes: Iterable[_Process], number: signal.Signals, seconds: float) -> None:
        waited: list[int] = []
        for process in processes:
            try:
                waited.append(os.pidfd_open(process.pid))
                signal.pidfd_send_signal(waited[-1], number)
            except PermissionError:
                self._beyond_us.add(process.pid)
                os.close(waited.pop())
            except (OSError, AttributeError):
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
        variables = _environment(process.pid)
        if self._mark in variables:
            return True
        unmarked = not any(variable.startswith(MARK.encode() + b"=") for variable in variables)
        return unmarked and process.parent == os.getpid()


@cache
def adopt_orphans() -> None:
    """Make the orphans of our programs our own children. Nothing happens where the system has no such thing."""
    import ctypes

    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass


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


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


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
        try:
            os.waitpid(process.pid, os.WNOHANG)
        except OSError:
            pass


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
