"""A screen that waits for work of its own: what it still waits for ends when it closes, before its parts are gone."""

import asyncio
from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

Result = TypeVar("Result")


class WorkingScreen(Screen[Result], inherit_bindings=False):
    """Textual 8 removes a screen's children before it cancels its workers: one that gets its answer in between would
    look for a part that is gone, and the program would end."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        closing = asyncio.current_task()
        for worker in list(self.workers):
            if worker.node is self and worker._task is not closing:  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
                worker.cancel()
        return super().dismiss(result)
