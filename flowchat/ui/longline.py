"""A paragraph too long to be drawn again with each piece: how it is cut, and the rows of a line that is too long by itself."""

from collections.abc import Sequence

from flowchat.ui.inline import inline_rows
from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row, text_width, wrap, wrap_open

PORTION_CHARS = 2048
"""A longer paragraph is shown in portions: of whole lines, or, of a line longer than this, up to a space. No markup reaches
from one into the next, so that all but the last are final."""


def portions(lines: Sequence[str]) -> list[Sequence[str]]:
    """The lines of a paragraph, as many together as make a portion."""
    found: list[Sequence[str]] = []
    first = size = 0
    for number, line in enumerate(lines):
        if size + len(line) >= PORTION_CHARS and number > first:
            found.append(lines[first:number])
            first, size = number, 0
        size += len(line) + 1
    return [*found, lines[first:]]


class LongLine:
    """A line of a paragraph, longer than a portion, that may still grow. `width` is the pane's, in cells."""

    def __init__(self, width: int, palette: Palette) -> None:
        self._width, self._palette = text_width(width), palette
        self._open: Row = ()

    def take(self, text: str) -> tuple[list[Row], str]:
        """The rows no more text can change, and the text that is in none of them yet."""
        rows: list[Row] = []
        start = 0
        while len(text) - start > PORTION_CHARS:
            end = text.rfind(" ", start + 1, start + PORTION_CHARS) + 1 or start + PORTION_CHARS
            full, self._open = wrap_open(self._row(text[start:end]), self._width)
            rows += full
            start = end
        return rows, text[start:]

    def rest(self, text: str) -> list[Row]:
        """The rows after those taken, if the line ends with `text`."""
        return wrap(self._row(text), self._width)

    def _row(self, text: str) -> Row:
        return [*self._open, *(piece for row in inline_rows(text, self._palette.text, self._palette) for piece in row)]
