"""A checkpoint before it is one: what a compaction would write, and whether it still fits the conversation."""

from collections.abc import Sequence
from dataclasses import replace
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

CompactTrigger: TypeAlias = Literal["soft", "hard", "overflow", "user"]


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
    if not proposal.summary.strip():
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

    `tokens_after` by estimate; cheap enough for each key that is struck.
    """
    lines = list(dict.fromkeys(said for line in pinned if (said := _without_bullet(line))))
    words = (proposal.summary if summary is None else summary).strip()
    if lines:
        words = "\n".join(line for line in words.split("\n") if _without_bullet(line) not in lines).strip()
    more = [line for line in lines if line not in proposal.pinned]
    grown = text_tokens(words) - text_tokens(proposal.summary) + sum(text_tokens(line) + 1 for line in more)
    return structs.replace(
        proposal, summary=words, pinned=(*proposal.pinned, *more), tokens_after=max(0, proposal.tokens_after + grown)
    )


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


def _without_bullet(line: str) -> str:
    return line.strip().removeprefix("- ").removeprefix("* ").strip()
