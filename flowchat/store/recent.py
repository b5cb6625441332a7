"""Which sessions of a workspace were used last: a hint beside the sessions, so that finding the newest reads only a few."""

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flowchat.store.disk import Disk, read_file

RECENT_LIMIT = 20
"""So many sessions are looked at."""
FILE_LIMIT_BYTES = 4096
"""A longer file is rewritten with the entries that still count."""
_SID = re.compile(r"[0-9a-z-]+")


def name_of(workspace: str | Path) -> str:
    """The name of what is kept of a workspace."""
    return hashlib.sha256(os.fsencode(workspace)).hexdigest()[:32]


class Recent:
    """One file a workspace below `folder`, a sid a line, the last used last. It may be wrong or missing: it is only a hint."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder, self._disk = folder, disk

    def of(self, workspace: str | Path) -> list[str]:
        """At most RECENT_LIMIT sids, the last used first."""
        try:
            lines = read_file(self._path(workspace), 2 * FILE_LIMIT_BYTES).decode("ascii", "replace").splitlines()
        except OSError:
            return []
        return list(dict.fromkeys(line for line in reversed(lines) if _SID.fullmatch(line)))[:RECENT_LIMIT]

    def used(self, workspace: str | Path, sid: str) -> None:
        """Note that a session was used just now; best effort."""
        known = self.of(workspace)
        if known[:1] == [sid]:
            return
        with suppress(OSError):
            self._disk.ensure_folder(self._folder)
            path = self._path(workspace)
            fd = self._disk.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                self._disk.write_all(fd, f"{sid}\n".encode())
                too_long = self._disk.stat(fd).st_size > FILE_LIMIT_BYTES
            finally:
                os.close(fd)
            if too_long:
                self._disk.write_file(path, _lines([sid, *known]), durable=False)

    def _path(self, workspace: str | Path) -> Path:
        return self._folder / name_of(workspace)


def _lines(newest_first: Sequence[str]) -> bytes:
    return "".join(f"{sid}\n" for sid in reversed(newest_first)).encode()
