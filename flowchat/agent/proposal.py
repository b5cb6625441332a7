"""A checkpoint before it is one: what a compaction would write, and whether it still fits the conversation."""

from collections.abc import Container, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from flowchat.agent.budget import weigh
from flowchat.agent.prompt import edits_on, line_in_force
from flowchat.agent.reading import is_final, place_of
from flowchat.agent.tokens import text_tokens
from flowchat.errors import FlowchatError
from flowchat.model.model import ModelFacts
from flowchat.transcript.entries import AssistantSaid, AttemptUsed, Compacted, FileCopy, Record, Seq
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.todo import TodoList
from flowchat.transcript.transcript import Transcript

PINNED_TOKENS = 1_000
"""What pinned lines may take together; where those of earlier checkpoints take more they stay, and no other is pinned."""
CompactTrigger: TypeAlias = Literal["soft", "hard", "overflow", "user"]
Item: TypeAlias = tuple[Literal["directive", "pinned", "file", "reference"], str | FileCopy]
"""Something that travels beside a summary and that the user may drop."""


class CompactionFailed(FlowchatError):
    """No checkpoint was written; the sentence says why."""

    code = "compaction_failed"


class NothingToCompact(CompactionFailed):
    """The branch holds nothing that could be folded."""


class Proposal(Struct, frozen=True):
    """What a compaction came to. `folded`: how many messages and answers it covers; `spent`: what it took, an attempt each.

    `drawn_at`: the last line of the log when it was begun. `pinned`: lines that stay word for word in every later checkpoint.
    """

    upto: Seq
    verbatim: tuple[Seq, ...]
    summary: str
    directives: tuple[str, ...]
    tokens_before: int
    folded: int
    spent: tuple[AttemptUsed, ...]
    trigger: CompactTrigger
    drawn_at: Seq
    tokens_after: int = 0
    files: tuple[FileCopy, ...] = ()
    references: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    todo: TodoList = ()
    """What is open of the todo list it folds: that travels along word for word."""


def checkpoint_of(proposal: Proposal, transcript: Transcript) -> Compacted:
    """The entry it becomes on the branch as it is now. Raises CompactionFailed where it does not fit any more."""
    branch, facts = transcript.branch(), transcript.facts
    if not proposal.summary.strip() and not proposal.pinned:
        raise CompactionFailed("the summary is empty; nothing was changed")
    if not transcript.on_branch(proposal.upto):
        raise CompactionFailed("the conversation moved to another branch while it was being compacted; nothing was changed")
    edits = edits_on(branch, facts)
    if any(seq > proposal.drawn_at and edited.target <= proposal.upto for seq, edited in edits):
        raise CompactionFailed("a message that this summary covers was edited meanwhile; nothing was changed")
    line = line_in_force(branch, facts, edits)
    if line is not None and (line[0] > proposal.drawn_at or line[1].upto >= proposal.upto):
        raise CompactionFailed("the conversation was compacted meanwhile; nothing was changed")
    return Compacted(
        upto=proposal.upto,
        summary=proposal.summary,
        tokens_before=proposal.tokens_before,
        tokens_after=proposal.tokens_after,
        trigger=proposal.trigger,
        method="summary",
        directives=proposal.directives,
        verbatim=tuple(seq for seq in unanswered(branch) if seq <= proposal.upto),
        files=proposal.files,
        references=proposal.references,
        pinned=proposal.pinned,
    )


def tokens_with(proposal: Proposal, branch: Sequence[Record], facts: SessionFacts, model: ModelFacts) -> int:
    """What the branch's next request would weigh with it in force."""
    entry = Compacted(
        proposal.upto,
        proposal.summary,
        proposal.tokens_before,
        0,
        proposal.trigger,
        "summary",
        proposal.directives,
        proposal.verbatim,
        proposal.files,
        proposal.references,
        proposal.pinned,
    )
    after = replace(facts, checkpoints=[*facts.checkpoints, (proposal.drawn_at + 1, entry)])
    return weigh(branch, after, model).tokens


def edited_by_user(proposal: Proposal, summary: str | None, pinned: Sequence[str]) -> Proposal:
    """The same with the user's words for the summary, where there are any, and more pinned lines: these leave the summary.

    Lines that would take the pinned ones over PINNED_TOKENS stay in it. `tokens_after` by estimate; cheap enough for each key
    that is struck.
    """
    more = _newly_pinned(proposal, pinned)
    weights = accumulate(map(weight, more), initial=sum(map(weight, proposal.pinned)))
    fitting = [line for line, sum_ in zip(more, list(weights)[1:], strict=True) if sum_ <= PINNED_TOKENS]
    words = (proposal.summary if summary is None else summary).strip()
    if pinned:
        leaving = {*map(_without_bullet, pinned)} & {*proposal.pinned, *fitting}
        words = "\n".join(line for line in words.split("\n") if _without_bullet(line) not in leaving).strip()
    grown = text_tokens(words) - text_tokens(proposal.summary) + sum(map(weight, fitting))
    return structs.replace(
        proposal, summary=words, pinned=(*proposal.pinned, *fitting), tokens_after=max(0, proposal.tokens_after + grown)
    )


def may_be_pinned(proposal: Proposal, pinned: Sequence[str]) -> bool:
    """Whether there is room for all of these beside the lines that are pinned already."""
    more = _newly_pinned(proposal, pinned)
    return not more or sum(map(weight, (*proposal.pinned, *more))) <= PINNED_TOKENS


def without(proposal: Proposal, dropped: Container[Item]) -> Proposal:
    """The same without what the user drops of what travels with the summary. `tokens_after` by estimate."""
    directives = tuple(line for line in proposal.directives if ("directive", line) not in dropped)
    pinned = tuple(line for line in proposal.pinned if ("pinned", line) not in dropped)
    files = tuple(copy for copy in proposal.files if ("file", copy) not in dropped)
    references = tuple(path for path in proposal.references if ("reference", path) not in dropped)
    made = structs.replace(proposal, directives=directives, pinned=pinned, files=files, references=references)
    less = _weight_beside(proposal) - _weight_beside(made)
    return structs.replace(made, tokens_after=max(0, proposal.tokens_after - less))


def weight(beside: str | FileCopy) -> int:
    """About how many tokens a line, a path or a copy of a file takes beside the summary."""
    return text_tokens(beside) + 1 if isinstance(beside, str) else text_tokens(beside.path) + text_tokens(beside.text) + 1


def messages_up_to(branch: Sequence[Record], upto: Seq) -> int:
    """How many messages of the user and answers a checkpoint covers."""
    types = [record.type for record in branch[: place_of(branch, upto) + 1]]
    return types.count("user_said") + types.count("assistant_said")


def unanswered(branch: Sequence[Record]) -> list[Seq]:
    """User messages no answer without calls has followed yet."""
    waiting: list[Seq] = []
    for record in reversed(branch):
        if record.type == "user_said":
            waiting.append(record.seq)
        elif record.type == "assistant_said" and isinstance(record.entry, AssistantSaid) and is_final(record.entry):
            break
    return waiting[::-1]


def _newly_pinned(proposal: Proposal, pinned: Sequence[str]) -> list[str]:
    """Without their bullets, each once, those that are not pinned yet."""
    lines = dict.fromkeys(said for line in pinned if (said := _without_bullet(line)))
    return [line for line in lines if line not in proposal.pinned]


def _weight_beside(proposal: Proposal) -> int:
    return sum(map(weight, (*proposal.directives, *proposal.pinned, *proposal.files, *proposal.references)))


def _without_bullet(line: str) -> str:
    return line.strip().removeprefix("- ").removeprefix("* ").strip()
