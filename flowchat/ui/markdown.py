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
from flowchat.ui.longline import PORTION_CHARS, LongLine, portions
from flowchat.ui.palette import Palette
from flowchat.ui.prose import gutter_strip
from flowchat.ui.structure import Unit, block_parser, unit_rows, units_of
from flowchat.ui.tables import with_rule

Line: TypeAlias = "Strip | CodeRow"
REDRAWN_CHARS, REDRAWN_SHARE = 4096, 16
"""An open block longer than this is drawn again only when it has grown by its 16th: its cost stays within its length."""
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
        self._examined = self._passed = self._due = 0
        self._final = 0
        self._before = ""
        self._blank_above = False
        self._ordinal: int | None = None
        self._continues = self._ended = False
        self._line: LongLine | None = None
        self._fence: tuple[Fence, str, int] | None = None

    def feed(self, text: str) -> int:
        """Take the next piece; gives the number of the first row that may have changed."""
        self._tail += text
        if len(self._tail) < self._due and self._fence is None:
            return len(self.lines)
        first = self._final
        del self.lines[first:]
        self._advance()
        self._draw_tail()
        size = len(self._tail)
        self._due = size + size // REDRAWN_SHARE if size > REDRAWN_CHARS else 0
        return first

    def finish(self) -> None:
        """There is no more text."""
        self._ended, self._due = True, 0
        if self._fence is None:
            self.feed("")
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
        while self._take_code(self._tail) if self._fence else self._take_line() if self._line else self._take_blocks():
            pass

    def _take_blocks(self) -> bool:
        """Take what is whole, up to the end or to a line that is too long; whether there may be more to take."""
        long = _long_line(self._tail, self._passed)
        end = self._tail.rfind("\n") + 1 if long is None else long + PORTION_CHARS
        if end <= self._examined:
            return False
        self._examined = end
        self._passed = self._passed if long is None else long + 1
        units = list(self._units(self._tail[:end]))
        for unit in units[:-1]:
            self._keep(unit)
        if not units:
            return long is not None
        last = units[-1]
        if last.kind == "fence":
            self._begin_fence(last)
            return True
        if len(units) > 1:
            self._before, self._blank_above, self._ordinal = units[-2].kind, last.blank_above, last.ordinal
            self._continues = False
        if long is not None and last.text and last.text[-1].strip() == self._tail[long:end].strip():
            self._begin_line(last, long)
            return True
        if len(units) > 1:
            self._drop(last.offset)
            last.offset = 0
        self._keep_portions(last)
        return long is not None

    def _keep_portions(self, unit: Unit) -> None:
        """Make final what stands in another portion than the end of a paragraph that may go on."""
        found = portions(unit.text) if unit.kind == "paragraph_open" else []
        if len(found) < 2:
            return
        unit.text = unit.text[: -len(found[-1])]
        self._keep(unit)
        end = unit.offset
        for _ in unit.text:
            end = self._tail.index("\n", end) + 1
        self._drop(end)
        self._go_on()

    def _drop(self, count: int) -> None:
        """So many characters of the tail are final."""
        self._tail = self._tail[count:]
        self._examined, self._passed = max(0, self._examined - count), max(0, self._passed - count)

    def _go_on(self) -> None:
        """What comes next may be another line of a paragraph."""
        self._before, self._blank_above, self._ordinal, self._continues = "paragraph_open", False, None, True

    def _units(self, text: str) -> Iterator[Unit]:
        """The blocks of the tail, the first with what is known of the text above it."""
        units = units_of(text, self._ordinal, self._continues)
        for number, unit in enumerate(units):
            if number == 0:
                unit.blank_above |= self._blank_above
            yield unit

    def _keep(self, unit: Unit) -> None:
        self._draw(unit)
        self._final = len(self.lines)

    # --- a line that is too long -----------------------------------------------------------------------------------------
    def _begin_line(self, unit: Unit, start: int) -> None:
        """A paragraph's last line, at `start`, is read by us from here on; those above it are final."""
        unit.text = unit.text[:-1]
        self._keep(unit)
        self._line = LongLine(self._width, self._palette)
        self._tail = self._tail[start:].lstrip(" \t")
        self._examined = self._passed = 0

    def _take_line(self) -> bool:
        """Take what is final of the line; whether it has ended."""
        assert self._line is not None
        line, newline, behind = self._tail.partition("\n")
        rows, rest = self._line.take(line)
        rows += self._line.rest(rest) if newline else []
        self.lines += [gutter_strip(row, self._width) for row in rows]
        self._final = len(self.lines)
        self._tail = behind if newline else rest
        if newline:
            self._line = None
            self._go_on()
        return newline != ""

    # --- code --------------------------------------------------------------------------------------------------------
    def _begin_fence(self, unit: Unit) -> None:
        """From its first line on a fence is read by us: each line is final as soon as it is whole."""
        self._separate(unit)
        fence = Fence(unit.language, self._width, self._palette)
        self._fence = (fence, unit.marker, unit.indent)
        self._before, self._blank_above, self._ordinal, self._continues = unit.kind, False, None, False
        self._final = len(self.lines)
        self._tail = self._tail[self._tail.index("\n", unit.offset) + 1 :]
        self._examined = self._passed = 0

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
        if self._line is not None:
            self.lines += [gutter_strip(row, self._width) for row in self._line.rest(self._tail)]
            return
        before = self._before
        for unit in self._units_so_far():
            self._draw(unit)
        self._before = before

    def _units_so_far(self) -> list[Unit]:
        """The blocks of the tail; while there may be more text, what begins as a table is one."""
        assumed = self._tail if self._ended else with_rule(self._tail)
        units = list(self._units(assumed))
        if assumed is not self._tail and units[-1].kind != "table_open":
            units = list(self._units(self._tail))
        return units

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


def text_of_line(line: Line) -> str:
    """A line's text, its gutter with it."""
    return line.text if isinstance(line, Strip) else line[0].text(line[1], line[2])


def _long_line(text: str, start: int) -> int | None:
    """Where the first line from `start` on begins that is longer than a portion."""
    place = text.find("\n", start - 1) + 1 if start else 0
    while len(text) - place > PORTION_CHARS and (place or not start):
        end = text.find("\n", place)
        if end < 0 or end - place > PORTION_CHARS:
            return place
        place = end + 1
    return None


def _closes(line: str, marker: str) -> bool:
    found = _CLOSES.fullmatch(line)
    return found is not None and found[1].startswith(marker)


def _dedented(line: str, indent: int) -> str:
    """A line of code without the blanks its fence was indented by."""
    return line[len(line) - len(line.lstrip(" ")) :] if len(line) - len(line.lstrip(" ")) < indent else line[indent:]
