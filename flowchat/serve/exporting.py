"""`flowchat sessions export`: a session as a markdown document or as one JSON document, on stdout or in a file."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from flowchat.errors import AlreadyExists, StorageFailed
from flowchat.runtime.exporting import document, write_document
from flowchat.serve.listing import records_of
from flowchat.serve.stream import json_line, record_fields
from flowchat.store.memory import MemoryLog
from flowchat.store.sessions import Sessions
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import VERSION, Record, Seq
from flowchat.transcript.transcript import Transcript

SCHEMA = 1
"""Of the JSON document around the entries; their own is the `v` of the log."""


def exported(store: Sessions, wanted: str, as_json: bool, everything: bool) -> Iterator[str]:
    """Pieces of the document; writes nothing. Raises NotFound, StorageFailed."""
    sid = store.find(wanted)
    records = records_of(store, sid)
    if not records:
        raise StorageFailed(f"session {sid!r} has no readable entries")
    blobs = store.blobs(sid)
    transcript = Transcript(MemoryLog(), blobs, records)
    if as_json:
        return _as_json(sid, transcript, everything)
    branch, facts = transcript.branch(), transcript.facts
    return asyncio.run(document(transcript.records(), branch, facts, blobs, everything))


def export_to(file: str, pieces: Iterable[str], force: bool) -> Iterator[str]:
    """Write a file and say where it is. Raises CommandRefused, StorageFailed."""
    try:
        path = write_document(Path(file), pieces, force)
    except AlreadyExists as error:
        raise AlreadyExists(f"{error}: add --force to replace it, or name another file") from error
    yield f"{clean(str(path))}\n"


def _as_json(sid: str, transcript: Transcript, everything: bool) -> Iterator[str]:
    """One object, an entry a line: those of the branch and the facts that belong to it, or all."""
    facts, records = transcript.facts, transcript.records()
    chosen = records if everything else _of_branch(records, {record.seq for record in transcript.branch()})
    head: dict[str, object] = {"schema": SCHEMA, "v": VERSION, "session": sid, "title": facts.title, "cwd": facts.cwd}
    head["head"] = transcript.head
    yield f'{json_line(head).rstrip()[:-1]},"entries":[\n'
    for index, record in enumerate(chosen):
        yield f"{',' if index else ''}{json_line(record_fields(record))}"
    yield "]}\n"


def _of_branch(records: Sequence[Record], branch: set[Seq]) -> list[Record]:
    """The nodes of a branch and the facts that belong to one of them, in file order."""
    found: list[Record] = []
    head = 0
    for record in records:
        if record.is_node:
            head = record.seq
        elif record.type == "head_moved":
            head = getattr(record.entry, "to", head)
            continue
        if head in branch:
            found.append(record)
    return found
