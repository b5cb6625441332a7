"""What keys do on the whole screen, wherever the focus is."""

import json
from pathlib import Path

import pytest

from flowchat.config import open_folders
from flowchat.ui.app import FlowchatApp
from flowchat.ui.banner import Banner
from flowchat.ui.commands import COMMANDS
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from flowchat.ui.help_screen import HelpScreen, help_lines
from flowchat.ui.key_names import shown
from flowchat.ui.keys import CHAT, COMPOSER, PANE
from flowchat.ui.listing import Listing
from flowchat.ui.menu_screen import MenuScreen
from flowchat.ui.meter import Meter
from flowchat.ui.palette import DARK
from tests.ui.test_app import Desk, composer, drawn, leave, opened, said, say, until


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_enter_with_the_focus_nowhere_sends_what_is_written(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        composer(app).load("Hello.")
        app.chat.set_focus(None)
        await pilot.press("enter")
        await until(pilot, lambda: said(session) == ["Hello."])
        assert app.chat.focused is composer(app)
        await session.idle()
        await leave(app)


def rebound(desk: Desk, context: str, **keys: str | None) -> FlowchatApp:
    """The app with a keybindings.json."""
    config = open_folders({"FLOWCHAT_HOME": str(desk.home)}).config
    (config / "keybindings.json").write_text(json.dumps({"bindings": [{"context": context, "bindings": keys}]}))
    return desk.app()


async def test_a_key_bound_in_the_file_acts_and_is_named_by_the_hints(desk: Desk) -> None:
    app = rebound(desk, "chat", **{"ctrl+e": "menu", "f1": None})
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.pause()
        assert "Ctrl+E help" in drawn(app.chat.query_one(Meter))[0]
        await pilot.press("f1")
        assert app.screen is app.chat
        await pilot.press("ctrl+e")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        await leave(app)


async def test_what_is_chosen_in_the_menu_is_done_and_comes_first_the_next_time(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        composer(app).load("unfinished")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        await pilot.press(*"rename", "enter")
        await until(pilot, lambda: composer(app).text == "/rename ")
        await pilot.press(*"Two", "enter")
        await until(pilot, lambda: session.title == "Two")
        await pilot.press("up", "up")
        assert composer(app).text == "unfinished"
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        assert app.screen.query_one(Listing).chosen == app.screen.query_one(Listing).rows[0]
        assert app.screen.query_one(Listing).rows[0].cells[0] == "/rename TITLE"
        await pilot.press(*"cycle", "enter")
        await until(pilot, lambda: session.mode == "accept-edits")
        await leave(app)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_help_has_every_key_and_command_that_says_what_it_does(width: int) -> None:
    lines = ["".join(text for text, _ in line).rstrip() for line in help_lines(DARK, width)]
    shown_keys = [shown(row.keys[0]) for table in (CHAT, COMPOSER, PANE) for row in table if row.help and row.keys]
    names = [*shown_keys, *(f"/{command.name} {command.argument}".rstrip() for command in COMMANDS)]
    assert [name for name in names if not any(line.startswith(f"  {name}") for line in lines)] == []
    assert max(map(len, lines)) <= width


async def test_every_key_of_the_chat_and_of_what_is_written_does_something_and_breaks_nothing(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        for table in (COMPOSER, CHAT):
            for key in [key for row in table for key in row.keys if row.act not in ("cancel", "leave", "suspend", "editor")]:
                composer(app).load("two words\nand two lines")
                await pilot.press(key)
                await until(pilot, lambda: app.is_running)
                while app.screen is not app.chat:
                    await pilot.press("escape")
                app.chat.query_one(Composer).focus()
        await leave(app)


async def test_the_help_is_one_key_from_the_menu(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        assert app.screen is app.chat
        await leave(app)


async def test_enter_writes_a_line_where_another_key_submits(desk: Desk) -> None:
    app = rebound(desk, "chat", **{"enter": "newline", "alt+s": "submit"})
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        await pilot.press("a", "enter", "b")
        assert composer(app).text == "a\nb"
        await pilot.press("alt+s")
        await until(pilot, lambda: said(session) == ["a\nb"])
        await session.idle()
        await leave(app)


async def test_a_row_that_does_not_count_is_said_on_the_screen_and_nothing_else_is_lost(desk: Desk) -> None:
    app = rebound(desk, "chat", **{"ctrl+e": "nonsense"})
    async with app.run_test(size=(200, 24)) as pilot:
        await opened(pilot, app)
        edge = app.chat.query(Edge).first()
        await until(pilot, lambda: "keybindings.json line 1: there is no action 'nonsense'" in drawn(edge)[0])
        await leave(app)


async def test_in_a_session_that_can_only_be_read_the_key_of_the_copy_is_a_letter_where_one_searches(desk: Desk) -> None:
    first = desk.app()
    async with first.run_test(size=(80, 24)) as pilot:
        await say(pilot, first, "list")
        held = await opened(pilot, first)
        rebound(desk, "reading", g="fork", f=None)
        second = desk.app(resume=held.sid)
        async with second.run_test(size=(80, 24)) as pilot:
            session = await opened(pilot, second)
            await until(pilot, lambda: "g opens a copy" in " ".join(drawn(second.chat.query_one(Banner))))
            await pilot.press("f3", "g")
            await pilot.pause()
            assert second.chat.session is session
            await pilot.press("escape", "f")
            assert (composer(second).text, second.chat.session) == ("f", session)
            await pilot.press("backspace", "g")
            await until(pilot, lambda: second.chat.session is not session)
            await leave(second)
        await leave(first)
