"""A unified diff as rows: numbers, signs, lines and what changed within them; before and after side by side when wide."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from msgspec import Struct
from rich.style import Style

from flowchat.transcript.clean import clean
from flowchat.ui.palette import Palette, Role
from flowchat.ui.prose import TAB_CELLS, Row, chop, row_cells
from flowchat.ui.strips import Piece
from flowchat.ui.widths import clusters

SIDE_BY_SIDE_CELLS = 120
"""From so many on, what was stands beside what is."""
NUMBERED_CELLS = 40
"""In less room the lines have it all: no numbers stand before them."""
COMPARED_CHARS = 1_000
"""What changed within a longer line is not marked."""
ALIKE_SHARE = 3
"""Of two lines that belong together at least one part in so many is the same; else neither is marked within."""
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@.*")
_WORDS = re.compile(r"\w+|\W")
_ROLES: dict[str, Role] = {"+": "good", "-": "bad"}
_UNDERLINED = Style(underline=True)

Span = tuple[int, int]
"""First and one past the last character of what changed."""


class DiffLine(Struct, frozen=True):
    """`sign` is "+", "-", " ", or "" for a line about the diff; `number` counts in the file after it, for "-" before it.

    `old` is the number before it of a line that stays.
    """

    sign: str
    text: str
    number: int | None = None
    old: int | None = None


def read_diff(diff: str, is_whole: bool = True) -> list[DiffLine]:
    """The lines of a unified diff of one file; between two hunks stands a line without a sign.

    Lines above the first hunk are names, unless what is given is not the whole: then they are lines whose numbers are unknown.
    """
    lines: list[DiffLine] = []
    old = new = 0
    for line in clean(diff).removesuffix("\n").split("\n"):
        if hunk := _HUNK.fullmatch(line):
            if lines:
                lines.append(DiffLine("", "…"))
            old, new = int(hunk[1]), int(hunk[2])
        elif not old and not new:
            if not is_whole and line:
                lines.append(DiffLine(line[0], line[1:]) if line[0] in " +-" else DiffLine("", line))
        elif line.startswith("-"):
            lines.append(DiffLine("-", line[1:], old))
            old += 1
        elif line.startswith("+"):
            lines.append(DiffLine("+", line[1:], new))
            new += 1
        elif line[:1] in (" ", ""):
            lines.append(DiffLine(" ", line[1:], new, old))
            old, new = old + 1, new + 1
        else:
            lines.append(DiffLine("", line.removeprefix("\\ ")))
    return lines


def changes(lines: list[DiffLine]) -> list[DiffLine]:
    """The changed lines with one line of context around them."""
    signs = ["", *(line.sign for line in lines), ""]
    return [line for number, line in enumerate(lines) if line.sign != " " or {signs[number], signs[number + 2]} & {"+", "-"}]


def diff_rows(lines: Sequence[DiffLine], palette: Palette, width: int) -> list[Row]:
    """Rows of at most `width` cells."""
    drawing = _Drawing(lines, palette)
    if width >= SIDE_BY_SIDE_CELLS:
        return [row for before, after in _pairs(lines) for row in drawing.beside(before, after, width)]
    return [row for before, after in _runs(lines) for line in (*before, *after) for row in drawing.alone(line, width)]


def changed_within(old: str, new: str) -> tuple[Span, Span] | None:
    """What of two lines is not the same in both, in whole words; None where too little is."""
    if old == new or max(len(old), len(new)) > COMPARED_CHARS:
        return None
    before, after = _tokens(old), _tokens(new)
    least = min(len(before), len(after))
    first = next((at for at in range(least) if before[at] != after[at]), least)
    last = next((at for at in range(least - first) if before[-1 - at] != after[-1 - at]), least - first)
    start, end = len("".join(before[:first])), len("".join(before[len(before) - last :]))
    same = len((old[:start] + old[len(old) - end :]).replace(" ", ""))
    if same * ALIKE_SHARE < max(len(old.replace(" ", "")), len(new.replace(" ", ""))):
        return None
    return (start, len(old) - end), (start, len(new) - end)


def _tokens(text: str) -> list[str]:
    """Words, and all else cluster by cluster."""
    if text.isascii():
        return _WORDS.findall(text)
    tokens: list[str] = []
    in_word = False
    for first, end, _ in clusters(text):
        is_word = text[first].isalnum() or text[first] == "_"
        if is_word and in_word:
            tokens[-1] += text[first:end]
        else:
            tokens.append(text[first:end])
        in_word = is_word
    return tokens


def _runs(lines: Sequence[DiffLine]) -> Iterator[tuple[Sequence[DiffLine], Sequence[DiffLine]]]:
    """What was taken out with what came in its place; any other line is alone in the first."""
    at = 0
    while at < len(lines):
        middle = at
        while middle < len(lines) and lines[middle].sign == "-":
            middle += 1
        end = middle
        while end < len(lines) and lines[end].sign == "+":
            end += 1
        if end == at:
            middle = end = at + 1
        yield lines[at:middle], lines[middle:end]
        at = end


def _pairs(lines: Sequence[DiffLine]) -> Iterator[tuple[DiffLine | None, DiffLine | None]]:
    """What stands on the same row, before and after; of a line that stays or is about the diff both are that."""
    for before, after in _runs(lines):
        if before and before[0].sign != "-":
            yield before[0], before[0]
        else:
            yield from zip_longest(before, after)


class _Drawing:
    """Draws the lines of one diff."""

    def __init__(self, lines: Sequence[DiffLine], palette: Palette) -> None:
        self._palette = palette
        self._digits = max((len(str(n)) for line in lines for n in (line.number, line.old) if n is not None), default=1)
        self._changed: dict[int, Span] = {}
        """By the identity of a line."""
        for before, after in _runs(lines):
            for old, new in zip(before, after, strict=False):
                if spans := changed_within(_text(old), _text(new)):
                    self._changed[id(old)], self._changed[id(new)] = spans

    def alone(self, line: DiffLine, width: int, number: int | None = None) -> list[Row]:
        """A line on as many rows as it needs, its number and sign before the first."""
        palette, digits = self._palette, self._digits
        number = line.number if number is None else number
        style = palette.role(_ROLES.get(line.sign, "dim"))
        room = digits + 1 if width >= NUMBERED_CELLS else 0
        told = f"{'' if number is None else number:>{digits}} "[:room]
        rows: list[Row] = []
        for part, row in enumerate(chop(self._pieces(line, style), width - room - 2)):
            head: Piece = (told if part == 0 else " " * room, palette.dim)
            rows.append([head, (f"{line.sign or ' '} " if part == 0 else "  ", style), *row])
        return rows

    def beside(self, before: DiffLine | None, after: DiffLine | None, width: int) -> list[Row]:
        """Two lines side by side; one about the diff goes across."""
        if before is not None and not before.sign:
            return self.alone(before, width)
        bar: Piece = (f" {self._palette.glyphs.bar} ", self._palette.dim)
        half = (width - 3) // 2
        left = [] if before is None else self.alone(before, half, before.old)
        right = [] if after is None else self.alone(after, half)
        rows: list[Row] = []
        for old, new in zip_longest(left, right, fillvalue=()):
            rows.append([*old, (" " * (half - row_cells(old)), self._palette.text), bar, *new])
        return rows

    def _pieces(self, line: DiffLine, style: Style) -> Row:
        text = "..." if self._palette.ascii and line.text == "…" else _text(line)
        start, end = self._changed.get(id(line), (0, 0))
        if start == end:
            return [(text, style)]
        ground = self._palette.added if line.sign == "+" else self._palette.removed
        pieces = [(text[:start], style), (text[start:end], style + ground + _UNDERLINED), (text[end:], style)]
        return [piece for piece in pieces if piece[0]]


def _text(line: DiffLine) -> str:
    return line.text.expandtabs(TAB_CELLS)
