"""What is slow is told in one quiet line as long as it goes on; what is quick never is."""

import asyncio

from textual.app import App, ComposeResult

from flowchat.ui.edge import Edge
from flowchat.ui.errands import Errands
from flowchat.ui.palette import Palette
from tests.staging import until


class Desk(App[None]):
    """An edge, and work beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = Edge(Palette())
        self.told: list[str] = []
        self.errands = Errands(self.edge, self.edge.say, self.told.append, self._tell)

    def compose(self) -> ComposeResult:
        yield self.edge

    def _tell(self, doing: str) -> None:
        self.told.append(doing)
        self.edge.tell(doing)

    @property
    def row(self) -> str:
        return self.edge.render_line(0).text


async def test_what_is_slow_is_told_the_oldest_first_until_it_is_done() -> None:
    desk = Desk()
    async with desk.run_test(size=(60, 5)) as pilot:
        first, second = asyncio.Event(), asyncio.Event()
        desk.edge.entitle("A title")
        desk.errands.run(_wait(first), doing="Opening a session")
        desk.errands.run(_wait(second), doing="Looking for files")
        await until(desk, pilot, lambda: len(desk.told) == 2)
        assert desk.row == f"── ◐ Opening a session {'─' * 26} A title ──"
        first.set()
        await until(desk, pilot, lambda: "◐ Looking for files" in desk.row)
        desk.edge.say("There is something to say")
        assert "There is something to say" in desk.row
        assert "Looking" not in desk.row
        second.set()
        await until(desk, pilot, lambda: desk.told[-1] == "")
        assert desk.told == ["Opening a session", "Opening a session", "Looking for files", ""]


async def test_what_waits_for_the_person_is_not_slow() -> None:
    desk = Desk()
    async with desk.run_test(size=(60, 5)) as pilot:
        answered, done = asyncio.Event(), asyncio.Event()

        async def export() -> None:
            with desk.errands.asking():
                await answered.wait()
            await done.wait()

        desk.errands.run(_wait(done), doing="Looking for files")
        await until(desk, pilot, lambda: "◐ Looking for files" in desk.row)
        desk.errands.run(export(), doing="/export")
        await until(desk, pilot, lambda: "◐" not in desk.row)
        answered.set()
        await until(desk, pilot, lambda: "◐ Looking for files" in desk.row)
        done.set()
        await until(desk, pilot, lambda: not desk.workers)
        assert "/export" not in desk.told


async def test_what_is_quick_is_never_told() -> None:
    desk = Desk()
    async with desk.run_test(size=(60, 5)) as pilot:
        for _ in range(20):
            desk.errands.run(asyncio.sleep(0), doing="Copying")
        await until(desk, pilot, lambda: not desk.workers)
        await pilot.pause()
        assert desk.told == []


async def _wait(gate: asyncio.Event) -> None:
    await gate.wait()
