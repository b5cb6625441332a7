"""Styled text broken into rows: between words for prose, anywhere for code; measured in cells, graphemes kept whole."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flowchat.transcript.clean import clean
from flowchat.ui.strips import Piece
from flowchat.ui.widths import clusters

Row: TypeAlias = Sequence[Piece]
"""One screen row, without gutters and filling."""

GUTTER = 2
"""Blank cells left and right of everything but marks."""
TEXT_LIMIT_CELLS = 100
"""Prose is no wider than this."""
TAB_CELLS = 4
ROW_CHARS, PREVIEW_CHARS = 300, 2_000
"""Of a text its row in a list shows at most so much, and what is shown beside it."""
_SINGLE_CELLS = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0377\u037a-\u037f\u0384-\u0482\u2010-\u2027\u2190-\u2193\u2500-\u259f]*"
)
_NULL = Style.null()


def text_width(width: int) -> int:
    """Cells for prose in a pane of `width` cells."""
    return max(1, min(TEXT_LIMIT_CELLS, width - 2 * GUTTER))


def code_width(width: int) -> int:
    """Cells for tables and code in a pane of `width` cells."""
    return max(1, width - 2 * GUTTER)


def wrap(row: Row, width: int) -> list[Row]:
    """A line on as many rows as it needs, broken between words; spaces at breaks and at the end go."""
    return _broken(row, width, words=True)


def wrap_open(row: Row, width: int) -> tuple[list[Row], Row]:
    """As `wrap` for a line that goes on: the rows that are full, and what the next one begins with."""
    text = row_text(row)
    if not text:
        return [], row
    spans = _spans(text, max(1, width), words=True)
    *rows, rest = _cut(row, [*spans[:-1], (spans[-1][0], len(text))])
    return rows, rest


def chop(row: Row, width: int) -> list[Row]:
    """A line on as many rows as it needs, broken where a row is full."""
    return _broken(row, width, words=False)


def wrap_text(text: str, style: Style, width: int) -> list[Row]:
    """Plain text, its newlines kept."""
    return [row for line in text.expandtabs(TAB_CELLS).split("\n") for row in wrap([(line, style)], width)]


def wrapped(text: str, width: int) -> list[str]:
    """As `wrap_text`, for who gives each row a look of its own."""
    return [row_text(row) for row in wrap_text(text, _NULL, width)]


def one_line(text: str) -> str:
    """A text of unknown origin as one line: clean, every run of blanks one space."""
    return " ".join(clean(text).split())


def beginning(text: str, chars: int = ROW_CHARS) -> str:
    """The first characters of a text, clean and without the blanks around it, for where there is no room for more."""
    return clean(text.lstrip()[:chars]).rstrip()


def row_text(row: Row) -> str:
    return "".join([text for text, _ in row])


def row_cells(row: Row) -> int:
    return sum([cell_len(text) for text, _ in row])


def gutter_strip(row: Row, width: int) -> Strip:
    """A row after the left gutter, filled up to `width` cells."""
    return strip_of([("  ", _NULL), *row], width)


def strip_of(row: Iterable[Piece], width: int) -> Strip:
    """A row as a strip of exactly `width` cells."""
    segments: list[Segment] = []
    used, run, run_style = 0, "", _NULL
    for text, style in row:
        if style == run_style:
            run += text
        else:
            if run:
                segments.append(Segment(run, run_style))
            run, run_style = text, style
        used += len(text) if text.isascii() else cell_len(text)
    if used < width:
        if run_style == _NULL:
            run += " " * (width - used)
        else:
            segments.append(Segment(run, run_style))
            run, run_style = " " * (width - used), _NULL
    if run:
        segments.append(Segment(run, run_style))
    return Strip(segments, used if used > width else width).crop(0, width)


def _broken(row: Row, width: int, words: bool) -> list[Row]:
    text = row[0][0] if len(row) == 1 else row_text(row)
    width = max(1, width)
    if len(text) <= width and _SINGLE_CELLS.fullmatch(text):
        return [row]
    spans = _spans(text, width, words)
    return [row] if len(spans) == 1 and spans[0] == (0, len(text)) else _cut(row, spans)


def _spans(text: str, width: int, words: bool) -> list[tuple[int, int]]:
    return (_narrow_spans if _SINGLE_CELLS.fullmatch(text) else _wide_spans)(text, width, words)


def _narrow_spans(text: str, width: int, words: bool) -> list[tuple[int, int]]:
    """Rows as (first, end) characters, each character one cell wide."""
    if not words:
        return [(start, min(start + width, len(text))) for start in range(0, len(text), width)]
    spans: list[tuple[int, int]] = []
    start, end = 0, len(text.rstrip(" "))
    while end - start > width:
        cut = text.rfind(" ", start + 1, start + width + 1)
        if cut < 0 or text[start:cut].isspace():
            cut = start + width
        spans.append((start, _without_spaces(text, start, cut)))
        start = cut
        while start < end and text[start] == " ":
            start += 1
    spans.append((start, end))
    return spans


def _wide_spans(text: str, width: int, words: bool) -> list[tuple[int, int]]:
    """As above where characters are of any width; a row also breaks around wide ones, and never inside a grapheme."""
    spans: list[tuple[int, int]] = []
    start = used = place = 0
    for first, end, cells in clusters(text):
        is_space = words and text[first] == " " and end == first + 1
        if cells == 2 and first > start:
            place = first
        if used + cells > width and first > start and not is_space:
            cut = place if words and place > start else first
            spans.append((start, _without_spaces(text, start, cut) if words else cut))
            start = place = cut
            used = cell_len(text[cut:first])
        used += cells
        if is_space or cells == 2:
            place = end
    spans.append((start, _without_spaces(text, start, len(text)) if words else len(text)))
    return spans


def _without_spaces(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] == " ":
        end -= 1
    return end


def _cut(row: Row, spans: list[tuple[int, int]]) -> list[Row]:
    rows: list[Row] = []
    pieces = iter(row)
    text, style = next(pieces)
    offset = 0
    for start, end in spans:
        cut: list[Piece] = []
        while start < end:
            while offset + len(text) <= start:
                offset += len(text)
                text, style = next(pieces)
            stop = min(end, offset + len(text))
            cut.append((text[start - offset : stop - offset], style))
            start = stop
        rows.append(cut)
    return rows
