"""A page of facts with their names, in sections; what /status and /doctor show."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult

from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece
from flowchat.ui.working_screen import WorkingScreen

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


class Told(Struct, frozen=True):
    """A page, and the text of it that is copied."""

    sections: Sequence[Section]
    text: str


class FactsScreen(WorkingScreen[None], inherit_bindings=False):
    """Scrolls with the keys; Esc closes, the copy key of the conversation gives the text of the page to `copy`."""

    def __init__(
        self,
        palette: Palette,
        title: str,
        told: Told | Callable[[], Awaitable[Told]],
        copy: Callable[[str], None],
        keymap: Keymap = DEFAULT,
    ) -> None:
        """`told`: what takes a while to find out is found out once the page is open."""
        super().__init__()
        self._palette, self._title, self._copy = palette, title, copy
        self._told, self._find_out = (told, None) if isinstance(told, Told) else (_LOOKING, told)
        self._keymap, self._acts = keymap, keymap.acts("list")

    def on_mount(self) -> None:
        if self._find_out is not None:
            self.run_worker(self._fill(self._find_out))

    async def _fill(self, find_out: Callable[[], Awaitable[Told]]) -> None:
        self._told = await find_out()
        self.query_one(".fills", Rows).draw_again()

    def compose(self) -> ComposeResult:
        palette, hint = self._palette, self._keymap.hint
        yield Rows(palette, lambda width: [[(f"  {self._title}", palette.text + palette.bold)], []])
        yield Rows(palette, lambda width: fact_lines(self._told.sections, palette, width)).add_class("fills")
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
        elif event.key in self._keymap.keys("conversation", "copy") and self._told.text:
            self._copy(self._told.text)
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


_LOOKING = Told((Section("", (Known("Looking at this installation", ""),)),), "")


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
