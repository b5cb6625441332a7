"""What requests took in a time, over all sessions: read from the ends of the logs that were written in it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from flowchat.store.logfile import LOG
from flowchat.store.scan import Line, header_of, lines_of
from flowchat.transcript.entries import AttemptUsed, decode_entry

READ_BYTES = 32 << 20
"""Of a longer log what comes before its last so many bytes is not looked at."""
_TYPE_BYTES = 120
"""A line says of what type it is within these."""


def used_since(folders: Iterable[Path], since_ms: int) -> dict[str, list[AttemptUsed]]:
    """What was used since a time in each session whose folder is given, by the folder's name; a copy has what came after it was
    made. A log that cannot be read has nothing."""
    found: dict[str, list[AttemptUsed]] = {}
    for folder in folders:
        with suppress(OSError):
            if (used := _used_in(folder / LOG, since_ms)) is not None:
                found[folder.name] = used
    return found


def _used_in(log: Path, since_ms: int) -> list[AttemptUsed] | None:
    """None where nothing at all was written since."""
    fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        stat = os.fstat(fd)
        if stat.st_mtime_ns // 1_000_000 < since_ms:
            return None
        used: list[AttemptUsed] = []
        for line in _ends_of(fd, stat.st_size):
            if b'"type":"forked"' in line.text[:_TYPE_BYTES]:
                used.clear()
            elif b'"type":"attempt_used"' in line.text[:_TYPE_BYTES] and (header := header_of(line.text)) is not None:
                entry = decode_entry(line.text, header.type) if header.t >= since_ms else None
                if isinstance(entry, AttemptUsed):
                    used.append(entry)
        return used
    finally:
        os.close(fd)


def _ends_of(fd: int, size: int) -> Iterator[Line]:
    lines = lines_of(fd, max(0, size - READ_BYTES))
    if size > READ_BYTES:
        next(lines, None)  # the rest of one
    return lines
