"""How much room sessions take: the bytes of a log and what lies beside it, and what would be free without some of them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from flowchat.store.blobs import BLOBS
from flowchat.store.logfile import LOG


class Size(Struct, frozen=True):
    """Bytes of one session: its log, its blobs, and all its files together (drafts and what was torn off, too)."""

    log: int = 0
    blobs: int = 0
    total: int = 0


def size_of(folder: Path | str) -> Size:
    """Blobs shared with a fork count for each. What has gone meanwhile, or cannot be read, counts as nothing."""
    log = blobs = total = 0
    for path, found in _files(os.fspath(folder)):
        total += found.st_size
        if os.path.basename(path) == LOG:
            log = found.st_size
        elif os.path.basename(os.path.dirname(path)) == BLOBS:
            blobs += found.st_size
    return Size(log, blobs, total)


def freed_by(folders: Iterable[Path]) -> int:
    """The bytes that are free once these folders are gone: a blob that a fork elsewhere still has is not."""
    names: dict[tuple[int, int], int] = {}
    freed = 0
    for folder in folders:
        for _, found in _files(os.fspath(folder)):
            place = found.st_dev, found.st_ino
            gone = names[place] = names.get(place, 0) + 1
            if gone == found.st_nlink:
                freed += found.st_size
    return freed


def byte_size(count: int) -> str:
    """950 B, 9.8 kB, 68 kB, 1.2 MB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            return f"{size:.1f} {unit}" if unit != "B" and size < 9.95 else f"{size:,.0f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files below a folder, links not followed."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                with suppress(OSError):
                    yield entry.path, entry.stat(follow_symlinks=False)
