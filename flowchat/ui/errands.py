"""What is being done beside the screen: refusals are said, and what should be done once is not begun twice."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.widget import Widget

from flowchat.errors import CommandRefused, FlowchatError, NotRunning
from flowchat.ui.edge import Level


class Errands:
    """Runs work as workers of `owner`; a refusal is told to `say`, the text it came from goes to `give_back`."""

    def __init__(self, owner: Widget, say: Callable[[str, Level], None], give_back: Callable[[str], None]) -> None:
        self._owner, self._say, self._give_back = owner, say, give_back
        self._under_way: set[str] = set()
        self._brief: set[object] = set()
        self._when_done: list[Callable[[], object]] = []

    def run(self, work: Coroutine[Any, Any, None], text: str = "", once: str = "", brief: bool = True) -> None:
        """Do something that waits. `once` names it: while it goes on, the same is not begun again. `brief`: keys wait for it."""
        if once and once in self._under_way:
            work.close()
            self._say(f"{once} is under way", "info")
            if text:
                self._give_back(text)
            return
        if once:
            self._under_way.add(once)
        if brief:
            self._brief.add(work)
        self._owner.run_worker(self._run(work, text, once, brief), exit_on_error=True)

    def when_done(self, call: Callable[[], object]) -> bool:
        """Call back once nothing brief is under way; False where nothing is."""
        if self._brief:
            self._when_done.append(call)
        return bool(self._brief)

    def leave_alone(self) -> None:
        """What is under way now is not brief: no one waits for it any longer."""
        self._brief.clear()
        self._when_done.clear()

    async def _run(self, work: Coroutine[Any, Any, None], text: str, once: str, brief: bool) -> None:
        try:
            await work
        except NotRunning:
            pass
        except FlowchatError as error:
            self._say(str(error), "warning" if isinstance(error, CommandRefused) else "error")
            if text and (brief or isinstance(error, CommandRefused)):  # not what was begun, and failed a while later
                self._give_back(text)
        finally:
            self._under_way.discard(once)
            self._brief.discard(work)
            if not self._brief:
                calls, self._when_done = self._when_done, []
                for call in calls:
                    call()
