"""What is written and not sent: a disk that does not take it is told of once, and keeps nobody from writing."""

import errno
from pathlib import Path

from flowchat.model.scripted import ScriptedModel
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from tests.faulty import Site, SiteDisk
from tests.staging import app_on, until, workspace_at


class Disk:
    """Takes nothing while `is_full`; counts what it is asked to write."""

    def __init__(self) -> None:
        self.is_full, self.asked = True, 0

    def arrive(self, site: Site) -> None:
        self.asked += 1
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_draft_that_cannot_be_kept_is_told_of_once_until_one_is_kept(tmp_path: Path) -> None:
    disk = Disk()
    workspace = workspace_at(tmp_path, ScriptedModel(), disk=SiteDisk(disk.arrive))
    app = app_on(workspace)
    async with app.run_test(size=(120, 24)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        edge, composer = app.chat.query(Edge).first(), app.chat.query_one(Composer)

        async def type_and_look(text: str, kept: bool = False) -> str:
            app.chat.say("")
            asked = disk.asked
            await pilot.press(*text)
            await until(app, pilot, lambda: disk.asked > asked)
            if kept:
                await workspace.writing.draft_kept()
            await pilot.pause()
            return edge.render_line(0).text

        assert "not on disk yet" in await type_and_look("a")
        assert "not on disk yet" not in await type_and_look("b")
        disk.is_full = False
        assert "not on disk yet" not in await type_and_look("c", kept=True)
        disk.is_full = True
        assert "not on disk yet" in await type_and_look("d")
        assert composer.text == "abcd"
        disk.is_full = False
        await app.close_session()
    await workspace.close()
