"""What joins the conversation from beside a run: at once while nothing runs, else before the next step."""

from collections.abc import Callable, Sequence

from msgspec import structs

from flowchat.agent.agent import Agent
from flowchat.transcript.entries import ContextAdded, Entry, Noticed, Record
from flowchat.transcript.transcript import Transcript


class Boundary:
    """Holds entries until a step boundary, in the order they came. `busy`: whether something runs."""

    def __init__(self, transcript: Transcript, busy: Callable[[], bool]) -> None:
        self._transcript, self._busy = transcript, busy
        self._waiting: list[tuple[ContextAdded | Noticed, Callable[[], Sequence[Entry]]]] = []

    def holds(self, source: str) -> bool:
        """Whether something of this source has no place in the conversation yet."""
        return any(entry.source == source for entry, _ in self._waiting)

    def add(self, entry: ContextAdded | Noticed, opening: Callable[[], Sequence[Entry]] = tuple) -> None:
        """Give it its place as soon as that can be; `opening`: what opens a log that nothing was said in."""
        self._waiting.append((entry, opening))
        self.settle()

    def joining(self, agent: Agent) -> Agent:
        """An agent whose news are also what waits here."""

        async def news(branch: Sequence[Record], first: bool) -> Sequence[ContextAdded | Noticed]:
            return [*await agent.news(branch, first), *(entry for entry, _ in self._waiting)]

        return structs.replace(agent, news=news)

    def published(self, entry: object) -> None:
        """An entry is in the log."""
        self._waiting = [waiting for waiting in self._waiting if waiting[0] is not entry]

    def settle(self) -> None:
        """While nothing runs, what waits for the next step has its place now."""
        if self._waiting and not self._busy():
            waiting, self._waiting = self._waiting, []
            opening = () if self._transcript.head else waiting[0][1]()
            self._transcript.place(*opening, *(entry for entry, _ in waiting))
