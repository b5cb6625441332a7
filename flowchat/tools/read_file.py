"""read_file: a window of a text file's lines, or of a blob's, that always fits into the conversation."""

import asyncio
import codecs
import hashlib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from msgspec import Struct

from flowchat.tools import files
from flowchat.tools.arguments import fill, integer, schema, string
from flowchat.tools.paths import resolve, resolve_judged, shown
from flowchat.tools.recording import looks_binary
from flowchat.tools.tool import INLINE_LIMIT_BYTES, BadArguments, Desk, NotDone, Outcome, Reach
from flowchat.transcript.entries import FileTouched
from flowchat.transcript.events import Preview

LINES_LIMIT = 2000
"""Lines of one window, unless the call says fewer."""
LINE_LIMIT_BYTES = 2000
"""What is shown of one line."""
_WINDOW_BYTES = INLINE_LIMIT_BYTES - 512
_CHUNK_BYTES = 1024 * 1024
_BLOB = re.compile(r"blob:([0-9a-f]{64})")


class _Args(Struct):
    path: str
    offset: int = 1
    limit: int = LINES_LIMIT


class Window(Struct, frozen=True):
    """Numbered lines `first` to `last` of `total`, and the sha256 of all the bytes."""

    text: str
    first: int
    last: int
    total: int
    sha256: str


class ReadFile:
    schema = schema(
        "read_file",
        "Read a text file as numbered lines, as many as fit; the last line says where to continue.",
        {"path": string("Path, or blob:<sha256>")},
        {"offset": integer("First line, from 1"), "limit": integer("Number of lines")},
    )
    read_only = True

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        path = fill(_Args, args).path
        return Reach("read") if _BLOB.fullmatch(path) else Reach("read", (resolve(path, workspace),))

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        lines = tuple(("file", str(path)) for path in self.reach(args, desk.workspace).paths)
        return Preview(f"Read {fill(_Args, args).path}?", lines)

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        given = fill(_Args, args)
        if given.offset < 1 or given.limit < 1:
            raise BadArguments("offset and limit count from 1")
        if blob := _BLOB.fullmatch(given.path):
            content = await desk.blob(blob[1])
            if content is None:
                raise NotDone(f"{given.path} is not kept in this session")
            return _outcome(await asyncio.to_thread(window, io.BytesIO(content), given.path, given.offset, given.limit), ())
        path = resolve_judged(given.path, desk.workspace, desk.reach)
        seen = await asyncio.to_thread(_read, path, shown(path, desk.workspace), given)
        return _outcome(seen, (FileTouched(str(path), seen.sha256, "read"),))


def window(stream: IO[bytes], name: str, offset: int, limit: int) -> Window:
    """Lines from number `offset` on, at most `limit` of them and no more than fit; the stream is read once, in chunks.

    Raises NotDone for bytes that are not text and an offset past the end.
    """
    digest = hashlib.sha256()
    shown_lines = _Lines(offset, limit)
    last_byte = b""
    first = True
    while chunk := stream.read(_CHUNK_BYTES):
        if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise NotDone(f"{name} is UTF-16, not UTF-8: use shell (iconv -f UTF-16 -t UTF-8)")
        if first and (looks_binary(chunk[:8192]) or b"\0" in chunk[:8192]):
            raise NotDone(f"{name} is not a text file: use shell (file, xxd) to inspect it")
        digest.update(chunk)
        shown_lines.take(chunk.removeprefix(codecs.BOM_UTF8) if first else chunk)
        first = False
        last_byte = chunk[-1:]
    shown_lines.finish(unended=last_byte not in (b"", b"\n"))
    if offset > max(shown_lines.total, 1):
        raise NotDone(f"{name} has {shown_lines.total} lines: there is no line {offset}")
    return Window(shown_lines.text(), offset, offset + shown_lines.count - 1, shown_lines.total, digest.hexdigest())


class _Lines:
    """Picks the window's lines out of chunks, holding no more than the window."""

    def __init__(self, offset: int, limit: int) -> None:
        self.total = 0
        """Lines ended so far."""
        self._offset, self._limit = offset, limit
        self._shown: list[str] = []
        self._bytes = 0
        self._full = False
        self._part = bytearray()
        self._part_bytes = 0

    @property
    def count(self) -> int:
        return len(self._shown)

    def take(self, chunk: bytes) -> None:
        ends = chunk.count(b"\n")
        if self._full or self.total + ends + 1 < self._offset:
            self.total += ends
            return
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._add(piece)
            self._end_line()
        self._add(rest)

    def finish(self, unended: bool) -> None:
        if unended:
            self._end_line()

    def text(self) -> str:
        return "\n".join(self._shown)

    def _add(self, piece: bytes) -> None:
        if not self._full and self.total + 1 >= self._offset:
            self._part += piece[: LINE_LIMIT_BYTES + 1 - len(self._part)]
            self._part_bytes += len(piece)

    def _end_line(self) -> None:
        self.total += 1
        if self._full or self.total < self._offset:
            return
        line = f"{self.total}\t{_shown_line(bytes(self._part), self._part_bytes)}"
        self._bytes += len(line.encode()) + 1
        if self._bytes > _WINDOW_BYTES and self._shown:
            self._full = True
            return
        self._shown.append(line)
        self._full = len(self._shown) == self._limit
        self._part, self._part_bytes = bytearray(), 0


def _shown_line(start: bytes, whole_bytes: int) -> str:
    if whole_bytes <= LINE_LIMIT_BYTES:
        return start.decode("utf-8", "replace").removesuffix("\r")
    return f"{start[:LINE_LIMIT_BYTES].decode('utf-8', 'ignore')} [{whole_bytes - LINE_LIMIT_BYTES:,} more bytes in this line]"


def _read(path: Path, name: str, given: _Args) -> Window:
    with files.opened(path) as file, open(os.dup(file), "rb", buffering=0) as stream:
        return window(stream, name, given.offset, given.limit)


def _outcome(seen: Window, touched: tuple[FileTouched, ...]) -> Outcome:
    if seen.total == 0:
        return Outcome("empty", "[the file is empty]", files=touched)
    where = f"{seen.first}-{seen.last} of {seen.total}"
    rest = f"\n[lines {where}; continue with offset {seen.last + 1}]" if seen.last < seen.total else ""
    return Outcome(where, seen.text + rest, files=touched)
