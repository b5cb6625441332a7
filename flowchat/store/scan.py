"""Reading a log: one pass over its lines, each checked and placed, none decoded before somebody looks."""

import os
import re
import weakref
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from flowchat.transcript.entries import VERSION, AnyEntry, Damaged, Header, Record, Seq, decode_entry, decode_header

CHUNK_BYTES = 1 << 20
LONGEST_GAP = 100_000
"""A line whose seq lies further ahead than this is not believed."""
_CRC = b',"crc":'
_TO = re.compile(rb'"to":(\d+)')


@dataclass
class Scanned:
    """What a log holds. `size` is the end of its last whole line; `torn` the bytes behind it."""

    records: list[Record]
    size: int
    torn: bytes = b""
    damaged: list[Seq] = field(default_factory=list[Seq])
    newer: int | None = None
    """The highest `v` above ours, if there is one."""


class Lines:
    """Where each line stands; reads them again through a descriptor of its own, which lives as long as this."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._at, self._length = array("Q"), array("L")
        weakref.finalize(self, os.close, self._fd)

    def add(self, at: int, length: int) -> None:
        self._at.append(at)
        self._length.append(length)

    def read(self, record: Record) -> AnyEntry:
        """The entry of a record of this file; a line that cannot be read any more is Damaged."""
        index = record.seq - 1
        try:
            line = os.pread(self._fd, self._length[index], self._at[index])
        except OSError as error:
            return Damaged(f"line {record.seq} cannot be read: {error.strerror}")
        return decode_entry(line, record.type)


def scan(fd: int) -> Scanned:
    """Read a log from an open descriptor, in bounded memory. Raises OSError.

    A line that cannot be read, or is missing, is an empty node whose parent is the head as replayed there. Lines that repeat
    a seq are passed over.
    """
    scanner = _Scanner(Lines(fd))
    size = 0
    rest = b""
    for at, line, whole in _lines(fd):
        if not whole:
            rest = line
            break
        scanner.take(at, line)
        size = at + len(line)
    scanner.finish()
    return Scanned(scanner.records, size, rest, scanner.damaged, scanner.newer)


class _Scanner:
    def __init__(self, lines: Lines) -> None:
        self.records: list[Record] = []
        self.damaged: list[Seq] = []
        self.newer: int | None = None
        self._lines, self._read = lines, lines.read
        self._head: Seq = 0
        self._unread = 0

    def take(self, at: int, line: bytes) -> None:
        header = _header(line)
        expected = len(self.records) + 1
        if header is None or header.seq > expected + LONGEST_GAP:
            self._unread += 1
            return
        if header.seq < expected:
            return
        self._fill(header.seq - expected)
        self._unread = 0
        if header.v > VERSION:
            self.newer = max(header.v, self.newer or 0)
        self._lines.add(at, len(line))
        self.records.append(Record(header.seq, header.t, header.parent, header.type, read=self._read, size=len(line)))
        if header.parent is not None:
            self._head = header.seq
        elif header.type == "head_moved" and (to := _TO.search(line)):
            self._head = int(to.group(1))

    def finish(self) -> None:
        """Lines at the end that could not be read have no line behind them to tell their number."""
        self._fill(self._unread)

    def _fill(self, missing: int) -> None:
        for _ in range(missing):
            seq = len(self.records) + 1
            at_ms = self.records[-1].at_ms if self.records else 0
            entry = Damaged(f"line {seq} of the log could not be read")
            self._lines.add(0, 0)
            self.records.append(Record(seq, at_ms, self._head, "damaged", entry))
            self.damaged.append(seq)
            self._head = seq


def checked(line: bytes) -> bool:
    """Whether a line's crc is that of its bytes."""
    cut = line.rfind(_CRC)
    end = line.rfind(b"}")
    number = line[cut + len(_CRC) : end]
    return cut > 0 and number.isdigit() and int(number) == zlib.crc32(line[:cut])


def _header(line: bytes) -> Header | None:
    if not checked(line):
        return None
    try:
        header = decode_header(line)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return header if header.seq > 0 and (header.parent is None or 0 <= header.parent < header.seq) else None


def _lines(fd: int) -> Iterator[tuple[int, bytes, bool]]:
    """(offset, line with its newline, whether it has one)."""
    at = read = 0
    pieces: list[bytes] = []
    while chunk := os.pread(fd, CHUNK_BYTES, read):
        read += len(chunk)
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = b"".join([*pieces, chunk[start : end + 1]])
            pieces.clear()
            yield at, line, True
            at += len(line)
            start = end + 1
        if start < len(chunk):
            pieces.append(chunk[start:])
    if pieces:
        yield at, b"".join(pieces), False
