"""What a frame costs the terminal: which cells of which rows differ from what is painted, and marks laid over a row."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from flowchat.ui.prose import row_cells
from flowchat.ui.strips import Piece


def changed_regions(painted: Sequence[Strip], wanted: Sequence[Strip]) -> list[Region]:
    """The parts of rows to paint, from the left edge as far as there is a difference; both have the same number of rows."""
    regions: list[Region] = []
    for y, (old, new) in enumerate(zip(painted, wanted, strict=True)):
        if old is not new and (end := _difference_end(list(old), list(new))):
            regions.append(Region(0, y, end, 1))
    return regions


def _difference_end(old: list[Segment], new: list[Segment]) -> int:
    """One past the last cell in which two rows of equal width differ; 0 where they do not."""
    while old and new and old[-1] == new[-1]:
        old.pop()
        new.pop()
    if not old or not new:
        return sum(cell_len(segment.text) for segment in old or new)
    end = sum(cell_len(segment.text) for segment in new)
    return end - min(_blanks(old[-1]), _blanks(new[-1]))


def _blanks(segment: Segment) -> int:
    """The plain blank cells a segment ends with."""
    return 0 if segment.style else len(segment.text) - len(segment.text.rstrip(" "))


def marked(strip: Strip, mark: str, style: Style) -> Strip:
    """A row with its first cell replaced."""
    return Strip([Segment(mark, style), *strip.crop(1)], strip.cell_length)


def badged(strip: Strip, badge: Sequence[Piece], margin: int) -> Strip:
    """A row with words laid over its right end, so many cells before the edge."""
    cells = row_cells(badge)
    start = strip.cell_length - cells - margin
    if start < 0:
        return strip
    over = [Segment(text, style) for text, style in badge]
    return Strip([*strip.crop(0, start), *over, *strip.crop(start + cells)], strip.cell_length)


def followed(strip: Strip, words: Sequence[Piece], filling: str, margin: int) -> Strip:
    """A row with words behind what it says, over the `filling` it ends with; as it is where there is no room for them."""
    start, cells = cell_len(strip.text.rstrip(f" {filling}")), row_cells(words)
    if start + cells + margin > strip.cell_length:
        return strip
    over = [Segment(text, style) for text, style in words]
    return Strip([*strip.crop(0, start), *over, *strip.crop(start + cells)], strip.cell_length)


def selected(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """A row with the characters from `start` to `end` (-1: all that follow) shown as selected."""
    text = strip.text.rstrip()
    end = len(text) if end < 0 else min(end, len(text))
    if start >= end:
        return strip
    first, last = cell_len(text[:start]), cell_len(text[:end])
    middle = strip.crop(first, last).apply_style(style)
    return Strip([*strip.crop(0, first), *middle, *strip.crop(last)], strip.cell_length)


def overlaid(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """A row with the look of the characters from `start` to before `end` changed."""
    text = strip.text
    first, last = cell_len(text[:start]), cell_len(text[:end])
    middle = Segment.apply_style(strip.crop(first, last), post_style=style)
    return Strip([*strip.crop(0, first), *middle, *strip.crop(last)], strip.cell_length)
