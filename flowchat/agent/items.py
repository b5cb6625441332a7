"""What was set of single items of the conversation: left out of requests, cut to their summary, or kept through compactions.

An item is a node, or with `part` one part of an assistant's message. A call and its answer are one: what is set of either
holds for both.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from flowchat.agent.reading import is_final, place_of
from flowchat.transcript.entries import (
    AssistantSaid,
    Call,
    CallId,
    ContextAdded,
    ItemRef,
    Record,
    Seq,
    ToolAnswered,
    UserPart,
    UserSaid,
    text_of,
)
from flowchat.transcript.facts import SessionFacts

ItemState: TypeAlias = Literal["pruned", "pinned", "excluded"]
Change: TypeAlias = Literal["pruned", "pinned", "excluded", "restored"]
States: TypeAlias = Mapping[ItemRef, ItemState]


class Effect(Struct, frozen=True):
    """What a change would do to the next request. `cached_lost`: tokens in the provider's cache that it would read anew.

    `cost_lost`: what that takes once, in USD; None where no price is known.
    """

    tokens_before: int
    tokens_after: int
    cached_lost: int
    cost_lost: float | None


class Taken(Struct, frozen=True):
    """A change that can be taken back, and what that would do."""

    items: tuple[ItemRef, ...]
    state: Change
    effect: Effect


class Chosen(Struct, frozen=True, gc=False):
    """What is set, as it reads on one branch. Nodes: messages, and the words of an assistant's; calls: with their answers.

    `waits`: a message that nothing has answered on this branch is sent until something does, whatever is set of it.
    """

    out: frozenset[Seq] = frozenset()
    calls_out: frozenset[CallId] = frozenset()
    pinned: frozenset[Seq] = frozenset()
    calls_pinned: frozenset[CallId] = frozenset()
    pruned: frozenset[CallId] = frozenset()
    waits: bool = False


NOTHING = Chosen()


def items_in_force(facts: SessionFacts, checkpoint: Seq | None) -> dict[ItemRef, ItemState]:
    """What is set while the checkpoint at this line, or none, is in force: of two lines the later counts."""
    return states_before(facts, checkpoint, None)


def states_before(facts: SessionFacts, checkpoint: Seq | None, before: Seq | None) -> dict[ItemRef, ItemState]:
    """The same without what was set from line `before` on."""
    states: dict[ItemRef, ItemState] = {}
    for seq, line in facts.items:
        if before is not None and seq >= before:
            break
        if line.with_checkpoint is not None and line.with_checkpoint != checkpoint:
            continue
        if line.state == "restored":
            for ref in line.items:
                states.pop(ref, None)
        else:
            states.update(dict.fromkeys(line.items, line.state))
    return states


def chosen_on(branch: Sequence[Record], states: States) -> Chosen:
    """What is set of what stands on this branch."""
    if not states:
        return NOTHING
    nodes: dict[ItemState, set[Seq]] = {"excluded": set(), "pinned": set(), "pruned": set()}
    calls: dict[ItemState, set[CallId]] = {"excluded": set(), "pinned": set(), "pruned": set()}
    for ref, state in states.items():
        place = place_of(branch, ref.node)
        if place < 0:
            continue
        match branch[place].entry:
            case ToolAnswered(call=call):
                calls[state].add(call)
            case AssistantSaid() as said:
                calls[state].update(_calls_named(said, ref))
                if ref.part is None or not _is_call(said, ref.part):
                    nodes[state].add(ref.node)
            case _:
                nodes[state].add(ref.node)
    waiting = {seq for seq in _unanswered(branch) if seq in nodes["excluded"]}
    return Chosen(
        frozenset(nodes["excluded"] - waiting),
        frozenset(calls["excluded"]),
        frozenset(nodes["pinned"]),
        frozenset(calls["pinned"]),
        frozenset(calls["pruned"]),
        bool(waiting),
    )


def without(branch: Sequence[Record], chosen: Chosen) -> Sequence[Record]:
    """The branch as if what is left out had never been said: what a summariser is told of."""
    if not chosen.out and not chosen.calls_out:
        return branch
    return [kept for record in branch if (kept := _kept(record, chosen)) is not None]


def _kept(record: Record, chosen: Chosen) -> Record | None:
    if record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
        return None if record.entry.call in chosen.calls_out else record
    if record.type != "assistant_said" or not isinstance(said := record.entry, AssistantSaid):
        return None if record.seq in chosen.out else record
    gone = {place for place, call in _calls_of(record.seq, said).items() if call in chosen.calls_out}
    words = record.seq in chosen.out
    parts = tuple(p for place, p in enumerate(said.parts) if place not in gone and not (words and not isinstance(p, Call)))
    if parts == said.parts:
        return record
    kept = structs.replace(said, parts=parts)
    return Record(record.seq, record.at_ms, record.parent, record.type, kept) if parts else None


def _calls_of(seq: Seq, said: AssistantSaid) -> dict[int, CallId]:
    """The calls of a message, by their places among its parts."""
    places = [place for place, part in enumerate(said.parts) if isinstance(part, Call)]
    return {place: f"{seq}.{index}" for index, place in enumerate(places)}


def named(branch: Sequence[Record], ref: ItemRef) -> list[ItemRef]:
    """The items a reference means, as they are named in the log: a call by its answer, a message with calls by its parts."""
    place = place_of(branch, ref.node)
    said = branch[place].entry if place >= 0 else None
    if not isinstance(said, AssistantSaid) or not said.calls:
        return [ref]
    words = [ItemRef(ref.node, part) for part, _ in enumerate(said.parts) if not _is_call(said, part)][:1]
    parts = {call: place for place, call in _calls_of(ref.node, said).items()}
    calls = _calls_named(said, ref)
    answers: dict[CallId, Seq] = {}
    for record in branch[place:]:
        if record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
            answers.setdefault(record.entry.call, record.seq)
    items = [ItemRef(answers[call]) if call in answers else ItemRef(ref.node, parts[call]) for call in calls]
    return [*(words if ref.part is None or not _is_call(said, ref.part) else []), *items]


def refusal(branch: Sequence[Record], states: States, upto: Seq, item: ItemRef, change: Change) -> str:
    """Why this cannot be set of an item `named` names, in a sentence; empty where it can. `upto`: what is folded."""
    place = place_of(branch, item.node)
    entry = branch[place].entry if place >= 0 else None
    if not isinstance(entry, UserSaid | ContextAdded | AssistantSaid | ToolAnswered):
        return "this is no message of the conversation as it stands; nothing can be set of it"
    if change == states.get(item, "restored"):
        return "nothing is set of it" if change == "restored" else f"it is {change} already"
    if change == "excluded" and isinstance(entry, UserSaid) and item.node in _unanswered(branch):
        return "nothing has answered this message yet, so it stays until something does; /edit changes it"
    if change in ("excluded", "pruned") and item.node <= upto and states.get(item) != "pinned":
        return "it is from before the summary, so it stays as it is; /compact undo frees it"
    if change != "pruned":
        return ""
    if not isinstance(entry, ToolAnswered):
        return "only the output of a call can be pruned; x leaves the whole item out"
    if len(pruned_text(item.node, entry)) >= len(entry.content):
        return "its output is no longer than what pruning would leave of it"
    return ""


def pinned_texts(
    branch: Sequence[Record], chosen: Chosen, edits: Mapping[Seq, tuple[UserPart, ...]], besides: Container[Seq]
) -> list[str]:
    """What is pinned on a branch and not told `besides`, in order, with who said it: words whole, of what was read its line."""
    texts: list[str] = []
    for record in branch if chosen.pinned or chosen.calls_pinned else ():
        match record.entry:
            case UserSaid(parts=parts) if record.seq in chosen.pinned and record.seq not in besides:
                texts.append(f"The user said: {text_of(edits.get(record.seq, parts))}")
            case AssistantSaid(parts=parts) if record.seq in chosen.pinned:
                texts.append(f"The agent said: {text_of(parts)}")
            case ContextAdded(source=source, origin=origin) if record.seq in chosen.pinned:
                texts.append(f"The agent was shown: {source} {origin}")
            case ToolAnswered(call=call) as answered if call in chosen.calls_pinned:
                texts.append(f"A call gave: {answered.summary}")
            case _:
                pass
    return texts


def pruned_text(seq: Seq, answered: ToolAnswered) -> str:
    """What a pruned answer reads: its summary, and where the whole is."""
    whole = f"all of it is blob:{answered.blob.sha256}" if answered.blob else f"recall from {seq} reads it"
    return f"{answered.summary}\n[the output was left out to save room; {whole}]"


def _is_call(said: AssistantSaid, part: int) -> bool:
    return 0 <= part < len(said.parts) and isinstance(said.parts[part], Call)


def _calls_named(said: AssistantSaid, ref: ItemRef) -> list[CallId]:
    """The ids of the calls a reference to an assistant's message means."""
    return [call for place, call in _calls_of(ref.node, said).items() if ref.part in (None, place)]


def _unanswered(branch: Sequence[Record]) -> Iterator[Seq]:
    """The user's messages since the last final answer, the newest first."""
    for record in reversed(branch):
        if record.type == "user_said":
            yield record.seq
        elif record.type == "assistant_said" and isinstance(record.entry, AssistantSaid) and is_final(record.entry):
            return
