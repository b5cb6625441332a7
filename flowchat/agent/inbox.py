"""What the user says or decides while a run goes on: the queue as a pure value, decisions that are waited for, and pauses."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from flowchat.agent.clock import Clock
from flowchat.errors import NotFound, QueueFull
from flowchat.transcript.entries import CallId, QueueItem
from flowchat.transcript.events import ApprovalAsked

QUEUE_LIMIT = 20
Queue: TypeAlias = tuple[QueueItem, ...]


# --- the queue -------------------------------------------------------------------------------------------------------
def joined(queue: Queue, item: QueueItem) -> Queue:
    """The queue with one more at its end; raises QueueFull."""
    if len(queue) >= QUEUE_LIMIT:
        raise QueueFull(f"the queue holds {QUEUE_LIMIT} messages already; delete one or wait for the next to be sent")
    return (*queue, item)


def placed(queue: Queue, item: QueueItem, place: int) -> Queue:
    """The queue with an item after `place` others, wherever it was before; raises QueueFull."""
    others, place = joined(without(queue, item.client_id), item)[:-1], max(0, place)
    return (*others[:place], item, *others[place:])


def without(queue: Queue, client_id: str) -> Queue:
    """The queue less one item; unchanged if it is not in it."""
    return tuple(item for item in queue if item.client_id != client_id)


def item_of(queue: Queue, client_id: str) -> QueueItem:
    """Raises NotFound."""
    for item in queue:
        if item.client_id == client_id:
            return item
    raise NotFound(f"no queued message {client_id!r}; it may have been sent or deleted meanwhile")


def steers(queue: Queue) -> Sequence[QueueItem]:
    """What is to be said at the next step boundary, in order."""
    return [item for item in queue if item.deliver == "steer"]


# --- decisions -------------------------------------------------------------------------------------------------------
Choice = Literal["once", "session", "local", "user", "deny"]
"""`local` and `user` are always, by a rule that is kept for this project or for all."""


class Decision(Struct, frozen=True):
    """What the user answered to an approval_asked."""

    choice: Choice
    reason: str = ""


class Inbox:
    """Approvals that wait for the user, and the pause before a retry; at most one of each is open at a time."""

    def __init__(self) -> None:
        self.asked: ApprovalAsked | None = None
        self._answer: asyncio.Future[Decision] | None = None
        self._turn = asyncio.Lock()
        self._pause: asyncio.Event | None = None

    async def decision(self, asked: ApprovalAsked, announce: Callable[[ApprovalAsked], None]) -> Decision:
        """Wait for the user's word on one call; others wait their turn."""
        async with self._turn:
            self._answer = asyncio.get_running_loop().create_future()
            self.asked = asked
            try:
                announce(asked)
                return await self._answer
            finally:
                self.asked = self._answer = None

    def decide(self, call: CallId, decision: Decision) -> bool:
        """Answer the open question if it is about this call; False where it is not."""
        if self.asked is None or self.asked.call != call or self._answer is None or self._answer.done():
            return False
        self._answer.set_result(decision)
        return True

    async def pause(self, seconds: float, clock: Clock) -> None:
        """Wait so long, or until the user would rather not."""
        self._pause = asyncio.Event()
        timer = clock.call_later(seconds, self._pause.set)
        try:
            await self._pause.wait()
        finally:
            timer.cancel()
            self._pause = None

    def end_pause(self) -> bool:
        """Go on at once; False where nothing pauses."""
        if self._pause is None:
            return False
        self._pause.set()
        return True
