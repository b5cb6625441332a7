"""Reading a log: one pass over its lines, each checked and placed, none decoded before it is asked for."""

import os
import re
import sys
import weakref
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from flowchat.transcript.entries import UNREADABLE, VERSION, AnyEntry, Damaged, Header, Record, Seq, decode_entry, decode_header
from flowchat.transcript.transcript import DAMAGED, RECORD_LIMIT_BYTES

CHUNK_BYTES = 1 << 18
LONGEST_GAP = 100_000
"""A line whose seq lies further ahead than this is not believed."""
_CRC = b',"crc":'
_START = b'{"v":'
_UNCHECKED = b'{"v":0,'
"""Lines of version 0 may be without a crc; what they say is read as version 1."""
_JOINT = re.compile(rb'(?<=\})[^\n](?=\{"v":)')
"""Where two lines meet whose newline was damaged."""


class Line(NamedTuple):
    """`text` has no newline and is empty where it is over RECORD_LIMIT_BYTES; `ended` tells whether a newline follows."""

    at: int
    length: int
    text: bytes
    ended: bool


@dataclass
class Scanned:
    """What a log holds. `size` is the end of its last line; what the file has after it is torn."""

    records: list[Record]
    size: int
    unended: bool = False
    """The last line is whole but for its newline."""
    damaged: list[Seq] = field(default_factory=list[Seq])
    newer: int | None = None
    """The highest `v` above ours, if there is one."""


class Places:
    """Where each line stands; reads them again through a descriptor of its own, which lives as long as this."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._at = array("Q")
        weakref.finalize(self, os.close, self._fd)

    def add(self, at: int) -> None:
        self._at.append(at)

    def read(self, record: Record) -> AnyEntry:
        """The entry of a record of this file; a line that cannot be read any more is Damaged."""
        try:
            text = os.pread(self._fd, record.size, self._at[record.seq - 1])
        except OSError as error:
            return Damaged(f"line {record.seq} cannot be read: {error.strerror}")
        return decode_entry(text, record.type)


def scan(fd: int) -> Scanned:
    """Read a log from an open descriptor, in bounded memory. Raises OSError.

    A line that cannot be read, or is missing, is an empty node whose parent is the head as replayed there. Lines that repeat
    a seq are passed over.
    """
    scanner = _Scanner(Places(fd))
    size, unended = 0, False
    for line in lines_of(fd):
        if line.ended:
            scanner.take(line)
            size = line.at + line.length + 1
        elif (kept := _whole(line)) is not None:
            scanner.take(kept)
            size, unended = kept.at + kept.length, True
    scanner.finish()
    return Scanned(scanner.records, size, unended, scanner.damaged, scanner.newer)


class _Scanner:
    def __init__(self, places: Places) -> None:
        self.records: list[Record] = []
        self.damaged: list[Seq] = []
        self.newer: int | None = None
        self._places, self._read = places, places.read
        self._unread = self._unread_starts = 0

    def take(self, line: Line) -> None:
        header = header_of(line.text)
        if header is None and len(parts := _parts(line)) > 1:
            for part in parts:
                self.take(part)
            return
        expected = len(self.records) + 1
        if header is None or header.seq > expected + LONGEST_GAP:
            self._unread += line.length > 0
            self._unread_starts += line.text.startswith(_START)
            return
        if header.seq != expected:
            if header.seq < expected:
                return
            self._fill(header.seq - expected)
        self._unread = self._unread_starts = 0
        if header.v > VERSION:
            self.newer = max(header.v, self.newer or 0)
        self._places.add(line.at)
        type_ = sys.intern(header.type)
        has_todo = header.todo is not None
        self.records.append(Record(header.seq, header.t, header.parent, type_, None, self._read, line.length, has_todo))

    def finish(self) -> None:
        """Lines at the end that could not be read have no line after them to tell how many they were."""
        self._fill(max(self._unread_starts, min(self._unread, 1)))

    def _fill(self, missing: int) -> None:
        for _ in range(missing):
            seq = len(self.records) + 1
            at_ms = self.records[-1].at_ms if self.records else 0
            self._places.add(0)
            self.records.append(Record(seq, at_ms, 0, DAMAGED, Damaged(f"line {seq} of the log could not be read")))
            self.damaged.append(seq)


def header_of(text: bytes) -> Header | None:
    """The place of a line whose crc is that of its bytes, else None. An editor may have put a \\r at its end."""
    cut = text.rfind(_CRC)
    if cut >= 0:
        if text[cut + len(_CRC) :].removesuffix(b"\r") != b"%d}" % zlib.crc32(text[:cut]):
            return None
    elif not text.startswith(_UNCHECKED):
        return None
    try:
        header = decode_header(text)
    except UNREADABLE:
        return None
    return header if header.seq > 0 and (header.parent is None or 0 <= header.parent < header.seq) else None


def lines_of(fd: int, start: int = 0, end: int | None = None) -> Iterator[Line]:
    """The lines between two offsets; the first one begins at `start`."""
    at = read = start
    pieces: list[bytes] = []
    while chunk := os.pread(fd, CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - read), read):
        begin = 0
        while (newline := chunk.find(b"\n", begin)) >= 0:
            text = chunk[begin:newline]
            if pieces:
                text = b"".join((*pieces, text))
                pieces.clear()
            length = read + newline - at
            yield Line(at, length, text if length <= RECORD_LIMIT_BYTES else b"", True)
            at += length + 1
            begin = newline + 1
        read += len(chunk)
        pieces.append(chunk[begin:])
        if read - at > RECORD_LIMIT_BYTES:
            pieces.clear()
    if read > at:
        yield Line(at, read - at, b"".join(pieces), False)


def _whole(line: Line) -> Line | None:
    """A last line without a newline, if nothing else is missing; a byte in the newline's place is left out."""
    for text in (line.text, line.text[:-1]):
        if header_of(text) is not None:
            return Line(line.at, len(text), text, True)
    return None


def _parts(line: Line) -> list[Line]:
    """The lines that are one because the newline between them was damaged."""
    parts: list[Line] = []
    begin = 0
    for joint in (*_JOINT.finditer(line.text), None):
        end = joint.start() if joint else len(line.text)
        parts.append(Line(line.at + begin, end - begin, line.text[begin:end], True))
        begin = end + 1
    return parts
