"""One step's answer: the request, its attempts, and what is kept of each."""

from collections.abc import Sequence
from contextlib import aclosing
from itertools import count
from typing import assert_never

from msgspec import structs

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.clock import Timer
from flowchat.agent.counting import judged
from flowchat.agent.inbox import Inbox
from flowchat.agent.prompt import Sight
from flowchat.agent.step import ANSWER_LIMIT_CHARS, StepInFlight
from flowchat.agent.windows import room_told
from flowchat.agent.wire import object_text
from flowchat.errors import ModelError, StorageFailed
from flowchat.model.model import (
    CallPiece,
    ContextOverflow,
    EmptyResponse,
    Malformed,
    Overlong,
    Reply,
    Request,
    TextPiece,
    ThinkingPiece,
    WireError,
)
from flowchat.transcript.entries import (
    AssistantPart,
    AssistantSaid,
    AttemptUsed,
    Call,
    CallCut,
    Finish,
    Record,
    Text,
    Thinking,
)
from flowchat.transcript.events import (
    AttemptWithdrawn,
    CallDelta,
    RetryScheduled,
    StateDelta,
    TextDelta,
    ThinkingDelta,
    Toast,
)
from flowchat.transcript.transcript import Transcript

HINT_SECONDS = 20.0


async def ask(
    agent: Agent, transcript: Transcript, inbox: Inbox, flight: StepInFlight, sight: Sight, emit: Emit
) -> Record | ModelError:
    """The model's answer as a durable AssistantSaid, or the error that is left after all attempts.

    All attempts send the same request. What a failed attempt streamed is withdrawn, but for the last one's, which is kept; the
    words of one that overflowed go, too: another request takes its place.
    """
    request = Request("run", sight.system, sight.tools, sight.messages, sight.marks, effort=agent.effort)
    flight.sent_bytes = agent.projection.end()
    for attempt in count(1):
        flight.begin_attempt()
        emit(StateDelta("running", "requesting", flight.run, flight.step))
        try:
            reply = await _stream(agent, request, flight, emit)
            return await _commit(agent, transcript, flight, reply)
        except ModelError as error:
            delay = agent.limits.delay_seconds(attempt, error)
            used = failed_attempt(agent, flight, error.code, error)
            if delay is None and not isinstance(error, ContextOverflow):
                await _keep(transcript, used, _partial(agent, flight))
                return error
            flight.forget_text()
            emit(AttemptWithdrawn(flight.run, flight.step, flight.attempt, str(error)))
            transcript.clear_draft()
            await transcript.append(used)
            if delay is None:
                return error
            emit(RetryScheduled(flight.run, flight.step, flight.attempt, round(delay * 1000), str(error)))
            emit(StateDelta("running", "retry_wait", flight.run, flight.step))
            await inbox.pause(delay, agent.clock)
    raise AssertionError("unreachable")


def failed_attempt(agent: Agent, flight: StepInFlight, code: str, error: ModelError | None = None) -> AttemptUsed:
    """What an attempt that came to nothing took, as far as its server told."""
    facts, place = agent.model.facts, (flight.run, flight.step, flight.attempt)
    usage, cost = (error.usage, error.cost) if isinstance(error, WireError) else (None, None)
    room = room_told(error, agent.projection, facts) if isinstance(error, ContextOverflow) else 0
    return AttemptUsed(*place, "run", facts.name, usage, cost, facts.window, code, flight.sent_bytes, room=room)


async def _stream(agent: Agent, request: Request, flight: StepInFlight, emit: Emit) -> Reply:
    run, step, attempt = flight.run, flight.step, flight.attempt
    streaming = False
    async with aclosing(agent.model.stream(request)) as pieces, _Silence(agent, emit) as silence:
        async for piece in pieces:
            if isinstance(piece, Reply):
                return piece
            silence.broken()
            if not streaming:
                streaming = True
                emit(StateDelta("running", "streaming", run, step))
            if not flight.take(piece, agent.clock.seconds()):
                raise Overlong(f"the answer was stopped at {ANSWER_LIMIT_CHARS:,} characters; ask for less at once")
            match piece:
                case TextPiece(text=text):
                    emit(TextDelta(run, step, attempt, text))
                case ThinkingPiece(text=text):
                    emit(ThinkingDelta(run, step, attempt, text))
                case CallPiece(index=index, name=name, args=args):
                    emit(CallDelta(run, step, attempt, index, name, args))
                case _:
                    assert_never(piece)
    raise Malformed("the answer was cut off")


class _Silence:
    """Says, once an attempt, that a model has been silent for HINT_SECONDS."""

    def __init__(self, agent: Agent, emit: Emit) -> None:
        self._agent, self._emit = agent, emit
        self._heard = agent.clock.seconds()
        self._timer: Timer | None = None

    async def __aenter__(self) -> "_Silence":
        self._timer = self._agent.clock.call_later(HINT_SECONDS, self._look)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def broken(self) -> None:
        self._heard = self._agent.clock.seconds()

    def _look(self) -> None:
        left = self._heard + HINT_SECONDS - self._agent.clock.seconds()
        if left > 0:
            self._timer = self._agent.clock.call_later(left, self._look)
            return
        self._timer = None
        self._emit(Toast("info", f"Nothing from {self._agent.model.facts.name} for {HINT_SECONDS:.0f} s; Esc stops."))


async def _commit(agent: Agent, transcript: Transcript, flight: StepInFlight, reply: Reply) -> Record | ModelError:
    parts = _settled(reply.parts, reply.finish)
    if not parts:
        words = f"{agent.model.facts.name} gave an empty answer; try again, or choose another model with /model"
        raise EmptyResponse(words).having_used(reply.usage, reply.cost)
    thinking_ms = flight.thinking_ms(agent.clock.seconds())
    name, finish = agent.model.facts.name, _finish(parts, reply.finish)
    said = AssistantSaid(flight.run, flight.step, flight.attempt, name, parts, finish, thinking_ms)
    streamed, used = _partial(agent, flight), _used(agent, transcript, flight, reply)
    try:
        return await transcript.append(used, said)
    except StorageFailed:  # what came beside the words that were streamed is over the bound of an entry
        await _keep(transcript, structs.replace(used, error=Overlong.code), streamed)
        return Overlong("the answer and its hidden reasoning are larger than a session keeps; ask for less at once")


def _partial(agent: Agent, flight: StepInFlight) -> AssistantSaid | None:
    """What was streamed, as it is kept where no whole answer comes; it is in flight no longer."""
    partial = flight.partial("failed", agent.clock.seconds())
    flight.forget_text()
    return partial


async def _keep(transcript: Transcript, used: AttemptUsed, partial: AssistantSaid | None) -> None:
    await transcript.append(used, *(() if partial is None else (partial,)))
    transcript.clear_draft()


def _used(agent: Agent, transcript: Transcript, flight: StepInFlight, reply: Reply) -> AttemptUsed:
    facts, place, sent = agent.model.facts, (flight.run, flight.step, flight.attempt), flight.sent_bytes
    counted = "all" if reply.usage is None else judged(reply.usage, agent.projection, transcript.facts, facts.name)
    return AttemptUsed(*place, "run", facts.name, reply.usage, reply.cost, facts.window, None, sent, counted)


def _settled(parts: Sequence[AssistantPart], finish: Finish) -> tuple[AssistantPart, ...]:
    """The parts that say something; a call whose arguments were cut off by the end of the answer is never run."""
    kept: list[AssistantPart] = []
    for part in parts:
        if isinstance(part, Text | Thinking) and not part.text and getattr(part, "data", None) is None:
            continue
        cut = finish in ("length", "filtered") and isinstance(part, Call) and object_text(part.args) != part.args
        kept.append(CallCut(part.name, part.args) if cut and isinstance(part, Call) else part)
    return tuple(kept)


def _finish(parts: Sequence[AssistantPart], finish: Finish) -> Finish:
    """Providers disagree on how they name the end of an answer with calls."""
    if any(isinstance(part, Call) for part in parts):
        return "calls"
    return "stop" if finish == "calls" else finish
