"""What was written in all sessions is found again."""

import asyncio
from pathlib import Path

from textual.events import Paste

from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.workspace import Workspace
from flowchat.store.sent import Sent
from flowchat.ui.history_screen import LISTED_LIMIT, HistoryScreen
from flowchat.ui.listing import Listing
from flowchat.ui.palette import DARK
from tests.desk import HandClock
from tests.staging import app_on, session_of, until, workspace_at
from tests.ui.test_menu import drawn
from tests.ui.test_pickers import Pushed, settled

DAY_MS = 86_400_000
WRITTEN = [
    Sent("fix the rounding\nin invoices", "/here", 3 * DAY_MS),
    Sent("upgrade pydantic", "/here", DAY_MS),
    Sent("Fix the flaky test", "/far/billing", 2 * DAY_MS),
]


def search(written: list[Sent]) -> Pushed:
    async def load() -> list[Sent]:
        return written

    return Pushed(HistoryScreen(DARK, load, "/here", 3 * DAY_MS))


def listed(app: Pushed) -> list[str]:
    return [row.cells[0] for row in app.screen.query_one(Listing).rows]


async def test_it_narrows_with_every_letter_and_widens_again() -> None:
    app = search(WRITTEN)
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        assert listed(app) == ["fix the rounding in invoices", "upgrade pydantic", "Fix the flaky test"]
        assert "billing/" in "\n".join(drawn(app))
        await pilot.press(*"FIX te")
        assert listed(app) == ["Fix the flaky test"]
        await pilot.press("backspace", "backspace")
        assert listed(app) == ["fix the rounding in invoices", "Fix the flaky test"]
        await pilot.press("ctrl+r", "enter")
    assert app.given == ["Fix the flaky test"]


async def test_it_can_be_closed_while_the_disk_takes_its_time_and_what_was_typed_then_is_sought() -> None:
    arrives = asyncio.Event()

    async def load() -> list[Sent]:
        await arrives.wait()
        return WRITTEN

    app = Pushed(HistoryScreen(DARK, load, "/here", 3 * DAY_MS))
    async with app.run_test(size=(80, 20)) as pilot:
        await until(app, pilot, lambda: "Looking through what you wrote" in "\n".join(drawn(app)))
        await pilot.press(*"flaky", "escape")
    assert app.given == [None]
    app = Pushed(HistoryScreen(DARK, load, "/here", 3 * DAY_MS))
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press(*"flaky", "enter")
        arrives.set()
        await settled(pilot, app)
    assert app.given == ["Fix the flaky test"]


async def test_of_a_long_text_that_is_sought_the_end_is_in_view() -> None:
    app = search(WRITTEN)
    async with app.run_test(size=(40, 12)) as pilot:
        app.screen.post_message(Paste("漢字" * 30 + "END"))
        await pilot.pause()
        assert drawn(app)[0].split("   ")[1].startswith("…字")
        assert "字END" in drawn(app)[0]


async def test_a_text_of_lines_comes_back_with_its_lines() -> None:
    app = search(WRITTEN)
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press("enter")
    assert app.given == ["fix the rounding\nin invoices"]


async def test_where_nothing_matches_enter_does_nothing_and_escape_closes() -> None:
    app = search(WRITTEN)
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press(*"zzz", "enter")
        assert "Nothing matches; Backspace widens." in "\n".join(drawn(app))
        await pilot.press("escape")
    assert app.given == [None]


async def test_of_thousands_the_first_are_listed_and_all_are_searched() -> None:
    app = search([Sent(f"message {number}", "/here", 0) for number in range(10_000)])
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        assert (len(listed(app)), "first 200 of 10,000" in drawn(app)[0]) == (LISTED_LIMIT, True)
        await pilot.press(*"9876")
        assert listed(app) == ["message 9876"]


async def test_what_one_session_sent_another_finds_and_what_was_cleared_too(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel(says("Yes.")))
    app = app_on(workspace)
    async with app.run_test(size=(80, 20)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        await pilot.press(*"hello", "enter")
        await until(app, pilot, lambda: session_of(app).state.state == "idle" and bool(session_of(app).transcript.head))
        await pilot.press(*"slip", "ctrl+c")
        await until(app, pilot, lambda: len(workspace.writing.history()) == 2)
    again = workspace_at(tmp_path, ScriptedModel())
    app = app_on(again)
    async with app.run_test(size=(80, 20)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        await pilot.press(*"draft", "ctrl+r")
        await until(app, pilot, lambda: isinstance(app.screen, HistoryScreen) and len(app.screen.query_one(Listing).rows) == 2)
        await pilot.press(*"hel", "enter")
        await pilot.pause()
        composer = app.chat.query_one("Composer")
        assert composer.text == "hello"
        await until(app, pilot, lambda: "draft" in [sent.text for sent in again.writing.history()])
        await pilot.press("ctrl+underscore", "ctrl+underscore")
        assert composer.text == "draft"


async def test_a_command_of_ones_own_is_found_too(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel())
    app = app_on(workspace)
    async with app.run_test(size=(80, 20)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        await pilot.press(*"!true", "enter")
        await until(app, pilot, lambda: [sent.text for sent in workspace.writing.history()] == ["!true"])


async def test_a_session_that_is_not_saved_leaves_nothing_in_it(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel(says("Yes.")))
    app = app_on(workspace, saved=False)
    async with app.run_test(size=(80, 20)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        await pilot.press(*"hello", "enter")
        await until(app, pilot, lambda: session_of(app).state.state == "idle" and bool(session_of(app).transcript.head))
    assert workspace.writing.history() == []


async def test_this_folders_come_first_and_the_newest_of_each(tmp_path: Path) -> None:
    here = workspace_at(tmp_path, ScriptedModel())
    (tmp_path / "other").mkdir()
    there = Workspace(tmp_path / "other", here.settings, here.folders, environ={}, clock=HandClock())
    for workspace, text in ((here, "old"), (there, "elsewhere"), (here, "new"), (there, "elsewhere, later")):
        await workspace.writing.remember(text)
    assert [sent.text for sent in here.writing.history()] == ["new", "old", "elsewhere, later", "elsewhere"]
