"""Room for the next request of a run: the compaction inside it, and what is said where that does not help."""

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import weigh
from flowchat.agent.compact import compact, plan, unanswered_checkpoint
from flowchat.agent.counting import least_tokens
from flowchat.agent.itemise import itemise
from flowchat.agent.proposal import CompactionFailed, CompactTrigger, NothingToCompact, unanswered
from flowchat.agent.prune import pruned_in_need
from flowchat.agent.step import StepInFlight, failed
from flowchat.agent.strikes import Breaker
from flowchat.errors import ModelError
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
        must = context.tokens > context.usable and context.window_source != "refused"  # there may be more room by now
        return await fold_in_run(agent, transcript, flight, breaker, emit, "hard", must)
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
    """Compact inside the run, at most once between two answers: a second time the request goes on if it still fits.

    Where that fails the run goes on if the request still fits, once what is old and large has lost its content, with a notice;
    else it ends. Where there is nothing to fold nothing has failed.
    """
    if unanswered_checkpoint(transcript):
        goes_on = not must or await _prune(agent, transcript)
        return None if goes_on else thrashed(agent, transcript, flight, flight.step - 1)
    emit(StateDelta("running", "compacting", flight.run, flight.step))
    try:
        await compact(agent, transcript, emit, trigger, run=flight.run, step=flight.step)
    except NothingToCompact:
        return failed(flight, flight.step - 1, "context_overflow", _too_long(agent, transcript)) if must else None
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
    ways, pinned = "start over with /new, or choose a larger window with /model", _pinned_tokens(agent, transcript)
    if pinned and _weight(agent, transcript) - pinned <= _limit(agent):
        why = f": pinned items take {pinned:,} tokens; unpin in /context"
    elif said := _what_you_said(agent, transcript):
        why = f": {said}"
    elif plan(transcript.branch(), transcript.facts, agent.model.facts, True, agent.projection) is not None:
        why = "; /compact folds more of it, then /retry goes on"
    else:
        why = "; /context leaves things out"
    return failed(flight, steps, "thrash", f"the request is still too long after a compaction{why}; else {ways}")


async def after_refusal(
    agent: Agent, transcript: Transcript, flight: StepInFlight, breaker: Breaker, emit: Emit, refused: ModelError
) -> RunEnded | None:
    """Make room once a server has refused a request as too long: gives how the run ends where nothing helps."""
    if not breaker.open:
        return await fold_in_run(agent, transcript, flight, breaker, emit, "overflow", must=True)
    return None if await _prune(agent, transcript) else failed(flight, flight.step, refused.code, str(refused))


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
    if context.tokens <= window or context.window_source in ("assumed", "refused"):
        return False
    return seen.timeline(name).surest.tokens <= window < least_tokens(seen, name)


def _weight(agent: Agent, transcript: Transcript) -> int:
    return weigh(transcript.branch(), transcript.facts, agent.model.facts, agent.projection).tokens


def _limit(agent: Agent) -> int:
    """What a request may take; one no longer than what was refused once may find more room by now."""
    facts = agent.model.facts
    usable = usable_tokens(facts)
    return facts.window if facts.window_source == "refused" else agent.limits.hard_at(usable) or usable


def _pinned_tokens(agent: Agent, transcript: Transcript) -> int:
    rows = itemise(transcript.branch(), transcript.facts, agent.model.facts, agent.projection)
    return sum(row.tokens for row in rows if row.state == "pinned")


def _what_you_said(agent: Agent, transcript: Transcript) -> str:
    """What to do about a message that waits for its answer and fills the window; empty where none does."""
    waiting = frozenset(unanswered(transcript.branch()))
    rows = itemise(transcript.branch(), transcript.facts, agent.model.facts, agent.projection)
    longest = max((row.tokens for row in rows if row.kind == "user" and row.node in waiting), default=0)
    return f"one message of yours takes about {longest:,} tokens; /edit makes it shorter" if 2 * longest > _limit(agent) else ""


def _too_long(agent: Agent, transcript: Transcript) -> str:
    said = _what_you_said(agent, transcript)
    why = f": {said}" if said else "; send less at a time"
    return (
        f"this is too long for {agent.model.facts.name}, and nothing can be compacted{why}, or choose a model"
        " with a larger window with /model"
    )


def _over_the_window(agent: Agent, context: ContextUsed) -> str:
    return (
        f"the next request would take about {context.tokens:,} tokens, and {agent.model.facts.name} has a window of"
        f" {context.window:,}; compaction is off after {Breaker.LIMIT} failures in a row: /compact tries it again, /context"
        " leaves things out, /model chooses a larger window"
    )
