"""The list of all commands and actions."""

from typing import Any

import pytest
from textual.app import App

from flowchat.ui.commands import COMMANDS
from flowchat.ui.keymap import DEFAULT, Change, changed
from flowchat.ui.keys import CHAT, PANE
from flowchat.ui.listing import Listing
from flowchat.ui.menu_screen import Choice, MenuScreen, entries, narrowed
from flowchat.ui.palette import DARK
from tests.ui.test_pickers import Pushed, chosen


def menu(*recent: str) -> Pushed:
    return Pushed(MenuScreen(DARK, DEFAULT, entries(DEFAULT, recent)))


def drawn(app: App[Any]) -> list[str]:
    rows = [widget.render_line(y).text.rstrip() for widget in app.screen.children for y in range(widget.size.height)]
    return [row for row in rows if row]


def test_every_command_is_in_it_and_every_action_that_says_what_it_does() -> None:
    found = entries(DEFAULT)
    assert [entry.command for entry in found if entry.command] == [*COMMANDS]
    without_use = {"submit", "newline", "escape", "cancel", "menu", "page_up", "page_down", "row_up", "row_down", "fold_all"}
    acts = {row.act for row in (*CHAT, *PANE) if row.help} - without_use
    listed = {entry.act for entry in found} | {command.name for command in COMMANDS}
    assert acts <= listed
    assert len({entry.name for entry in found}) == len(found)


def test_a_command_that_has_a_key_is_listed_once_with_the_key_bound_now() -> None:
    keymap = changed([Change("chat", "ctrl+e", "queue", 1)])
    assert [entry.key for entry in entries(keymap) if "queue" in entry.name] == ["Ctrl+E"]


def test_what_was_chosen_lately_comes_first() -> None:
    assert [entry.name for entry in entries(DEFAULT, ["redraw", "/new"])][:3] == ["redraw", "/new", "/help"]


@pytest.mark.parametrize(
    ("sought", "first"),
    [
        ("comp", "/compact [instructions]"),
        ("/res", "/resume [id or title]"),
        ("summarize", "/compact [instructions]"),
        ("mode", "/model [name]"),
        ("cyc", "cycle mode"),
        ("ctrl+o", "fold"),
        ("rdw", "redraw"),
        ("permission mode", "cycle mode"),
        ("permission", "/permissions"),
    ],
)
def test_it_narrows_to_what_is_nearest(sought: str, first: str) -> None:
    assert narrowed(entries(DEFAULT), sought)[0].name == first


def test_what_fits_nothing_is_nothing() -> None:
    assert narrowed(entries(DEFAULT), "zzzz(") == []


async def test_enter_gives_the_chosen_one_and_tab_the_command_to_be_written() -> None:
    commands = {entry.name: entry for entry in entries(DEFAULT)}
    for keys, choice in (
        (("c", "o", "m", "p", "enter"), Choice(commands["/compact [instructions]"], False)),
        (("c", "o", "m", "p", "tab"), Choice(commands["/compact [instructions]"], True)),
        (("r", "e", "n", "a", "enter"), Choice(commands["/rename TITLE"], True)),
        (("r", "e", "d", "r", "tab"), Choice(commands["redraw"], False)),
        (("f1",), Choice(commands["/help"], False)),
        (("x", "q", "z", "enter", "escape"), None),
    ):
        app = menu()
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press(*keys)
            assert app.given == [choice]


async def test_a_list_s_own_keys_are_those_that_are_bound() -> None:
    keymap = changed([Change("menu", "ctrl+t", "write", 1), Change("menu", "tab", None, 2)])
    app = Pushed(MenuScreen(DARK, keymap, entries(keymap)))
    async with app.run_test(size=(80, 24)) as pilot:
        assert any("Ctrl+T write it" in row for row in drawn(app))
        await pilot.press("tab")
        assert app.given == []
        await pilot.press("ctrl+t")
        assert [choice.written for choice in app.given] == [True]


async def test_at_forty_by_twelve_the_name_and_the_key_are_there_and_the_help_below() -> None:
    app = menu()
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("f", "o", "l", "d")
        assert chosen(app) == "fold"
        rows = drawn(app)
        assert "Ctrl+O" in next(row for row in rows if row.startswith("▸ fold"))
        assert "  Fold or unfold calls and thoughts" in rows
        assert "Esc close" in rows[-1]
        around = [widget.size.height for widget in app.screen.children if not isinstance(widget, Listing)]
        assert sum(around) <= 6


async def test_nothing_moves_while_one_walks_down_the_list() -> None:
    app = menu()
    async with app.run_test(size=(40, 12)) as pilot:
        heights = set[int]()
        for _ in range(20):
            await pilot.press("down")
            heights.add(app.screen.query_one(".told").size.height)
        assert len(heights) == 1
