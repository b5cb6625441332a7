"""A unified diff as rows: line numbers, signs, and the lines themselves."""

import re

from msgspec import Struct

from flowchat.transcript.clean import clean
from flowchat.ui.palette import Palette, Role
from flowchat.ui.prose import TAB_CELLS, Row, chop
from flowchat.ui.strips import Piece

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@.*")
_ROLES: dict[str, Role] = {"+": "good", "-": "bad"}


class DiffLine(Struct, frozen=True):
    """`sign` is "+", "-", " ", or "" for a line about the diff; `number` counts in the file after it, for "-" before it."""

    sign: str
    text: str
    number: int | None = None


def read_diff(diff: str) -> list[DiffLine]:
    """The lines of a unified diff of one file; between two hunks stands a line without a sign."""
    lines: list[DiffLine] = []
    old = new = 0
    for line in clean(diff).removesuffix("\n").split("\n"):
        if hunk := _HUNK.fullmatch(line):
            if lines:
                lines.append(DiffLine("", "…"))
            old, new = int(hunk[1]), int(hunk[2])
        elif not old and not new:
            continue
        elif line.startswith("-"):
            lines.append(DiffLine("-", line[1:], old))
            old += 1
        elif line.startswith("+"):
            lines.append(DiffLine("+", line[1:], new))
            new += 1
        elif line[:1] in (" ", ""):
            lines.append(DiffLine(" ", line[1:], new))
            old, new = old + 1, new + 1
        else:
            lines.append(DiffLine("", line.removeprefix("\\ ")))
    return lines


def changes(lines: list[DiffLine]) -> list[DiffLine]:
    """The changed lines with one line of context around them."""
    signs = ["", *(line.sign for line in lines), ""]
    return [line for number, line in enumerate(lines) if line.sign != " " or {signs[number], signs[number + 2]} & {"+", "-"}]


def diff_rows(lines: list[DiffLine], palette: Palette, width: int) -> list[Row]:
    """Rows of at most `width` cells."""
    digits = max((len(str(line.number)) for line in lines if line.number is not None), default=1)
    rows: list[Row] = []
    for line in lines:
        style = palette.role(_ROLES.get(line.sign, "dim"))
        number = "" if line.number is None else str(line.number)
        text = "..." if palette.ascii and line.text == "…" else line.text
        head: Piece = (f"{number:>{digits}} ", palette.dim)
        more: Piece = (" " * (digits + 1), palette.dim)
        for part, row in enumerate(chop([(text.expandtabs(TAB_CELLS), style)], width - digits - 3)):
            rows.append([head if part == 0 else more, (f"{line.sign or ' '} " if part == 0 else "  ", style), *row])
    return rows
