"""While the log cannot be written it is tried again every two seconds, and watchers are told when that changes."""

import asyncio
from collections.abc import Callable

from flowchat.agent.clock import Clock, Timer
from flowchat.transcript.transcript import Transcript

SAVE_AGAIN_SECONDS = 2.0


class Saving:
    """Owns the timer of the next try. `changed` is called when a look finds the log failed, or working again."""

    def __init__(self, transcript: Transcript, clock: Clock, changed: Callable[[], None]) -> None:
        self._transcript, self._clock, self._changed = transcript, clock, changed
        self._timer: Timer | None = None
        self._trying: asyncio.Task[None] | None = None

    def look(self) -> None:
        """See how the log is."""
        self._changed()
        if self._transcript.unsaved and self._timer is None and self._trying is None:
            self._timer = self._clock.call_later(SAVE_AGAIN_SECONDS, self._try)

    async def stop(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._trying is not None:
            await self._trying

    def _try(self) -> None:
        self._timer = None
        self._trying = asyncio.create_task(self._save())

    async def _save(self) -> None:
        await self._transcript.save_again()
        self._trying = None
        self.look()
