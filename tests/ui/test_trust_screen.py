"""The page of /trust: what it shows to the letter, and that only a key struck on it decides."""

import time
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from flowchat.runtime.trust import Look, Waiting
from flowchat.ui.composer import Composer
from flowchat.ui.palette import DARK
from flowchat.ui.trust_screen import TrustScreen
from tests.desk import project_folder
from tests.staging import until
from tests.ui.test_app_model import Stage
from tests.ui.test_pickers import Pushed, shown

FOLDER = Path("/w/project")
BASE = Waiting(".flowchat/config.toml", 'models.m.api_base = "http://127.0.0.1:9/v1"', "digest")


async def struck(app: Any, pilot: Pilot[Any], key: str, after: float) -> None:
    """A key, struck so many seconds from now."""
    event = events.Key(key, key)
    event.time = time.monotonic() + after
    app.screen.post_message(event)
    await pilot.pause()


class Low(Pushed):
    """Where what does not fit scrolls."""

    CSS = "Screen { layout: vertical; } .fills { height: 1fr; }"


async def test_it_shows_to_the_letter_what_waits_and_that_it_decides_where_keys_go() -> None:
    look = Look(FOLDER, waiting=(BASE, Waiting(".flowchat/permissions.toml", "allow shell(\x1b[2Jmake)")))
    app = Pushed(TrustScreen(DARK, look))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = shown(app, ".fills")
        assert "/w/project is not trusted." in text
        assert (
            '.flowchat/config.toml models.m.api_base = "http://127.0.0.1:9/v1" decides where keys and messages go'
            " .flowchat/permissions.toml allow shell(␛make)"
        ) in text


async def test_it_names_the_skills_that_are_not_used() -> None:
    app = Pushed(TrustScreen(DARK, Look(FOLDER), skills=("deploy", "re\x1b[2Jview")))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "is not trusted. skills deploy, re␛view None of this does anything until you trust" in shown(app, ".fills")


@pytest.mark.parametrize(
    ("look", "key", "given"),
    [
        (Look(FOLDER), "t", ["trust"]),
        (Look(FOLDER), "r", []),
        (Look(FOLDER), "enter", []),
        (Look(FOLDER), "y", []),
        (Look(FOLDER), "escape", [None]),
        (Look(FOLDER, trusted_by="/w/project"), "t", []),
        (Look(FOLDER, trusted_by="/w/project"), "r", ["forget"]),
        (Look(FOLDER, trusted_by="/w"), "r", []),
        (Look(FOLDER, trusted_by="/w/project", waiting=(BASE,)), "t", ["trust"]),
    ],
)
async def test_a_key_decides_what_can_be_decided(look: Look, key: str, given: list[str | None]) -> None:
    app = Pushed(TrustScreen(DARK, look))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await struck(app, pilot, key, after=1.0)
        assert app.given == given


async def test_what_has_not_been_seen_is_not_approved() -> None:
    look = Look(FOLDER, waiting=tuple(Waiting(".flowchat/permissions.toml", f"allow shell(make {n})") for n in range(30)))
    app = Low(TrustScreen(DARK, look))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "t shows more, then trusts the folder" in shown(app, "#foot")
        await struck(app, pilot, "t", after=1.0)
        assert (app.given, "allow shell(make 29)" in shown(app, ".fills")) == ([], True)
        assert "t trusts the folder" in shown(app, "#foot")
        await struck(app, pilot, "t", after=2.0)
        assert app.given == ["trust"]


async def test_a_key_that_was_on_its_way_when_the_page_came_decides_nothing() -> None:
    app = Pushed(TrustScreen(DARK, Look(FOLDER)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await struck(app, pilot, "t", after=-1.0)
        assert app.given == []


async def test_the_empty_conversation_tells_what_waits_and_a_key_trusts_it(tmp_path: Path) -> None:
    (project_folder(tmp_path) / ".flowchat").mkdir()
    (project_folder(tmp_path) / ".flowchat" / "config.toml").write_text("[limits]\nsteps = 5\n")
    stage = Stage(tmp_path, {})
    async with stage.app.run_test(size=(100, 24)) as pilot:
        await stage.begin(pilot)
        await stage.shows(pilot, "1 setting or rule of this folder waits until you trust it. F4 looks at it")
        await pilot.press("f4")
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, TrustScreen))
        await stage.shows(pilot, "limits.steps = 5")
        await struck(stage.app, pilot, "t", after=1.0)
        await until(stage.app, pilot, lambda: "This folder is trusted" in stage.edge)
        assert (stage.workspace.trust.trusted(stage.workspace.path), stage.workspace.settings.limits.steps) == (True, 5)
        await until(stage.app, pilot, lambda: "waits until you trust" not in stage.rows)
        await stage.app.close_session()


async def test_chatting_works_at_once_where_nothing_is_trusted(tmp_path: Path) -> None:
    (project_folder(tmp_path) / ".flowchat").mkdir()
    (project_folder(tmp_path) / ".flowchat" / "config.toml").write_text("[limits]\nsteps = 5\n")
    stage = Stage(tmp_path, {})
    async with stage.app.run_test(size=(100, 24)) as pilot:
        await stage.begin(pilot)
        await pilot.press(*"hello")
        assert stage.app.chat.query_one(Composer).text == "hello"
        await stage.app.close_session()
