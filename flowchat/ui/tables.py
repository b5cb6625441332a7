"""Markdown tables in the width there is: columns shrink and wrap, and where even that is too narrow rows become lists."""

import re
from collections.abc import Sequence
from typing import TypeAlias

from rich.cells import cell_len

from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row, row_cells, row_text, wrap
from flowchat.ui.strips import Piece

Cell: TypeAlias = Sequence[Row]
"""The lines of a cell, not yet broken to a width."""
GAP_CELLS = 3
_RULE, _BAR = re.compile(r"[ \t|:-]*"), re.compile(r"(?<!\\)\|")
NARROWEST_CELLS = 6
"""A column that would have to be narrower makes the table a list."""


def table_rows(
    header: Sequence[Cell], body: Sequence[Sequence[Cell]], aligns: Sequence[str], width: int, palette: Palette
) -> list[Row]:
    """A table; `aligns` are "left", "right" or "center", one a column."""
    widths = column_widths([header, *body], width - GAP_CELLS * (len(header) - 1))
    if widths is None:
        return _listed(header, body, width, palette)
    rule: Row = [(palette.glyphs.rule * (sum(widths) + GAP_CELLS * (len(widths) - 1)), palette.dim)]
    rows = [*_line(header, widths, aligns, palette), rule]
    lines = [_line(cells, widths, aligns, palette) for cells in body]
    for number, line in enumerate(lines):
        if number and (len(line) > 1 or len(lines[number - 1]) > 1):
            rows.append([])
        rows += line
    return rows


def column_widths(rows: Sequence[Sequence[Cell]], room: int) -> list[int] | None:
    """Cells for each column, at most `room` together; None where a column would be too narrow to read."""
    wanted = [max(max((row_cells(line) for line in cell), default=0) for cell in column) for column in zip(*rows, strict=True)]
    if sum(wanted) <= room:
        return wanted
    longest = [max(_longest_word(cell) for cell in column) for column in zip(*rows, strict=True)]
    least = [min(want, max(NARROWEST_CELLS, min(word, room // 3))) for want, word in zip(wanted, longest, strict=True)]
    if sum(least) > room:
        least = [min(want, NARROWEST_CELLS) for want in wanted]
    if sum(least) > room:
        return None
    return _shared(wanted, least, room)


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Give what is left to the columns that want more, a cell each in turn from the least satisfied on."""
    widths = list(least)
    spare = room - sum(widths)
    while spare:
        index = min((i for i in range(len(widths)) if widths[i] < wanted[i]), key=lambda i: widths[i] / wanted[i])
        widths[index] += 1
        spare -= 1
    return widths


def _longest_word(cell: Cell) -> int:
    return max((cell_len(word) for line in cell for word in row_text(line).split()), default=0)


def _line(cells: Sequence[Cell], widths: Sequence[int], aligns: Sequence[str], palette: Palette) -> list[Row]:
    columns = [[row for line in cell for row in wrap(line, width)] for cell, width in zip(cells, widths, strict=True)]
    rows: list[Row] = []
    for number in range(max(len(column) for column in columns)):
        row: list[Piece] = []
        for index, column in enumerate(columns):
            pieces = column[number] if number < len(column) else ()
            space = max(0, widths[index] - row_cells(pieces))
            before = space if aligns[index] == "right" else space // 2 if aligns[index] == "center" else 0
            after = space - before + (GAP_CELLS if index + 1 < len(columns) else 0)
            row += [(" " * before, palette.text), *pieces, (" " * after, palette.text)]
        rows.append(row)
    return rows


def _listed(header: Sequence[Cell], body: Sequence[Sequence[Cell]], width: int, palette: Palette) -> list[Row]:
    """One paragraph a row: each cell after its column's name; the names alone where there is no row yet."""
    rows: list[Row] = []
    nothing: Cell = ((),)
    for cells in body or [[nothing] * len(header)]:
        if rows:
            rows.append([])
        for name, cell in zip(header, cells, strict=True):
            label = " ".join(row_text(line) for line in name)
            for number, line in enumerate(cell):
                head: list[Piece] = [(f"{label}: ", palette.dim)] if label and not number else []
                rows += wrap([*head, *line], width)
    return rows


def with_rule(text: str) -> str:
    """A text that ends in a table's header, with the rule that is to come below it: it is drawn as a table from the first."""
    *_, above, header, rule = ["", "", *text.rsplit("\n", 3)[-3:]]
    if header.startswith("|") and _RULE.fullmatch(rule):
        start = text[: len(text) - len(rule)]
    else:
        above, header, start = header, rule, f"{text}\n"
    if above.startswith("|") or not header.startswith("|"):
        return text
    columns = len(_BAR.findall(header.rstrip()[1:].removesuffix("|"))) + 1
    return start + "|-" * columns + "|"
