"""The screen of all keys, and what it says of a key that is struck."""

from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App

from flowchat.ui.keymap import DEFAULT, Change, Keymap, changed
from flowchat.ui.keys import CONTEXTS, PLACES
from flowchat.ui.keys_screen import KeysScreen, key_lines, meaning
from flowchat.ui.palette import DARK
from flowchat.ui.rows import Rows
from tests.ui.test_pickers import Pushed

FILE = Path("/settings/keybindings.json")
OWN = changed(
    [Change("chat", "ctrl+e", "redraw", 4), Change("chat", "f1", None, 5)], [f"{FILE} line 6: 'foo' is not a key; do this"]
)


def lines(keymap: Keymap, width: int = 100, file: Path | None = FILE) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in key_lines(keymap, file, DARK, width)]


def told(app: App[Any]) -> str:
    tried = app.screen.query_one(".tried", Rows)
    return " ".join(tried.render_line(y).text.strip() for y in range(1, tried.size.height)).strip()


def test_every_place_has_a_name() -> None:
    assert PLACES.keys() == CONTEXTS.keys()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_action_of_every_place_is_in_it_and_no_line_is_wider_than_the_screen(width: int) -> None:
    shown = lines(DEFAULT, width)
    acts = [row.act.replace("_", " ") for table in CONTEXTS.values() for row in table]
    assert [act for act in acts if not any(line.startswith(f"  {act}") for line in shown)] == []
    assert max(map(len, shown)) <= width


def test_what_the_user_bound_or_took_away_is_named_with_its_line() -> None:
    shown = lines(OWN)
    assert shown[0] == f"  {FILE} line 6: 'foo' is not a key; do this"
    assert "  redraw              Ctrl+E, Ctrl+L        Redraw (Ctrl+E: line 4)" in shown
    assert "  nothing             F1                    Taken away in line 5" in shown
    assert f"  Your own keys: {FILE}, read at the start; null takes a key away:" in shown


@pytest.mark.parametrize(
    ("key", "character", "says"),
    [
        ("ctrl+l", None, "Ctrl+L. Anywhere in the chat: redraw."),
        ("ctrl+e", None, "Ctrl+E. While writing: move line end."),
        ("ctrl+x", None, "Ctrl+X. Nothing is bound to it."),
        ("j", "j", "j. In the conversation: next block; where one writes: j."),
        ("pageup", None, "PageUp. Anywhere in the chat: page up; in the conversation: page up; in lists: page up."),
        ("alt+left_square_bracket", None, "Alt+[. Nothing is bound to it."),
        ("K", "K", "K. In the queue: move up; where one writes: K."),
        ("é", "é", "é. Where one writes: é."),
    ],
)
def test_a_key_is_told_with_its_name_and_what_it_does_where(key: str, character: str | None, says: str) -> None:
    assert meaning(key, character, DEFAULT) == says


async def test_a_key_struck_is_told_and_those_that_scroll_scroll_and_escape_leaves() -> None:
    app = Pushed(KeysScreen(DARK, OWN, FILE))
    async with app.run_test(size=(100, 24)) as pilot:
        assert told(app).startswith("Press a key to see its name")
        await pilot.press("ctrl+e")
        assert told(app) == "Ctrl+E. Anywhere in the chat: redraw."
        await pilot.press("ctrl+z")
        assert told(app) == "Ctrl+Z. Anywhere in the chat: suspend."
        app.screen.post_message(events.Paste("ctrl+e"))
        await pilot.pause()
        assert told(app).startswith("The terminal sent this as a paste")
        await pilot.press("escape")
        assert app.given == [None]
