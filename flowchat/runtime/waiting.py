"""The messages that wait for the run to end: kept in the log as one whole list, edited, held, and said in their turn."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from flowchat.agent.inbox import Queue, item_of, placed, without
from flowchat.errors import AlreadyExists, NotFound
from flowchat.runtime.activity import Activity, said_from, unsteered
from flowchat.runtime.unsent import Unsent
from flowchat.transcript.entries import Entry, QueueItem, QueueSet, Trigger
from flowchat.transcript.transcript import Transcript


class _Begin(Protocol):
    def __call__(self, before: Callable[[], Sequence[Entry]], trigger: Trigger) -> Awaitable[None]: ...


class Waiting:
    """The queue's commands; what is in it now is in the transcript's facts. Each raises ReadOnly where nothing can be written.

    `start` begins a run, `instead` does so in the place of the one that goes on.
    """

    def __init__(
        self,
        transcript: Transcript,
        activity: Activity,
        unsent: Unsent,
        may_write: Callable[[], None],
        start: _Begin,
        instead: _Begin,
    ) -> None:
        self._transcript, self._activity, self._unsent = transcript, activity, unsent
        self._may_write, self._start, self._instead = may_write, start, instead

    @property
    def _queue(self) -> Queue:
        return self._transcript.facts.queue

    @property
    def _held(self) -> bool:
        return self._transcript.facts.held

    async def set(self, items: Queue, held: bool) -> None:
        """Edit, reorder and hold in one: the queue as it shall be."""
        self._may_write()
        await self._transcript.append_or_withdraw(QueueSet(tuple(items), held))

    async def take(self, client_id: str) -> QueueItem | None:
        """Take a message out of the queue, the unsent text on disk first; gives it, or None where it is not in it (any more)."""
        await self._unsent.kept()
        item = next((item for item in self._queue if item.client_id == client_id), None)
        if item is not None:
            await self.set(without(self._queue, client_id), self._held)
        return item

    async def put(self, item: QueueItem, place: int) -> None:
        """Put a message (back) into the queue, after `place` others. Raises QueueFull, AlreadyExists."""
        if item.client_id in self._transcript.facts.said:
            raise AlreadyExists(f"message {item.client_id!r} has been sent already")
        await self.set(placed(self._queue, item, place), self._held)

    async def promote(self, client_id: str) -> None:
        """Say a queued message now; what runs is interrupted first. Raises NotFound."""
        self._may_write()
        item = item_of(self._queue, client_id)
        if self._activity.next is not None:
            await self.set((item, *without(self._queue, client_id)), held=False)
        elif self._activity.state.state == "idle":
            await self._start(lambda: said_from(self._transcript.facts, client_id), "promote")
        else:
            await self._instead(lambda: said_from(self._transcript.facts, client_id), "promote")

    async def release(self) -> None:
        """Enter on the empty composer: while idle the queue goes on; while busy its head becomes a steer. Raises NotFound."""
        self._may_write()
        item = next(iter(unsteered(self._queue)), None)
        if item is None:
            raise NotFound("the queue is empty")
        if self._activity.state.state == "idle":
            await self._start(lambda: said_from(self._transcript.facts, item.client_id), "queue")
        else:
            steer = QueueItem(item.client_id, item.parts, "steer")
            await self.set((steer, *without(self._queue, item.client_id)), self._held)
