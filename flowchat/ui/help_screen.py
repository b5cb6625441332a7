"""Keys and commands on one page, made from the two tables."""

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from flowchat.ui.commands import COMMANDS
from flowchat.ui.key_names import shown
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece

_KEY_CELLS, _COMMAND_CELLS = 14, 26
IN_THE_TEXT = (
    ("@path", "Show a file to the model."),
    ("$skill", "Add a skill to the message; /skills lists them."),
    ("!command", "Run a command yourself; the model sees what it prints."),
    ("!!command", "Run it without telling the model."),
)
"""What means something in a message."""


class HelpScreen(Screen[None], inherit_bindings=False):
    """Scrolls with the keys; Esc closes."""

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._keymap, self._acts = palette, keymap, keymap.acts("list")

    def compose(self) -> ComposeResult:
        yield Rows(self._palette, lambda width: help_lines(self._palette, width, self._keymap)).add_class("fills")
        hints = (self._keymap.hint("list", "scroll", "up", "down", "page_down"), self._keymap.hint("list", "close", "close"))
        yield Rows(self._palette, lambda width: foot_lines(width, hints, self._palette))

    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act in ("close", "choose") or event.key == "q" or event.key in self._keymap.keys("chat", "menu"):
            self.dismiss()
        elif act is not None:
            self.query_one(".fills", Rows).act(act)


def help_lines(palette: Palette, width: int, keymap: Keymap = DEFAULT) -> list[list[Piece]]:
    """The page for a width."""
    heading = palette.text + palette.bold
    lines: list[list[Piece]] = [[("  Keys", heading)], []]
    for row in (*keymap.tables["chat"], *keymap.tables["composer"]):
        if row.help and row.keys:
            lines += _entry(shown(row.keys[0]), row.help, _KEY_CELLS, palette, width)
    way_in = keymap.name("chat", "blocks")
    lines += [[], [(f"  In the conversation{f' ({way_in})' if way_in else ''}", heading)], []]
    for row in keymap.tables["conversation"]:
        if row.help and row.keys:
            lines += _entry(shown(row.keys[0]), row.help, _KEY_CELLS, palette, width)
    lines += [[], [("  Commands", heading)], []]
    for command in COMMANDS:
        aliases = f" Also /{', /'.join(command.aliases)}." if command.aliases else ""
        lines += _entry(
            f"/{command.name} {command.argument}".rstrip(), f"{command.help}.{aliases}", _COMMAND_CELLS, palette, width
        )
    lines += [[], [("  In the text", heading)], []]
    for name, text in IN_THE_TEXT:
        lines += _entry(name, text, _KEY_CELLS, palette, width)
    return lines


def _entry(name: str, text: str, cells: int, palette: Palette, width: int) -> list[list[Piece]]:
    if width < cells + 34:
        rest = wrapped(text, max(8, width - 6))
        return [
            [("  ", palette.text), (name, palette.accent)],
            *([("    ", palette.text), (part, palette.text)] for part in rest),
        ]
    parts = wrapped(text, min(100, width) - cells - 4)
    heads = [name.ljust(cells), *(" " * cells for _ in parts[1:])]
    return [[("  ", palette.text), (head, palette.accent), (part, palette.text)] for head, part in zip(heads, parts, strict=True)]
