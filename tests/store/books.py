"""Sessions on a real disk in a temporary folder, and what is told of them in short."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from flowchat.store.disk import Disk
from flowchat.store.scan import header_of, scan
from flowchat.store.sessions import Opened, Sessions
from flowchat.transcript.entries import AnyEntry, Entry, Node, Noticed, Record, SessionStarted, Text, UserSaid, type_name
from flowchat.transcript.transcript import Transcript, encode_line

NOW_MS = 1_790_000_000_000
WORK = Path("/w")


def sessions(folder: Path, disk: Disk | None = None) -> Sessions:
    return Sessions(folder / "data", folder / "state", disk)


def transcript(opened: Opened) -> Transcript:
    return Transcript(opened.log, opened.blobs, opened.records, now_ms=lambda: NOW_MS)


def started(sid: str = "s", cwd: str = "/w") -> SessionStarted:
    return SessionStarted(sid, cwd, "1", "demo", "default", "You are a test.", ())


def user(text: str, client_id: str = "") -> UserSaid:
    """Its append is fsynced."""
    return UserSaid(client_id or f"id-{text}", (Text(text),))


def note(text: str) -> Noticed:
    """Its append is not."""
    return Noticed("info", "test", text)


async def written(store: Sessions, *entries: Entry, cwd: str = "/w") -> str:
    """A closed session of these entries behind its beginning; gives its sid."""
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(opened.sid, cwd), *entries)
    await opened.shelf.write_meta(book)
    await book.close()
    return opened.sid


async def reread(store: Sessions, sid: str) -> list[AnyEntry]:
    """All entries as a new opening reads them."""
    opened = store.open(sid)
    entries = [record.entry for record in transcript(opened).records()]
    await opened.log.close()
    return entries


def log_of(store: Sessions, sid: str) -> Path:
    return store.path(sid) / "log.jsonl"


def said(entries: Sequence[AnyEntry]) -> list[str]:
    """The texts of what was said and noted."""
    texts: list[str] = []
    for entry in entries:
        if isinstance(entry, UserSaid) and isinstance(entry.parts[0], Text):
            texts.append(entry.parts[0].text)
        elif isinstance(entry, Noticed):
            texts.append(entry.text)
    return texts


def lines_for(*entries: Entry) -> list[bytes]:
    """The lines of a log of a session's beginning and these entries."""
    lines: list[bytes] = []
    head = 0
    for seq, entry in enumerate((started(), *entries), 1):
        record = Record(seq, NOW_MS, head if isinstance(entry, Node) else None, type_name(entry), entry)
        lines.append(encode_line(record))
        head = seq if record.is_node else getattr(entry, "to", head)
    return lines


def kept(store: Sessions, lines: Sequence[bytes] | bytes, sid: str = "20260101-000000-aaaa") -> Path:
    """A session's log of these lines, as it may lie on somebody's disk; gives the log."""
    folder = store.path(sid)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.jsonl"
    log.write_bytes(lines if isinstance(lines, bytes) else b"".join(lines))
    return log


def read(log: Path) -> list[Record]:
    fd = os.open(log, os.O_RDONLY)
    try:
        return scan(fd).records
    finally:
        os.close(fd)


def is_whole(log: Path) -> bool:
    """Whether each line can be read and has the number that follows."""
    lines = log.read_bytes().splitlines(keepends=True)
    headers = [header_of(line[:-1]) if line.endswith(b"\n") else None for line in lines]
    return [header.seq if header else None for header in headers] == list(range(1, len(lines) + 1))


def in_child(act: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Run something in a process of its own; gives its pid. It ends with 0, or 1 where it raised."""
    pid = os.fork()
    if pid:
        return pid
    try:
        asyncio.run(act())
        os._exit(0)
    except BaseException:
        os._exit(1)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
