"""Text that was written and not yet sent: on disk soon, and before anything moves that it came from."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from flowchat.agent.clock import Clock, Timer
from flowchat.errors import FlowchatError, StorageFailed
from flowchat.runtime.again import Again
from flowchat.transcript.events import Toast
from flowchat.transcript.transcript import Transcript

KEEP_AGAIN_SECONDS = 2.0
SLOW_SECONDS = 5.0
"""A disk that takes longer over a text is told of."""


class Shelf(Protocol):
    """What lies beside a session's log: the unsent text, and its derived meta."""

    def composer_text(self) -> str: ...

    async def keep_composer(self, text: str) -> None:
        """Durable when it returns; raises StorageFailed."""
        ...

    async def write_meta(self, transcript: Transcript) -> None:
        """As the transcript is now; best effort."""
        ...


class Unsent:
    """The composer's text of one session; `writes` False: nothing reaches the disk.

    Only the newest text is written. What a disk does not take is tried again until it does, and `tell` hears of it once.
    """

    def __init__(self, shelf: Shelf, writes: bool, clock: Clock, tell: Callable[[Toast], None]) -> None:
        self.text = shelf.composer_text()
        self._shelf, self._writes, self._clock, self._tell = shelf, writes, clock, tell
        self._writing = Again(self._write)
        self._failure: StorageFailed | None = None
        self._told = False
        self._timer: Timer | None = None

    def look(self) -> str:
        """The text as it is now: what is on its way to the disk, else what lies there; others may have changed that."""
        if not self._writing.is_busy and self._failure is None:
            self.text = self._shelf.composer_text()
        return self.text

    def keep(self, text: str) -> None:
        """Remember it now and write it in the background; raises nothing."""
        self.text = text
        if self._writes:
            self._writing.ask()

    async def kept(self) -> None:
        """Until the text is on disk; raises StorageFailed where it cannot be."""
        if self._failure is not None:
            self._writing.ask()
        await self._writing.rest()
        if self._failure is not None:
            raise self._failure

    @asynccontextmanager
    async def returned(self, *more: str) -> AsyncGenerator[None]:
        """Texts go back to what is unsent, durably, before what follows; where that fails all is as before."""
        if not any(more):
            yield
            return
        before = self.text
        self.keep("\n\n".join(text for text in (before, *more) if text))
        try:
            await self.kept()
            yield
        except FlowchatError:
            self.keep(before)
            raise

    def stop(self) -> None:
        """Write nothing any more."""
        self._writes = False
        self._writing.abandon()
        if self._timer is not None:
            self._timer.cancel()

    async def _write(self) -> None:
        slow = self._clock.call_later(SLOW_SECONDS, lambda: self._say("the disk does not respond"))
        try:
            await self._shelf.keep_composer(self.text)
        except StorageFailed as error:
            self._failure = error
            self._say(str(error))
            if self._timer is None:
                self._timer = self._clock.call_later(KEEP_AGAIN_SECONDS, self._again)
        else:
            self._failure, self._told = None, False
        finally:
            slow.cancel()

    def _again(self) -> None:
        self._timer = None
        self._writing.ask()

    def _say(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._tell(Toast("warning", f"Your unsent text is not on disk yet; trying again: {reason}"))
