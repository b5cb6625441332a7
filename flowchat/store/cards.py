"""What a session's log adds up to for lists: derived, kept in meta.json, made anew wherever it disagrees with the log."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.store.disk import Disk
from flowchat.store.log import LOG
from flowchat.store.scan import scan
from flowchat.transcript.entries import Record, UserSaid, text_of
from flowchat.transcript.facts import SessionFacts

META = "meta.json"
FIRST_MESSAGE_CHARS = 200


class SessionCard(Struct, frozen=True):
    """One session in a list. `messages` counts both sides; `tokens` all that was sent and received; `log_bytes` its size then."""

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


_decoder = msgspec.json.Decoder(SessionCard)


def card_of(sid: str, records: Sequence[Record], facts: SessionFacts, log_bytes: int) -> SessionCard:
    """The card of a session's records."""
    first = next((record.entry for record in records if record.type == "user_said"), None)
    words = " ".join(text_of(first.parts).split())[:FIRST_MESSAGE_CHARS] if isinstance(first, UserSaid) else ""
    messages = sum(record.type in ("user_said", "assistant_said") for record in records)
    updated = records[-1].at_ms if records else 0
    tokens = facts.usage.input + facts.usage.output
    return SessionCard(sid, facts.title, facts.cwd, facts.model, updated, messages, tokens, words, log_bytes, facts.cost)


def write_card(folder: Path, card: SessionCard, disk: Disk) -> None:
    """Raises OSError; the old one is intact then."""
    disk.write_file(folder / META, msgspec.json.encode(card), durable=False)


def read_card(folder: Path) -> SessionCard | None:
    """From meta.json where it agrees with the log, else from the log; None where there is no log to read. Never writes."""
    try:
        size = os.stat(folder / LOG).st_size
    except OSError:
        return None
    try:
        with open(folder / META, "rb") as file:
            card = _decoder.decode(file.read())
        if card.log_bytes == size and card.sid == folder.name:
            return card
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        pass
    return _from_log(folder, size)


def _from_log(folder: Path, size: int) -> SessionCard | None:
    try:
        fd = os.open(folder / LOG, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        scanned = scan(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    facts = SessionFacts()
    for record in scanned.records:
        facts.take(record)
    return card_of(folder.name, scanned.records, facts, size)
