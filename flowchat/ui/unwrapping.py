"""Rows of the screen back to the lines they were broken from: which go on where the one above ends, with what in between.

A row does not know why it ended. The source of its block does: where what two rows show stands in it with no newline between,
they are one line. Markup stands in the source alone and bullets on the screen alone, so words are compared, in their order.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from flowchat.ui.prose import GUTTER

LOOK_AHEAD_CHARS = 240
"""How far behind the last word found the next one may stand: markup and the address of a link are passed over."""
_WORD = re.compile(r"\w+")


class Unwrapped(Struct, frozen=True):
    """What a row shows, from its character `start` on, without blanks around it; `text` is that as the source has it.

    `indent` are the blanks before it, `joint` what stands between it and the next row: a newline, or what the break took away.
    """

    start: int
    shown: str
    text: str
    indent: str
    joint: str = "\n"


def unwrapped(rows: Sequence[str], source: str, bar: str) -> list[Unwrapped]:
    """The rows of one block, in order; `bar` is the glyph that stands before what is set in."""
    margin = re.compile(rf".{{{GUTTER}}}(?: *{re.escape(bar)}(?: |$))*")
    made: list[Unwrapped] = []
    end = before = 0
    for row in rows:
        found = margin.match(row)
        set_in = found.end() if found else 0
        shown = row[set_in:].strip()
        start = row.index(shown, set_in) if shown else len(row.rstrip())
        place = _place(shown, source, end)
        indent = row[set_in:start]
        if place is None:
            made.append(Unwrapped(start, shown, shown, indent))
            continue
        first, end = place
        between = source[before:first]
        line = source[source.rfind("\n", 0, first) + 1 : first]
        if made and made[-1].shown and before and "\n" not in between:
            made[-1] = _joined(made[-1], between)
            indent = ""
        elif not line.strip():
            indent = line
        written = source[first:end]
        made.append(Unwrapped(start, shown, written if written.split() == shown.split() else shown, indent))
        before = end
    return made


def _joined(row: Unwrapped, between: str) -> Unwrapped:
    blanks = between if not between.strip() else " " if any(map(str.isspace, between)) else ""
    return Unwrapped(row.start, row.shown, row.text, row.indent, blanks)


def _place(shown: str, source: str, start: int) -> tuple[int, int] | None:
    """Where in the source a row's first word begins and its last one ends, at or after `start`."""
    if not shown:
        return None
    limit = start + len(shown) + LOOK_AHEAD_CHARS
    exact = source.find(shown, start, limit)
    if exact >= 0:
        return exact, exact + len(shown)
    first, end = -1, start
    for word in _WORD.finditer(shown):
        at = source.find(word[0], end, end + LOOK_AHEAD_CHARS)
        if at >= 0:
            first = at if first < 0 else first
            end = at + len(word[0])
    return None if first < 0 else (first, end)
