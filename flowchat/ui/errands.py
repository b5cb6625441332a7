"""What is being done beside the screen: refusals are said, and what should be done once is not begun twice."""

from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

from textual.timer import Timer
from textual.widget import Widget

from flowchat.errors import CommandRefused, FlowchatError, NotRunning
from flowchat.ui.edge import Level

SLOW_SECONDS = 0.3
"""What takes longer than this is told while it goes on."""


class Errands:
    """Runs work as workers of `owner`; a refusal is told to `say`, the text it came from goes to `give_back`.

    `tell` hears what has been going on for SLOW_SECONDS, the oldest of it, and "" when there is nothing any more.
    """

    def __init__(
        self,
        owner: Widget,
        say: Callable[[str, Level], None],
        give_back: Callable[[str], None],
        tell: Callable[[str], None] = lambda doing: None,
    ) -> None:
        self._owner, self._say, self._give_back, self._tell = owner, say, give_back, tell
        self._slow: dict[object, str] = {}
        self._asked = 0
        self._under_way: set[str] = set()
        self._brief: set[object] = set()
        self._when_done: list[Callable[[], object]] = []

    def run(self, work: Coroutine[Any, Any, None], text: str = "", once: str = "", brief: bool = True, doing: str = "") -> None:
        """Do something that waits. `once` names it: while it goes on, the same is not begun again. `brief`: keys wait for it.

        `doing`: the words to tell if it is slow.
        """
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
        slow = self._owner.set_timer(SLOW_SECONDS, lambda: self._tell_slow(work, doing)) if doing else None
        self._owner.run_worker(self._run(work, text, once, brief, slow), exit_on_error=True)

    def when_done(self, call: Callable[[], object]) -> bool:
        """Call back once nothing brief is under way; False where nothing is."""
        if self._brief:
            self._when_done.append(call)
        return bool(self._brief)

    @contextmanager
    def asking(self) -> Generator[None]:
        """The person is asked something: what waits for that is not slow, and nothing is told."""
        self._asked += 1
        self._tell_slowest()
        try:
            yield
        finally:
            self._asked -= 1
            self._tell_slowest()

    def leave_alone(self) -> None:
        """What is under way now is not brief: no one waits for it any longer."""
        self._brief.clear()
        self._when_done.clear()

    async def _run(self, work: Coroutine[Any, Any, None], text: str, once: str, brief: bool, slow: Timer | None) -> None:
        try:
            await work
        except NotRunning:
            pass
        except FlowchatError as error:
            self._say(str(error), "warning" if isinstance(error, CommandRefused) else "error")
            if text and (brief or isinstance(error, CommandRefused)):  # not what was begun, and failed a while later
                self._give_back(text)
        finally:
            if slow is not None:
                slow.stop()
            if self._slow.pop(work, ""):
                self._tell_slowest()
            self._under_way.discard(once)
            self._brief.discard(work)
            if not self._brief:
                calls, self._when_done = self._when_done, []
                for call in calls:
                    call()

    def _tell_slow(self, work: object, doing: str) -> None:
        self._slow[work] = doing
        self._tell_slowest()

    def _tell_slowest(self) -> None:
        self._tell("" if self._asked else next(iter(self._slow.values()), ""))
