"""Room for the next request of a run: the compaction inside it, and what is said where that does not help."""

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import weigh
from flowchat.agent.compact import compact, unanswered_checkpoint
from flowchat.agent.counting import least_tokens
from flowchat.agent.itemise import itemise
from flowchat.agent.proposal import CompactionFailed, CompactTrigger, NothingToCompact
from flowchat.agent.prune import pruned_in_need
from flowchat.agent.step import StepInFlight, failed
from flowchat.agent.strikes import Breaker
from flowchat.model.model import usable_tokens
from flowchat.transcript.entries import Noticed, RunEnded
from flowchat.transcript.events import ContextUsed, StateDelta
from flowchat.transcript.transcript import Transcript


async def make_room(
    agent: Agent, transcript: Transcript, flight: StepInFlight, breaker: Breaker, emit: Emit, context: ContextUsed
) -> RunEnded | None:
    """Before a request over the hard limit, or one its model would surely refuse: gives how the run ends where nothing helps.

    A limit that is off does not keep what is refused from being folded, as its refusal would bring that about. Three strikes do:
    then what is old and large loses its content.
    """
    hard, is_refused = agent.limits.hard_at(context.usable), _is_refused(agent, context)
    if not breaker.open and hard is not None and context.tokens > hard:
        return await fold_in_run(agent, transcript, flight, breaker, emit, "hard", must=context.tokens > context.usable)
    if not is_refused:
        return None
    if not breaker.open:
        return await fold_in_run(agent, transcript, flight, breaker, emit, "overflow", must=True)
    if await _prune(agent, transcript):
        return None
    return failed(flight, flight.step - 1, "context_overflow", _over_the_window(agent, context))


async def fold_in_run(
    agent: Agent, transcript: Transcript, flight: StepInFlight, breaker: Breaker, emit: Emit, trigger: CompactTrigger, must: bool
) -> RunEnded | None:
    """Compact inside the run, at most once between two answers.

    Where that fails the run goes on if the request still fits, once what is old and large has lost its content, with a notice;
    else it ends. Where there is nothing to fold nothing has failed.
    """
    if unanswered_checkpoint(transcript):
        return thrashed(agent, transcript, flight, flight.step - 1)
    emit(StateDelta("running", "compacting", flight.run, flight.step))
    try:
        await compact(agent, transcript, emit, trigger, run=flight.run, step=flight.step)
    except NothingToCompact:
        return failed(flight, flight.step - 1, "context_overflow", _too_long(agent)) if must else None
    except CompactionFailed as error:
        more = breaker.failed()
        if must and not await _prune(agent, transcript):
            return failed(flight, flight.step - 1, "compaction_failed", str(error))
        await transcript.append(Noticed("warning", "compaction", f"Compaction failed; the run continues: {error}{more}"))
        return None
    breaker.succeeded()
    if _weight(agent, transcript) > _limit(agent):
        return thrashed(agent, transcript, flight, flight.step - 1)
    return None


def thrashed(agent: Agent, transcript: Transcript, flight: StepInFlight, steps: int) -> RunEnded:
    """How a run ends whose request is too long right after a compaction; what is pinned is named where that is what fills it."""
    ways = "start over with /new, or choose a larger window with /model"
    sentence = f"the request is still too long after a compaction; send less at a time, {ways}"
    pinned = _pinned_tokens(agent, transcript)
    if pinned and _weight(agent, transcript) - pinned <= _limit(agent):
        sentence = (
            f"the request is still too long after a compaction: pinned items take {pinned:,} tokens; unpin in /context, {ways}"
        )
    return failed(flight, steps, "thrash", sentence)


async def _prune(agent: Agent, transcript: Transcript) -> bool:
    """Leave out what is old and large; whether that was something, and the request fits now."""
    lines = pruned_in_need(transcript.branch(), transcript.facts)
    if lines:
        await transcript.append(*lines)
    return bool(lines) and _weight(agent, transcript) <= usable_tokens(agent.model.facts)


def _is_refused(agent: Agent, context: ContextUsed) -> bool:
    """Whether the next request takes more than a window that is known, by counts of the model itself. One that took more than
    that before has another window; what was never counted is an estimate, and an answer to it says more."""
    name, window, seen = agent.model.facts.name, context.window, agent.projection
    if context.tokens <= window or context.window_source == "assumed":
        return False
    return seen.timeline(name).surest.tokens <= window < least_tokens(seen, name)


def _weight(agent: Agent, transcript: Transcript) -> int:
    return weigh(transcript.branch(), transcript.facts, agent.model.facts, agent.projection).tokens


def _limit(agent: Agent) -> int:
    usable = usable_tokens(agent.model.facts)
    return agent.limits.hard_at(usable) or usable


def _pinned_tokens(agent: Agent, transcript: Transcript) -> int:
    rows = itemise(transcript.branch(), transcript.facts, agent.model.facts, agent.projection)
    return sum(row.tokens for row in rows if row.state == "pinned")


def _too_long(agent: Agent) -> str:
    return (
        f"this is too long for {agent.model.facts.name}, and nothing can be compacted; send less at a time, or choose a model"
        " with a larger window with /model"
    )


def _over_the_window(agent: Agent, context: ContextUsed) -> str:
    return (
        f"the next request would take about {context.tokens:,} tokens, and {agent.model.facts.name} has a window of"
        f" {context.window:,}; compaction is off after {Breaker.LIMIT} failures in a row: /compact tries it again, /context"
        " leaves things out, /model chooses a larger window"
    )
