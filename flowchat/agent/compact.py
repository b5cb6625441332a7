"""Compaction: where to cut, what the summariser is told, and the one checkpoint that comes of it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise

from msgspec import Struct, structs

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import weigh
from flowchat.agent.directives import DIRECTIVES_HEADING, split_directives, still_said, with_directives
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
from flowchat.agent.tokens import text_tokens
from flowchat.errors import ModelError
from flowchat.model.model import Model, ModelFacts, Piece, Reply, Request, ToolMessage, UserMessage, usable_tokens
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    Call,
    Compacted,
    ContextAdded,
    Record,
    RunEnded,
    Seq,
    Text,
    ToolAnswered,
    UserPart,
    UserSaid,
    text_of,
)
from flowchat.transcript.events import CompactionDelta
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.transcript import Transcript

TAIL_TOKENS = 8_000
TAIL_PERCENT = 25
LONGEST_TAIL_PERCENT = 50
"""Of usable: a message, or a call and its answers, may be longer than the tail should be."""
SUMMARY_PERCENT = 10
SUMMARY_TOKENS = 2_000
INPUT_TOKENS = 50_000
TIMEOUT_SECONDS = 90.0
CALLS_A_PASS = 2
"""A first call and one nudge."""

SUMMARISER = f"""\
You summarise a working session between a developer and a coding agent so that the agent can go on without the original messages.
Write markdown with exactly these five sections, 1,000 to 2,000 tokens in all, no code blocks, no raw tool output:
## Done
## Active
## Decisions
(each with its reason)
{DIRECTIVES_HEADING}
(what the user asked for that still holds: one list item each, copied word for word from the user's messages)
## Current work
(what is being done at this moment, with file names, and the next step)
"""
NUDGE = "Your last answer held no summary. Write the five sections now."


class Breaker:
    """Consecutive failures of automatic compaction; three of them switch it off until a /compact succeeds."""

    LIMIT = 3

    def __init__(self) -> None:
        self.failures = 0

    @property
    def open(self) -> bool:
        return self.failures >= self.LIMIT


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
        upto = _last_before(branch, max((record.seq for record in branch if record.type == "user_said"), default=0))
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
    branch, facts, model = transcript.branch(), transcript.facts, agent.model.facts
    found = plan(branch, facts, model, trigger != "soft", agent.projection)
    if whole and branch:
        found = Plan(branch[-1].seq, tuple(unanswered(branch)), weigh(branch, facts, model, agent.projection).tokens)
    if found is None:
        raise NothingToCompact("nothing to compact: the conversation is shorter than what a compaction keeps")
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
    await transcript.append(*spent, entry, *pruned_with(transcript.branch(), transcript.facts, line, entry))
    emit(CompactionDelta("done", proposal.trigger))
    record = transcript.record(line)
    assert record is not None
    return record


def keep_known(transcript: Transcript, spent: Sequence[AttemptUsed]) -> None:
    """Write down what a compaction that came to nothing took, as far as that was told."""
    if known := [used for used in spent if used.usage is not None or used.cost is not None]:
        transcript.place(*known)


class _Spent:
    """What one compaction takes, an attempt each."""

    def __init__(self, place: tuple[Seq, int], agent: Agent) -> None:
        self.attempts: list[AttemptUsed] = []
        self._place, self._agent = place, agent

    def take(self, reply: Reply) -> None:
        (run, step), name = self._place, self._agent.compact_model.facts.name
        number, window = len(self.attempts) + 1, self._agent.model.facts.window
        self.attempts.append(AttemptUsed(run, step, number, "compact", name, reply.usage, reply.cost, window))


async def _draw(
    agent: Agent, transcript: Transcript, found: Plan, trigger: CompactTrigger, instructions: str, spent: _Spent
) -> Proposal:
    branch, facts, model = transcript.branch(), transcript.facts, agent.model.facts
    drawn_at, before = transcript.last_seq, checkpoint_in_force(branch, facts)
    output = min(SUMMARY_TOKENS, usable_tokens(model) * SUMMARY_PERCENT // 100)
    summary = await _summarise(agent.compact_model, branch, before, found, instructions, output, spent.take)
    body, offered = split_directives(summary)
    directives, left_out = still_said((*(before.directives if before else ()), *offered), branch, found.upto, output)
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
        pinned=before.pinned if before else (),
    )
    return structs.replace(proposal, tokens_after=tokens_with(proposal, branch, facts, model))


async def _summarise(
    model: Model,
    branch: Sequence[Record],
    before: Compacted | None,
    found: Plan,
    instructions: str,
    output: int,
    take: Callable[[Reply], None],
) -> str:
    """The summary of everything up to `found.upto`, folded in passes where it is longer than one request may be.

    `before`: the checkpoint whose summary stands for what it folded. `output`: tokens it may have. `take` hears each reply.
    """
    start = before.upto if before else 0
    summary = with_directives(before.summary, before.directives) if before else ""
    room = min(INPUT_TOKENS, usable_tokens(model.facts)) - text_tokens(SUMMARISER) - output - text_tokens(instructions) - 64
    edits = edited_parts(branch)
    lines = [line for record in branch if start < record.seq <= found.upto for line in _told(record, edits)]
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            for passage in _passages(lines, max(256, room - max(output, text_tokens(summary)))):
                summary = await _one_pass(model, summary, passage, instructions, output, take)
    except TimeoutError:
        raise CompactionFailed(f"the summary took longer than {TIMEOUT_SECONDS:.0f} s") from None
    except ModelError as error:
        raise CompactionFailed(f"the summary failed: {error}") from error
    return _cut_text(summary, output)


async def _one_pass(
    model: Model, summary: str, passage: str, instructions: str, output: int, take: Callable[[Reply], None]
) -> str:
    told = [f"Summary so far:\n{summary}\n" if summary else "", f"What followed:\n{passage}\n"]
    told.append(f"The user asks of this summary: {instructions}\n" if instructions else "")
    told.append("Write the summary of all of it.")
    pieces = [Piece("\n".join(filter(None, told)))]
    for _ in range(CALLS_A_PASS):
        request = Request("compact", SUMMARISER, (), (UserMessage(tuple(pieces)),), (), output)
        reply = await _reply(model, request)
        take(reply)
        text = "".join(part.text for part in reply.parts if isinstance(part, Text)).strip()
        if text:
            return text
        pieces.append(Piece(NUDGE))
    raise CompactionFailed("the model wrote no summary, even when asked again")


async def _reply(model: Model, request: Request) -> Reply:
    async with aclosing(model.stream(request)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Reply):
                return piece
    raise CompactionFailed("the summary was cut off")


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


def _last_before(branch: Sequence[Record], seq: Seq) -> Seq:
    last = 0
    for record in branch:
        if record.seq >= seq:
            break
        last = record.seq
    return last


def _told(record: Record, edits: Mapping[Seq, tuple[UserPart, ...]]) -> Iterator[str]:
    """What the summariser hears of a node: words, calls by name, answers by their summary line; no reasoning."""
    match record.entry:
        case UserSaid(parts=parts):
            yield f"User: {text_of(edits.get(record.seq, parts))}"
        case ContextAdded(source="file" | "job" | "hook" | "command", origin=origin):
            yield f"[{origin} was shown to the agent]"
        case AssistantSaid(parts=parts):
            if text := text_of(parts).strip():
                yield f"Agent: {text}"
            yield from (f"[call {part.name}]" for part in parts if isinstance(part, Call))
        case ToolAnswered(status=status, summary=line):
            yield f"[answer {status}: {line}]"
        case RunEnded(outcome=outcome) if outcome != "completed":
            yield f"[the run ended: {outcome}]"
        case _:
            return


def _passages(lines: Sequence[str], room_tokens: int) -> Iterator[str]:
    """The lines in pieces of at most `room_tokens`; a line longer than that is cut in the middle."""
    passage: list[str] = []
    weight = 0
    for line in lines:
        line = _cut_text(line, room_tokens)
        tokens = text_tokens(line) + 1
        if passage and weight + tokens > room_tokens:
            yield "\n".join(passage)
            passage, weight = [], 0
        passage.append(line)
        weight += tokens
    if passage:
        yield "\n".join(passage)


def _cut_text(text: str, tokens: int) -> str:
    """At most `tokens` by estimate, the middle left out and said so."""
    if text_tokens(text) <= tokens:
        return text
    keep = max(1, tokens * 4 // 2 - 40) // (1 if text.isascii() else 2)
    return f"{text[:keep]}\n[... {len(text) - 2 * keep:,} characters left out ...]\n{text[-keep:]}"
