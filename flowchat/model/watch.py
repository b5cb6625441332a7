"""A clock beside one stream: it ends a wait that lasts too long, and nothing else."""

import asyncio
from types import TracebackType


class Expired(Exception):
    """The wait was ended by its watch."""


class Watch:
    """Cancels the task that waits inside `with watch:` once nothing has come for `silence` seconds, or at `total` seconds.

    One timer for a whole stream: a wait costs two assignments, where asyncio.timeout costs a timer each. `expired` says that
    the CancelledError that follows is ours: it leaves the block as Expired, unless someone else cancelled too.
    """

    def __init__(self, silence_seconds: float, total_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence = silence_seconds
        self._ends = self._loop.time() + total_seconds
        self._since = 0.0
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._timer: asyncio.TimerHandle | None = None
        self.expired = False

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        self._since = self._loop.time()
        if self._timer is None and task is not None:
            self._cancelling = task.cancelling()
            self._timer = self._loop.call_at(min(self._since + self._silence, self._ends), self._look)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        task, self._task = self._task, None
        if kind is asyncio.CancelledError and self.expired and task is not None and task.uncancel() <= self._cancelling:
            raise Expired from error

    def hurry(self, seconds: float) -> None:
        """From now on nothing may last longer than `seconds`, all together."""
        self._ends = min(self._ends, self._loop.time() + seconds)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._ends, self._look)

    def close(self) -> None:
        """The stream is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        due = min(self._since + self._silence, self._ends)
        if self._task is None:
            self._timer = self._loop.call_at(now + self._silence, self._look)
        elif now < due:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self.expired = True
            self._task.cancel()
