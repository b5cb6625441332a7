"""What of a session is kept beside its entries: the draft, the unsent text, the card; and entries the disk did not take."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from flowchat.agent.agent import Emit
from flowchat.agent.clock import Clock
from flowchat.errors import StorageFailed
from flowchat.runtime.again import Again
from flowchat.runtime.drafting import Drafting
from flowchat.runtime.saving import Saving
from flowchat.runtime.unsent import Shelf, Unsent
from flowchat.transcript.transcript import Transcript

_log = logging.getLogger(__name__)


class Keeping:
    """`writes` False: nothing reaches the disk. `changed` is called when the log fails or works again."""

    def __init__(
        self, transcript: Transcript, shelf: Shelf, clock: Clock, tell: Emit, changed: Callable[[], None], writes: bool
    ) -> None:
        self.drafting = Drafting(transcript, clock)
        self.unsent = Unsent(shelf, writes, clock, tell)
        self.saving = Saving(transcript, clock, changed)
        self._transcript, self._writes = transcript, writes
        self._card = Again(lambda: shelf.write_meta(transcript))
        self._away: asyncio.Task[None] | None = None

    def card_changed(self) -> None:
        """Rewrite the session's card in the background."""
        if self._writes and self._transcript.head:
            self._card.ask()

    async def put_away(self, seconds: float) -> None:
        """Write all there is, the log last, and let it go; for leaving. What takes longer goes on in the background."""
        self._away = asyncio.create_task(self._put_away())
        await asyncio.wait({self._away}, timeout=seconds)
        if self._away.done():
            await self._away
        else:
            _log.warning("the disk does not respond: a session was closed before all of it was written")

    async def _put_away(self) -> None:
        try:
            self.drafting.flush()
            await self.saving.stop()
            with suppress(StorageFailed):
                await self.unsent.kept()
            self.unsent.stop()
            self.card_changed()
            await self._card.rest()
        finally:
            await self._transcript.close()
