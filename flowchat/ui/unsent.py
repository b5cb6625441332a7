"""When the unsent text goes to disk: soon after it changed, and when asked."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from textual.timer import Timer
from textual.widget import Widget

KEEP_SECONDS = 0.3
"""How much younger the text may be than what is on disk."""


class Unsent:
    """Calls `keep` at most once in KEEP_SECONDS; the timer is `owner`'s. Of a disk that does not take it the session tells."""

    def __init__(self, owner: Widget, keep: Callable[[], None]) -> None:
        self._owner, self._keep = owner, keep
        self._timer: Timer | None = None
        self._others = 0

    def changed(self) -> None:
        if self._timer is None:
            self._timer = self._owner.set_timer(KEEP_SECONDS, self.keep_now)

    def keep_now(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not self._others:
            self._keep()

    @contextmanager
    def left_to_session(self) -> Generator[None]:
        """Within, the session itself adds to the text on disk: what is written is kept before, and again afterwards."""
        self.keep_now()
        self._others += 1
        try:
            yield
        finally:
            self._others -= 1
            self.changed()
