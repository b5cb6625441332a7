"""A screen that waits for work of its own: what it still waits for ends when it closes, before its parts are gone."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

Result = TypeVar("Result")


class WorkingScreen(Screen[Result], inherit_bindings=False):
    """Textual 8 removes the children of a screen before it cancels its workers: one that gets its answer in between would look for
    a part that is gone, and the program would end."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        self.workers.cancel_node(self)  # pyright: ignore[reportUnknownMemberType]
        return super().dismiss(result)
