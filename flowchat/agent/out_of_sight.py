"""What of a branch the next request does not show whole: the passages that `recall` finds and reads."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from flowchat.agent.items import Chosen, chosen_on, items_in_force
from flowchat.agent.messages import NEVER_FOLDED
from flowchat.agent.prompt import Line, edited_parts, edits_of, line_in_force, line_of
from flowchat.tools.passages import Passage, Why
from flowchat.tools.recall import Recall
from flowchat.transcript.entries import (
    UNREADABLE,
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
    checkpoint = line_in_force(branch, facts, edits_of(branch))
    chosen = chosen_on(branch, items_in_force(facts, line_of(checkpoint)))
    return await asyncio.to_thread(out_of_sight, branch, checkpoint, chosen)


def out_of_sight(branch: Sequence[Record], checkpoint: Line | None, chosen: Chosen) -> list[Passage]:
    """What was said on a branch and is folded by its checkpoint, pruned, excluded or cut, in the order of the branch.

    What the model never heard (notices, the user's own commands) is not in it, nor reasoning; nor what recall gave: it stands
    in the entries it came from.
    """
    upto = checkpoint[1].upto if checkpoint else 0
    whole = chosen.pinned.union(checkpoint[1].verbatim, _never_folded(branch, upto)) if checkpoint else frozenset[Seq]()
    edits = edited_parts(branch)
    passages: list[Passage] = []
    names: dict[CallId, str] = {}
    for record in branch:
        if record.type not in _SAID:
            continue
        seq, entry, is_folded = record.seq, record.entry, record.seq <= upto
        why: Why | None = "excluded" if seq in chosen.out else "folded" if is_folded and seq not in whole else None
        match entry:
            case AssistantSaid():
                names.update((f"{seq}.{index}", call.name) for index, call in enumerate(entry.calls))
                passages += _said(record, entry, why, is_folded, chosen)
            case ToolAnswered():
                passages += _answered(record, entry, names.get(entry.call, "a call"), is_folded, chosen)
            case UserSaid() if why:
                passages += _user(record, "user", edits.get(seq, entry.parts), why)
            case ContextAdded() if why:
                passages += _user(record, _one_line(f"{entry.source} {entry.origin}"), entry.parts, why)
            case _:
                pass
    return passages


def _never_folded(branch: Sequence[Record], upto: Seq) -> Iterator[Seq]:
    """What outlives every checkpoint, as far as it was said before this one."""
    newest: dict[tuple[str, str], Seq] = {}
    for record in branch:
        if record.seq > upto:
            break
        if record.type == "context_added" and isinstance(added := record.entry, ContextAdded) and added.source in NEVER_FOLDED:
            newest[added.source, added.origin] = record.seq
    yield from newest.values()


def _user(record: Record, what: str, parts: Sequence[UserPart], why: Why) -> Iterator[Passage]:
    kept = tuple(part.blob for part in parts if isinstance(part, Blob) and _is_text(part.blob))
    if text := "".join(part.text if isinstance(part, Text) else f"[{_named(part)}]" for part in parts):
        yield Passage(record.seq, record.at_ms, what, text, why, kept)


def _said(record: Record, said: AssistantSaid, why: Why | None, is_folded: bool, chosen: Chosen) -> Iterator[Passage]:
    """An answer's words if they are out of sight, and those of its calls that are."""
    texts: list[str] = []
    reasons: list[Why] = [why] if why else []
    count = -1
    for part in said.parts:
        if isinstance(part, Call):
            count += 1
            reason = _of_call(f"{record.seq}.{count}", is_folded, chosen)
            if reason in ("excluded", "folded") and part.name != Recall.schema.name:
                texts.append(_call(part))
                reasons.append(reason)
        elif isinstance(part, Text) and part.text.strip() and why:
            texts.append(part.text)
    if texts:
        yield Passage(record.seq, record.at_ms, "assistant", "\n".join(texts), reasons[0])


def _answered(record: Record, answered: ToolAnswered, tool: str, is_folded: bool, chosen: Chosen) -> Iterator[Passage]:
    kept = (answered.blob,) if answered.blob is not None and _is_text(answered.blob) else ()
    why = _of_call(answered.call, is_folded, chosen) or ("cut" if kept else None)
    if why is not None and tool != Recall.schema.name:
        what = _one_line(f"answer to {tool}")
        yield Passage(record.seq, record.at_ms, what, answered.content or answered.summary, why, kept, in_part=bool(kept))


def _of_call(call: CallId, is_folded: bool, chosen: Chosen) -> Why | None:
    """Why a call, or its answer, is not shown whole."""
    if call in chosen.calls_out:
        return "excluded"
    if is_folded:
        return None if call in chosen.calls_pinned else "folded"
    return "pruned" if call in chosen.pruned else None


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
