"""Where the person writes: the text, its history, what could complete it; posts what was submitted, knows no session."""

from collections.abc import Sequence
from typing import Literal

from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flowchat.ui.completion import Offer, Wanted, command_offers, wanted_at
from flowchat.ui.editing import Place, TextBuffer
from flowchat.ui.history import History
from flowchat.ui.keys import COMPOSER, acts_by_key
from flowchat.ui.palette import Palette
from flowchat.ui.strips import Piece, line
from flowchat.ui.wrapping import TAB_CELLS, Span, cells, column_at, row_of, rows_of

PLACEHOLDER = "Write a message, @file, /command"
GUTTER = 2
_ACTS = acts_by_key(COMPOSER)
_UNSEEN = (*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080))
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421} | dict.fromkeys(_UNSEEN, 0x2426)
"""How characters that would act on the terminal are drawn; the text keeps them."""


class Composer(Widget, can_focus=True):
    """The text being written. It takes typing, pastes and editing keys; all else bubbles to the screen."""

    class Submitted(Message):
        """Enter: the text as it stands (perhaps blank). The composer keeps it until told `clear`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Changed(Message):
        """The text is another one."""

    class FilesWanted(Message):
        """Somebody began to name a file: `Composer.offer` is waiting for matches of `query`."""

        def __init__(self, query: str) -> None:
            super().__init__()
            self.query = query

    class Offered(Message):
        """What could complete the word at the caret; no offers: nothing."""

        def __init__(self, offers: Sequence[Offer]) -> None:
            super().__init__()
            self.offers = offers

    class Walking(Message):
        """Up or Down while offers are shown."""

        def __init__(self, act: Literal["up", "down"]) -> None:
            super().__init__()
            self.act: Literal["up", "down"] = act

    class Completing(Message):
        """Tab or Enter while offers are shown: the chosen one completes the word; `submits`: then the text is submitted."""

        def __init__(self, submits: bool) -> None:
            super().__init__()
            self.submits = submits

    DEFAULT_CSS = "Composer { height: auto; }"

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._buffer = TextBuffer()
        self._history = History()
        self._top: tuple[int, int] = (0, 0)
        self._goal: int | None = None
        self._wanted: Wanted | None = None
        self._offers: Sequence[Offer] = ()
        self._dismissed: Place | None = None
        self._rows_limit = 6
        self._last_typed = float("-inf")

    # --- what others may ask and tell --------------------------------------------------------------------------------
    @property
    def text(self) -> str:
        return self._buffer.text

    @property
    def is_blank(self) -> bool:
        return not any(line.strip() for line in self._buffer.lines)

    @property
    def offers(self) -> Sequence[Offer]:
        """What is offered for the word at the caret."""
        return self._offers

    @property
    def last_typed(self) -> float:
        """When a key last changed or moved in the text, in the clock of events; the decision bar waits for a pause."""
        return self._last_typed

    def load(self, text: str) -> None:
        """Put a text in place of what is there, the caret at its end."""
        self._buffer.replace(text)
        self._changed()

    def clear(self, remember: bool = True) -> None:
        """Empty it, into the history if it is to be remembered; undo brings it back."""
        if remember:
            self._history.add(self._buffer.text)
        self.load("")

    def remember(self, texts: list[str]) -> None:
        """Begin the history anew, oldest first."""
        self._history.load(texts)

    def offer(self, query: str, offers: Sequence[Offer]) -> None:
        """The matches of a file query; late ones are ignored."""
        if self._wanted is not None and self._wanted.kind == "file" and self._wanted.query == query:
            self._show_offers(offers)

    def take(self, offer: Offer) -> None:
        """Let an offer complete the word."""
        if self._wanted is not None:
            self._buffer.take_range(self._wanted.start, self._buffer.caret, offer.text)
            self._changed()

    def newline(self) -> None:
        self._buffer.insert("\n", typed=True)
        self._changed()

    def dismiss(self) -> bool:
        """Close the offers until another word is begun; False if there were none."""
        if not self._offers:
            return False
        self._dismissed = self._wanted.start if self._wanted else None
        self._show_offers(())
        return True

    def limit_rows(self, rows: int) -> None:
        """How many rows it may grow to."""
        if rows != self._rows_limit:
            self._rows_limit = max(1, rows)
            self.refresh(layout=True)

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        if self.take_key(event):
            event.stop()
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.take_paste(event)

    def take_paste(self, event: events.Paste) -> None:
        """Insert what was pasted; nothing in it is a key."""
        self._last_typed = event.time
        self._buffer.insert(event.text)
        self._changed()

    def take_key(self, event: events.Key) -> bool:
        """Do what a key asks of the text; False if it asks nothing of it."""
        if event.key == "enter":
            self._enter()
            return True
        act = _ACTS.get(event.key)
        if act is None and not (event.is_printable and event.character):
            return False
        self._last_typed = event.time
        match act:
            case None:
                self._buffer.insert(event.character or "", typed=True)
                self._changed()
            case "up" | "down":
                self._vertical(act)
            case "complete":
                return self._complete()
            case _:
                self._edit(act)
        return True

    def _edit(self, act: str) -> None:
        """One of the acts that the buffer knows under the same name."""
        before = self._buffer.lines[:] if not act.startswith("move") else None
        getattr(self._buffer, act)()
        if before is not None and before != self._buffer.lines:
            self._changed()
        else:
            self._moved()

    def _enter(self) -> None:
        row, column = self._buffer.caret
        if column and self._buffer.lines[row][column - 1] == "\\":
            self._buffer.take_range((row, column - 1), (row, column), "\n")
            self._changed()
        elif self._offers and self._wanted:
            self.post_message(self.Completing(submits=self._wanted.kind == "command"))
        else:
            self.post_message(self.Submitted(self.text))

    def _complete(self) -> bool:
        if not self._offers:
            return False
        self.post_message(self.Completing(submits=False))
        return True

    def _vertical(self, act: Literal["up", "down"]) -> None:
        if self._offers:
            self.post_message(self.Walking(act))
            return
        width, (row, column) = self._width, self._buffer.caret
        lines = self._buffer.lines
        number, span = row_of(lines[row], column, width)
        goal = cells(lines[row][span[0] : column]) if self._goal is None else self._goal
        target = self._row_above(row, number) if act == "up" else self._row_below(row, number)
        if target is None:
            self._walk_history(act)
            return
        to_row, to_span = target
        self._buffer.move_to((to_row, column_at(lines[to_row], to_span, goal)))
        self._moved()
        self._goal = goal

    def _walk_history(self, act: Literal["up", "down"]) -> None:
        text = self._history.older(self.text) if act == "up" else self._history.newer()
        if text is None:
            self._buffer.move_start() if act == "up" else self._buffer.move_end()
            self._moved()
            return
        self.load(text)
        if act == "up":
            self._buffer.move_to((0, len(self._buffer.lines[0])))
            self._moved()

    # --- what follows a change ---------------------------------------------------------------------------------------
    def _changed(self) -> None:
        self._moved()
        self.post_message(self.Changed())
        self.refresh(layout=True)

    def _moved(self) -> None:
        self._goal = None
        self._keep_in_view()
        self._look_for_completion()
        self.refresh()

    def _look_for_completion(self) -> None:
        wanted = wanted_at(self._buffer.lines, self._buffer.caret)
        if wanted is None or wanted.start != self._dismissed:
            self._dismissed = None
        if wanted is None or self._dismissed is not None:
            self._wanted = wanted
            self._show_offers(())
        elif wanted != self._wanted or not self._offers:
            self._wanted = wanted
            if wanted.kind == "command":
                self._show_offers(command_offers(wanted.query))
            else:
                self.post_message(self.FilesWanted(wanted.query))

    def _show_offers(self, offers: Sequence[Offer]) -> None:
        if offers or self._offers:
            self._offers = offers
            self.post_message(self.Offered(offers))

    # --- rows --------------------------------------------------------------------------------------------------------
    @property
    def _width(self) -> int:
        return max(4, self.size.width - 2 * GUTTER)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        width = max(4, width - 2 * GUTTER)
        rows = 0
        for text in self._buffer.lines:
            for _ in rows_of(text, width):
                rows += 1
                if rows == self._rows_limit:
                    return rows
        return rows

    def on_resize(self) -> None:
        self._keep_in_view()

    def _row_above(self, row: int, number: int) -> tuple[int, Span] | None:
        if number:
            return row, _span(self._buffer.lines[row], number - 1, self._width)
        if row == 0:
            return None
        *_, last = rows_of(self._buffer.lines[row - 1], self._width)
        return row - 1, last

    def _row_below(self, row: int, number: int) -> tuple[int, Span] | None:
        for index, span in enumerate(rows_of(self._buffer.lines[row], self._width)):
            if index == number + 1:
                return row, span
        if row + 1 == len(self._buffer.lines):
            return None
        return row + 1, next(rows_of(self._buffer.lines[row + 1], self._width))

    def _keep_in_view(self) -> None:
        """Scroll so that the caret's row shows, and no row is left blank below the text while some are hidden above."""
        lines, width = self._buffer.lines, self._width
        row, column = self._buffer.caret
        here = (row, row_of(lines[row], column, width)[0])
        height = min(self._rows_limit, self.get_content_height(self.size, self.size, width + 2 * GUTTER))
        last_row = len(lines) - 1
        bottom = (last_row, row_of(lines[last_row], len(lines[last_row]), width)[0]) if last_row - row < height else None
        if bottom is not None:
            self._top = min(self._top, self._above(bottom, height - 1))
        self._top = min(self._top, here)
        self._top = max(self._top, self._above(here, height - 1))

    def _above(self, place: tuple[int, int], rows: int) -> tuple[int, int]:
        """The row so many rows above a place, or the first."""
        row, number = place
        while rows > number and row > 0:
            rows -= number + 1
            row -= 1
            number = row_of(self._buffer.lines[row], len(self._buffer.lines[row]), self._width)[0]
        return row, max(0, number - rows)

    # --- drawing -----------------------------------------------------------------------------------------------------
    @property
    def caret(self) -> Offset | None:
        """The cell of the caret within the widget."""
        row, column = self._buffer.caret
        lines, width = self._buffer.lines, self._width
        number, span = row_of(lines[row], column, width)
        y = 0
        for at in range(self._top[0], row + 1):
            count = number if at == row else row_of(lines[at], len(lines[at]), width)[0] + 1
            y += count - (self._top[1] if at == self._top[0] else 0)
            if y > self._rows_limit:
                return None
        return Offset(GUTTER + min(cells(lines[row][span[0] : column]), width), y)

    def render_lines(self, crop: object) -> list[Strip]:
        rows = self._shown_rows()
        return [self._strip(rows[y] if y < len(rows) else None) for y in range(crop.y, crop.bottom)]  # type: ignore[attr-defined]

    def _shown_rows(self) -> list[str]:
        shown: list[str] = []
        row, skip = self._top
        for text in self._buffer.lines[row : row + self.size.height]:
            for start, end in rows_of(text, self._width):
                if skip:
                    skip -= 1
                    continue
                shown.append(text[start:end])
                if len(shown) == self.size.height:
                    return shown
        return shown

    def _strip(self, text: str | None) -> Strip:
        palette = self._palette
        pieces: list[Piece] = [(" " * GUTTER, palette.text)]
        if self._buffer.is_empty:
            if text is not None:
                pieces.append((PLACEHOLDER, palette.dim))
        elif text:
            pieces.append((text.replace("\t", " " * TAB_CELLS).translate(_VISIBLE), palette.text))
        return line(self.size.width, pieces, fill=palette.text)

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def on_click(self, event: events.Click) -> None:
        row, skip = self._top
        y = event.y
        for at in range(row, len(self._buffer.lines)):
            for span in rows_of(self._buffer.lines[at], self._width):
                if skip:
                    skip -= 1
                elif y:
                    y -= 1
                else:
                    self._buffer.move_to((at, column_at(self._buffer.lines[at], span, event.x - GUTTER)))
                    self._moved()
                    return


def _span(text: str, number: int, width: int) -> Span:
    for index, span in enumerate(rows_of(text, width)):
        if index == number:
            return span
    raise AssertionError("a row that was counted is there")
