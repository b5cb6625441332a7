"""Room for the next request of a run: the compaction inside it, and what is said where that does not help."""

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import weigh
from flowchat.agent.compact import compact, unanswered_checkpoint
from flowchat.agent.proposal import CompactionFailed, CompactTrigger, NothingToCompact
from flowchat.agent.prune import pruned_in_need
from flowchat.agent.step import StepInFlight, failed
from flowchat.agent.strikes import Breaker
from flowchat.model.model import usable_tokens
from flowchat.transcript.entries import Noticed, RunEnded
from flowchat.transcript.events import StateDelta
from flowchat.transcript.transcript import Transcript

THRASH = (
    "the request is still too long after a compaction; send less at a time, start over with /new, or choose a larger window"
    " with /model"
)


async def make_room(
    agent: Agent, transcript: Transcript, flight: StepInFlight, breaker: Breaker, emit: Emit, trigger: CompactTrigger, must: bool
) -> RunEnded | None:
    """Compact inside the run, at most once between two answers.

    Where that fails the run goes on if the request still fits, once what is old and large has lost its content, with a notice;
    else it ends. Where there is nothing to fold nothing has failed.
    """
    if unanswered_checkpoint(transcript):
        return failed(flight, flight.step - 1, "thrash", THRASH)
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
    usable = usable_tokens(agent.model.facts)
    limit = agent.limits.hard_at(usable) or usable
    if weigh(transcript.branch(), transcript.facts, agent.model.facts, agent.projection).tokens > limit:
        return failed(flight, flight.step - 1, "thrash", THRASH)
    return None


async def _prune(agent: Agent, transcript: Transcript) -> bool:
    """Leave out what is old and large; whether that was something, and the request fits now."""
    lines = pruned_in_need(transcript.branch(), transcript.facts)
    if lines:
        await transcript.append(*lines)
    model = agent.model.facts
    return bool(lines) and weigh(transcript.branch(), transcript.facts, model, agent.projection).tokens <= usable_tokens(model)


def _too_long(agent: Agent) -> str:
    return (
        f"this is too long for {agent.model.facts.name}, and nothing can be compacted; send less at a time, or choose a model"
        " with a larger window with /model"
    )
