"""Unsent text of no session: each window has a file of its own, and takes over what a window that is gone left."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.errors import StorageFailed
from flowchat.store.disk import Disk, read_file
from flowchat.transcript.entries import UNREADABLE, sound

UNSENT_LIMIT_BYTES = 64 << 20
SLOTS = 16
"""Windows on one directory that are told apart; any further ones share the last file."""


class _Unsent(Struct, frozen=True):
    text: str


_unsent = msgspec.json.Decoder(_Unsent)


class DraftSlot:
    """`stem`.json, or `stem`.2.json and so on where other windows hold those before it.

    A file belongs to whoever holds the flock on the `.lock` beside it. None is taken before there is text to read or to keep.
    """

    def __init__(self, stem: Path, disk: Disk) -> None:
        self._stem, self._disk = stem, disk
        self._path: Path | None = None
        self._lock: int | None = None
        self._one = threading.Lock()

    def text(self) -> str:
        """What is kept there; at first the newest text that no other window holds."""
        with self._one:
            if self._path is None:
                left = sorted(self._files(), key=_changed_ns, reverse=True)
                self._path = next((path for path in left if _changed_ns(path) and self._take(path)), None)
            return "" if self._path is None else unsent_in(self._path)

    def keep(self, text: str) -> None:
        """Durable when this returns; raises StorageFailed."""
        with self._one:
            if self._path is None:
                if not text:
                    return
                files = self._files()
                self._path = next((path for path in files if not _changed_ns(path) and self._take(path)), files[-1])
            path = self._path
        keep_unsent(path, text, self._disk)

    def close(self) -> None:
        """Leave what is kept to the next window."""
        if self._lock is not None:
            os.close(self._lock)
        self._path = self._lock = None

    def _files(self) -> list[Path]:
        return [self._stem.with_name(f"{self._stem.name}{'' if n == 1 else f'.{n}'}.json") for n in range(1, SLOTS + 1)]

    def _take(self, path: Path) -> bool:
        """Whether it is this window's; where locks do not work it is."""
        try:
            self._disk.ensure_folder(path.parent)
            fd = self._disk.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
        except OSError:
            return True
        try:
            self._disk.lock(fd)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError:
            os.close(fd)
            return True
        self._lock = fd
        return True


def unsent_in(path: Path) -> str:
    """The text kept in a file; nothing where there is none to read."""
    try:
        return _unsent.decode(read_file(path, UNSENT_LIMIT_BYTES)).text
    except (OSError, *UNREADABLE):
        return ""


def keep_unsent(path: Path, text: str, disk: Disk) -> None:
    """Durable when this returns, its folder made if it must be; no text is no file. Raises StorageFailed."""
    try:
        if text:
            disk.ensure_folder(path.parent)
            disk.write_file(path, msgspec.json.encode(_Unsent(sound(text))))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(f"the unsent text cannot be saved in {path} ({error.strerror or error})") from error


def _changed_ns(path: Path) -> int:
    """0: there is no such file."""
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
