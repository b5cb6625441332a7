"""A page of facts with their names, in sections; what /status and /doctor show."""

from collections.abc import Callable, Sequence

from msgspec import Struct
from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece

LABEL_CELLS = 16
ROOMY_CELLS = 60
"""On a narrower screen a value that does not fit beside its name stands below it."""


class Known(Struct, frozen=True):
    """One fact; `bad` is one that keeps something from working."""

    label: str
    value: str
    bad: bool = False


class Section(Struct, frozen=True):
    title: str
    facts: tuple[Known, ...]


class FactsScreen(Screen[None], inherit_bindings=False):
    """Scrolls with the keys; Esc closes, the copy key of the conversation gives all of it to `copy`."""

    def __init__(
        self, palette: Palette, title: str, sections: Sequence[Section], copy: Callable[[], None], keymap: Keymap = DEFAULT
    ) -> None:
        super().__init__()
        self._palette, self._title, self._sections, self._copy = palette, title, sections, copy
        self._keymap, self._acts = keymap, keymap.acts("list")

    def compose(self) -> ComposeResult:
        palette, hint = self._palette, self._keymap.hint
        yield Rows(palette, lambda width: [[(f"  {self._title}", palette.text + palette.bold)], []])
        yield Rows(palette, lambda width: fact_lines(self._sections, palette, width)).add_class("fills")
        hints = (
            hint("conversation", "copy", "copy"),
            hint("list", "scroll", "up", "down", "page_down"),
            hint("list", "close", "close"),
        )
        yield Rows(palette, lambda width: foot_lines(width, hints, palette))

    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act in ("close", "choose") or event.key == "q":
            self.dismiss()
        elif act is not None:
            self.query_one(".fills", Rows).act(act)
        elif event.key in self._keymap.keys("conversation", "copy"):
            self._copy()
            self.dismiss()


def fact_lines(sections: Sequence[Section], palette: Palette, width: int) -> list[list[Piece]]:
    """The page for a width."""
    lines: list[list[Piece]] = []
    for section in sections:
        lines += [[]] if lines else []
        lines += [[(f"  {section.title}", palette.text + palette.bold)]] if section.title else []
        for fact in section.facts:
            lines += _fact(fact, palette, width)
    return lines


def as_text(sections: Sequence[Section]) -> str:
    """The page as text."""
    parts = ([section.title, *(f"{fact.label}: {one_line(fact.value)}" for fact in section.facts)] for section in sections)
    return "\n\n".join("\n".join(filter(None, part)) for part in parts)


def _fact(fact: Known, palette: Palette, width: int) -> list[list[Piece]]:
    style = palette.bad if fact.bad else palette.text
    label, value = one_line(fact.label), one_line(fact.value)
    is_narrow = width < ROOMY_CELLS and cell_len(value) > width - LABEL_CELLS - 4
    if is_narrow or len(label) >= LABEL_CELLS:
        below = wrapped(value, max(8, width - 6))
        return [[("  ", palette.text), (label, palette.dim)], *([("    ", palette.text), (part, style)] for part in below)]
    first, *rest = wrapped(value, width - LABEL_CELLS - 4)
    return [
        [("  ", palette.text), (label.ljust(LABEL_CELLS), palette.dim), (first, style)],
        *([(" " * (LABEL_CELLS + 2), palette.text), (part, style)] for part in rest),
    ]
