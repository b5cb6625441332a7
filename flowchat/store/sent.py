"""What was written in all sessions of all folders, for searching: one bounded file beside them, best effort."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.store.disk import Disk, read_file

FILE_NAME = "history.jsonl"
FILE_LIMIT_BYTES = 8 << 20
"""A longer file is rewritten with the newest half of that."""
TEXT_LIMIT_BYTES = 1 << 20
"""A longer line is not kept: the text is in its session."""
READ_LIMIT_BYTES = 64 << 20
"""A longer file is none of ours."""


class Sent(Struct, frozen=True, gc=False):
    """A text, the folder it was written for, and when (epoch)."""

    text: str
    cwd: str
    at_ms: int


class SentFile:
    """The file in `folder`: one JSON object a line, the newest last. Any number of processes may write it."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._path, self._disk = folder / FILE_NAME, disk

    def add(self, sent: Sent) -> None:
        """Append it; raises nothing. Blocks for the disk."""
        line = msgspec.json.encode(sent) + b"\n"
        if len(line) > TEXT_LIMIT_BYTES:
            return
        with suppress(OSError):
            self._disk.ensure_folder(self._path.parent)
            while self._append(line):
                pass

    def texts(self) -> list[Sent]:
        """All that is kept, the newest first, none twice. Lines that cannot be read are passed over."""
        newest: dict[str, Sent] = {}
        for sent in self._read():
            newest.setdefault(sent.text, sent)
        return list(newest.values())

    def _append(self, line: bytes) -> bool:
        """Write one line; True where the file was replaced meanwhile, so that the line may be in none."""
        fd = self._disk.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            size = self._disk.stat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            self._disk.write_all(fd, b"\n" + line if torn else line)
            found = self._disk.stat(fd)
            if found.st_nlink and found.st_size > FILE_LIMIT_BYTES:
                self._shorten(fd)
                return False
            return not found.st_nlink
        finally:
            os.close(fd)

    def _shorten(self, fd: int) -> None:
        """Keep the newest half. What others append to the file while it is replaced is appended to the one in its place."""
        size = self._disk.stat(fd).st_size
        kept = os.pread(fd, FILE_LIMIT_BYTES // 2, size - FILE_LIMIT_BYTES // 2)
        self._disk.write_file(self._path, kept[kept.find(b"\n") + 1 :], durable=False)
        late = self._disk.stat(fd).st_size - size
        if late > 0:
            new = self._disk.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                self._disk.write_all(new, os.pread(fd, late, size))
            finally:
                os.close(new)

    def _read(self) -> Iterator[Sent]:
        """Newest first."""
        try:
            lines = read_file(self._path, READ_LIMIT_BYTES).splitlines()
        except OSError:
            return
        decode = msgspec.json.Decoder(Sent).decode
        for line in reversed(lines):
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                yield decode(line)
