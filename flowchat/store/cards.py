"""A session's summary for lists: derived from its log, kept in meta.json, rebuilt wherever it disagrees with the log."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from flowchat.store.disk import Disk, read_file
from flowchat.store.logfile import LOG
from flowchat.store.scan import header_of, lines_of, scan
from flowchat.transcript.entries import UNREADABLE, Record, UserSaid, decode_entry, text_of
from flowchat.transcript.facts import SessionFacts

META = "meta.json"
META_LIMIT_BYTES = 1 << 20
FIRST_MESSAGE_CHARS = 200
WHOLE_BYTES = 8 << 20
"""A log is read whole for its card up to this size; of a longer one both ends, half of this each."""


class SessionCard(Struct, frozen=True):
    """One session in a list. `messages` counts both sides; `tokens` all that was sent and received; `log_bytes` its size then.

    `at_least`: the log was too long to be read for a card, so messages, tokens and cost are at least these.
    """

    sid: str
    title: str
    cwd: str
    model: str
    updated_ms: int
    messages: int
    tokens: int
    first_message: str
    log_bytes: int
    cost: float | None = None
    at_least: bool = False


_decoder = msgspec.json.Decoder(SessionCard)


def card_of(sid: str, records: Sequence[Record], facts: SessionFacts, log_bytes: int) -> SessionCard:
    """The card of a session's records."""
    first = next((record.entry for record in records if record.type == "user_said"), None)
    words = " ".join(text_of(first.parts).split())[:FIRST_MESSAGE_CHARS] if isinstance(first, UserSaid) else ""
    updated = records[-1].at_ms if records else 0
    tokens = facts.usage.input + facts.usage.output
    return SessionCard(sid, facts.title, facts.cwd, facts.model, updated, facts.messages, tokens, words, log_bytes, facts.cost)


def write_card(folder: Path, card: SessionCard, disk: Disk) -> None:
    """Raises OSError; the old one is intact then."""
    disk.write_file(folder / META, msgspec.json.encode(card), durable=False)


def read_card(folder: str, sid: str = "") -> SessionCard | None:
    """From meta.json where it agrees with the log, else from the log; None where there is no log to read. Never writes.

    `sid`: its id, where the folder's name is another.
    """
    sid = sid or os.path.basename(folder)
    log = f"{folder}/{LOG}"
    try:
        found = os.stat(log)
    except OSError:
        return None
    if not S_ISREG(found.st_mode):
        return None
    size = found.st_size
    kept = _kept(folder)
    if kept is not None and kept.log_bytes == size and not kept.at_least and kept.sid == sid:
        return kept
    with suppress(OSError):
        fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _of_whole(sid, fd, size) if size <= WHOLE_BYTES else _of_ends(sid, fd, size, kept)
        finally:
            os.close(fd)
    return None


def _kept(folder: str) -> SessionCard | None:
    try:
        return _decoder.decode(read_file(f"{folder}/{META}", META_LIMIT_BYTES))
    except (OSError, *UNREADABLE):
        return None


def _of_whole(sid: str, fd: int, size: int) -> SessionCard | None:
    records = scan(fd).records
    return card_of(sid, records, _facts(records), size) if records else None


def _of_ends(sid: str, fd: int, size: int, kept: SessionCard | None) -> SessionCard | None:
    """What both ends of a long log tell, and what a card that is older than the log told."""
    first, last = list(_records(fd, 0, WHOLE_BYTES // 2)), list(_records(fd, size - WHOLE_BYTES // 2, size))
    if not first and not last:
        return kept
    card, late = card_of(sid, [*first, *last], _facts([*first, *last]), size), _facts(last)
    if kept is None or kept.log_bytes > size:
        return replace(card, at_least=True)
    return replace(
        card,
        title=late.title or kept.title,
        model=late.model or kept.model,
        messages=max(card.messages, kept.messages),
        tokens=max(card.tokens, kept.tokens),
        cost=kept.cost if card.cost is None else max(card.cost, kept.cost or 0.0),
        at_least=True,
    )


def _facts(records: Sequence[Record]) -> SessionFacts:
    facts = SessionFacts()
    for record in records:
        facts.take(record)
    return facts


def _records(fd: int, start: int, end: int) -> Iterator[Record]:
    for line in lines_of(fd, start, end):
        header = header_of(line.text)
        if header is not None:
            entry = decode_entry(line.text, header.type)
            yield Record(header.seq, header.t, header.parent, header.type, entry, size=line.length)
