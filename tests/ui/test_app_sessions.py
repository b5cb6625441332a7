"""What is done with sessions on the screen: the real app on a real folder; and /export, beside a run."""

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from flowchat.model.scripted import ScriptedModel, Step, says, waits
from flowchat.runtime.session import Session
from flowchat.ui.app import FlowchatApp
from flowchat.ui.composer import Composer
from flowchat.ui.confirm_screen import ConfirmScreen
from flowchat.ui.edge import Edge
from flowchat.ui.listing import Listing
from flowchat.ui.sessions_screen import SessionsScreen
from tests.staging import FACTS, app_on, session_of, until, workspace_at


class Stage:
    """The app on a script."""

    def __init__(self, folder: Path, *steps: Step) -> None:
        self.workspace = workspace_at(folder, ScriptedModel(*steps, facts=FACTS))
        self.app: FlowchatApp = app_on(self.workspace)

    async def begin(self, pilot: Pilot[Any]) -> Session:
        await until(self.app, pilot, lambda: self.app.chat.session is not None)
        return session_of(self.app)

    async def enter(self, pilot: Pilot[Any], text: str) -> None:
        self.app.chat.query_one(Composer).load(text)
        await pilot.press("enter")

    async def says(self, pilot: Pilot[Any], words: str) -> None:
        edge = self.app.chat.query_one(Edge)
        await until(self.app, pilot, lambda: words in " ".join(edge.render_line(y).text for y in range(edge.size.height)))

    async def say(self, pilot: Pilot[Any], text: str) -> None:
        await self.enter(pilot, text)
        await until(self.app, pilot, lambda: self.app.chat.session.transcript.head > 0)
        await session_of(self.app).idle()

    async def renew(self, pilot: Pilot[Any]) -> None:
        before = session_of(self.app)
        await self.enter(pilot, "/new")
        await until(self.app, pilot, lambda: not self.app.chat.session.transcript.head)
        await before.close()  # before it is, no other is opened

    async def pick(self, pilot: Pilot[Any], count: int) -> Listing:
        """Open the picker, as soon as it has so many sessions."""
        await self.enter(pilot, "/resume")
        await until(self.app, pilot, lambda: isinstance(self.app.screen, SessionsScreen))
        listing = self.app.screen.query_one(Listing)
        await until(self.app, pilot, lambda: len(listing.rows) == count)
        return listing


async def test_sessions_are_renamed_trashed_and_brought_back_in_the_picker(tmp_path: Path) -> None:
    stage = Stage(tmp_path, says("One."), says("Two."))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.say(pilot, "first question")
        first = session_of(stage.app).sid
        await stage.renew(pilot)
        await stage.say(pilot, "second question")
        listing = await stage.pick(pilot, 2)
        titles = lambda: sorted(row.cells[0] for row in listing.rows)
        await pilot.press(*"first")
        await pilot.press("f2", "ctrl+u", *"Mine", "enter")
        await until(stage.app, pilot, lambda: titles() == ["Mine"])
        await pilot.press("ctrl+u", *"second", "f2", "ctrl+u", *"Here second", "enter")
        await until(stage.app, pilot, lambda: titles() == ["Here second"])
        assert session_of(stage.app).title == "Here second"
        await pilot.press("ctrl+u", *"mine", "delete", "y")
        await until(stage.app, pilot, lambda: len(listing.rows) == 0)
        assert [card.title for card in stage.workspace.cards()] == ["Here second"]
        await pilot.press("alt+z")
        await until(stage.app, pilot, lambda: titles() == ["Mine"])
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: session_of(stage.app).sid == first)
        assert session_of(stage.app).title == "Mine"


async def test_a_session_is_exported_while_a_run_goes_on_and_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    hold = waits("half an ans", says("whole answer"))
    stage = Stage(tmp_path, says("One."), hold)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "/export")
        await stage.says(pilot, "nothing to export")
        await stage.say(pilot, "first question")
        await stage.enter(pilot, "second question")
        await hold.reached.wait()
        file = session.workspace_path / f"flowchat-{session.sid}.md"
        await stage.enter(pilot, "/export")
        await stage.says(pilot, "Written to ")
        text = file.read_text()
        assert ["> first question\n" in text, "> second question\n" in text, "One.\n" in text] == [True] * 3
        file.write_text("mine")
        for key, kept in (("n", True), ("y", False)):
            await stage.enter(pilot, "/export")
            await until(stage.app, pilot, lambda: isinstance(stage.app.screen, ConfirmScreen))
            await pilot.press(key)
            await stage.says(pilot, "stays as it is" if kept else "Written to ")
            assert (file.read_text() == "mine") == kept
        await stage.enter(pilot, '/export "my talk.md"')
        await until(stage.app, pilot, lambda: (session.workspace_path / "my talk.md").exists())
        await stage.enter(pilot, f"/export {tmp_path}/elsewhere/talk.md")
        await stage.says(pilot, "cannot be written")
        hold.gate.set()
        await session.idle()


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
async def test_the_list_keeps_room_for_sessions_on_a_small_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    stage = Stage(tmp_path, says("One."))
    async with stage.app.run_test(size=size) as pilot:
        await stage.begin(pilot)
        await stage.say(pilot, "first question")
        listing = await stage.pick(pilot, 1)
        await pilot.pause()
        assert listing.size.height >= 4
        await pilot.press("delete")
        assert listing.size.height >= 4
