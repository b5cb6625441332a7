"""The rows of the text being written: which are in view, where the caret stands among them, and going up and down them."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal

from flowchat.ui.editing import Place, TextBuffer
from flowchat.ui.wrapping import Span, cells, column_at, row_of, rows_of


class Page:
    """Shows a buffer at `width()` cells; at most `rows_limit` rows are in view at once."""

    def __init__(self, buffer: TextBuffer, width: Callable[[], int]) -> None:
        self._buffer, self._width = buffer, width
        self._top: tuple[int, int] = (0, 0)
        self._goal: int | None = None
        self.rows_limit = 6

    def height(self, width: int) -> int:
        """Rows in view where the text has so many cells."""
        rows = 0
        for text in self._buffer.lines:
            for _ in rows_of(text, width):
                rows += 1
                if rows == self.rows_limit:
                    return rows
        return rows

    def rows(self, height: int) -> list[str]:
        """What is in view, `height` rows at most."""
        return [self._buffer.lines[at][start:end] for at, (start, end) in self.spans(height)]

    def spans(self, height: int) -> list[tuple[int, Span]]:
        """What is in view, `height` rows at most: the number of the line of each, and which characters of it."""
        return list(islice(self._spans(height), height))

    def rows_to_end(self) -> int:
        """How many rows there are from the first in view to the last."""
        return sum(1 for _ in self._spans(len(self._buffer.lines)))

    def caret(self) -> tuple[int, int] | None:
        """Column and row of the caret in view."""
        row, column = self._buffer.caret
        lines, width = self._buffer.lines, self._width()
        number, span = row_of(lines[row], column, width)
        y = 0
        for at in range(self._top[0], row + 1):
            count = number if at == row else row_of(lines[at], len(lines[at]), width)[0] + 1
            y += count - (self._top[1] if at == self._top[0] else 0)
            if y > self.rows_limit:
                return None
        return min(cells(lines[row][span[0] : column]), width), y

    def place_at(self, x: int, y: int) -> Place | None:
        """The place of the text that is drawn in a cell, None below its end."""
        for number, (at, span) in enumerate(self._spans(y + 1)):
            if number == y:
                return at, column_at(self._buffer.lines[at], span, x)
        return None

    # --- moving ------------------------------------------------------------------------------------------------------
    def show_caret(self) -> None:
        """The caret was moved: scroll to its row, and leave none blank below the text while some are hidden above."""
        self._goal = None
        lines, width = self._buffer.lines, self._width()
        row, column = self._buffer.caret
        here = (row, row_of(lines[row], column, width)[0])
        height = self.height(width)
        last_row = len(lines) - 1
        bottom = (last_row, row_of(lines[last_row], len(lines[last_row]), width)[0]) if last_row - row < height else None
        if bottom is not None:
            self._top = min(self._top, self._above(bottom, height - 1))
        self._top = min(self._top, here)
        self._top = max(self._top, self._above(here, height - 1))

    def walk(self, act: Literal["up", "down"]) -> bool:
        """Move the caret a row, keeping its column where it can; False at the first or last row."""
        lines, (row, column) = self._buffer.lines, self._buffer.caret
        number, span = row_of(lines[row], column, self._width())
        goal = cells(lines[row][span[0] : column]) if self._goal is None else self._goal
        target = self._row_above(row, number) if act == "up" else self._row_below(row, number)
        if target is None:
            return False
        to_row, to_span = target
        self._buffer.move_to((to_row, column_at(lines[to_row], to_span, goal)))
        self.show_caret()
        self._goal = goal
        return True

    # --- rows --------------------------------------------------------------------------------------------------------
    def _spans(self, lines: int) -> Iterator[tuple[int, Span]]:
        """From the first row in view on, line by line, so many lines at most."""
        row, skip = self._top
        for at in range(row, min(row + lines, len(self._buffer.lines))):
            for span in rows_of(self._buffer.lines[at], self._width()):
                if skip:
                    skip -= 1
                else:
                    yield at, span

    def _row_above(self, row: int, number: int) -> tuple[int, Span] | None:
        if number:
            return row, _span(self._buffer.lines[row], number - 1, self._width())
        if row == 0:
            return None
        *_, last = rows_of(self._buffer.lines[row - 1], self._width())
        return row - 1, last

    def _row_below(self, row: int, number: int) -> tuple[int, Span] | None:
        for index, span in enumerate(rows_of(self._buffer.lines[row], self._width())):
            if index == number + 1:
                return row, span
        if row + 1 == len(self._buffer.lines):
            return None
        return row + 1, next(iter(rows_of(self._buffer.lines[row + 1], self._width())))

    def _above(self, place: tuple[int, int], rows: int) -> tuple[int, int]:
        """The row so many rows above a place, or the first."""
        row, number = place
        while rows > number and row > 0:
            rows -= number + 1
            row -= 1
            number = row_of(self._buffer.lines[row], len(self._buffer.lines[row]), self._width())[0]
        return row, max(0, number - rows)


def _span(text: str, number: int, width: int) -> Span:
    for index, span in enumerate(rows_of(text, width)):
        if index == number:
            return span
    raise AssertionError("a row that was counted is there")
