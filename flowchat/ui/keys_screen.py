"""Every key by the place where it means something and where that comes from; a key struck here is named."""

from itertools import zip_longest
from pathlib import Path

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from flowchat.transcript.clean import clean
from flowchat.ui.figures import from_home
from flowchat.ui.key_names import is_text, shown
from flowchat.ui.keymap import Keymap
from flowchat.ui.keys import PLACES, Key
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece, pieces_width

TRIED_LINES = 2
"""Rows for what is said of a key that was struck."""
ROOMY_CELLS = 70
"""From this width on act, keys and help stand side by side."""
_ACT_CELLS, _KEY_CELLS = 20, 22
_EXAMPLE = '{"bindings": [{"context": "chat", "bindings": {"ctrl+e": "redraw", "ctrl+l": null}}]}'
_BEGIN = "Press a key to see its name and what it does; if nothing comes, the terminal took it."


class KeysScreen(Screen[None], inherit_bindings=False):
    """Scrolls with the keys; Esc closes."""

    def __init__(self, palette: Palette, keymap: Keymap, file: Path | None) -> None:
        """`file` is where the user's own keys are, or would be; None: nothing is kept."""
        super().__init__()
        self._palette, self._keymap, self._file = palette, keymap, file
        self._acts = keymap.acts("list")
        self._tried = _BEGIN

    def compose(self) -> ComposeResult:
        palette, hint = self._palette, self._keymap.hint
        yield Rows(palette, lambda width: [[("  Keys", palette.text + palette.bold)], *([[]] if width >= ROOMY_CELLS else [])])
        yield Rows(palette, lambda width: key_lines(self._keymap, self._file, palette, width)).add_class("fills")
        yield Rows(palette, self._tried_lines).add_class("tried")
        hints = (hint("list", "scroll", "up", "down", "page_down"), hint("list", "close", "close"))
        yield Rows(palette, lambda width: foot_lines(width, hints, palette)[1:])

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        act = self._acts.get(event.key)
        self._try(meaning(event.key, event.character if event.is_printable else None, self._keymap))
        if act == "close":
            self.dismiss()
        elif act is not None:
            self.query_one(".fills", Rows).act(act)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._try("The terminal sent this as a paste: it is written, and no key in it acts.")

    def _try(self, told: str) -> None:
        self._tried = told
        self.query_one(".tried", Rows).show(self._tried_lines)

    def _tried_lines(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        texts = [*wrapped(self._tried, width - 4), *[""] * TRIED_LINES][:TRIED_LINES]
        return [[(palette.glyphs.rule * width, palette.dim)], *([("  ", palette.text), (text, palette.accent)] for text in texts)]


def meaning(key: str, character: str | None, keymap: Keymap) -> str:
    """What a key is called and does: `character` is what it writes, if it writes."""
    does = [f"{PLACES[context]}: {act.replace('_', ' ')}" for context in PLACES if (act := keymap.acts(context).get(key))]
    writes = [f"where one writes: {clean(character)}"] if character and is_text(key) else []
    told = "; ".join([*does, *writes]) or "nothing is bound to it"
    return f"{clean(shown(key))}. {told[0].upper()}{told[1:]}."


def key_lines(keymap: Keymap, file: Path | None, palette: Palette, width: int) -> list[list[Piece]]:
    """The whole list for a width: what is wrong in the user's file, each place with its keys, where the file is."""
    lines: list[list[Piece]] = []
    for notice in keymap.notices:
        lines += [[("  ", palette.text), (part, palette.warn)] for part in wrapped(clean(from_home(notice)), width - 4)]
    lines += [[]] if lines else []
    for context, rows in keymap.tables.items():
        lines.append([(f"  {PLACES[context].capitalize()}", palette.text + palette.bold), (f"   {context}", palette.dim)])
        for row in rows:
            lines += _row_lines(row, _origins(keymap, context, row), palette, width)
        for change in keymap.changes:
            if change.context == context and change.act is None:
                lines += _entry("nothing", shown(change.key), f"Taken away in line {change.line}", palette.dim, palette, width)
        lines.append([])
    where = from_home(str(file)) if file else "nothing is kept here"
    texts = [f"Your own keys: {where}, read at the start; null takes a key away:", _EXAMPLE]
    return [*lines, *([("  ", palette.text), (part, palette.dim)] for text in texts for part in wrapped(clean(text), width - 4))]


def _origins(keymap: Keymap, context: str, row: Key) -> str:
    """Which keys of a row the user's file has bound, where; empty: none."""
    found = [(key, change.line) for key in row.keys if (change := keymap.origin(context, key)) is not None]
    return ", ".join(f"{shown(key)}: line {line}" for key, line in found)


def _row_lines(row: Key, origins: str, palette: Palette, width: int) -> list[list[Piece]]:
    told = f"{row.help} ({origins})" if row.help and origins else row.help or origins
    keys = ", ".join(map(shown, row.keys)) or "no key"
    return _entry(row.act.replace("_", " "), keys, told, palette.accent if row.keys else palette.dim, palette, width)


def _entry(act: str, keys: str, told: str, style: Style, palette: Palette, width: int) -> list[list[Piece]]:
    """Act, keys and what is told of them, side by side, or below one another where there is no room."""
    if width < ROOMY_CELLS:
        first: list[Piece] = [("  ", palette.text), (act, palette.text), ("   ", palette.text), (keys, style)]
        below = [(told, palette.dim)] if pieces_width(first) <= width - 2 else [(keys, style), (told, palette.dim)]
        rest = [("    " + part, look) for text, look in below if text for part in wrapped(text, width - 6)]
        return [first if len(below) == 1 else first[:2], *([piece] for piece in rest)]
    columns = [wrapped(act, _ACT_CELLS - 2), wrapped(keys, _KEY_CELLS - 2), wrapped(told, width - _ACT_CELLS - _KEY_CELLS - 4)]
    return [
        [
            ("  ", palette.text),
            (act_part.ljust(_ACT_CELLS), palette.text),
            (key_part.ljust(_KEY_CELLS), style),
            (told_part, palette.dim),
        ]
        for act_part, key_part, told_part in zip_longest(*columns, fillvalue="")
    ]
