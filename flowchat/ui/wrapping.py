"""Which screen row a character of the written text falls on; pure, and lazy enough for a line of a megabyte."""

from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len

from flowchat.ui.editing import grapheme_after

CHUNK_CHARS = 1024
"""A longer line is wrapped in pieces of this length, each on rows of its own."""
TAB_CELLS = 4

Span = tuple[int, int]
"""First and one past the last character of a row."""


def rows_of(line: str, width: int) -> Iterator[Span]:
    """The rows of one line, in order, at least one; rows break after a space where there is one."""
    for start in range(0, len(line) or 1, CHUNK_CHARS):
        for first, end in _wrap(line[start : start + CHUNK_CHARS], width):
            yield start + first, start + end


def row_of(line: str, column: int, width: int) -> tuple[int, Span]:
    """The number of the row a caret before `column` stands on, and that row."""
    number, span = 0, (0, 0)
    for number, span in enumerate(rows_of(line, width)):  # noqa: B007
        if column < span[1]:
            break
    return number, span


def cells(text: str) -> int:
    """The width of a text as the composer draws it."""
    return len(text) if text.isascii() and "\t" not in text else sum(map(_cell, graphemes(text)))


def column_at(line: str, span: Span, x: int) -> int:
    """The character of a row that lies at the cell `x`, or the row's last place."""
    column, end = span
    while column < end:
        after = grapheme_after(line, column)
        x -= _cell(line[column:after])
        if x < 0:
            break
        column = after
    last = end == len(line) or column < end
    return column if last else _last_place(line, span)


def graphemes(text: str) -> Iterator[str]:
    column = 0
    while column < len(text):
        after = grapheme_after(text, column)
        yield text[column:after]
        column = after


def _last_place(line: str, span: Span) -> int:
    """The last place on a row that is not the first of the next one."""
    column = span[0]
    while (after := grapheme_after(line, column)) < span[1]:
        column = after
    return column


def _cell(grapheme: str) -> int:
    return TAB_CELLS if grapheme == "\t" else max(1, cell_len(grapheme))


@lru_cache(maxsize=4096)
def _wrap(text: str, width: int) -> tuple[Span, ...]:
    if len(text) <= width and text.isascii() and "\t" not in text:
        return ((0, len(text)),)
    spans: list[Span] = []
    start, used, space, column = 0, 0, 0, 0
    for grapheme in graphemes(text):
        size = _cell(grapheme)
        while used + size > width and column > start and grapheme != " ":
            end = space if space > start else column
            spans.append((start, end))
            start, used, space = end, cells(text[end:column]), 0
        column += len(grapheme)
        used += size
        if grapheme.isspace():
            space = column
    spans.append((start, len(text)))
    return tuple(spans)
