"""Temporary folders that programs may write to: each is locked for its maker's life, so that one left behind is known as such."""

import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

from flowchat.store.disk import FOLDER_MODE, Disk
from flowchat.store.lock import is_at

PREFIX = "flowchat-tmp-"
LEFT_LIMIT = 32
"""So many folders that were left behind are taken away at a time."""
CLEAR_SECONDS = 1.0
"""What that may take; the next time goes on with it."""
DEEPEST = 60
"""Folders in one another that are gone into, each with its descriptors; what lies deeper is left."""
_OURS = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")
_TRIES = 8


class TemporaryFolders:
    """Below `parent`, or where the system has such folders. One that cannot be locked is taken away by nobody but its maker."""

    def __init__(self, parent: Path | None = None, disk: Disk | None = None) -> None:
        self._parent, self._disk = parent, disk or Disk()
        self._held: dict[Path, int] = {}

    def make(self) -> Path:
        """A new folder that is ours alone, without links in its path. Raises OSError."""
        import tempfile

        for _ in range(_TRIES):
            path = Path(os.path.realpath(tempfile.mkdtemp(prefix=PREFIX, dir=self._parent)))
            if (fd := self._hold(path)) is not None:
                self._held[path] = fd
                return path
        raise FileNotFoundError(2, "each new folder was taken away at once", str(self._parent or tempfile.gettempdir()))

    def remove(self, path: Path) -> None:
        """A folder made here, and all in it that can be."""
        import shutil

        shutil.rmtree(path, ignore_errors=True)
        if (fd := self._held.pop(path, None)) is not None:
            os.close(fd)

    def clear(self) -> None:
        """Take away what was left behind by makers that are gone, as far as count and time allow. Blocks, raises nothing."""
        import tempfile

        until, left = time.monotonic() + CLEAR_SECONDS, LEFT_LIMIT
        with suppress(OSError), os.scandir(self._parent or tempfile.gettempdir()) as entries:
            for entry in entries:
                if not left or time.monotonic() >= until:
                    return
                if _OURS.fullmatch(entry.name):
                    with suppress(OSError):
                        left -= self._take_away(Path(entry.path), until)

    def _hold(self, path: Path) -> int | None:
        """Lock a new folder; None where another has just taken it for one left behind."""
        try:
            fd = self._disk.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        try:
            self._disk.lock(fd)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            return fd  # there are no locks here
        if is_at(fd, path):
            return fd
        os.close(fd)
        return None

    def _take_away(self, path: Path, until: float) -> bool:
        """Whether it was left behind, and now is as empty as it can be made in time. Raises OSError."""
        fd = self._disk.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            found = self._disk.stat(fd)
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != FOLDER_MODE:
                return False
            self._disk.lock(fd)
            if is_at(fd, path):
                _empty(fd, until, DEEPEST)
                os.rmdir(path)
            return True
        finally:
            os.close(fd)


def _empty(fd: int, until: float, deep: int) -> None:
    """Take away what lies in a folder, links not followed, whoever changes it meanwhile."""
    with os.scandir(fd) as entries:
        for entry in entries:
            if time.monotonic() >= until:
                return
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=fd)
                elif deep:
                    below = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                    try:
                        _empty(below, until, deep - 1)
                    finally:
                        os.close(below)
                    os.rmdir(entry.name, dir_fd=fd)
