"""The draft beside a log: best effort: a draft that cannot be written is treated as missing."""

import os
from contextlib import suppress
from pathlib import Path

from flowchat.store.disk import Disk, read_file
from flowchat.transcript.draft import decode_draft, encode_draft, shortened

DRAFT = "draft.jsonl"
LIMIT_BYTES = 4 << 20
"""A draft that grows beyond is rewritten, shortened: the outputs of calls go on for as long as these run."""
READ_LIMIT_BYTES = 256 << 20
"""A longer one is none of ours."""


class DraftFile:
    """Used by the writer thread alone; never raises."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._path, self._disk = folder / DRAFT, disk
        self._fd: int | None = None
        self._limit = LIMIT_BYTES
        self._empty = False

    def append(self, lines: bytes) -> None:
        with suppress(OSError):
            fd = self._open()
            before = self._disk.stat(fd)
            if before.st_nlink == 0:
                self.close()
                fd = self._open()
                before = self._disk.stat(fd)
            self._empty = False
            try:
                self._disk.write_all(fd, lines)
            except OSError:
                self._disk.truncate(fd, before.st_size)
                raise
            if before.st_size + len(lines) > self._limit:
                self._shorten()

    def clear(self) -> None:
        with suppress(OSError):
            if not self._empty and self._path.exists():
                self._disk.truncate(self._open(), 0)
            self._empty, self._limit = True, LIMIT_BYTES

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        if self._fd is None:
            self._fd = self._disk.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return self._fd

    def _shorten(self) -> None:
        kept = encode_draft(shortened(decode_draft(read_file(self._path, READ_LIMIT_BYTES))))
        self._limit = max(LIMIT_BYTES, 2 * len(kept))
        self._disk.write_file(self._path, kept, durable=False)
        self.close()
