"""When the unsent text goes to disk: soon after it changed, and when asked."""

from collections.abc import Callable

from textual.timer import Timer
from textual.widget import Widget

KEEP_SECONDS = 0.3
"""How much younger the text may be than what is on disk."""


class Unsent:
    """Calls `keep` at most once in KEEP_SECONDS; the timer is `owner`'s."""

    def __init__(self, owner: Widget, keep: Callable[[], None]) -> None:
        self._owner, self._keep = owner, keep
        self._timer: Timer | None = None

    def changed(self) -> None:
        if self._timer is None:
            self._timer = self._owner.set_timer(KEEP_SECONDS, self.keep_now)

    def keep_now(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._keep()
