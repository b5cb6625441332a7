"""Going from one session to another: the new one is there at once, and nothing that is written meanwhile is lost."""

from pathlib import Path
from threading import Event, current_thread, main_thread

import pytest

from flowchat.agent.clock import SystemClock
from flowchat.model.scripted import ScriptedModel, says
from flowchat.ui.composer import Composer
from tests.faulty import Site, SiteDisk
from tests.staging import FACTS, app_on, session_of, until, workspace_at


class HangingDisk(SiteDisk):
    """Takes what it is given until it is told to hang; then whoever waits for it beside the loop waits."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self._goes = Event()
        self.go_on = self._goes.set
        self.hang = self._goes.clear
        self.go_on()

    def _wait(self, site: Site) -> None:
        assert current_thread() is main_thread() or self._goes.wait(30)


@pytest.mark.parametrize("command", ["/new", "/fork"])
async def test_what_is_written_while_the_old_session_closes_stays_in_the_composer(command: str, tmp_path: Path) -> None:
    disk = HangingDisk()
    workspace = workspace_at(tmp_path, ScriptedModel(says("Hello."), facts=FACTS), SystemClock(), disk=disk)
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        old, composer = session_of(app), app.chat.query_one(Composer)
        await old.send("go")
        await old.idle()
        composer.load(command)
        await pilot.press("enter")
        if command == "/new":
            disk.hang()
        await until(app, pilot, lambda: session_of(app) is not old)
        disk.hang()
        await pilot.press(*"words")
        assert composer.text == "words"
        disk.go_on()
        await old.close()
        await pilot.pause()
        assert composer.text == "words"
        await app.close_session()
        await workspace.close()
    kept = workspace.writing.kept_draft() if command == "/new" else (await workspace.open(session_of(app).sid)).composer_text
    assert kept == "words"
