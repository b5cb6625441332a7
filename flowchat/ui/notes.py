"""Entries that are shown as a line: what a message, a run's end, a checkpoint or a notice looks like."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import assert_never

from flowchat.transcript.entries import (
    COMMAND_END,
    SKILL_LIST,
    AnyEntry,
    ApprovalDecided,
    AssistantSaid,
    AttemptUsed,
    Blob,
    Compacted,
    CompactionUndone,
    ContextAdded,
    Damaged,
    Edited,
    Forked,
    HeadMoved,
    ItemsSet,
    LabelSet,
    ModelSet,
    ModeSet,
    Noticed,
    PromptSet,
    QueueSet,
    Recovered,
    RunEnded,
    RunStarted,
    SessionStarted,
    TitleSet,
    ToolAnswered,
    ToolStarted,
    Unknown,
    UserSaid,
    text_of,
)
from flowchat.ui.blocks import Block, Note, NoteText, Said
from flowchat.ui.own_command import Ran
from flowchat.ui.palette import Role
from flowchat.ui.prose import one_line
from flowchat.ui.strips import cut

MESSAGE_CHARS = 300
"""Of why a run ended; the whole shows when it is unfolded."""
_LEVELS: dict[str, tuple[str, Role]] = {"info": ("", "dim"), "warning": ("warning", "warn"), "error": ("error", "bad")}
_OUTCOMES: dict[str, tuple[str, str, Role]] = {
    "interrupted": ("interrupted", "interrupted", "warn"),
    "failed": ("failed", "failed", "bad"),
    "limit": ("interrupted", "stopped", "warn"),
    "crashed": ("failed", "crashed", "bad"),
}
_ENDS = {"limit": "the step limit was reached", "crashed": "the program was closed during this answer"}


def blocks_of(entry: AnyEntry, edited: Edited | None = None) -> Iterator[Block]:
    """The blocks of every entry but a step's and a checkpoint's; `edited` is the overlay of a message."""
    match entry:
        case UserSaid(parts=parts):
            parts = edited.parts if edited else parts
            yield Said(text_of(parts), [_attached(part) for part in parts if isinstance(part, Blob)])
        case RunEnded():
            yield from _run_end(entry)
        case Noticed(source="command", text=text):
            command, _, content = text.partition(COMMAND_END)
            yield Ran("!!", command, content)
        case Noticed(level=level, text=text):
            word, role = _LEVELS[level]
            yield Note(NoteText(text, word, "failed" if level == "error" else "waiting", role))
        case ContextAdded(source="command", origin=command, parts=parts):
            yield Ran("!", command, text_of(parts))
        case ContextAdded():
            yield from _context(entry)
        case CompactionUndone(undone=undone):
            yield Note(NoteText("", "compaction undone" if undone else "compaction restored", "checkpoint", kind="mark"))
        case Unknown(name=name):
            yield Note(NoteText(f"{name}, written by a newer flowchat", "unknown entry", "waiting"))
        case Damaged(reason=reason):
            yield damage(reason)
        case ToolAnswered(summary=summary):
            yield Note(NoteText(summary, "answer to a missing call", "waiting"))
        case SessionStarted() | PromptSet() | RunStarted() | AssistantSaid() | ToolStarted() | Edited():
            return
        case HeadMoved() | TitleSet() | ModelSet() | ModeSet() | QueueSet() | ApprovalDecided() | AttemptUsed():
            return
        case ItemsSet() | LabelSet() | Forked() | Recovered() | Compacted():
            return
        case _:
            assert_never(entry)


def _run_end(ended: RunEnded) -> Iterator[Block]:
    if ended.outcome in _OUTCOMES:
        glyph, word, role = _OUTCOMES[ended.outcome]
        text = ended.message or _ENDS.get(ended.outcome) or ended.code or ""
        text = text if text != word else ""
        if len(text) > MESSAGE_CHARS:
            yield Note(NoteText(cut(one_line(text), MESSAGE_CHARS), word, glyph, role, body=text))
        else:
            yield Note(NoteText(text, word, glyph, role))


def _context(added: ContextAdded) -> Iterator[Block]:
    text = text_of(added.parts)
    match added.source:
        case "environment":
            return
        case "job":
            if "\n" not in text:
                return
            line, text = f"{added.origin}: what it printed", text.partition("\n")[2]
        case "skill" if added.origin == SKILL_LIST:
            line = "skills listed for the model" if "\n" in text else "no skills any more"
        case "skill":
            line = f"{text.partition(';')[0]} read"
        case "file" | "command" | "hook":
            at = "@" if added.source == "file" else ""
            line = f"{at}{added.origin} {text.strip('()') if text.startswith('(not shown') else 'read'}"
        case "instructions":
            line = f"{PurePath(added.origin).name} {'gone' if text.startswith('(this file is gone') else 'read'}"
        case "mode":
            first, ends, _ = text.partition("\n")[0].partition(". ")
            line = first + ends.rstrip()
    body = text if line != text else ""
    yield Note(NoteText(line, body=body, glyph="waiting"))


def damage(reason: str) -> Block:
    """A line that could not be read."""
    return Note(NoteText(reason, "damaged entry", "failed", "warn"))


def _attached(part: Blob) -> str:
    shape = f" {part.blob.size[0]}x{part.blob.size[1]}" if part.blob.size else ""
    return f"{part.name or part.blob.media}{shape}, {part.blob.bytes:,} bytes"
