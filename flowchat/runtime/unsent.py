"""Text that was written and not yet sent: on disk before anything moves that it came from."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from flowchat.errors import FlowchatError
from flowchat.transcript.transcript import Transcript


class Shelf(Protocol):
    """What lies beside a session's log: the unsent text, and its derived meta."""

    def composer_text(self) -> str: ...

    def keep_composer(self, text: str) -> None: ...

    def write_meta(self, transcript: Transcript) -> None: ...


class Unsent:
    """The composer's text of one session; `writes` False: nothing reaches the disk."""

    def __init__(self, shelf: Shelf, writes: bool) -> None:
        self.text = shelf.composer_text()
        self._shelf, self._writes = shelf, writes

    def keep(self, text: str) -> None:
        """On disk when this returns; raises StorageFailed."""
        self.text = text
        if self._writes:
            self._shelf.keep_composer(text)

    @contextmanager
    def returned(self, *more: str) -> Generator[None]:
        """Texts go back to what is unsent, durably, before what follows; where that fails all is as before."""
        before = self.text
        if any(more):
            self.keep("\n\n".join(text for text in (before, *more) if text))
        try:
            yield
        except FlowchatError:
            if any(more):
                self.keep(before)
            raise
