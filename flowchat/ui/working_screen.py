"""A screen that waits for work of its own: what it still waits for ends when it closes, before its parts are gone."""

from typing import Any, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen
from textual.worker import Worker, active_worker

Result = TypeVar("Result")


class WorkingScreen(Screen[Result], inherit_bindings=False):
    """Textual 8 removes a screen's children before it cancels its workers: one that gets its answer in between would look for a part
    that is gone, and the program would end."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        closing: Worker[Any] | None = active_worker.get(None)
        for worker in list(self.workers):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            if worker.node is self and worker is not closing:
                worker.cancel()
        return super().dismiss(result)
