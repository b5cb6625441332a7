"""The order of what is typed: a key acts when what those before it asked for has been done."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

from flowchat.ui.errands import Errands

WAIT_SECONDS = 0.25
"""A key waits at most so long for those before it; what they asked for then goes on beside it."""
ROUNDS = 4
"""A message that a key caused and that causes others goes up and down between widgets; it never did so often."""
_ORDERED = (events.Key, events.Paste, events.MouseDown, events.MouseUp)
"""Other input, the moving mouse and its wheel, overtakes nothing, but is not waited for."""


class InTurn:
    """Hands input on, one event after another.

    Each widget works off a queue of its own, and what it has no use for goes on to the queue of the one above: left alone,
    a Ctrl+C that clears the text arrives there when the keys typed after it have been written.
    """

    def __init__(self, app: App[int], errands: Errands, act: Callable[[events.Event], Awaitable[None]]) -> None:
        """`act` does what an event asks for, as far as that is done at once; it is called in the queue of `app`."""
        self._app, self._errands, self._act = app, errands, act
        self._waiting: deque[events.Event] = deque()
        self._is_open = True
        self._turn = 0
        self._limit: asyncio.TimerHandle | None = None

    async def take(self, event: events.Event) -> None:
        """Act on an event now, or when its turn comes."""
        if not self._is_open:
            self._waiting.append(event)
        elif isinstance(event, _ORDERED):
            self._is_open = False
            await self._do(event)
        else:
            await self._act(event)

    async def _do(self, event: events.Event) -> None:
        await self._act(event)
        self._turn += 1
        self._limit = asyncio.get_running_loop().call_later(WAIT_SECONDS, self._give_up, self._turn)
        await self._climb(self._turn, ROUNDS, self._path())

    def _path(self) -> Iterator[MessagePump]:
        """From the focus up to the app; each twice, since the first visit may meet a message that a widget sends itself."""
        return iter([node for node in self._nodes() for _ in range(2)])

    def _nodes(self) -> list[MessagePump]:
        return [*(self._app.focused or self._app.screen).ancestors_with_self]

    async def _climb(self, turn: int, rounds: int, above: Iterator[MessagePump]) -> None:
        """Go to the end of one queue after another; in the last, the app's, see whether there is more to wait for."""
        if turn != self._turn:
            return
        for pump in above:
            if pump.call_later(self._climb, turn, rounds, above):
                return
        if rounds and any(node.message_queue_size for node in self._nodes()):
            await self._climb(turn, rounds - 1, self._path())
        elif not self._errands.when_done(lambda: self._app.call_later(self._climb, turn, ROUNDS, self._path())):
            await self._next()

    def _give_up(self, turn: int) -> None:
        if turn == self._turn:
            self._errands.leave_alone()
            self._turn += 1
            self._app.call_later(self._next)

    async def _next(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        while self._waiting:
            event = self._waiting.popleft()
            if isinstance(event, _ORDERED):
                await self._do(event)
                return
            await self._act(event)
        self._is_open = True
