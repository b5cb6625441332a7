"""Questions about branches: pure functions over a session's records."""

from bisect import bisect_left
from collections.abc import Sequence

from flowchat.agent.prompt import place_of
from flowchat.errors import NotFound
from flowchat.transcript.entries import AssistantSaid, Compacted, ContextAdded, Record, RunEnded, Seq

_BESIDE = frozenset({"noticed", "context_added"})
"""What stands behind a run's end without being said in it."""


def replayed(records: Sequence[Record], branch: Sequence[Record]) -> list[Record]:
    """The branch's nodes and, behind the last node it covers, each checkpoint that was ever made of a beginning of it.

    That one of these was undone, or restored, stands behind the node that was the head then, where it happened elsewhere
    behind the last node from before.
    """
    behind: dict[Seq, list[Record]] = {}
    checkpoints: set[Seq] = set()
    head = 0
    for record in records:
        if record.is_node:
            head = record.seq
        elif record.type == "head_moved":
            head = getattr(record.entry, "to", head)
        elif record.type == "compacted" and isinstance(record.entry, Compacted):
            if place_of(branch, record.entry.upto) >= 0:
                checkpoints.add(record.seq)
                behind.setdefault(record.entry.upto, []).append(record)
        elif record.type == "compaction_undone" and getattr(record.entry, "checkpoint", 0) in checkpoints:
            before = bisect_left(branch, record.seq, key=lambda node: node.seq) - 1
            behind.setdefault(head if place_of(branch, head) >= 0 else branch[before].seq, []).append(record)
    if not behind:
        return list(branch)
    return [record for node in branch for record in (node, *behind.get(node.seq, ()))]


def newest_leaf(records: Sequence[Record], node: Seq) -> Seq:
    """The newest node at or below `node` that has no child: where walking to a branch leads. Raises NotFound."""
    if not 0 < node <= len(records) or not records[node - 1].is_node:
        raise NotFound(f"there is no message {node} in this session")
    below = {node}
    leaf = node
    for record in records[node:]:
        if record.is_node and record.parent in below:
            below.add(record.seq)
            leaf = record.seq
    return leaf


def retried_from(branch: Sequence[Record]) -> Seq | None:
    """Where a retry puts the head: before the failed or interrupted step, or None to go on from the head.

    A step whose calls were answered stays, and so does what a command of the user or a job added since: they are gone on from.
    Raises NotFound where the last run came to its end.
    """
    if branch and branch[-1].type == "user_said":
        return None
    index = len(branch) - 1
    while index >= 0 and branch[index].type in _BESIDE:
        index -= 1
    ended = branch[index].entry if index >= 0 else None
    if not isinstance(ended, RunEnded) or ended.outcome == "completed":
        raise NotFound("nothing to retry: the last run completed")
    if any(record.type == "context_added" for record in branch[index:]):
        return None
    before = index - 1
    while before >= 0 and branch[before].type == "noticed":
        before -= 1
    last = branch[before].entry
    if isinstance(last, AssistantSaid) and not last.calls:
        return branch[before].parent or None
    if branch[before].type == "tool_answered" and ended.outcome != "failed":
        return None
    return branch[before].seq


def unanswered(branch: Sequence[Record]) -> Record | None:
    """The user message of a last run that ended without a word of an answer; None where there is no such thing."""
    for record in reversed(branch):
        if record.type == "user_said":
            return record
        if record.type in ("assistant_said", "tool_answered"):
            return None
        if isinstance(record.entry, ContextAdded) and record.entry.source in ("command", "job"):
            return None
        if isinstance(record.entry, RunEnded) and record.entry.outcome == "completed":
            return None
    return None
