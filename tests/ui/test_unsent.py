"""What is written and not sent: a disk that does not take it is told of once, and keeps nobody from writing."""

from pathlib import Path

from flowchat.config import Settings
from flowchat.errors import StorageFailed
from flowchat.runtime.workspace import Workspace
from flowchat.ui.app import FlowchatApp, Start
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from tests.staging import until


class Full(Workspace):
    """Keeps no draft while `is_full`; counts those it was asked to keep."""

    is_full, asked = True, 0

    def keep_draft(self, text: str) -> None:
        self.asked += 1
        if self.is_full:
            raise StorageFailed("the disk is full")


async def test_a_draft_that_cannot_be_kept_is_told_of_once_until_one_is_kept(tmp_path: Path) -> None:
    workspace = Full(tmp_path, Settings(model="demo"), None, {})
    app = FlowchatApp(workspace, Start())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        edge, composer = app.chat.query(Edge).first(), app.chat.query_one(Composer)

        async def type_and_look(text: str) -> str:
            app.chat.say("")
            asked = workspace.asked
            await pilot.press(*text)
            await until(app, pilot, lambda: workspace.asked > asked)
            await pilot.pause()
            return edge.render_line(0).text

        assert "not be saved: the disk is full" in await type_and_look("a")
        assert "could not be saved" not in await type_and_look("b")
        workspace.is_full = False
        assert "could not be saved" not in await type_and_look("c")
        workspace.is_full = True
        assert "could not be saved" in await type_and_look("d")
        assert composer.text == "abcd"
        await app.close_session()
