"""Background work that is requested more often than it needs to run."""

import asyncio
from collections.abc import Awaitable, Callable


class Again:
    """Does `work` when asked, once more where it is asked for meanwhile, never twice at a time."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        self._asked = True
        if self._task is None:
            self._task = asyncio.create_task(self._go())

    @property
    def is_busy(self) -> bool:
        return self._task is not None

    async def rest(self) -> None:
        """Until all that was asked for is done."""
        while self._task is not None:
            await asyncio.shield(self._task)

    def abandon(self) -> None:
        """Wait for nothing any more."""
        if self._task is not None:
            self._task.cancel()

    async def _go(self) -> None:
        try:
            while self._asked:
                self._asked = False
                await self._work()
        finally:
            self._task = None
