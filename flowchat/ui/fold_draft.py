"""A summary that is not a checkpoint yet: looked through line by line, its lines pinned, or written on as in the composer.

Below it stands what travels with it, row by row, on the same page: that can be dropped.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from rich.style import Style
from textual import events
from textual.geometry import Offset, Region
from textual.strip import Strip
from textual.widget import Widget

from flowchat.agent.proposal import Item
from flowchat.transcript.clean import clean
from flowchat.ui.composer import VISIBLE
from flowchat.ui.editing import TextBuffer
from flowchat.ui.fold_carried import LABEL_CELLS, Carried
from flowchat.ui.keymap import Keymap
from flowchat.ui.page import Page
from flowchat.ui.palette import Palette
from flowchat.ui.strips import Piece, line
from flowchat.ui.wrapping import TAB_CELLS, Span, rows_of

GUTTER = 2
PINNED = "  pinned"
TRAVELS = "travels with it, word for word"
WHEEL_ROWS = 3
_BETWEEN = 2
"""Rows between the text and what travels with it."""
_STRUCK = Style(strike=True)


class Draft(Widget, can_focus=True):
    """`pinned` are the lines that stay word for word; a line that is rewritten is pinned no more.

    A row is chosen by a number: that of a line of the text, and behind the last line go those of what travels with it.
    """

    DEFAULT_CSS = "Draft { height: 1fr; }"

    def __init__(self, palette: Palette, keymap: Keymap, text: str, carried: Sequence[Carried] = ()) -> None:
        super().__init__()
        self._palette, self._acts = palette, keymap.acts("composer")
        self._newlines = frozenset((*keymap.keys("chat", "submit"), *keymap.keys("chat", "newline")))
        self._buffer = TextBuffer()
        self._page = Page(self._buffer, self._text_width)
        self._pinned: set[str] = set()
        self._carried = carried
        self._dropped: set[Item] = set()
        self._beside: int | None = None
        """Which of what travels is chosen; None: a line of the text."""
        self._past = 0
        """Rows that are scrolled past beyond the text's own scrolling."""
        self._writes = False
        self.load(text)

    @property
    def text(self) -> str:
        return self._buffer.text

    @property
    def pinned(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(dict.fromkeys(text.strip() for text in self._buffer.lines if text.strip() in self._pinned))

    @property
    def dropped(self) -> frozenset[Item]:
        """What is not to travel."""
        return frozenset(self._dropped)

    @property
    def offer(self) -> str:
        """What the key that pins does to what is chosen; empty: nothing."""
        row = self._chosen_beside
        if row is None:
            return "unpin it" if self._line.strip() in self._pinned else "pin the line"
        if row.item is None:
            return ""
        is_dropped = row.item in self._dropped
        return ("pin it" if is_dropped else "unpin it") if row.item[0] == "pinned" else "keep it" if is_dropped else "drop it"

    @property
    def writes(self) -> bool:
        """Whether keys write in it."""
        return self._writes

    def load(self, text: str) -> None:
        """Another text in the place of what is there, its beginning in view."""
        self._buffer.replace(clean(text))
        self._buffer.move_start()
        self._beside = None
        self._moved()

    def write(self, whether: bool) -> None:
        """Begin to write in it at the chosen line, or end that."""
        self._writes, self._beside = whether, None
        if not whether:
            self._buffer.move_line_start()
        self._moved()

    def pin(self) -> str:
        """Pin the chosen line or drop what is chosen, or take that back; gives why not where it cannot be."""
        row = self._chosen_beside
        if row is not None and row.item is None:
            return row.why
        if row is not None and row.item is not None:
            self._dropped ^= {row.item}
        elif text := self._line.strip():
            self._pinned ^= {text}
        self.refresh()
        return ""

    # --- keys --------------------------------------------------------------------------------------------------------
    def walk(self, act: str) -> bool:
        """Choose another row, as a key of a list asks, or scroll to the rest of one that is higher than the page; False where the
        act is not about that."""
        steps = {"up": -1, "down": 1, "page_up": -self._page_lines, "page_down": self._page_lines}
        if act not in steps and act not in ("first", "last"):
            return False
        if self._beside is not None and self._scrolls(act):
            return True
        last = len(self._buffer.lines) + len(self._carried) - 1
        self._choose({"first": 0, "last": last}.get(act, self._number + steps.get(act, 0)))
        return True

    def _scrolls(self, act: str) -> bool:
        """Whether the chosen row goes on beyond the page, which then is scrolled."""
        first, last = self._place_of_chosen()
        step = int(act == "down" and last >= self._past + self.size.height) - int(act == "up" and first < self._past)
        self._past += step
        self.refresh()
        return step != 0

    def _choose(self, number: int) -> None:
        lines = len(self._buffer.lines)
        number = max(0, min(number, lines + len(self._carried) - 1))
        self._beside = number - lines if number >= lines else None
        self._buffer.move_to((min(number, lines - 1), 0))
        self._moved()

    @property
    def _number(self) -> int:
        """Of the chosen row."""
        return self._buffer.caret[0] if self._beside is None else len(self._buffer.lines) + self._beside

    @property
    def _chosen_beside(self) -> Carried | None:
        return None if self._beside is None else self._carried[self._beside]

    @property
    def _line(self) -> str:
        return self._buffer.lines[self._buffer.caret[0]]

    def take_key(self, event: events.Key) -> bool:
        """Do what a key asks of the text while it is written in; False if it asks nothing of it."""
        act = "newline" if event.key in self._newlines else self._acts.get(event.key)
        match act:
            case "newline":
                self._buffer.insert("\n", typed=True)
            case "up" | "down":
                if not self._page.walk(act):
                    self._buffer.move_start() if act == "up" else self._buffer.move_end()
                self.refresh()
                return True
            case "complete" | "open_paste":
                return True
            case None if event.is_printable and event.character:
                self._buffer.insert(event.character, typed=True)
            case None:
                return False
            case _:
                getattr(self._buffer, act)()
        self._moved()
        return True

    def take_paste(self, event: events.Paste) -> None:
        self._buffer.insert(clean(event.text))
        self._moved()

    def _moved(self) -> None:
        self._page.show_caret()
        self._follow()

    def _follow(self) -> None:
        """Scroll until what is chosen is seen."""
        height, (first, last) = max(1, self.size.height), self._place_of_chosen()
        self._past = min(first, max(self._past, last - height + 1))
        self._past = max(0, min(self._past, len(self._rows(self._past + height)) - height))
        self.refresh()

    def _place_of_chosen(self) -> tuple[int, int]:
        """Its first and last row, from the first of the text in view on; of a line of the text the caret's."""
        if self._beside is None:
            caret = self._page.caret()
            return (0, 0) if caret is None else (caret[1], caret[1])
        heights = [sum(1 for _ in rows_of(row.text, self._beside_width())) for row in self._carried[: self._beside + 1]]
        end = self._page.rows_to_end() + _BETWEEN + sum(heights)
        return end - heights[-1], end - 1

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def on_click(self, event: events.Click) -> None:
        place = self._page.place_at(event.x - GUTTER, event.y + self._past)
        if place is not None and self._writes:
            self._buffer.move_to(place)
            self._moved()
        elif not self._writes:
            rows = self._rows(self._past + event.y + 1)
            if len(rows) > self._past + event.y and (number := rows[-1][0]) >= 0:
                self._choose(number)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._wheel("up")

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._wheel("down")

    def _wheel(self, act: Literal["up", "down"]) -> None:
        for _ in range(WHEEL_ROWS):
            if self._beside is None and self._page.walk(act):
                self._follow()
            elif not self._writes:
                self.walk(act)

    # --- drawing -----------------------------------------------------------------------------------------------------
    @property
    def caret(self) -> Offset | None:
        """The cell of the caret while it is written in."""
        place = self._page.caret() if self._writes else None
        return None if place is None else Offset(GUTTER + place[0], place[1] - self._past)

    @property
    def _page_lines(self) -> int:
        return max(1, self.size.height - 2)

    def _text_width(self) -> int:
        return max(4, self.size.width - 2 * GUTTER - len(PINNED))

    def _beside_width(self) -> int:
        return max(4, self.size.width - 2 * GUTTER - LABEL_CELLS - GUTTER)

    def on_resize(self) -> None:
        self._page.rows_limit = max(1, self.size.height)
        self._moved()

    def render_lines(self, crop: Region) -> list[Strip]:
        rows = self._rows(self._past + self.size.height)[self._past :]
        return [self._strip(*rows[y]) if y < len(rows) else line(self.size.width, ()) for y in range(crop.y, crop.bottom)]

    def _rows(self, count: int) -> list[tuple[int, Span]]:
        """So many rows from the first of the text in view on: the number of each (-1: it is never chosen) and its characters."""
        rows = self._page.spans(count)
        return rows + list(islice(self._rows_beside(), count - len(rows))) if self._carried else rows

    def _rows_beside(self) -> Iterator[tuple[int, Span]]:
        yield -1, (0, 0)
        yield -1, (0, len(TRAVELS))
        for number, row in enumerate(self._carried, len(self._buffer.lines)):
            for span in rows_of(row.text, self._beside_width()):
                yield number, span

    def _strip(self, number: int, span: Span) -> Strip:
        lines = self._buffer.lines
        if number >= len(lines):
            return self._strip_beside(self._carried[number - len(lines)], number, span)
        return self._strip_between(span) if number < 0 else self._strip_of_line(lines[number], number, span)

    def _strip_of_line(self, whole: str, number: int, span: Span) -> Strip:
        palette = self._palette
        shown = whole[slice(*span)].replace("\t", " " * TAB_CELLS).translate(VISIBLE)
        is_pinned = whole.strip() in self._pinned
        style = palette.heading if whole.startswith("#") else palette.text
        label = (PINNED.strip(), palette.accent) if is_pinned else None
        return self._row(number, span, (shown, palette.accent if is_pinned else style), label)

    def _strip_between(self, span: Span) -> Strip:
        palette = self._palette
        words = f"{palette.glyphs.rule * 2} {TRAVELS[slice(*span)]}" if span[1] else ""
        return line(self.size.width, [(" " * GUTTER + words, palette.dim)])

    def _strip_beside(self, row: Carried, number: int, span: Span) -> Strip:
        palette, text = self._palette, row.text[slice(*span)].rstrip()
        if row.item in self._dropped:
            return self._row(number, span, (text, palette.dim + _STRUCK), (f"{palette.glyphs.denied} dropped", palette.warn))
        style = palette.accent if row.label == "pinned" else palette.dim
        return self._row(number, span, (text, palette.text), (row.label, style))

    def _row(self, number: int, span: Span, shown: Piece, label: Piece | None) -> Strip:
        """One row, what is said of it at the right of its first."""
        palette, (text, style), is_first = self._palette, shown, span[0] == 0
        is_chosen = number == self._number and not self._writes
        mark = f"{palette.glyphs.folded} " if is_chosen and is_first else " " * GUTTER
        if is_chosen:
            style, label = palette.chosen(style), label and (label[0], palette.chosen(label[1]))
        right: list[Piece] = [(f"{label[0]}  ", label[1])] if label is not None and is_first else []
        left: list[Piece] = [(mark, palette.accent), (text, style)]
        return line(self.size.width, left, right, palette.chosen(palette.text) if is_chosen else palette.text)
