"""Pruning: old answers of tools lose their content in requests, where that saves much and the provider's cache is lost anyway."""

from collections.abc import Iterator, Sequence

from flowchat.agent.items import items_in_force, pruned_text
from flowchat.agent.prompt import checkpoint_line
from flowchat.agent.reading import place_of
from flowchat.agent.tokens import text_tokens
from flowchat.transcript.entries import AssistantSaid, Compacted, Edited, ItemRef, ItemsSet, Record, Seq, ToolAnswered
from flowchat.transcript.facts import SessionFacts

KEPT_RUNS = 3
"""The last runs, whose answers stay whole."""
LEAST_TOKENS = 4_096
"""Pruning that saves less is left."""


def prunable(
    branch: Sequence[Record], facts: SessionFacts, line: Seq | None, behind: Seq = 0, least_tokens: int = LEAST_TOKENS
) -> tuple[ItemRef, ...]:
    """The answers behind node `behind` and outside the last three runs that could be pruned; none where that saves too little.

    `line`: the checkpoint that is or will be in force. What the user pinned, pruned or excluded is none of them, nor is anything
    while no answer on the branch told its usage.
    """
    if not _is_counted(branch, facts):
        return ()
    states = items_in_force(facts, line)
    found = [(ref, saved) for ref, saved in _savings(branch, behind) if ref not in states and saved > 0]
    return tuple(reversed([ref for ref, _ in found])) if sum(saved for _, saved in found) >= max(1, least_tokens) else ()


def pruned_with(branch: Sequence[Record], facts: SessionFacts, line: Seq, checkpoint: Compacted) -> tuple[ItemsSet, ...]:
    """What is written together with a checkpoint that will be at `line`: it counts as long as that is in force."""
    refs = prunable(branch, facts, line, behind=checkpoint.upto)
    return (ItemsSet(refs, "pruned", line),) if refs else ()


def pruned_anyway(branch: Sequence[Record], facts: SessionFacts, model: str) -> tuple[ItemsSet, ...]:
    """What is written before a request whose beginning is another than the last one's: another model is asked, or a message or
    the prompt was changed since the last answer. Nothing is pruned before what was changed, for that is still cached."""
    changed = _changed_from(branch, model)
    if changed is None:
        return ()
    line = checkpoint_line(branch, facts)
    upto = next((checkpoint.upto for at, checkpoint in facts.checkpoints if at == line), 0)
    refs = prunable(branch, facts, line, behind=max(upto, changed))
    return (ItemsSet(refs, "pruned"),) if refs else ()


def pruned_in_need(branch: Sequence[Record], facts: SessionFacts) -> tuple[ItemsSet, ...]:
    """What is written where a request must become shorter and no summary comes: however little it saves, cached or not."""
    line = checkpoint_line(branch, facts)
    upto = next((checkpoint.upto for at, checkpoint in facts.checkpoints if at == line), 0)
    refs = prunable(branch, facts, line, upto, least_tokens=1)
    return (ItemsSet(refs, "pruned"),) if refs else ()


def _changed_from(branch: Sequence[Record], model: str) -> Seq | None:
    """The node from which on the next request reads otherwise than the last, 0: from the beginning; None: it goes on with it."""
    targets: list[Seq] = []
    for record in reversed(branch):
        match record.type:
            case "prompt_set":
                return 0
            case "edited" if isinstance(record.entry, Edited):
                targets.append(record.entry.target)
            case "assistant_said" if isinstance(record.entry, AssistantSaid):
                return 0 if record.entry.model != model else min(targets, default=None)
            case _:
                pass
    return None


def _is_counted(branch: Sequence[Record], facts: SessionFacts) -> bool:
    """Whether an answer on the branch told what its request took; a server that says zero tells nothing."""
    for record in reversed(branch):
        if record.type == "assistant_said" and isinstance(said := record.entry, AssistantSaid):
            used = facts.attempts.get((said.run, said.step, said.attempt))
            if used is not None and used.usage is not None and used.usage.input > 0:
                return True
    return False


def _savings(branch: Sequence[Record], behind: Seq) -> Iterator[tuple[ItemRef, int]]:
    """The answers before the last runs, the newest first, each with the tokens that pruning it would save."""
    runs = 0
    for place in range(len(branch) - 1, max(-1, place_of(branch, behind)), -1):
        record = branch[place]
        if record.type == "run_started":
            runs += 1
        elif record.type == "tool_answered" and runs >= KEPT_RUNS and isinstance(record.entry, ToolAnswered):
            yield ItemRef(record.seq), text_tokens(record.entry.content) - text_tokens(pruned_text(record.seq, record.entry))
