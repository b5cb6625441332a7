"""A list one walks with the keys: rows of cells in columns, one chosen; the pickers, the queue and the completions are such."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from rich.cells import cell_len
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flowchat.ui.palette import Palette
from flowchat.ui.strips import GAP, Piece, cut, line

CUT_CELLS = 20
"""A column that does not fit whole is left out where it would have less room than this."""


class Column(Struct, frozen=True):
    """`role` names a style of the palette; the first column takes the room the others leave."""

    role: Literal["text", "dim", "accent"] = "dim"
    align: Literal["left", "right"] = "left"


class Row(Struct, frozen=True):
    """`key` is what choosing the row means; `cells` are Clean, one for each column."""

    key: object
    cells: tuple[str, ...]


class Listing(Widget, can_focus=False):
    """Draws rows and keeps one of them chosen and in view. Who owns it says what keys do."""

    class Picked(Message):
        """A row was clicked."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Walked(Message):
        """The wheel chose another row."""

    DEFAULT_CSS = "Listing { height: auto; }"

    def __init__(
        self,
        palette: Palette,
        columns: Sequence[Column],
        *,
        limit: int | None = None,
        raised: bool = False,
        lead_percent: int = 50,
    ) -> None:
        """`limit`: rows shown at once where the height is its own to choose; `raised`: drawn on the bars' background;
        `lead_percent`: so much of the width the others leave to the first column where it needs that."""
        super().__init__()
        self._palette, self._columns, self._limit, self._raised = palette, columns, limit, raised
        self._lead_percent = lead_percent
        self._rows: Sequence[Row] = ()
        self._chosen = 0
        self._top = 0

    @property
    def rows(self) -> Sequence[Row]:
        return self._rows

    @property
    def chosen(self) -> Row | None:
        return self._rows[self._chosen] if self._rows else None

    @property
    def chosen_index(self) -> int:
        return self._chosen

    def show(self, rows: Sequence[Row], chosen: int = 0, stays: bool = False) -> None:
        """`stays`: these are the rows there are, as they read now; the list is not scrolled for them."""
        self._rows = rows
        self._top = self._top if stays else 0
        self._choose(chosen)
        self.refresh(layout=True)

    def limit_rows(self, rows: int) -> None:
        """How many rows are shown at once; call it before `show`."""
        self._limit = rows

    def use_columns(self, columns: Sequence[Column]) -> None:
        """Other columns from now on; call it before `show`."""
        self._columns = columns

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def act(self, act: str) -> bool:
        """Walk as a key of keys.LIST asks; False if the act is not about walking."""
        page = max(1, self.size.height - 1)
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "first": -len(self._rows), "last": len(self._rows)}
        if act not in steps:
            return False
        self._choose(self._chosen + steps[act])
        self.refresh()
        return True

    @property
    def own_height(self) -> int:
        """The rows it takes where the height is its own to choose."""
        return min(len(self._rows), self._limit or len(self._rows))

    # --- drawing -----------------------------------------------------------------------------------------------------
    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.own_height

    def on_resize(self) -> None:
        self._choose(self._chosen)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        palette, width = self._palette, self.size.width
        fill = palette.text + palette.raised if self._raised else palette.text
        index = self._top + y
        if index >= len(self._rows):
            return line(width, [], fill=fill)
        row, is_chosen = self._rows[index], index == self._chosen
        left, right = self._pieces(row, width, is_chosen)
        if is_chosen:
            left = [(text, palette.chosen(style) + palette.bold) for text, style in left]
            right = [(text, palette.chosen(style)) for text, style in right]
            fill = palette.chosen(fill)
        return line(width, left, right, fill)

    def _pieces(self, row: Row, width: int, is_chosen: bool) -> tuple[list[Piece], list[Piece]]:
        palette = self._palette
        base = palette.text + palette.raised if self._raised else palette.text
        marker = f"{palette.glyphs.folded} " if is_chosen else "  "
        first = base + palette.role(self._columns[0].role)
        left: list[Piece] = [(marker, base + palette.accent), (row.cells[0], first)]
        right: list[Piece] = []
        first_cells = max(cell_len(row.cells[0]) for row in self._visible())
        widths = self._widths(width - min(first_cells, width * self._lead_percent // 100) - 2 * GAP - 2)
        for column, text, room in zip(self._columns[1:], row.cells[1:], widths, strict=False):
            text = cut(text, room)
            space = " " * (room - cell_len(text))
            right.append(
                (f"  {space}{text}" if column.align == "right" else f"  {text}{space}", base + palette.role(column.role))
            )
        return left, [*right, ("  ", base)]

    def _widths(self, room: int) -> list[int]:
        """Widths of the columns after the first, as many as there is room for."""
        widths: list[int] = []
        for index in range(1, len(self._columns)):
            wanted = max((cell_len(row.cells[index]) for row in self._visible()), default=0)
            if room < wanted + 2 and room < CUT_CELLS:
                break
            widths.append(min(wanted, room - 2))
            room -= widths[-1] + 2
        return widths

    def _visible(self) -> Sequence[Row]:
        return self._rows[self._top : self._top + max(1, self.size.height)]

    def _choose(self, index: int) -> None:
        self._chosen = max(0, min(index, len(self._rows) - 1))
        height = max(1, self.size.height or self._limit or len(self._rows))
        self._top = max(min(self._top, self._chosen, len(self._rows) - height), self._chosen - height + 1, 0)

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def on_click(self, event: Click) -> None:
        event.stop()
        index = self._top + event.y
        if index < len(self._rows):
            self._choose(index)
            self.refresh()
            self.post_message(self.Picked(self._rows[index]))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.act("up")
        self.post_message(self.Walked())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.act("down")
        self.post_message(self.Walked())
