"""Disks on which things go wrong: every call that changes something is a site, and a test says what happens at which."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Literal, TypeVar

from flowchat.store.disk import Disk

T = TypeVar("T")
Site = tuple[int, str]
"""Number of the call, from 1, and its name."""


class SiteDisk(Disk):
    """Numbers its calls; before each `arrive` is asked, which may raise, or end the process."""

    def __init__(self, arrive: Callable[[Site], None] = lambda site: None) -> None:
        self.sites: list[str] = []
        self._arrive, self._numbering = arrive, Lock()

    def open(self, path: Path, flags: int) -> int:
        changes = flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
        return self._at("open", lambda: super(SiteDisk, self).open(path, flags)) if changes else super().open(path, flags)

    def write(self, fd: int, content: bytes | memoryview) -> int:
        return self._at("write", lambda: super(SiteDisk, self).write(fd, content))

    def fsync(self, fd: int) -> None:
        self._at("fsync", lambda: super(SiteDisk, self).fsync(fd))

    def truncate(self, fd: int, size: int) -> None:
        self._at("truncate", lambda: super(SiteDisk, self).truncate(fd, size))

    def replace(self, source: Path, target: Path) -> None:
        self._at("rename", lambda: super(SiteDisk, self).replace(source, target))

    def link(self, source: Path, target: Path) -> None:
        self._at("link", lambda: super(SiteDisk, self).link(source, target))

    def make_folder(self, path: Path) -> None:
        self._at("mkdir", lambda: super(SiteDisk, self).make_folder(path))

    def lock(self, fd: int) -> None:
        self._at("flock", lambda: super(SiteDisk, self).lock(fd))

    def _number(self, name: str) -> int:
        """Threads arrive at once, and each at a site of its own."""
        with self._numbering:
            self.sites.append(name)
            return len(self.sites)

    def _at(self, name: str, call: Callable[[], T]) -> T:
        self._arrive((self._number(name), name))
        return call()


Fault = Literal["ENOSPC", "EIO", "EACCES", "EINTR", "short"]


class FailingDisk(SiteDisk):
    """The calls from number `first` on fail, `count` of them (None: until `mend`), if they are of `names` (empty: any).

    `short` writes half of what it was given; where nothing can be short it is ENOSPC.
    """

    def __init__(self, first: int, fault: Fault, count: int | None = 1, names: tuple[str, ...] = ()) -> None:
        super().__init__(self._fail)
        self.first, self.fault, self.count, self.names = first, fault, count, names
        self.fired = 0
        self._seen = 0

    def mend(self) -> None:
        self.count = self.fired

    def write(self, fd: int, content: bytes | memoryview) -> int:
        if self.fault == "short" and self._is_due("write"):
            self.sites.append("write")
            self.fired += 1
            return Disk.write(self, fd, content[: max(1, len(content) // 2)])
        return super().write(fd, content)

    def _is_due(self, name: str) -> bool:
        if self.names and name not in self.names:
            return False
        self._seen += 1
        return self._seen >= self.first and (self.count is None or self.fired < self.count)

    def _fail(self, site: Site) -> None:
        if self._is_due(site[1]):
            self.fired += 1
            number = errno.ENOSPC if self.fault == "short" else getattr(errno, self.fault)
            raise OSError(number, os.strerror(number))


When = Literal["before", "half", "after"]


class DeadlyDisk(SiteDisk):
    """The process is killed at call number `at`: before it, behind it, or with half of it written."""

    def __init__(self, at: int, when: When) -> None:
        super().__init__()
        self._deadly, self._when = at, when

    def write(self, fd: int, content: bytes | memoryview) -> int:
        if self._when == "half" and len(self.sites) + 1 == self._deadly:
            Disk.write(self, fd, content[: len(content) // 2])
            _die()
        return super().write(fd, content)

    def _at(self, name: str, call: Callable[[], T]) -> T:
        deadly = self._number(name) == self._deadly
        if deadly and self._when == "before":
            _die()
        result = call()
        if deadly:
            _die()
        return result


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
