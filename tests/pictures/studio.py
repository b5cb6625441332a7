"""A clock for pictures: time passes by hand, and only while no thread is at work, for to its timers a real disk is slow."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.desk import HandClock, settle

DISK = "flowchat-disk"
"""What threads are called that wait for the disk."""
LOOKS, LOOK_SECONDS = 1_000, 0.002
"""A thread that is held on purpose is not waited for any longer."""


class StudioClock(HandClock):
    """Made in the loop whose threads it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = _Threads()
        asyncio.get_running_loop().set_default_executor(self._threads)

    async def rest(self) -> None:
        """Until what was begun in threads is done, and whoever waited for it has gone on."""
        for _ in range(LOOKS):
            await settle()
            if not self._threads.busy and not any(thread.name == DISK for thread in threading.enumerate()):
                return
            await asyncio.sleep(LOOK_SECONDS)


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
