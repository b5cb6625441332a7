"""What of a branch the next request does not show whole: the passages that `recall` finds and reads."""

import asyncio
from collections.abc import Collection, Sequence
from functools import lru_cache

import msgspec

from flowchat.agent.items import Chosen, chosen_on, items_in_force
from flowchat.agent.prompt import NEVER_FOLDED, Line, edited_parts, edits_on, line_in_force, line_of
from flowchat.tools.passages import Passage, Why
from flowchat.tools.recall import Recall
from flowchat.transcript.entries import (
    UNREADABLE,
    AssistantPart,
    AssistantSaid,
    Blob,
    BlobRef,
    Call,
    CallId,
    ContextAdded,
    Record,
    Seq,
    Text,
    ToolAnswered,
    UserPart,
    UserSaid,
)
from flowchat.transcript.transcript import Transcript

WHAT_CHARS = 200
"""Of a path or a name that says what an entry is."""
_SAID = frozenset({"user_said", "context_added", "assistant_said", "tool_answered"})
_decode = msgspec.json.Decoder(dict[str, object]).decode


async def look(transcript: Transcript) -> Sequence[Passage]:
    """As `out_of_sight`, of the head's branch as it stands now; nobody else has to wait for it."""
    branch, facts = transcript.branch(), transcript.facts
    checkpoint = line_in_force(branch, facts, edits_on(branch, facts))
    chosen = chosen_on(branch, items_in_force(facts, line_of(checkpoint)))
    return await asyncio.to_thread(out_of_sight, branch, checkpoint, chosen)


def out_of_sight(branch: Sequence[Record], checkpoint: Line | None, chosen: Chosen) -> list[Passage]:
    """What was said on a branch and is folded by its checkpoint, pruned or cut, in the order of the branch.

    What the user excluded is not in it: the model is to do without. Nor is what the model never heard (notices, the user's own
    commands), nor reasoning; nor what recall gave: it stands in the entries it came from.
    """
    sorting = _Sorting(branch, checkpoint, chosen)
    found = (sorting.passage(record) for record in branch if record.type in _SAID)
    return [passage for passage in found if passage is not None]


class _Sorting:
    """Tells of each node of a branch, in its order, whether it is out of sight."""

    def __init__(self, branch: Sequence[Record], checkpoint: Line | None, chosen: Chosen) -> None:
        self._chosen, self._edits = chosen, edited_parts(branch)
        self._upto = checkpoint[1].upto if checkpoint else 0
        self._whole = (
            frozenset(checkpoint[1].verbatim).union(chosen.pinned, _never_folded(branch, self._upto)) if checkpoint else ()
        )
        self._tools: dict[CallId, str] = {}
        self._folded: set[CallId] = set()
        """Calls that are folded: whatever stands behind the checkpoint, an answer without its call is not sent."""

    def passage(self, record: Record) -> Passage | None:
        """What of the branch's next node is not shown whole."""
        match record.entry:
            case UserSaid(parts=parts):
                return self._user(record, "user", self._edits.get(record.seq, parts))
            case ContextAdded(source=source, origin=origin, parts=parts):
                return self._user(record, _one_line(f"{source} {origin}"), parts)
            case AssistantSaid(parts=parts):
                return self._assistant(record, parts)
            case ToolAnswered() as answered:
                return self._answer(record, answered)
            case _:
                return None

    def _user(self, record: Record, what: str, parts: Sequence[UserPart]) -> Passage | None:
        why = self._why(record.seq)
        if why is None:
            return None
        kept = tuple(part.blob for part in parts if isinstance(part, Blob) and _is_text(part.blob))
        text = "".join([part.text if isinstance(part, Text) else f"[{_named(part)}]" for part in parts])
        return Passage(record.seq, record.at_ms, what, text, why, kept) if text else None

    def _assistant(self, record: Record, parts: Sequence[AssistantPart]) -> Passage | None:
        """An answer's words if they are out of sight, and those of its calls that are."""
        why = self._why(record.seq)
        because, texts, count = why, list[str](), 0
        for part in parts:
            if isinstance(part, Call):
                call_id, count = f"{record.seq}.{count}", count + 1
                self._tools[call_id] = part.name
                if record.seq <= self._upto:
                    self._folded.add(call_id)
                reason = self._why_call(call_id, record.seq)
                if reason == "folded" and part.name != Recall.schema.name:
                    texts.append(_call(part))
                    because = because or reason
            elif why and isinstance(part, Text) and part.text.strip():
                texts.append(part.text)
        return Passage(record.seq, record.at_ms, "assistant", "\n".join(texts), because) if texts and because else None

    def _answer(self, record: Record, answered: ToolAnswered) -> Passage | None:
        if answered.call in self._chosen.calls_out:
            return None
        kept = (answered.blob,) if answered.blob is not None and _is_text(answered.blob) else ()
        why = self._why_call(answered.call, record.seq) or ("cut" if kept else None)
        tool = self._tools.get(answered.call, "a call")
        if why is None or tool == Recall.schema.name:
            return None
        text = answered.content or answered.summary
        return Passage(record.seq, record.at_ms, _answer_to(tool), text, why, kept, in_part=bool(kept))

    def _why(self, seq: Seq) -> Why | None:
        """Why a message, or an answer's words, are not shown whole."""
        return "folded" if seq <= self._upto and seq not in self._whole and seq not in self._chosen.out else None

    def _why_call(self, call: CallId, seq: Seq) -> Why | None:
        """Why a call, or its answer, is not shown whole; `seq`: the node it stands in."""
        if call in self._chosen.calls_out:
            return None
        if call in self._folded:
            return None if call in self._chosen.calls_pinned and seq <= self._upto else "folded"
        return "pruned" if call in self._chosen.pruned else None


def _never_folded(branch: Sequence[Record], upto: Seq) -> Collection[Seq]:
    """What outlives every checkpoint, as far as it was said before this one."""
    newest = {
        (record.entry.source, record.entry.origin): record.seq
        for record in branch
        if record.type == "context_added" and record.seq <= upto and isinstance(record.entry, ContextAdded)
        if record.entry.source in NEVER_FOLDED
    }
    return newest.values()


@lru_cache(64)
def _answer_to(tool: str) -> str:
    return _one_line(f"answer to {tool}")


def _call(call: Call) -> str:
    """A call with its arguments, the text in them as it is and not as JSON writes it."""
    try:
        args = _decode(call.args)
    except UNREADABLE:
        return f"[call {call.name}]\n{call.args}"
    lines = (
        f"{name}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}" for name, value in args.items()
    )
    return "\n".join([f"[call {call.name}]", *lines])


def _named(part: Blob) -> str:
    return _one_line(part.name) or ("long text" if _is_text(part.blob) else part.blob.media)


def _is_text(blob: BlobRef) -> bool:
    return blob.media.startswith("text/")


def _one_line(text: str) -> str:
    return " ".join(text[:WHAT_CHARS].split())
