"""Copying a session: the raw lines up to a place and the blobs they name, complete under its name or not there at all."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from flowchat.errors import ReadOnly
from flowchat.store.blobs import BLOBS
from flowchat.store.disk import Disk
from flowchat.store.lock import take_lock
from flowchat.store.logfile import LOG
from flowchat.store.scan import header_of, lines_of
from flowchat.transcript.entries import VERSION, Seq

_BLOB_NAME = re.compile(rb'"sha256":"([0-9a-f]{64})"')


def copy_session(source: Path, log: int, target: Path, upto: Seq, first: bytes, disk: Disk) -> None:
    """Make `target`: lines 1..upto of the open `log`, then the lines `first`, and the blobs `source` has of those they name.

    Raises OSError, and ReadOnly where a newer program wrote the log, with nothing of it left.
    """
    clear_unfinished(target.parent, disk)
    building = target.with_name(f".{target.name}")
    lock: int | None = None
    try:
        disk.ensure_folder(building)
        lock = take_lock(building, disk, new=True)
        names = _copy_lines(log, building / LOG, upto, first, disk)
        _copy_blobs(source / BLOBS, building / BLOBS, names, disk)
        disk.sync_folder(building)
        disk.replace(building, target)
        disk.sync_folder(target.parent)
    except (OSError, ReadOnly):
        for made in (building, target):
            remove(made)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def clear_unfinished(folder: Path, disk: Disk) -> None:
    """Remove copies whose maker was killed: those whose lock is not held."""
    with suppress(OSError):
        for building in folder.glob(".*/"):
            with suppress(OSError):
                lock = take_lock(building, disk, new=False)
                remove(building)
                os.close(lock)


def remove(folder: Path) -> None:
    """A folder and what it holds, as far as that can be."""
    with suppress(OSError):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        folder.rmdir()


def _copy_lines(reading: int, target: Path, upto: Seq, first: bytes, disk: Disk) -> set[str]:
    """The names of the blobs that the copied lines name."""
    names: set[str] = set()
    writing = disk.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        for text in chain(_texts(reading, upto), first.splitlines()):
            disk.write_all(writing, text + b"\n")
            names.update(name.decode() for name in _BLOB_NAME.findall(text))
        disk.fsync(writing)
    finally:
        os.close(writing)
    return names


def _texts(fd: int, upto: Seq) -> Iterator[bytes]:
    """The lines up to that of `upto`; one that cannot be read comes along where a readable one follows."""
    unread: list[bytes] = []
    for line in lines_of(fd):
        header = header_of(line.text)
        if header is None:
            unread.append(line.text)
        elif header.v > VERSION:
            raise ReadOnly(f"a newer flowchat wrote this session (version {header.v}); only that version can continue it")
        elif header.seq > upto:
            return
        else:
            yield from (*unread, line.text)
            unread.clear()


def _copy_blobs(source: Path, target: Path, names: set[str], disk: Disk) -> None:
    there = [name for name in sorted(names) if (source / name).is_file()]
    if not there:
        return
    disk.ensure_folder(target)
    for name in there:
        try:
            disk.link(source / name, target / name)
        except OSError:
            disk.write_file(target / name, (source / name).read_bytes())
    disk.sync_folder(target)
