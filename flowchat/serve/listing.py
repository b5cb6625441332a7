"""`flowchat sessions`: what is kept, as text for a person or as one JSON object a line."""

import os
from collections.abc import Iterator, Sequence

import msgspec

from flowchat.errors import StorageFailed
from flowchat.serve.stream import json_line, record_line
from flowchat.store.cards import SessionCard
from flowchat.store.log import LOG
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.store.scan import scan
from flowchat.store.sessions import Sessions
from flowchat.store.sizes import byte_size, size_of
from flowchat.transcript.clean import Clean, clean
from flowchat.transcript.entries import AssistantSaid, Damaged, Noticed, Record, RunEnded, ToolAnswered, UserSaid, text_of
from flowchat.transcript.times import minute
from flowchat.transcript.transcript import Transcript

TITLE_CHARS = 50


def list_sessions(store: Sessions, as_json: bool) -> Iterator[str]:
    """A line for each session, newest first, from every folder."""
    for card in store.cards():
        yield json_line(msgspec.to_builtins(card)) if as_json else _card_line(card)


def list_sizes(store: Sessions, as_json: bool) -> Iterator[str]:
    """A line for each session with the bytes of its log and blobs, the largest first, and what they come to."""
    found = sorted(((size_of(store.path(card.sid)), card) for card in store.cards()), key=lambda one: -one[0].total)
    for size, card in found:
        if as_json:
            yield json_line({**msgspec.to_builtins(card), "bytes": msgspec.to_builtins(size)})
        else:
            parts = f"log {byte_size(size.log):>9}  blobs {byte_size(size.blobs):>9}"
            yield f"{byte_size(size.total):>9}  {parts}  {card.sid}  {titled(card)}\n"
    if not as_json and found:
        yield f"{byte_size(sum(size.total for size, _ in found)):>9}  in all\n"


def delete_session(store: Sessions, wanted: str, as_json: bool) -> Iterator[str]:
    """Move a session to the trash, and say how it comes back. Raises NotFound, ReadOnly, StorageFailed."""
    sid = store.find(wanted, alone=True)
    card = store.card(sid)
    name = store.trash(sid).name
    if as_json:
        yield json_line({"sid": sid, "trashed": name})
    else:
        called = f" ({titled(card)})" if card is not None else ""
        yield f"{sid}{called} is in the trash; `flowchat trash restore {sid}` puts it back\n"


def show_session(store: Sessions, wanted: str, as_json: bool) -> Iterator[str]:
    """What was said on the session's branch; as JSON every record of its log. Raises NotFound, StorageFailed; writes nothing."""
    sid = store.find(wanted)
    records = records_of(store, sid)
    if not records:
        raise StorageFailed(f"session {sid!r} has no readable entries")
    if as_json:
        yield from map(record_line, records)
        return
    for record in Transcript(MemoryLog(), MemoryBlobs(), records).branch():
        if said := _said(record):
            yield said + "\n"


def session_path(store: Sessions, wanted: str, as_json: bool) -> Iterator[str]:
    """The folder of a session. Raises NotFound."""
    sid = store.find(wanted)
    path = str(store.path(sid))
    yield json_line({"sid": sid, "path": path}) if as_json else f"{clean(path)}\n"


def _card_line(card: SessionCard) -> str:
    when = minute(card.updated_ms)
    return f"{_one_line(card.sid)}  {when}  {card.messages:>5} messages  {titled(card):<{TITLE_CHARS}}  {_one_line(card.cwd)}\n"


def titled(card: SessionCard) -> Clean:
    """What a session is called, or how it began, in at most TITLE_CHARS characters."""
    title = _one_line(card.title or card.first_message)
    return title if len(title) <= TITLE_CHARS else Clean(title[: TITLE_CHARS - 1] + "…")


def _one_line(text: str) -> Clean:
    return clean(" ".join(text.split()))


def records_of(store: Sessions, sid: str) -> Sequence[Record]:
    """The log as it stands, read without its lock: another process may be writing it."""
    path = store.path(sid) / LOG
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return scan(file).records
        finally:
            os.close(file)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}") from error


def _said(record: Record) -> str | None:
    """A record as text for a reader; None for what is not part of the conversation."""
    entry = record.entry
    if isinstance(entry, UserSaid):
        return "".join(f"> {line}\n" for line in clean(text_of(entry.parts)).splitlines())
    if isinstance(entry, AssistantSaid):
        return f"{clean(text)}\n" if (text := text_of(entry.parts)) else None
    if isinstance(entry, ToolAnswered):
        return f"[{entry.status}] {_one_line(entry.summary)}\n"
    if isinstance(entry, Noticed):
        return f"({_one_line(entry.text)})\n"
    if isinstance(entry, Damaged):
        return f"(unreadable line: {_one_line(entry.reason)})\n"
    if isinstance(entry, RunEnded) and entry.outcome != "completed":
        return f"({entry.outcome}{': ' + _one_line(entry.message) if entry.message else ''})\n"
    return None
