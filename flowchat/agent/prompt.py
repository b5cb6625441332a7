"""What the model sees: a pure function of the branch, the session's checkpoints and items and the provider; no clock, no disk.

Whatever was sent stays where it was sent: the projection of a longer branch begins with that of a shorter one, outside
checkpoints, prompt_set, edits, items_set and a change of model.
"""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from flowchat.agent.items import Chosen, chosen_on, items_in_force
from flowchat.agent.messages import Messages, Prompt
from flowchat.agent.reading import place_of, standing
from flowchat.agent.todo import carried
from flowchat.model.model import Message
from flowchat.transcript.entries import (
    Compacted,
    ContextAdded,
    Edited,
    PromptSet,
    Record,
    Seq,
    SessionStarted,
    ToolSchema,
    UserPart,
)
from flowchat.transcript.facts import SessionFacts

Edits: TypeAlias = Sequence[tuple[Seq, Edited]]
"""The `edited` nodes of a branch, in order."""
NEVER_FOLDED = frozenset({"instructions", "environment", "mode", "skill"})
"""Of what is shown to the model from these sources, the newest of each origin outlives every checkpoint."""


class Sight(Struct, frozen=True, gc=False):
    """What the model sees. `marks` as in Request; `starts`: the first node each message came from."""

    system: str
    tools: tuple[ToolSchema, ...]
    messages: tuple[Message, ...]
    marks: tuple[int, ...]
    starts: tuple[Seq, ...]


def project(branch: Sequence[Record], facts: SessionFacts, provider: str = "") -> Sight:
    """The next request's content for a branch whose head is its last node."""
    edits = edits_on(branch, facts)
    checkpoint = line_in_force(branch, facts, edits)
    chosen = chosen_on(branch, items_in_force(facts, line_of(checkpoint)))
    messages, cut = begin(branch, facts, checkpoint, edits, provider, chosen)
    messages.add(*branch[cut:])
    return sight_of(messages, checkpoint)


def begin(
    branch: Sequence[Record], facts: SessionFacts, checkpoint: "Line | None", edits: Edits, provider: str, chosen: Chosen
) -> tuple[Messages, int]:
    """The messages that stand for what is folded, and how many nodes that are; the others are still to be added."""
    messages = Messages(provider, {edited.target: edited.parts for _, edited in edits}, chosen)
    if checkpoint is None:
        return messages, 0
    line, made = checkpoint
    cut = place_of(branch, made.upto) + 1
    folded = branch[:cut]
    messages.prompt = prompt_of(folded, facts)
    todo = carried(branch, facts, line, made.upto, chosen.calls_out)
    messages.add_checkpoint(folded, never_folded(folded, facts), made, todo)
    return messages, cut


def never_folded(folded: Sequence[Record], facts: SessionFacts) -> list[Record]:
    """What of the folded nodes outlives every checkpoint: the newest of each origin."""
    newest: dict[tuple[str, str], Record] = {}
    for record in standing(folded, facts.added):
        if isinstance(added := record.entry, ContextAdded) and added.source in NEVER_FOLDED:
            newest.setdefault((added.source, added.origin), record)
    return list(newest.values())


def sight_of(messages: Messages, checkpoint: "Line | None") -> Sight:
    """What the model sees if the branch ends here."""
    index, ending = messages.ending()
    seen = (*messages.settled[:index], *(placed.message for placed in ending))
    starts = (*messages.starts[:index], *(placed.start for placed in ending))
    last = range(max(0, len(seen) - 2), len(seen))
    marks = sorted({-1, *last, *((0,) if checkpoint is not None else ())})
    return Sight(*messages.prompt, seen, tuple(marks), starts)


# --- checkpoints -----------------------------------------------------------------------------------------------------
Line: TypeAlias = tuple[Seq, Compacted]
"""A checkpoint and the seq of its line."""


def line_of(checkpoint: Line | None) -> Seq | None:
    return None if checkpoint is None else checkpoint[0]


def checkpoint_in_force(branch: Sequence[Record], facts: SessionFacts) -> Compacted | None:
    """The checkpoint that shapes this branch: the deepest valid `upto`, at equal depth the later line."""
    found = line_in_force(branch, facts, edits_on(branch, facts))
    return None if found is None else found[1]


def checkpoint_line(branch: Sequence[Record], facts: SessionFacts) -> Seq | None:
    """The seq of the `compacted` in force on this branch, or None."""
    found = line_in_force(branch, facts, edits_on(branch, facts))
    return None if found is None else found[0]


def line_in_force(branch: Sequence[Record], facts: SessionFacts, edits: Edits) -> Line | None:
    """The checkpoint in force on a branch with these edits, with its line.

    A checkpoint is stale where the branch edits a node it covers, unless that edit was on the path when it was written.
    """
    best: Line | None = None
    for line, entry in reversed(facts.checkpoints):
        if best is not None and best[1].upto >= facts.deepest:
            break
        if best is not None and entry.upto <= best[1].upto:
            continue
        if line in facts.undone or place_of(branch, entry.upto) < 0:
            continue
        if not any(seq > line and edited.target <= entry.upto for seq, edited in edits):
            best = line, entry
    return best


# --- small questions -------------------------------------------------------------------------------------------------
def prompt_of(branch: Sequence[Record], facts: SessionFacts) -> Prompt:
    """System prompt and tools: the branch's newest prompt_set, else its session_started."""
    for record in standing(branch, facts.prompts):
        if isinstance(record.entry, PromptSet | SessionStarted):
            return record.entry.system, record.entry.tools
    return "", ()


def edits_on(branch: Sequence[Record], facts: SessionFacts) -> list[tuple[Seq, Edited]]:
    """The `edited` nodes of a branch, in order."""
    return [(seq, edited) for seq, edited in facts.edits if place_of(branch, seq) >= 0]


def edited_parts(branch: Sequence[Record], facts: SessionFacts | None = None) -> dict[Seq, tuple[UserPart, ...]]:
    """What edited user messages read on this branch, by their seq; with the session's facts without a look at every node."""
    if facts is not None:
        return {edited.target: edited.parts for _, edited in edits_on(branch, facts)}
    found = (record.entry for record in branch if record.type == "edited" and isinstance(record.entry, Edited))
    return {edited.target: edited.parts for edited in found}
