"""The compaction that began by itself, after a run or inside one: who asks for one meanwhile waits for what comes of it."""

import asyncio

from flowchat.agent.proposal import CompactionFailed
from flowchat.transcript.events import AnyDelta, CompactionDelta, StateDelta


class Automatic:
    """Hears what a session says in passing, and knows from that whether one goes on."""

    def __init__(self) -> None:
        self._end: asyncio.Future[None] | None = None

    @property
    def goes_on(self) -> bool:
        return self._end is not None and not self._end.done()

    async def ended(self) -> None:
        """Until its checkpoint is written. Raises CompactionFailed where it came to nothing, as `fail` was told why."""
        if self._end is not None:
            await asyncio.shield(self._end)

    def begin(self) -> None:
        """One begins, of which something is heard soon."""
        if not self.goes_on:
            self._end = asyncio.get_running_loop().create_future()

    def fail(self, why: CompactionFailed) -> None:
        """It came to nothing; who waits for it hears why."""
        if self._end is not None and not self._end.done():
            self._end.set_exception(why)
            self._end.exception()  # nobody may be waiting

    def hear(self, delta: AnyDelta) -> None:
        if isinstance(delta, CompactionDelta):
            self._hear(delta)
        elif isinstance(delta, StateDelta) and delta.phase == "compacting":
            self.begin()
        elif isinstance(delta, StateDelta) and delta.state != "compacting":
            self.fail(CompactionFailed("the compaction came to nothing; nothing was changed"))  # where nothing else was said

    def _hear(self, delta: CompactionDelta) -> None:
        if delta.trigger == "user":
            return
        if delta.phase == "started":
            self.begin()
        elif delta.phase == "done" and self._end is not None and not self._end.done():
            self._end.set_result(None)
        elif delta.phase in ("failed", "cancelled"):
            self.fail(CompactionFailed(delta.reason or "the compaction was stopped; nothing was changed"))
