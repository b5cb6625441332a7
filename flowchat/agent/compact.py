"""Compaction: where to cut, and the one checkpoint that comes of it."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct, structs

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import weigh
from flowchat.agent.directives import split_directives, still_said, with_directives
from flowchat.agent.items import chosen_on, items_in_force, without
from flowchat.agent.leisure import read, tell
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import Sight, checkpoint_in_force, checkpoint_line, edited_parts
from flowchat.agent.proposal import (
    CompactionFailed,
    CompactTrigger,
    NothingToCompact,
    Proposal,
    checkpoint_of,
    messages_up_to,
    tokens_with,
    unanswered,
)
from flowchat.agent.prune import pruned_with
from flowchat.agent.reading import place_behind
from flowchat.agent.summary import Assignment, Drawn, summarise
from flowchat.agent.todo import carried
from flowchat.agent.windows import room_named
from flowchat.errors import ModelError
from flowchat.model.model import ContextOverflow, ModelFacts, Reply, ToolMessage, UserMessage, WireError, usable_tokens
from flowchat.transcript.entries import (
    AttemptUsed,
    Record,
    Seq,
    Usage,
)
from flowchat.transcript.events import CompactionDelta
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.todo import open_items
from flowchat.transcript.transcript import Transcript

TAIL_TOKENS = 8_000
TAIL_PERCENT = 25
LONGEST_TAIL_PERCENT = 50
"""Of usable: a message, or a call and its answers, may be longer than the tail should be."""
SUMMARY_PERCENT = 10
SUMMARY_TOKENS = 2_000


class Plan(Struct, frozen=True):
    """`upto`: the last node to fold. `verbatim`: user messages among the folded that wait for a final answer."""

    upto: Seq
    verbatim: tuple[Seq, ...]
    tokens_before: int


def plan(
    branch: Sequence[Record],
    facts: SessionFacts,
    model: ModelFacts,
    everything: bool = False,
    projection: Projection | None = None,
) -> Plan | None:
    """Where to cut, or None where there is nothing to fold.

    The kept tail is the shortest suffix of at least min(8,000, 25 % of usable) tokens that splits no call from its answer, or
    what began with the newest message of the user where that would be all there is; with `everything` a branch is folded whole
    where no answer comes before that, or what is not the user's own in it takes over half of usable. `projection` as for `weigh`.
    """
    seen, usable = projection or Projection(), usable_tokens(model)
    weighed = weigh(branch, facts, model, seen).tokens
    seen.follow(branch, facts, model.provider)
    sight, checkpoint = seen.sight(), checkpoint_in_force(branch, facts)
    start, replies = _tail(sight, _weights(seen, model), min(TAIL_TOKENS, usable * TAIL_PERCENT // 100))
    upto = _last_before(branch, start)
    if not everything and not _answered(branch, upto):
        upto = _last_before(branch, next((record.seq for record in reversed(branch) if record.type == "user_said"), 0))
    if everything and branch and (not _answered(branch, upto) or replies * 100 > usable * LONGEST_TAIL_PERCENT):
        upto = branch[-1].seq
    if not _answered(branch, upto) or (checkpoint is not None and upto <= checkpoint.upto):
        return None
    waiting = tuple(seq for seq in unanswered(branch) if seq <= upto)
    return Plan(upto, waiting, weighed)


def unanswered_checkpoint(transcript: Transcript) -> bool:
    """Whether no request of a run was accepted since the checkpoint in force on the head's branch was written."""
    line = checkpoint_line(transcript.branch(), transcript.facts)
    if line is None:
        return False
    return not any(
        record.entry.purpose == "run" and record.entry.error is None
        for record in transcript.records()[line:]
        if record.type == "attempt_used" and isinstance(record.entry, AttemptUsed)
    )


async def compact(
    agent: Agent, transcript: Transcript, emit: Emit, trigger: CompactTrigger, instructions: str = "", run: Seq = 0, step: int = 0
) -> Record:
    """Fold the older part of the head's branch into one checkpoint; gives its record.

    Raises CompactionFailed with nothing changed. Cancelling changes nothing. Watchers hear started and done, failed or cancelled.
    """
    return await fold(transcript, await draft(agent, transcript, emit, trigger, instructions, (run, step)), emit)


async def draft(
    agent: Agent,
    transcript: Transcript,
    emit: Emit,
    trigger: CompactTrigger,
    instructions: str = "",
    place: tuple[Seq, int] = (0, 0),
    whole: bool = False,
) -> Proposal:
    """What a compaction would write. Raises CompactionFailed; what it took is then in the log, as far as that is known.

    `place`: run and step it belongs to. `whole`: nothing is kept. Watchers hear started and drafted, failed or cancelled.
    """
    model = agent.model.facts
    await read(transcript.branch(), transcript.facts, model, agent.projection)
    branch, facts = transcript.branch(), transcript.facts
    found = plan(branch, facts, model, trigger != "soft", agent.projection)
    if whole:
        if not any(record.type in ("user_said", "assistant_said") for record in branch):
            raise NothingToCompact("nothing to hand off: nothing was said in this session yet")
        found = Plan(branch[-1].seq, tuple(unanswered(branch)), weigh(branch, facts, model, agent.projection).tokens)
    if found is None:
        raise NothingToCompact(_nothing(branch))
    emit(CompactionDelta("started", trigger))
    spent = _Spent(place, agent)
    try:
        proposal = await _draw(agent, transcript, found, trigger, instructions, spent)
    except asyncio.CancelledError:
        keep_known(transcript, spent.attempts)
        emit(CompactionDelta("cancelled", trigger))
        raise
    except CompactionFailed as error:
        keep_known(transcript, spent.attempts)
        emit(CompactionDelta("failed", trigger, str(error)))
        raise
    emit(CompactionDelta("drafted", trigger))
    return proposal


async def fold(transcript: Transcript, proposal: Proposal, emit: Emit, paid: bool = False) -> Record:
    """Write a proposal down as a checkpoint, and with it what it took unless that is written already (`paid`).

    Raises CompactionFailed where it fits no more. Watchers hear done or failed.
    """
    spent = () if paid else proposal.spent
    try:
        entry = checkpoint_of(proposal, transcript)
    except CompactionFailed as error:
        keep_known(transcript, spent)
        emit(CompactionDelta("failed", proposal.trigger, str(error)))
        raise
    line = transcript.last_seq + len(spent) + 1
    pruned = pruned_with(transcript.branch(), transcript.facts, line, entry)
    last = await transcript.append(*spent, entry, *pruned)
    emit(CompactionDelta("done", proposal.trigger))
    record = transcript.record(last.seq - len(pruned))  # where a send before it was taken back it has moved up
    assert record is not None
    return record


def keep_known(transcript: Transcript, spent: Sequence[AttemptUsed]) -> None:
    """Write down what a compaction that came to nothing took, and what it taught of a window, as far as that was told."""
    if known := [used for used in spent if used.usage is not None or used.cost is not None or used.room]:
        transcript.place(*known)


class _Spent:
    """What one compaction takes, an attempt each."""

    def __init__(self, place: tuple[Seq, int], agent: Agent) -> None:
        self.attempts: list[AttemptUsed] = []
        self._place, self._agent = place, agent

    def take(self, reply: Reply) -> None:
        self._add(reply.usage, reply.cost)

    def take_failed(self, error: WireError) -> None:
        room = room_named(error, self._agent.compact_model.facts) if isinstance(error, ContextOverflow) else 0
        self._add(error.usage, error.cost, error.code, room)

    def _add(self, usage: Usage | None, cost: float | None, error: str | None = None, room: int = 0) -> None:
        """`room`: what the summariser said it has, where it refused what it was told as too long."""
        (run, step), asked, number = self._place, self._agent.compact_model.facts, len(self.attempts) + 1
        window = asked.window if room else self._agent.model.facts.window
        self.attempts.append(AttemptUsed(run, step, number, "compact", asked.name, usage, cost, window, error, room=room))


async def _draw(
    agent: Agent, transcript: Transcript, found: Plan, trigger: CompactTrigger, instructions: str, spent: _Spent
) -> Proposal:
    branch, facts, model = transcript.branch(), transcript.facts, agent.model.facts
    drawn_at, before = transcript.last_seq, checkpoint_in_force(branch, facts)
    so_far = with_directives(before.summary, before.directives) if before else ""
    chosen = chosen_on(branch, items_in_force(facts, checkpoint_line(branch, facts)))
    sent, edits = without(branch, chosen), edited_parts(branch, facts)
    lines = await tell(sent, before.upto if before else 0, found.upto, edits)
    if not lines and not so_far:
        raise NothingToCompact("nothing to compact: what would be folded is left out of the requests already")
    output = min(SUMMARY_TOKENS, usable_tokens(model) * SUMMARY_PERCENT // 100)
    drawn = await _summary(agent, transcript, Assignment(so_far, lines, instructions, output), spent)
    body, offered = split_directives(drawn.summary)
    lasting = (*(before.directives if before else ()), *offered)
    directives, left_out = await asyncio.to_thread(still_said, lasting, sent, found.upto, edits, output)
    if left_out:
        body += f"\n\n({left_out:,} older directives of the user were left out to make room.)"
    proposal = Proposal(
        upto=found.upto,
        verbatim=found.verbatim,
        summary=body,
        directives=directives,
        tokens_before=found.tokens_before,
        folded=messages_up_to(branch, found.upto),
        spent=tuple(spent.attempts),
        trigger=trigger,
        drawn_at=drawn_at,
        files=drawn.files,
        references=drawn.references,
        pinned=before.pinned if before else (),
        todo=open_items(carried(branch, facts, drawn_at + 1, found.upto, chosen.calls_out)),
    )
    return structs.replace(proposal, tokens_after=tokens_with(proposal, branch, facts, model))


async def _summary(agent: Agent, transcript: Transcript, given: Assignment, spent: _Spent) -> Drawn:
    """By the worker; in plain calls where the model knows no tools."""
    model, seconds = agent.compact_model, agent.limits.compact_seconds
    try:
        async with asyncio.timeout(seconds):
            if not model.facts.calls_tools:
                return Drawn(await summarise(model, given, spent.take))
            from flowchat.agent.compactor import work
            from flowchat.agent.kept_files import FILE_PERCENT, FILE_TOKENS, Reading, touched_last

            reading = Reading(agent, transcript.blobs.get)
            budget = min(FILE_TOKENS, usable_tokens(agent.model.facts) * FILE_PERCENT // 100)
            return await work(model, given, touched_last(transcript.branch(), reading), reading, budget, spent.take)
    except TimeoutError:
        raise CompactionFailed(f"the summary took longer than {seconds:g} s") from None
    except ModelError as error:
        if isinstance(error, WireError):
            spent.take_failed(error)
        raise CompactionFailed(f"the summary failed: {error}") from error


# --- pure parts ------------------------------------------------------------------------------------------------------
def _weights(seen: Projection, model: ModelFacts) -> list[int]:
    """Tokens of each message of the next request."""
    tokens = list(map(seen.timeline(model.name).tokens_at, seen.edges()))
    return [after - before for before, after in pairwise(tokens)]


def _tail(sight: Sight, weights: Sequence[int], tail_tokens: int) -> tuple[Seq, int]:
    """The node the kept tail begins with, and the tokens in it that are not the user's."""
    weight, replies, index = 0, 0, len(sight.messages)
    while index > 0 and (weight < max(1, tail_tokens) or isinstance(sight.messages[index], ToolMessage)):
        index -= 1
        weight += weights[index]
        replies += 0 if isinstance(sight.messages[index], UserMessage) else weights[index]
    return sight.starts[index] if sight.messages else 0, replies


def _answered(branch: Sequence[Record], upto: Seq) -> bool:
    return any(record.type == "assistant_said" and record.seq <= upto for record in branch)


def _nothing(branch: Sequence[Record]) -> str:
    if not _answered(branch, branch[-1].seq if branch else 0):
        return "nothing to compact: nothing has been answered yet"
    return "nothing to compact: the conversation is shorter than what a compaction keeps"


def _last_before(branch: Sequence[Record], seq: Seq) -> Seq:
    """The last node before `seq`; 0 where there is none."""
    behind = place_behind(branch, seq - 1)
    return branch[behind - 1].seq if behind else 0
