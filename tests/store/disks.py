"""Disks that fail: at the n-th call once, for as long as told, by short writes, or by ending the process."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from flowchat.store.disk import Disk

KILLED = 77


class FaultyDisk(Disk):
    """Asks `fault` with the name of each call before it is made; `calls` has their names, in order.

    `fault` raises what shall be raised, or gives how many bytes a write may take (None: all).
    """

    def __init__(self, fault: Callable[[str, int], int | None] = lambda name, number: None) -> None:
        self.calls: list[str] = []
        self.fault = fault

    def _ask(self, name: str) -> int | None:
        self.calls.append(name)
        return self.fault(name, len(self.calls))

    def open(self, path: Path, flags: int) -> int:
        self._ask("open")
        return super().open(path, flags)

    def write(self, fd: int, content: bytes | memoryview) -> int:
        most = self._ask("write")
        return super().write(fd, content if most is None else content[:most])

    def fsync(self, fd: int) -> None:
        self._ask("fsync")
        super().fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self._ask("truncate")
        super().truncate(fd, size)

    def replace(self, source: Path, target: Path) -> None:
        self._ask("replace")
        super().replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._ask("link")
        super().link(source, target)

    def make_folder(self, path: Path) -> None:
        self._ask("make_folder")
        super().make_folder(path)

    def remove_tree(self, path: Path) -> None:
        """Where it fails a part of it is gone."""
        for file in [file for file in path.rglob("*") if file.is_file()][:1]:
            file.unlink()
        self._ask("remove_tree")
        super().remove_tree(path)

    def lock(self, fd: int) -> None:
        self._ask("lock")
        super().lock(fd)


def failing_at(wanted: int, number: int, of: str = "", lasting: bool = False) -> Callable[[str, int], int | None]:
    """Call `wanted` (of the calls named `of`, if given) raises OSError `number`; all after it too if `lasting`."""
    seen = 0

    def fault(name: str, count: int) -> int | None:
        nonlocal seen
        seen += not of or name == of
        if (not of or name == of) and (seen == wanted or (lasting and seen > wanted)):
            raise OSError(number, os.strerror(number))
        return None

    return fault


def torn_at(wanted: int) -> Callable[[str, int], int | None]:
    """Write number `wanted` takes half a line, the next one finds no room."""
    writes = 0

    def fault(name: str, count: int) -> int | None:
        nonlocal writes
        writes += name == "write"
        if name == "write" and writes == wanted:
            return 20
        if name == "write" and writes == wanted + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return None

    return fault


def short_writes(name: str, count: int) -> int | None:
    """Every write takes 7 bytes, every third one is interrupted first."""
    if name == "write" and count % 3 == 0:
        raise InterruptedError(errno.EINTR, "interrupted")
    return 7


def killed_at(wanted: int) -> Callable[[str, int], int | None]:
    """The process ends before call `wanted`; a write has half happened."""

    def fault(name: str, count: int) -> int | None:
        if count == wanted and name == "write":
            return 11
        if count >= wanted:
            os._exit(KILLED)
        return None

    return fault
