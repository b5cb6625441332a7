"""Markdown that arrives piece by piece as strips: closed blocks are final, only the open one is parsed again.

What is shown depends on the text alone, not on the pieces it came in. A block is final once a later line has begun another
one: lines are never half, so the parse of what comes later cannot change it. Lists are cut between their top items.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

from textual.strip import Strip

from flowchat.ui.fences import CodeRow, Fence
from flowchat.ui.highlight import lexer_of
from flowchat.ui.inline import inline_parser
from flowchat.ui.palette import Palette
from flowchat.ui.prose import gutter_strip
from flowchat.ui.structure import Unit, block_parser, unit_rows, units_of

Line: TypeAlias = "Strip | CodeRow"
_CLOSES = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*")
_LOUD = frozenset({"fence", "code_block", "table_open", "hr"})
"""Blocks with a blank row above and below whatever the source has there; headings and quotes have one above."""
_LOUD_ABOVE = _LOUD | {"heading_open", "blockquote_open"}


def warm() -> None:
    """Load what the first answer needs, so that it need not wait: the parsers, and the colours of the commonest code."""
    inline_parser()
    block_parser()
    lexer_of("python")


class MarkdownFlow:
    """One text in a pane of `width` cells. `lines` are its rows; those that are code get their colours from `strip`."""

    def __init__(self, width: int, palette: Palette) -> None:
        self.lines: list[Line] = []
        self._width, self._palette = width, palette
        self._blank_row = gutter_strip((), width)
        self._tail = ""
        self._examined = 0
        self._final = 0
        self._before = ""
        self._blank_above = False
        self._ordinal: int | None = None
        self._fence: tuple[Fence, str, int] | None = None

    def feed(self, text: str) -> int:
        """Take the next piece; gives the number of the first row that may have changed."""
        first = self._final
        del self.lines[first:]
        self._tail += text
        self._advance()
        self._draw_tail()
        return first

    def finish(self) -> None:
        """There is no more text."""
        if self._fence is not None:
            self.lines[self._final :] = []
            if not self._tail or not self._take_code(self._tail + "\n"):
                self._end_fence()

    def strip(self, number: int) -> Strip:
        """One row."""
        return strip_of_line(self.lines[number])

    # --- what is whole ---------------------------------------------------------------------------------------------------
    def _advance(self) -> None:
        """Make final what no further text can change."""
        while self._fence is None or self._take_code(self._tail):
            end = self._tail.rfind("\n") + 1
            if end <= self._examined:
                return
            self._examined = end
            units = list(self._units(self._tail[:end]))
            if not units:
                return
            for unit in units[:-1]:
                self._keep(unit)
            last = units[-1]
            if last.kind == "fence":
                self._begin_fence(last)
            elif len(units) > 1:
                self._before, self._blank_above, self._ordinal = units[-2].kind, last.blank_above, last.ordinal
                self._tail = self._tail[last.offset :]
                self._examined = end - last.offset
                return
            else:
                return

    def _units(self, text: str) -> Iterator[Unit]:
        """The blocks of the tail, the first with what is known of the text above it."""
        units = units_of(text, self._ordinal)
        for number, unit in enumerate(units):
            if number == 0:
                unit.blank_above |= self._blank_above
            yield unit

    def _keep(self, unit: Unit) -> None:
        self._draw(unit)
        self._final = len(self.lines)

    # --- code --------------------------------------------------------------------------------------------------------
    def _begin_fence(self, unit: Unit) -> None:
        """From its first line on a fence is read by us: each line is final as soon as it is whole."""
        self._separate(unit)
        fence = Fence(unit.language, self._width, self._palette)
        self._fence = (fence, unit.marker, unit.indent)
        self._before, self._blank_above, self._ordinal = unit.kind, False, None
        self._final = len(self.lines)
        self._tail = self._tail[self._tail.index("\n", unit.offset) + 1 :]
        self._examined = 0

    def _take_code(self, text: str) -> bool:
        """Take the whole lines of an open fence; whether it was closed. The tail is what is left."""
        assert self._fence is not None
        fence, marker, indent = self._fence
        *whole, rest = text.split("\n")
        for number, line in enumerate(whole):
            if _closes(line, marker):
                self._tail = "\n".join([*whole[number + 1 :], rest])
                self._end_fence()
                return True
            self.lines += fence.add(_dedented(line, indent))
        self._final = len(self.lines)
        self._tail = rest
        return False

    def _end_fence(self) -> None:
        assert self._fence is not None
        self._fence[0].close()
        self._fence = None
        self._final = len(self.lines)

    # --- rows --------------------------------------------------------------------------------------------------------
    def _draw_tail(self) -> None:
        if self._fence is not None:
            fence, marker, indent = self._fence
            if self._tail.strip(" " + marker[0]):
                self.lines += fence.draft(_dedented(self._tail, indent))
            return
        before = self._before
        for unit in self._units(self._tail):
            self._draw(unit)
        self._before = before

    def _draw(self, unit: Unit) -> None:
        self._separate(unit)
        if unit.kind == "fence":
            fence = Fence(unit.language, self._width, self._palette)
            for line in unit.code:
                self.lines += fence.add(_dedented(line, unit.indent))
            fence.close()
        else:
            self.lines += [gutter_strip(row, self._width) for row in unit_rows(unit, self._width, self._palette)]

    def _separate(self, unit: Unit) -> None:
        if self.lines and (unit.blank_above or unit.kind in _LOUD_ABOVE or self._before in _LOUD):
            self.lines.append(self._blank_row)
        self._before = unit.kind


def strip_of_line(line: Line) -> Strip:
    """A line as it is shown; code gets its colours here."""
    return line if isinstance(line, Strip) else line[0].strip(line[1], line[2])


def _closes(line: str, marker: str) -> bool:
    found = _CLOSES.fullmatch(line)
    return found is not None and found[1].startswith(marker)


def _dedented(line: str, indent: int) -> str:
    """A line of code without the blanks its fence was indented by."""
    return line[len(line) - len(line.lstrip(" ")) :] if len(line) - len(line.lstrip(" ")) < indent else line[indent:]
