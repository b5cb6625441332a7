"""What is left of a session whose process was killed: opened like a user would, and looked at line by line."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from flowchat.config import Folders, Settings
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.store.scan import scan
from flowchat.transcript.entries import AssistantSaid, Record, text_of
from tests.validating import broken_log, broken_rules

OPEN, ANSWER = "and now?", "Going on."


def acknowledged(heard: bytes) -> dict[str, list[dict[str, Any]]]:
    """The lines of stream-json that were read whole, by session."""
    lines = [json.loads(line) for line in heard.split(b"\n")[:-1]]
    sids = dict.fromkeys(line["session"] for line in lines if line["type"] != "result")
    return {sid: [line for line in lines if line["session"] == sid] for sid in sids}


async def examine(folders: Folders, folder: Path, heard: bytes) -> tuple[list[str], dict[str, tuple[Record, ...]]]:
    """What is wrong, in sentences, and the records of each acknowledged session as they stood behind its recovery.

    Each is opened, told something more, and closed.
    """
    wrong: list[str] = []
    found: dict[str, tuple[Record, ...]] = {}
    opened: list[Session] = []
    model = ScriptedModel(*[says(ANSWER)] * 50)
    there = Workspace(folder, Settings(), folders, {}, make_model=lambda name: model)
    listed = {card.sid for card in there.cards(everywhere=True)}
    for sid, lines in acknowledged(heard).items():
        entries = [line for line in lines if "seq" in line]
        if not entries:
            continue
        if sid not in listed:
            wrong.append(f"{sid} is not listed")
            continue
        session = await there.open(sid)
        opened.append(session)
        found[sid] = tuple(session.transcript.records())
        wrong += [f"it opens for reading only: {session.read_only}"] if session.read_only else []
        wrong += unlike(entries, found[sid]) + broken_log(found[sid]) + await gone_on(session, model)
    for sid in listed - found.keys():
        session = await there.open(sid)
        wrong += broken_log(session.transcript.records())
    await there.close()
    left = [str(path.relative_to(folders.data)) for path in folders.data.rglob(".*.new")]
    wrong += [f"{left} are left over"] if left else []
    for session in opened:
        kept = [(record.seq, record.parent, record.entry) for record in _on_disk(folders, session.sid)]
        if kept != [(record.seq, record.parent, record.entry) for record in session.transcript.records()]:
            wrong.append(f"what was said in {session.sid} after it was opened is not what is on disk")
    return wrong, found


def _on_disk(folders: Folders, sid: str) -> Sequence[Record]:
    fd = os.open(folders.data / "sessions" / sid / "log.jsonl", os.O_RDONLY)
    try:
        return scan(fd).records
    finally:
        os.close(fd)


def unlike(entries: Sequence[dict[str, Any]], records: Sequence[Record]) -> list[str]:
    """Acknowledged entries that are not in the log exactly as they were acknowledged."""
    wrong: list[str] = []
    for line in entries:
        said = {name: value for name, value in line.items() if name not in ("i", "opening", "session", "t", "seq", "parent")}
        if line["type"] in ("session_started", "forked"):
            said["session"] = line["session"]
        record = records[line["seq"] - 1] if line["seq"] <= len(records) else None
        if record is None:
            wrong.append(f"acknowledged {line['type']} {line['seq']} is lost")
        elif (kept := msgspec.json.decode(msgspec.json.encode(record.entry))) != said or record.parent != line.get("parent"):
            wrong.append(f"acknowledged {said} at {line['seq']} reads {kept}")
    return wrong


async def gone_on(session: Session, model: ScriptedModel) -> list[str]:
    """What a strict provider would refuse of the next requests; a queue that was not held goes on, too."""
    before = len(model.asked())
    await session.send(OPEN)
    await session.idle()
    asked = model.asked()[before:]
    said = [entry for record in session.transcript.branch() if isinstance(entry := record.entry, AssistantSaid)]
    wrong = [] if asked and said and text_of(said[-1].parts) == ANSWER else [f"{len(asked)} requests, then {said[-1:]}"]
    return wrong + [rule for request in asked for rule in broken_rules(request.messages)]
