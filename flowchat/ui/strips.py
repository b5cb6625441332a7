"""One screen line out of styled pieces: cut with an ellipsis, filled to the width; what every bar and list is drawn with."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flowchat.ui.widths import clip

Piece = tuple[str, Style]
"""A text without control characters or newlines, and how it looks."""
GAP = 2
"""Cells between what stands left and what stands right."""


def line(width: int, left: Sequence[Piece], right: Sequence[Piece] = (), fill: Style | None = None) -> Strip:
    """A line of exactly `width` cells; when both sides do not fit the left one is cut."""
    right_width = pieces_width(right)
    room = width - right_width - (GAP if right else 0)
    if room < min(width // 3, pieces_width(left)):
        right, right_width, room = (), 0, width
    left = cut_pieces(left, max(0, room))
    space = max(0, width - pieces_width(left) - right_width)
    return Strip(_segments([*left, (" " * space, fill or Style.null()), *right]), width)


def rule(width: int, style: Style, left: Sequence[Piece] = (), right: Sequence[Piece] = (), glyph: str = "─") -> Strip:
    """A thin line across, with words in it near its ends."""
    room = max(0, width - pieces_width(right) - 4)
    left = cut_pieces(left, room)
    between = max(0, width - pieces_width(left) - pieces_width(right))
    pieces: list[Piece] = []
    if left:
        pieces += [(glyph * 2, style), *left]
        between -= 2
    tail = 2 if right and between >= 2 else 0
    pieces += [(glyph * max(0, between - tail), style), *right, (glyph * tail, style)]
    return Strip(_segments(pieces)).adjust_cell_length(width, style)


def _segments(pieces: Sequence[Piece]) -> list[Segment]:
    """As few segments as show the same: what looks alike is joined, and a space has no colour of its own."""
    joined: list[Piece] = []
    for text, style in pieces:
        if text.isspace() and not _shows_on_blanks(style):
            style = joined[-1][1] if joined and not _shows_on_blanks(joined[-1][1]) else Style.null()
        if joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        elif text:
            joined.append((text, style))
    return [Segment(text, style) for text, style in joined]


def _shows_on_blanks(style: Style) -> bool:
    return style.bgcolor is not None or bool(style.underline) or bool(style.reverse)


def pieces_width(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def cut_pieces(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """The pieces, or as much of them as fits, followed by an ellipsis."""
    if pieces_width(pieces) <= width:
        return list(pieces)
    kept: list[Piece] = []
    for text, style in pieces:
        if (used := cell_len(text)) < width:
            kept.append((text, style))
            width -= used
        else:
            kept.append((cut(text + "…" if used <= width else text, width), style))
            break
    return kept


def cut(text: str, width: int) -> str:
    """A text of at most `width` cells, its end an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return clip(text, width - 1).rstrip() + "…" if width > 0 else ""


def cut_front(text: str, width: int) -> str:
    """The end of a text, at most `width` cells: what is being written; it begins with an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    shown = text[-max(1, width) :]
    while shown and cell_len(shown) > width - 1:
        shown = shown[1:]
    return f"…{shown}" if width > 0 else ""


def hint_lines(width: int, hints: Sequence[str], style: Style) -> list[list[Piece]]:
    """Hints side by side, on as many lines as they need; those of nothing are left out."""
    lines: list[str] = []
    for hint in filter(None, hints):
        if lines and cell_len(lines[-1]) + 3 + cell_len(hint) < width:
            lines[-1] += f"   {hint}"
        else:
            lines.append(f"  {hint}")
    return [[(text, style)] for text in lines]
