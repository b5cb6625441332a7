"""A fence's code as rows that are coloured when they are looked at, slab by slab, so that no frame waits for a long one."""

from collections.abc import Iterator
from typing import TypeAlias

from textual.strip import Strip

from flowchat.ui.highlight import highlighted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import GUTTER, TAB_CELLS, Row, chop, code_width, gutter_strip, row_text

SLAB_LINES = 128
"""A slab ends at the first place from here on where new code starts: an unindented line after a blank one ..."""
SLAB_LIMIT_LINES = 256
"""... and here at the latest. Each slab is lexed by itself."""
WINDOW_LINES = 32
"""While a slab grows its new lines are coloured with no more than so many before them; when it is whole, with all."""
INDENT = 2

CodeRow: TypeAlias = "tuple[Slab, int, int]"
"""Row number of a line number of a slab."""


class Fence:
    """One fence's code, growing line by line. `width` is the pane's, in cells."""

    def __init__(self, language: str, width: int, palette: Palette) -> None:
        self._language, self._width, self._palette = language, width, palette
        self._slab = Slab(language, width, palette)

    def add(self, line: str) -> Iterator[CodeRow]:
        """Take one more line, give its rows."""
        slab = self._slab
        if slab.is_full_before(line):
            slab.close()
            self._slab = slab = Slab(self._language, self._width, self._palette)
        return slab.add(line.expandtabs(TAB_CELLS))

    def draft(self, line: str) -> list[Strip]:
        """The rows of a line that is not whole yet."""
        return self._slab.draft(line.expandtabs(TAB_CELLS))

    def close(self) -> None:
        """There are no more lines."""
        self._slab.close()


class Slab:
    """Up to SLAB_LIMIT_LINES lines of code, and their strips once they were looked at."""

    __slots__ = ("_closed", "_language", "_lines", "_palette", "_strips", "_width")

    def __init__(self, language: str, width: int, palette: Palette) -> None:
        self._language, self._width, self._palette = language, width, palette
        self._lines: list[str] = []
        self._strips: list[list[Strip]] = []
        self._closed = False

    def is_full_before(self, line: str) -> bool:
        """Whether a new slab should begin with this line."""
        count = len(self._lines)
        begins_anew = count >= SLAB_LINES and not self._lines[-1] and line[:1].strip() != ""
        return begins_anew or count >= SLAB_LIMIT_LINES

    def add(self, line: str) -> Iterator[CodeRow]:
        number = len(self._lines)
        self._lines.append(line)
        return ((self, number, row) for row in range(len(chop([(line, self._palette.text)], self._cells))))

    def draft(self, line: str) -> list[Strip]:
        rows = highlighted(self._language, [*self._lines[-WINDOW_LINES:], line], self._palette)
        return self._strips_of(rows[-1])

    def close(self) -> None:
        self._closed = True
        self._strips.clear()

    def strip(self, line: int, row: int) -> Strip:
        """One row, coloured."""
        known = len(self._strips)
        if line >= known:
            start = 0 if self._closed else max(0, known - WINDOW_LINES)
            rows = highlighted(self._language, self._lines[start:], self._palette)
            self._strips += [self._strips_of(pieces) for pieces in rows[known - start :]]
        return self._strips[line][row]

    def text(self, line: int, row: int) -> str:
        """One row as text, for who needs no colours."""
        parts = chop([(self._lines[line], self._palette.text)], self._cells)
        return " " * (GUTTER + INDENT) + row_text(parts[row])

    @property
    def _cells(self) -> int:
        return max(1, code_width(self._width) - INDENT)

    def _strips_of(self, row: Row) -> list[Strip]:
        indent = (" " * INDENT, self._palette.text)
        return [gutter_strip([indent, *part], self._width) for part in chop(row or [("", self._palette.text)], self._cells)]
