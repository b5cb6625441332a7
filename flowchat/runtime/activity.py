"""What a session is doing: at most one run or compaction, how it starts, is stopped, is closed, and what follows it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import measure
from flowchat.agent.compact import Breaker, CompactionFailed, CompactTrigger, NothingToCompact, compact
from flowchat.agent.inbox import Inbox
from flowchat.agent.loop import run
from flowchat.agent.step import StepInFlight
from flowchat.errors import CommandRefused, NotRunning, StorageFailed
from flowchat.runtime.recovery import closing
from flowchat.transcript.entries import (
    AttemptUsed,
    Entry,
    Noticed,
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
from flowchat.transcript.transcript import Transcript

_log = logging.getLogger(__name__)


@dataclass
class Start:
    """A run to come: what is said first, in one write with its run_started; `said` is done when that is on disk."""

    entries: Sequence[Entry]
    trigger: Trigger
    after: Sequence[Entry] = ()
    said: "asyncio.Future[Record]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Activity:
    """Owns the run task and the state. Decisions are taken without an await, so two starts can never meet."""

    def __init__(
        self, transcript: Transcript, hear: Emit, inbox: Inbox, agent: Callable[[], Agent], on_end: Callable[[Outcome], None]
    ) -> None:
        self.state = StateDelta("idle")
        self.breaker = Breaker()
        self._transcript, self._hear, self._inbox = transcript, hear, inbox
        self._agent, self._on_end = agent, on_end
        self._work: asyncio.Task[None] | None = None
        self._inner: asyncio.Task[RunEnded] | asyncio.Task[Record] | None = None
        self._next: Start | None = None
        self._stopping = self._hold = False
        self._stop_reason: str | None = None

    @property
    def busy(self) -> bool:
        return self.state.state != "idle"

    @property
    def has_next(self) -> bool:
        """Whether a message is already waiting for the run that is being interrupted."""
        return self._next is not None

    def start(self, start: Start) -> None:
        """Begin a run; only while idle. The state is `running` when this returns."""
        assert not self.busy
        self._to("running", "preparing")
        self._work = asyncio.create_task(self._go(start))

    def compact(self, instructions: str) -> "asyncio.Future[Record]":
        """Begin a compaction outside a run; only while idle. The future has its checkpoint, or CompactionFailed."""
        assert not self.busy
        self._to("compacting")
        done: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._work = asyncio.create_task(self._compact_then_go(instructions, done))
        return done

    def stop(self, *, hold: bool, then: Start | None = None, reason: str | None = None) -> None:
        """End what is under way, keeping what came of it; `then` runs next. Raises NotRunning while idle."""
        if not self.busy:
            raise NotRunning("nothing is running")
        if then is not None:
            self._next = then
        self._hold = hold and self.state.state != "compacting"
        self._stop_reason = reason
        if not self._stopping:
            self._stopping = True
            if self.state.state == "running":
                self._to("interrupting")
            if self._inner is not None:
                self._inner.cancel()

    async def idle(self) -> None:
        """Until nothing is under way and nothing is about to start."""
        while self._work is not None and not self._work.done():
            await asyncio.shield(self._work)

    def abandon(self) -> None:
        """Leave everything where it stands; the next opening recovers it."""
        for task in (self._inner, self._work):
            if task is not None:
                task.cancel()

    # --- the one task ------------------------------------------------------------------------------------------------
    async def _go(self, start: Start | None) -> None:
        outcome: Outcome | None = None
        try:
            while start is not None:
                outcome = await self._one_run(start)
                if outcome == "completed":
                    await self._soft_compaction()
                start = self._following(outcome)
                if start is not None:
                    self._to("running", "preparing")
        finally:
            self._to("idle")

    async def _compact_then_go(self, instructions: str, done: "asyncio.Future[Record]") -> None:
        try:
            record = await self._compaction("user", instructions)
        except CompactionFailed as error:
            _fail(done, error)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            _fail(done, CompactionFailed("the compaction was stopped; nothing was changed"))
        except Exception as error:  # a bug of ours ends the compaction, not the session
            _log.exception("compaction")
            _fail(done, CompactionFailed(f"flowchat itself failed ({type(error).__name__}); nothing was changed"))
        else:
            done.set_result(record)
        self._stopping = False
        start = self._following("completed")
        if start is not None:
            self._to("running", "preparing")
        await self._go(start)

    async def _one_run(self, start: Start) -> Outcome | None:
        """One run from its first write to its last; None where it could not even be written down."""
        try:
            agent = self._agent()
            opened = RunStarted(start.trigger, agent.model.facts.name)
            record = await self._transcript.append_or_withdraw(*start.entries, opened)
        except (StorageFailed, CommandRefused) as error:
            self._stopping = False
            _fail(start.said, error)
            return None
        start.said.set_result(record)
        for entry in start.after:
            await self._transcript.append(entry)
        flight = StepInFlight(record.seq, agent.model.facts.name)
        entries = await self._drive(agent, flight, record)
        ended = entries[-1]
        assert isinstance(ended, RunEnded)
        await self._transcript.append(*entries)
        self._transcript.clear_draft()
        self._stopping = self._hold = False
        self._hear(measure(self._transcript.branch(), self._transcript.facts, agent.model.facts))
        self._on_end(ended.outcome)
        return ended.outcome

    async def _drive(self, agent: Agent, flight: StepInFlight, started: Record) -> list[Entry]:
        """Run the loop to its end, or to where it was stopped; gives the entries that close the run."""
        if not self._stopping:
            self._inner = asyncio.create_task(
                run(agent, self._transcript, self._inbox, flight, self.breaker, self._emit)
            )  # fmt: skip
            try:
                ended = await self._inner
                duration = agent.clock.now_ms() - started.at_ms
                return [structs.replace(ended, duration_ms=max(0, duration))]
            except asyncio.CancelledError:
                if not self._stopping:
                    raise
            except Exception as error:  # a bug of ours ends the run, not the session
                _log.exception("run %d", flight.run)
                sentence = f"flowchat itself failed ({type(error).__name__}: {error}); /retry goes on, the log file has more"
                return self._closed(agent, flight, "failed", "internal", sentence)
            finally:
                self._inner = None
        return self._closed(agent, flight, "interrupted", self._stop_reason, None)

    def _closed(self, agent: Agent, flight: StepInFlight, outcome: Outcome, code: str | None, message: str | None) -> list[Entry]:
        partial = flight.partial("failed" if outcome == "failed" else "interrupted", agent.clock.seconds())
        entries: list[Entry] = []
        if partial is not None:
            facts = agent.model.facts
            entries.append(
                AttemptUsed(flight.run, flight.step, flight.attempt, "run", facts.name, window=facts.window, error=outcome)
            )
        queue = self._transcript.facts.queue
        if self._hold and queue:
            entries.append(QueueSet(queue, held=True))
        outputs = {call: "".join(pieces) for call, pieces in flight.outputs.items()}
        branch, now = self._transcript.branch(), agent.clock.now_ms()
        return entries + closing(branch, flight.run, outcome, now, partial, flight.answers, outputs, code, message)

    # --- what follows ------------------------------------------------------------------------------------------------
    def _following(self, outcome: Outcome | None) -> Start | None:
        """The next message: the one an interrupt brought, else, after a completed run, the queue's first unless it is held."""
        after, self._next = self._next, None
        if after is not None:
            return after
        facts = self._transcript.facts
        if outcome != "completed" or facts.held or self._transcript.unsaved is not None:
            return None
        item = next_item(facts.queue)
        return None if item is None else Start([said_of(item)], "queue")

    async def _soft_compaction(self) -> None:
        agent = self._agent()
        limits, facts = agent.limits, self._transcript.facts
        used = measure(self._transcript.branch(), facts, agent.model.facts)
        over = limits.soft_percent < 100 and used.tokens * 100 > used.usable * limits.soft_percent
        if not over or self.breaker.open or self._next is not None or self._transcript.unsaved is not None:
            return
        self._to("compacting")
        try:
            await self._compaction("soft", "")
        except NothingToCompact:
            return
        except CompactionFailed as error:
            self.breaker.failures += 1
            await self._transcript.append(Noticed("warning", "compaction", f"Compaction failed, nothing was changed: {error}"))
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            await self._transcript.append(Noticed("info", "compaction", "Compaction stopped; nothing was changed."))
        finally:
            self._stopping = False

    async def _compaction(self, trigger: CompactTrigger, instructions: str) -> Record:
        agent = self._agent()
        self._inner = asyncio.create_task(compact(agent, self._transcript, self._hear, trigger, instructions))
        try:
            record = await self._inner
        finally:
            self._inner = None
        self.breaker.failures = 0
        self._hear(measure(self._transcript.branch(), self._transcript.facts, agent.model.facts))
        return record

    def _to(self, state: State, phase: Phase | None = None) -> None:
        self._emit(StateDelta(state, phase))

    def _emit(self, delta: AnyDelta) -> None:
        """What the loop says goes on; a phase of a run that is being stopped is no news."""
        if isinstance(delta, StateDelta):
            if self.state.state == "interrupting" and delta.phase not in (None, "preparing"):
                return
            delta = self.state = structs.replace(delta, unsaved=self._transcript.unsaved is not None)
        self._hear(delta)

    def saving_changed(self) -> None:
        """The log failed, or can be written again: watchers hear it."""
        if self.state.unsaved != (self._transcript.unsaved is not None):
            self._emit(structs.replace(self.state, unsaved=not self.state.unsaved))


def _fail(future: "asyncio.Future[Record]", error: Exception) -> None:
    """Hand an error to whoever waits; nobody may be waiting."""
    future.set_exception(error)
    future.exception()


def next_item(queue: Sequence[QueueItem]) -> QueueItem | None:
    """Steers that found no step boundary go first."""
    return next((item for item in queue if item.deliver == "steer"), queue[0] if queue else None)


def said_of(item: QueueItem) -> UserSaid:
    """A queued message as it is said; saying it takes it out of the queue."""
    return UserSaid(item.client_id, item.parts, "queue")
