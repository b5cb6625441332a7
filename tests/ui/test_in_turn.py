"""How long a key waits for those before it."""

import asyncio
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot

from flowchat.config import Settings
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.ui.app import FlowchatApp, Start
from flowchat.ui.composer import Composer
from tests.staging import until


class Slow(Workspace):
    """Opens its first session at once and the next when `go` is set."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.go, self.asked = asyncio.Event(), asyncio.Event()

    async def new(self, *args: Any, **kwargs: Any) -> Session:
        if self.asked.is_set():
            await self.go.wait()
        self.asked.set()
        return await super().new(*args, **kwargs)


def burst(app: FlowchatApp, *keys: str) -> None:
    """Keys as the terminal's reader hands them on: none waits for another."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def begun(pilot: Pilot[Any], app: FlowchatApp) -> Composer:
    await until(app, pilot, lambda: app.chat.session is not None)
    return app.chat.query_one(Composer)


async def test_a_key_waits_for_a_command_that_lasts_only_so_long_and_once(tmp_path: Path) -> None:
    workspace = Slow(tmp_path, Settings(model="demo"), None, {})
    app = FlowchatApp(workspace, Start())
    async with app.run_test(size=(80, 24)) as pilot:
        composer = await begun(pilot, app)
        first = app.chat.session
        burst(app, *"/new", "enter", *"abc")
        await until(app, pilot, lambda: composer.text == "abc")
        assert app.chat.session is first
        workspace.go.set()
        await until(app, pilot, lambda: app.chat.session is not first)
        await app.close_session()


async def test_a_key_behind_a_command_is_the_new_sessions(tmp_path: Path) -> None:
    app = FlowchatApp(Workspace(tmp_path, Settings(model="demo"), None, {}), Start())
    async with app.run_test(size=(80, 24)) as pilot:
        composer = await begun(pilot, app)
        first = app.chat.session
        burst(app, *"/new", "enter", *"abc", "ctrl+c", *"def")
        await until(app, pilot, lambda: composer.text == "def")
        assert app.chat.session is not first
        await app.close_session()
