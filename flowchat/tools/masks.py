"""Places that are kept taken while confined programs run: where nothing is, a mount needs something to stand on.

A mask is an empty folder or file (or one that says what a reader needs) with a time of its own, by which one that was left
behind by a crash is known and taken away the next time.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from flowchat.tools.guard import NO_ROOM

_TIME_NS = 1_000_000_000_000_000_000
_LARGEST_BYTES = 8


class Masks:
    """Counts who needs which mask; the last one to go takes it away."""

    def __init__(self) -> None:
        self._users: dict[Path, int] = {}

    def lay(self, masked: Mapping[Path, bytes | None]) -> None:
        """Take the places, None by a folder. What cannot be made (the folder cannot be written) cannot be made by others."""
        for path, content in masked.items():
            self._users[path] = self._users.get(path, 0) + 1
            with suppress(OSError):
                _make(path, content)

    def missing(self, masked: Iterable[Path]) -> Path | None:
        """One of them that is not taken, though others could take it."""
        return next((path for path in masked if not os.path.lexists(path) and os.access(path.parent, os.W_OK)), None)

    def lift(self, masked: Iterable[Path], used: str | None) -> None:
        """Give up places; those that nobody needs any more are free again, but those `used` by others' sandboxes.

        None: it is not known which they are; all stay taken, until they are given up again.
        """
        left = [path for path in masked if self._release(path)]
        if used is not None:
            self.clear(left, used)

    def clear(self, left: Iterable[Path], used: str) -> None:
        """Take away those that nobody needs, here or in the sandboxes of others, by whomever they were made."""
        for path in left:
            if path not in self._users and is_mask(path) and str(path) not in used:
                with suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()

    def _release(self, path: Path) -> bool:
        left = self._users.get(path, 1) - 1
        if left:
            self._users[path] = left
        else:
            self._users.pop(path, None)
        return not left


def is_mask(path: Path) -> bool:
    """Whether a thing is a mask: nothing was put into it since it was made."""
    try:
        found = path.lstat()
        if found.st_mtime_ns != _TIME_NS:
            return False
        return not os.listdir(path) if stat.S_ISDIR(found.st_mode) else found.st_size <= _LARGEST_BYTES
    except OSError:
        return False


def _make(path: Path, content: bytes | None) -> None:
    if content is None:
        path.mkdir(mode=0o755)
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
    os.utime(path, ns=(_TIME_NS, _TIME_NS), follow_symlinks=False)


def mounts_of_sandboxes() -> str | None:
    """The mounts of every sandbox that runs on this machine, as far as they may be read; takes some milliseconds.

    None where the system has no room to look.
    """
    found: list[str] = []
    try:
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            found += _mounts_of_sandbox(pid)
    except OSError:
        return None
    return "\n".join(found)


def _mounts_of_sandbox(pid: str) -> list[str]:
    """Empty where it is none, or is not to be read. Raises OSError where there is no room to."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as name:
            if name.read(6) != b"bwrap\n":
                return []
        return [os.fsdecode(re.sub(rb"\\([0-7]{3})", _byte, Path(f"/proc/{pid}/mountinfo").read_bytes()))]
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return []


def _byte(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 8)])
