"""Which files of a folder are opened by anyone, as the kernel tells (inotify); nothing where there is no inotify."""

import ctypes
import os
import struct
from pathlib import Path

_OPEN, _ISDIR = 0x20, 0x40000000
_HEAD = struct.Struct("iIII")
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


class Opens:
    """Watches from its making to `end`; `files` are paths below the folder, complete after `end`."""

    def __init__(self, folder: Path) -> None:
        self.files: set[str] = set()
        self._folders: dict[int, Path] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._queue = self._libc.inotify_init1(_NONBLOCK_CLOEXEC) if hasattr(self._libc, "inotify_init1") else -1
        for place in (folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())):
            if self._queue >= 0:
                number = self._libc.inotify_add_watch(self._queue, os.fsencode(place), _OPEN)
                self._folders[number] = place.relative_to(folder)

    def end(self) -> None:
        if self._queue < 0:
            return
        while True:
            try:
                news = os.read(self._queue, 1 << 20)
            except BlockingIOError:
                break
            self._take(news)
        os.close(self._queue)

    def _take(self, news: bytes) -> None:
        at = 0
        while at < len(news):
            number, mask, _, length = _HEAD.unpack_from(news, at)
            name = news[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
            at += _HEAD.size + length
            if name and not mask & _ISDIR:
                self.files.add((self._folders[number] / os.fsdecode(name)).as_posix())
