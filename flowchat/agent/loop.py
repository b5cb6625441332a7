"""The story of one run: think, act, repeat until there is nothing left to do."""

from itertools import count

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.ask import ask
from flowchat.agent.budget import measure
from flowchat.agent.calls import answer_calls
from flowchat.agent.compact import unanswered_checkpoint
from flowchat.agent.counting import cut_notice
from flowchat.agent.inbox import Inbox, steers
from flowchat.agent.prompt import Sight
from flowchat.agent.prune import pruned_anyway
from flowchat.agent.room import after_refusal, make_room, thrashed
from flowchat.agent.step import StepInFlight, failed
from flowchat.agent.strikes import Breaker
from flowchat.agent.tokens import tokens_of
from flowchat.agent.windows import refused_notice
from flowchat.errors import ModelError
from flowchat.model.model import ContextOverflow
from flowchat.transcript.entries import AssistantSaid, Finish, Noticed, Record, RunEnded, Thinking, UserSaid
from flowchat.transcript.events import StateDelta
from flowchat.transcript.transcript import Transcript

SMALL_WINDOW_TOKENS = 8_192
CUT_SHORT: dict[Finish, str] = {
    "length": "The answer was cut at the model's output limit. Send `continue` for the rest.",
    "filtered": "The rest of the answer was withheld (the provider's content filter). Rephrase, or change the model with /model.",
}
ONLY_THOUGHT = "The model thought but did not answer. Send `continue` for an answer."


async def run(agent: Agent, transcript: Transcript, inbox: Inbox, flight: StepInFlight, breaker: Breaker, emit: Emit) -> RunEnded:
    """Drive the model until it stops calling tools and there is no steer; gives the entry that closes the run, not yet appended.

    Entries are durable when their append returns. Raises nothing but CancelledError and bugs: a model's failure is a
    RunEnded(failed) with its code. After a CancelledError `flight` holds what is in no entry yet.
    """
    for step in count(1):
        flight.begin_step(step)
        emit(StateDelta("running", "preparing", flight.run, step))
        await deliver_steers(transcript)
        await tell_news(agent, transcript, first=step == 1)
        if step == 1:
            await prune(agent, transcript)
        said = await answer(agent, transcript, inbox, flight, breaker, emit)
        await tell_missed(agent, transcript)
        if isinstance(said, RunEnded):
            return said
        emit(measure(transcript.branch(), transcript.facts, agent.model.facts, agent.projection))
        if said.calls:
            await answer_calls(agent, transcript, inbox, flight, emit)
        transcript.clear_draft()
        if transcript.unsaved is not None:
            return failed(flight, step, "storage", str(transcript.unsaved))
        if not said.calls and not steers(transcript.facts.queue):
            return RunEnded(flight.run, "completed", step)
        if step >= agent.limits.steps:
            return RunEnded(flight.run, "limit", step, message=f"stopped after {step} steps; /retry continues from here")
    raise AssertionError("unreachable")


async def deliver_steers(transcript: Transcript) -> None:
    """Say what waits to be said at a step boundary; saying an item takes it out of the queue."""
    while waiting := steers(transcript.facts.queue):
        await transcript.append(UserSaid(waiting[0].client_id, waiting[0].parts, "steer"))


async def tell_news(agent: Agent, transcript: Transcript, first: bool) -> None:
    """Append what the model should know that the branch does not say yet."""
    for added in await agent.news(transcript.branch(), first):
        await transcript.append(added)
    facts = agent.model.facts
    if first and facts.window < SMALL_WINDOW_TOKENS:
        words = (
            f"{facts.name} has a window of {facts.window:,} tokens ({facts.window_source}), which is small for work with tools;"
            f' raise it (Ollama: num_ctx), or correct it in config.toml: [models."{facts.name}"] window = N'
        )
        await tell_once(agent, transcript, Noticed("warning", "model", words))


async def prune(agent: Agent, transcript: Transcript) -> None:
    """Where the provider's cache is lost anyway, leave out what is old and large."""
    for line in pruned_anyway(transcript.branch(), transcript.facts, agent.model.facts.name):
        await transcript.append(line)


async def tell_missed(agent: Agent, transcript: Transcript) -> None:
    """Tell of what the step's requests named and did not get, and of what a server cut off them."""
    for notice in (*agent.missed(), *cut_notice(agent.projection, transcript, agent.model.facts)):
        await tell_once(agent, transcript, notice)


async def tell_once(agent: Agent, transcript: Transcript, notice: Noticed) -> None:
    """Append a notice unless the branch has it."""
    agent.known.follow(transcript.branch())
    if notice.text not in agent.known.noticed:
        await transcript.append(notice)


async def answer(
    agent: Agent, transcript: Transcript, inbox: Inbox, flight: StepInFlight, breaker: Breaker, emit: Emit
) -> AssistantSaid | RunEnded:
    """One step's answer, after making room where the request would be too long."""
    agent.projection.follow(transcript.branch(), transcript.facts, agent.model.facts.provider)
    context = measure(transcript.branch(), transcript.facts, agent.model.facts, agent.projection)
    emit(context)
    if tokens_of(agent.projection.fixed) * 2 > context.usable and context.window_source != "refused":
        return failed(flight, flight.step - 1, "context_overflow", _too_small(agent, context.usable))
    ended = await make_room(agent, transcript, flight, breaker, emit, context)
    if ended is not None:
        return ended
    said = await request(agent, transcript, inbox, flight, emit)
    if isinstance(said, ContextOverflow):
        ended = await after_refusal(agent, transcript, flight, breaker, emit, said)
        if ended is not None:
            return ended
        said = await request(agent, transcript, inbox, flight, emit)
        if isinstance(said, ContextOverflow) and unanswered_checkpoint(transcript):
            return thrashed(agent, transcript, flight, flight.step)
    if isinstance(said, ModelError):
        return failed(flight, flight.step, said.code, str(said))
    return await settled(transcript, said)


async def request(agent: Agent, transcript: Transcript, inbox: Inbox, flight: StepInFlight, emit: Emit) -> Record | ModelError:
    """What comes of the request as it is now; tells of a window that turned out smaller."""
    before = agent.model.facts
    said = await ask(agent, transcript, inbox, flight, look(agent, transcript), emit)
    if isinstance(said, ContextOverflow) and said.room != 0 and (notice := refused_notice(before, agent.model.facts, said)):
        await tell_once(agent, transcript, notice)
    return said


async def settled(transcript: Transcript, record: Record) -> AssistantSaid:
    """The answer, with a notice where it is not all there was to say."""
    said = record.entry
    assert isinstance(said, AssistantSaid)
    words = CUT_SHORT.get(said.finish)
    if words is None and all(isinstance(part, Thinking) for part in said.parts):
        words = ONLY_THOUGHT
    if words is not None:
        await transcript.append(Noticed("warning", "model", words))
    return said


def look(agent: Agent, transcript: Transcript) -> Sight:
    agent.projection.follow(transcript.branch(), transcript.facts, agent.model.facts.provider)
    return agent.projection.sight()


def _too_small(agent: Agent, usable: int) -> str:
    return (
        f"system prompt and tools take more than half of the {usable:,} tokens {agent.model.facts.name} leaves for the"
        " conversation; choose a model with a larger window with /model"
    )
