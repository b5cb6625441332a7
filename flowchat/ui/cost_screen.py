"""What this session cost, by purpose, model, day, run and step: tokens cached and uncached apart, and money where it is known."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from textual import events
from textual.app import ComposeResult

from flowchat.errors import FlowchatError
from flowchat.ui.figures import cost, many, size
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.spending import Bill, Line, Spent
from flowchat.ui.strips import Piece, cut
from flowchat.ui.working_screen import WorkingScreen

Today: TypeAlias = Callable[[], Awaitable[Line | None]]
NAMES_SHOWN = 3
"""Models without a price that are named; more are counted."""
_LABEL_CELLS, _LABEL_LEAST_CELLS = 34, 11
_COLUMNS = (("uncached", 9), ("cached", 8), ("cost", 8), ("written", 9), ("requests", 10))
"""What each column is called, and its cells; the last are the first to go where there is no room."""


class CostScreen(WorkingScreen[None], inherit_bindings=False):
    """Scrolls with the keys; Esc closes."""

    def __init__(self, palette: Palette, bill: Bill, keymap: Keymap = DEFAULT, today: Today | None = None) -> None:
        """`today` adds up what all sessions took today, while the screen is open."""
        super().__init__()
        self._palette, self._bill, self._keymap, self._find = palette, bill, keymap, today
        self._today: Line | None = None
        self._acts = keymap.acts("list")

    def compose(self) -> ComposeResult:
        palette, hint = self._palette, self._keymap.hint
        yield Rows(palette, lambda width: [[("  Cost", palette.text + palette.bold)], [], _head(palette, width)])
        yield Rows(palette, lambda width: cost_lines(self._bill, palette, width, self._today)).add_class("fills")
        hints = (hint("list", "scroll", "up", "down", "page_down"), hint("list", "close", "close"))
        yield Rows(palette, lambda width: foot_lines(width, hints, palette))

    def on_mount(self) -> None:
        if self._find is not None:
            self.run_worker(self._add_today(self._find))

    async def _add_today(self, find: Today) -> None:
        with suppress(FlowchatError):  # nothing is kept, or the disk does not give it: the session's own sums stand
            self._today = await find()
            self.query_one(".fills", Rows).draw_again()

    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act in ("close", "choose") or event.key == "q":
            self.dismiss()
        elif act is not None:
            self.query_one(".fills", Rows).act(act)


def cost_lines(bill: Bill, palette: Palette, width: int, today: Line | None = None) -> list[list[Piece]]:
    """The sums for a width, and what is to be known of them; `today`: those of all sessions, where there are others."""
    beside = [_line(today, palette, width)] if today is not None else []
    if not bill.total.spent.requests:
        return [[("  Nothing was asked of a model in this session yet.", palette.dim)], *([[], *beside] if beside else [])]
    lines = [_line(bill.total, palette, width), *beside]
    parts = (("for", bill.purposes), ("by model", bill.models), ("by day", bill.days), ("by run and step", bill.runs))
    for heading, rows in parts:
        if rows:
            lines += [[], [(f"  {heading}", palette.dim)], *(_line(row, palette, width) for row in rows)]
    if bill.earlier_runs:
        lines.append([(f"  {many(bill.earlier_runs, 'earlier run')} in the sums above", palette.dim)])
    notes = [[], *([("  ", palette.text), (part, palette.dim)] for note in _notes(bill) for part in wrapped(note, width - 4))]
    return [*lines, *(notes if len(notes) > 1 else [])]


def _notes(bill: Bill) -> Sequence[str]:
    spent, notes = bill.total.spent, list[str]()
    if spent.unpriced:
        names = [one_line(name.rpartition("/")[2]) for name in bill.unpriced]
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        notes.append(
            f"No price is known of {', '.join(names[:NAMES_SHOWN])}{more}: "
            f"the tokens of {many(spent.unpriced, 'request')} count, their cost does not."
        )
    if spent.unreported:
        about = f": about {size(spent.untold)} were sent" if spent.untold else ""
        notes.append(f"{many(spent.unreported, 'request')} told no tokens{about}.")
    return notes


def _shown_columns(width: int) -> int:
    """How many of the columns there is room for."""
    room = width - 4 - _LABEL_LEAST_CELLS
    return next((count for count in range(len(_COLUMNS), 0, -1) if sum(cells for _, cells in _COLUMNS[:count]) <= room), 1)


def _label_cells(width: int) -> int:
    return min(_LABEL_CELLS, width - 4 - sum(cells for _, cells in _COLUMNS[: _shown_columns(width)]))


def _head(palette: Palette, width: int) -> list[Piece]:
    names = "".join(name.rjust(cells) for name, cells in _COLUMNS[: _shown_columns(width)])
    return [("  " + " " * _label_cells(width) + names, palette.dim)]


def _line(row: Line, palette: Palette, width: int) -> list[Piece]:
    spent = row.spent
    figures = (size(spent.fresh), size(spent.cached), _price(spent), size(spent.output), f"{spent.requests:,}")
    style = palette.text + palette.bold if row.depth == 0 else palette.text if row.depth == 1 else palette.dim
    cells = _label_cells(width)
    label = cut("  " * (row.depth - 1) + one_line(row.label), cells - 1).ljust(cells)
    shown = [
        (figure.rjust(room), palette.dim if figure in ("0", "unknown") else palette.text)
        for (_, room), figure in zip(_COLUMNS[: _shown_columns(width)], figures, strict=False)
    ]
    return [("  ", palette.text), (label, style), *shown]


def _price(spent: Spent) -> str:
    """What it cost; with a + where a part of it has no price."""
    if spent.cost is None:
        return "unknown" if spent.unpriced or spent.unreported else "0"
    return cost(spent.cost) + ("+" if spent.unpriced else "")
