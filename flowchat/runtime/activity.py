"""What a session is doing: at most one run or compaction, how it starts, is stopped, is closed, and what follows it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from msgspec import structs

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.ask import failed_attempt
from flowchat.agent.budget import measure
from flowchat.agent.inbox import Inbox, Queue, item_of
from flowchat.agent.loop import run
from flowchat.agent.proposal import CompactionFailed, Proposal
from flowchat.agent.step import StepInFlight
from flowchat.agent.strikes import Breaker
from flowchat.errors import Busy, FlowchatError, NotRunning, ReadOnly
from flowchat.runtime.recovery import InFlight, closing
from flowchat.transcript.entries import (
    Entry,
    Outcome,
    QueueItem,
    QueueSet,
    Record,
    RunEnded,
    RunStarted,
    Trigger,
    UserSaid,
)
from flowchat.transcript.events import AnyDelta, Phase, State, StateDelta
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.transcript import Transcript

_log = logging.getLogger(__name__)
Made = TypeVar("Made")
Draw: TypeAlias = Callable[[Agent], Coroutine[None, None, Proposal]]
"""Draws up what a compaction would write."""


@dataclass(frozen=True)
class Start:
    """A run to come.

    `before` and `after` make what is written in one piece with its run_started, in the moment it is written: nothing decided
    earlier can be stale. `said` is the message it brings; `done` is done when that is on disk.
    """

    before: Callable[[], Sequence[Entry]]
    trigger: Trigger
    after: Callable[[], Sequence[Entry]] = lambda: ()
    said: UserSaid | None = None
    done: "asyncio.Future[Record]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True)
class Stop:
    """How what is under way is to end: whether the queue is held then, whether anything may follow, and why."""

    hold: bool = False
    rest: bool = False
    reason: str | None = None


class Activity:
    """Owns the run task and the state. Decisions are taken without an await, so two starts can never meet."""

    def __init__(
        self,
        transcript: Transcript,
        hear: Emit,
        inbox: Inbox,
        agent: Callable[[], Agent],
        on_end: Callable[[Outcome], None],
        after: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_end` hears of each run's end; `after` is what follows a completed one before anything else does."""
        self.state = StateDelta("idle")
        self.breaker = Breaker()
        self.next: Start | None = None
        """What was said instead of what is being interrupted: it runs next, ahead of the queue."""
        self._transcript, self._hear, self._inbox = transcript, hear, inbox
        self._agent, self._on_end, self._after = agent, on_end, after
        self._work: asyncio.Task[None] | None = None
        self._inner: asyncio.Task[RunEnded] | asyncio.Task[Proposal] | None = None
        self._thing: asyncio.Future[None] | None = None
        self._stop: Stop | None = None
        self._owed: frozenset[str] = frozenset()
        """What of the queue goes on by itself, though nothing has followed what it waited for."""

    @property
    def busy(self) -> bool:
        return self.state.state not in ("idle", "closed")

    def is_owed(self, item: QueueItem) -> bool:
        """Whether a queued message goes on by itself as soon as it may."""
        return item.client_id in self._owed

    # --- orders ------------------------------------------------------------------------------------------------------
    async def begin(self, start: Start) -> None:
        """Begin a run; only while idle. What it says has its place and the state is `running` before this waits.

        Done when it is durable. Raises CommandRefused and StorageFailed with nothing begun.
        """
        assert not self.busy
        agent = self._agent()
        written = self._write(start, agent)
        self._to("running", "preparing")
        self._work = asyncio.create_task(self._go(start, agent, written))
        await asyncio.shield(start.done)

    async def instead(self, start: Start) -> None:
        """Begin a run instead of what is under way, which is interrupted unless it is being so already; as `begin`."""
        self._agent()
        self.next = start
        if self.state.state != "interrupting":
            self.interrupt(Stop())
        await asyncio.shield(start.done)

    def fold(
        self, draw: "Draw", then: "Callable[[Proposal], Awaitable[Made]]", goes_on: Callable[[], bool] = lambda: True
    ) -> "asyncio.Future[Made]":
        """Begin a compaction outside a run; only while idle. The future has what `then` makes of what is drawn, or its error.

        Drawing can be stopped, what follows cannot: a checkpoint that is being written is done. Where nothing `goes_on` when that
        is made, what was queued meanwhile waits for `follow`.
        """
        assert not self.busy
        self._to("compacting")
        self._thing = asyncio.get_running_loop().create_future()
        done: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self._work = asyncio.create_task(self._fold_then_go(draw, then, done, goes_on))
        return done

    async def follow(self) -> None:
        """Begin with what was queued and is owed its turn; nothing where something is under way, which it then follows."""
        if self.state.state == "idle" and (start := self._following("completed", self.is_owed)) is not None:
            await self.begin(start)

    def interrupt(self, stop: Stop) -> "asyncio.Future[None]":
        """End what is under way, keeping what came of it; done when it has ended. Raises NotRunning while idle."""
        if not self.busy or self._thing is None:
            raise NotRunning("nothing is running")
        compacting = self.state.state == "compacting"
        held = self._stop is not None and self._stop.hold
        self._stop = replace(stop, hold=(stop.hold or held) and not compacting, rest=stop.rest or self._is_resting)
        if self.state.state == "running":
            self._to("interrupting")
        if self._inner is not None:
            self._inner.cancel()
        return self._thing

    async def come_to_rest(self) -> None:
        """Stop what is under way so that nothing follows. Raises Busy where a message waits for the interrupt to be said."""
        if self.next is not None:
            raise Busy("another message is about to be sent; stop it first")
        if self.busy:
            self.interrupt(Stop(rest=True))
        await self.idle()

    async def idle(self) -> None:
        """Until nothing is under way and nothing is about to start."""
        while self._work is not None and not self._work.done():
            await asyncio.shield(self._work)

    async def close(self) -> None:
        """Interrupt, hold the queue, let nothing follow; afterwards the state is closed."""
        if self.next is not None:
            _fail(self.next.done, ReadOnly("the session was closed before this was sent"))
            self.next = None
        if self.busy:
            self.interrupt(Stop(hold=True, rest=True, reason="closed"))
        await self.idle()

    def closed(self) -> None:
        self._to("closed")

    def abandon(self) -> None:
        """Leave everything where it stands; the next opening recovers it."""
        for task in (self._inner, self._work):
            if task is not None:
                task.cancel()

    def saving_changed(self) -> None:
        """The log failed, or can be written again: watchers hear it."""
        if self.state.unsaved != (self._transcript.unsaved is not None):
            self._emit(structs.replace(self.state, unsaved=not self.state.unsaved))

    # --- the one task ------------------------------------------------------------------------------------------------
    def _write(self, start: Start, agent: Agent) -> "tuple[Record, asyncio.Future[None]]":
        """Give a run's first entries their place, in one write; gives its run_started, and when it is durable."""
        self._thing, self._owed = asyncio.get_running_loop().create_future(), frozenset()
        after = start.after()
        opened = RunStarted(start.trigger, agent.model.facts.name)
        records, done = self._transcript.submit(*start.before(), opened, *after)
        return records[-1 - len(after)], done

    async def _go(self, start: Start | None, agent: Agent | None, written: "tuple[Record, asyncio.Future[None]] | None") -> None:
        try:
            while start is not None:
                outcome: Outcome | None = None
                try:
                    agent = agent or self._agent()
                    record, done = written or self._write(start, agent)
                    await done
                except FlowchatError as error:
                    _fail(start.done, error)
                else:
                    start.done.set_result(record)
                    outcome = await self._one_run(agent, record)
                    if outcome == "completed" and not self._is_resting:
                        await self._after()
                start, agent, written = self._following(outcome), None, None
                if start is not None:
                    self._to("running", "preparing")
        finally:
            self._end_thing()
            self._stop = None
            self._to("idle")

    async def _one_run(self, agent: Agent, started: Record) -> Outcome:
        """One run from its first step to its last write."""
        flight = StepInFlight(started.seq, agent.model.facts.name)
        entries = await self._drive(agent, flight, started)
        ended = entries[-1]
        assert isinstance(ended, RunEnded)
        await self._transcript.append(*entries)
        self._transcript.clear_draft()
        self._hear(measure(self._transcript.branch(), self._transcript.facts, agent.model.facts, agent.projection))
        await self._settle_queue()
        self.breaker.ran()
        self._on_end(ended.outcome)
        return "interrupted" if self._stop is not None else ended.outcome

    async def _drive(self, agent: Agent, flight: StepInFlight, started: Record) -> list[Entry]:
        """Run the loop to its end, or to where it was stopped; gives the entries that close the run."""
        if self._stop is None:
            self._inner = asyncio.create_task(run(agent, self._transcript, self._inbox, flight, self.breaker, self._emit))
            try:
                ended = await self._inner
                duration = agent.clock.now_ms() - started.at_ms
                return [structs.replace(ended, duration_ms=max(0, duration))]
            except asyncio.CancelledError:
                if self._stop is None:
                    raise
            except Exception as error:  # a bug of ours ends the run, not the session
                _log.exception("run %d", flight.run)
                sentence = (
                    f"flowchat itself failed ({type(error).__name__}: {error}); /retry continues; details are in the log file"
                )
                return self._closed(agent, flight, "failed", "internal", sentence)
            finally:
                self._inner = None
        return self._closed(agent, flight, "interrupted", self._stop.reason if self._stop else None, None)

    def _closed(self, agent: Agent, flight: StepInFlight, outcome: Outcome, code: str | None, message: str | None) -> list[Entry]:
        partial = flight.partial("failed" if outcome == "failed" else "interrupted", agent.clock.seconds())
        entries: list[Entry] = []
        if flight.asking:
            entries.append(failed_attempt(agent, flight, outcome))
        entries += self._queue_after()
        branch, now = self._transcript.branch(), agent.clock.now_ms()
        ended = RunEnded(flight.run, outcome, code=code, message=message)
        return entries + closing(branch, ended, now, InFlight(partial, flight.answers, flight.outputs))

    # --- the queue after a run ---------------------------------------------------------------------------------------
    def _queue_after(self) -> list[QueueSet]:
        """A plain interrupt holds the queue; a steer that found no step boundary becomes the queue's head."""
        facts = self._transcript.facts
        held = facts.held or (self._stop is not None and self._stop.hold and bool(facts.queue))
        queue = unsteered(facts.queue)
        return [] if (queue, held) == (facts.queue, facts.held) else [QueueSet(queue, held)]

    async def _settle_queue(self) -> None:
        """As `_queue_after`, for what came while the run's last entries were being written."""
        while left := self._queue_after():
            await self._transcript.append(*left)

    def _following(self, outcome: Outcome | None, among: Callable[[QueueItem], bool] = lambda item: True) -> Start | None:
        """The next message: the one an interrupt brought, else, after a completed run, the queue's first unless it is held."""
        stop, self._stop = self._stop, None
        self._end_thing()
        after, self.next = self.next, None
        facts = self._transcript.facts
        waiting = [item for item in facts.queue if among(item)]
        if stop is not None and stop.rest:
            if after is not None:
                _fail(after.done, Busy("superseded by a later command; send it again"))
            self._owed |= {item.client_id for item in waiting if outcome == "completed"}
            return None
        if after is not None:
            return after
        if outcome != "completed" or facts.held or self._transcript.unsaved is not None or not waiting:
            return None
        return Start(lambda: [said_of(waiting[0])], "queue")

    # --- compaction --------------------------------------------------------------------------------------------------
    async def _fold_then_go(
        self,
        draw: "Draw",
        then: "Callable[[Proposal], Awaitable[Made]]",
        done: "asyncio.Future[Made]",
        goes_on: Callable[[], bool],
    ) -> None:
        """A compaction the user asked for; of the queue only what came meanwhile goes on by itself."""
        before = {item.client_id for item in self._transcript.facts.queue} - self._owed
        try:
            made = await then(await self.draw(draw))
        except FlowchatError as error:
            _fail(done, error)
        except asyncio.CancelledError:
            if self._stop is None:
                raise
            _fail(done, CompactionFailed("the compaction was stopped; nothing was changed"))
        except Exception as error:  # a bug of ours ends the compaction, not the session
            _log.exception("compaction")
            _fail(done, CompactionFailed(f"flowchat itself failed ({type(error).__name__}); nothing was changed"))
        else:
            done.set_result(made)
        self._owed = frozenset(item.client_id for item in self._transcript.facts.queue) - before
        is_looked_at = done.exception() is None and not goes_on()
        start = self._following("completed", lambda item: not is_looked_at and self.is_owed(item))
        if start is not None:
            self._to("running", "preparing")
        await self._go(start, None, None)

    async def draw(self, draw: Draw) -> Proposal:
        """What it draws, in state `compacting`; the user can stop it, then CancelledError is raised and `stopped` holds."""
        if self.state.state != "compacting":
            self._to("compacting")
        self._inner = asyncio.create_task(draw(self._agent()))
        try:
            return await self._inner
        finally:
            self._inner = None

    @property
    def stopped(self) -> bool:
        """Whether the user stops what is under way."""
        return self._stop is not None

    def breaker_changed(self) -> None:
        """Whether compaction begins by itself may be another now: watchers hear it."""
        if self.state.compaction_off != self.breaker.open:
            self._emit(self.state)

    # --- the state ---------------------------------------------------------------------------------------------------
    @property
    def _is_resting(self) -> bool:
        return self._stop is not None and self._stop.rest

    def _end_thing(self) -> None:
        if self._thing is not None and not self._thing.done():
            self._thing.set_result(None)

    def _to(self, state: State, phase: Phase | None = None) -> None:
        self._emit(StateDelta(state, phase))

    def _emit(self, delta: AnyDelta) -> None:
        """Pass on what the loop says; phases of a run that is being stopped are not emitted."""
        if isinstance(delta, StateDelta):
            if self.state.state == "interrupting" and delta.phase not in (None, "preparing"):
                return
            unsaved = self._transcript.unsaved is not None
            delta = self.state = structs.replace(delta, unsaved=unsaved, compaction_off=self.breaker.open)
        self._hear(delta)


def _fail(future: "asyncio.Future[Made]", error: Exception) -> None:
    """Hand an error to whoever waits; nobody may be waiting."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def unsteered(queue: Queue) -> Queue:
    """The queue of an ended run: steers that found no step boundary are its head, and plain messages again."""
    steers = tuple(QueueItem(item.client_id, item.parts) for item in queue if item.deliver == "steer")
    return (*steers, *(item for item in queue if item.deliver != "steer"))


def said_of(item: QueueItem) -> UserSaid:
    """A queued message as it is said; saying it takes it out of the queue."""
    return UserSaid(item.client_id, item.parts, "queue")


def said_from(facts: SessionFacts, client_id: str) -> list[Entry]:
    """A queued message as it is said, the queue no longer held. Raises NotFound where it was deleted meanwhile."""
    said = said_of(item_of(facts.queue, client_id))
    return [QueueSet(facts.queue, held=False), said] if facts.held else [said]
