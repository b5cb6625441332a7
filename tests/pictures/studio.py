"""A clock for pictures: time passes by hand, and only while nothing real is at work, which is slow to its timers."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.desk import HandClock, settle

DISK = "flowchat-disk"
"""What threads are called that wait for the disk."""
LOOKS, LOOK_SECONDS = 1_500, 0.002
"""What is held on purpose is not waited for any longer, all in all."""


class StudioClock(HandClock):
    """Made in the loop whose threads it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.works: Callable[[], bool] = lambda: False
        """Whether something else is at work: a program that was started."""
        self._looks = LOOKS
        self._threads = _Threads()
        asyncio.get_running_loop().set_default_executor(self._threads)

    async def rest(self) -> None:
        """Until what was begun in threads is done, and whoever waited for it has gone on."""
        await settle()
        while self._looks and (self._threads.busy or self.works() or any(one.name == DISK for one in threading.enumerate())):
            self._looks -= 1
            await asyncio.sleep(LOOK_SECONDS)
            await settle()


class _Threads(ThreadPoolExecutor):
    """Those of a loop; `busy`: how many are at work."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.busy += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[Any]) -> None:
        self.busy -= 1
