"""Where the person writes: the text, its history, what could complete it; posts what was submitted, knows no session."""

from collections.abc import Sequence
from time import monotonic
from typing import Literal

from textual import events
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flowchat.ui.completion import Offer, Wanted, command_offers, wanted_at
from flowchat.ui.editing import Place, TextBuffer
from flowchat.ui.folds import shown
from flowchat.ui.history import History
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.page import Page
from flowchat.ui.palette import Palette
from flowchat.ui.strips import Piece, line
from flowchat.ui.wrapping import TAB_CELLS

IMPATIENT_SECONDS = 0.3
"""Enter on the empty line this soon after a text was submitted belongs to that one, and asks for nothing."""
PLACEHOLDER = "Write a message, @file, /command, !shell"
BURST_SECONDS = 0.3
"""What is pasted this soon after a piece was taken is the rest of it: a paste without brackets around it comes in pieces."""
GUTTER = 2
_UNSEEN_RANGES = ((0x80, 0xA0), (0x2028, 0x202F), (0x2060, 0x2070), (0xFFF9, 0xFFFC), (0x1D173, 0x1D17B), (0xE0000, 0xE0080))
_UNSEEN: tuple[int, ...] = (
    *(0xAD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x3164, 0xFEFF, 0xFFA0),
    *(code for start, stop in _UNSEEN_RANGES for code in range(start, stop)),
)
VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421} | dict.fromkeys(_UNSEEN, 0x2426)
"""How characters that would act on the terminal are drawn; the text keeps them."""


class Composer(Widget, can_focus=True):
    """The text being written. It takes typing, pastes and editing keys; all else bubbles to the screen."""

    class Submitted(Message):
        """Enter: what was written, which is the composer's no longer; blank: the key alone."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Changed(Message):
        """The text is another one."""

    class Folded(Message):
        """What was pasted stands folded."""

    class FilesWanted(Message):
        """Somebody began to name a file: `Composer.offer` is waiting for matches of `query`."""

        def __init__(self, query: str) -> None:
            super().__init__()
            self.query = query

    class SkillsWanted(Message):
        """Somebody began to name a skill: `Composer.offer` is waiting for matches of `query`."""

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
        """Tab or Enter while offers are shown: the chosen one completes the word; `submits`: then call `submit`."""

        def __init__(self, submits: bool) -> None:
            super().__init__()
            self.submits = submits

    DEFAULT_CSS = "Composer { height: auto; }"

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._acts = palette, keymap.acts("composer")
        self._submits = frozenset(keymap.keys("chat", "submit"))
        self._buffer = TextBuffer()
        self._history = History()
        self._page = Page(self._buffer, lambda: _text_width(self.size.width))
        self._wanted: Wanted | None = None
        self._offers: Sequence[Offer] = ()
        self._dismissed: Place | None = None
        self._last_typed = self._entered = self._submitted = self._pasted = float("-inf")

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

    def append(self, text: str) -> None:
        """Append a text, the caret at its end."""
        if text.strip():
            self.load(text if self.is_blank else f"{self.text}\n{text}")

    def give_back(self, text: str) -> None:
        """What was submitted and is refused stands here again, before what was written since."""
        self.load(text if self.is_blank else f"{text}\n{self.text}")
        self.dismiss()

    def clear(self) -> None:
        """Empty it into the history; undo brings it back."""
        self._history.add(self._buffer.text)
        self.load("")

    def submit(self) -> None:
        """Give away what is written."""
        text = self.text
        if not self.is_blank:
            self._submitted = self._entered
            self.clear()
        elif self._entered - self._submitted < IMPATIENT_SECONDS:
            return
        self.post_message(self.Submitted(text))

    def remember(self, texts: list[str]) -> None:
        """Replace the history, oldest first."""
        self._history.load(texts)

    def offer(self, query: str, offers: Sequence[Offer], kind: Literal["file", "skill"] = "file") -> None:
        """The matches of a query that was asked for; late ones are ignored."""
        if self._wanted is not None and self._wanted.kind == kind and self._wanted.query == query:
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
        if rows != self._page.rows_limit:
            self._page.rows_limit = max(1, rows)
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
        """Insert what was pasted, folded if it is long; nothing in it is a key."""
        goes_on = event.time - self._pasted < BURST_SECONDS
        self._last_typed = event.time
        if self._buffer.paste(event.text, goes_on):
            self.post_message(self.Folded())
        self._changed()
        self._pasted = monotonic()  # while a long piece is taken, the terminal is hardly read

    def enter(self, at: float) -> None:
        """Enter was struck at a moment: it submits, takes what is offered, or with `\\` before the caret begins a line."""
        self._entered = at
        row, column = self._buffer.caret
        if column and self._buffer.lines[row][column - 1] == "\\":
            self._buffer.take_range((row, column - 1), (row, column), "\n")
            self._changed()
        elif self._offers and self._wanted:
            self.post_message(self.Completing(submits=self._wanted.kind == "command"))
        else:
            self.submit()

    def take_key(self, event: events.Key) -> bool:
        """Do what a key asks of the text; False if it asks nothing of it."""
        if event.key in self._submits:
            self.enter(event.time)
            return True
        act = self._acts.get(event.key)
        if act is None and not (event.is_printable and event.character):
            return False
        if (act == "kill_to_line_start" and self.is_blank) or (act == "open_paste" and not self._buffer.open_fold()):
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
            case "open_paste":
                self._changed()
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

    def _complete(self) -> bool:
        if not self._offers:
            return False
        self.post_message(self.Completing(submits=False))
        return True

    def _vertical(self, act: Literal["up", "down"]) -> None:
        if self._offers:
            self.post_message(self.Walking(act))
            return
        if self._page.walk(act):
            self._look_for_completion()
            self.refresh()
        else:
            self._walk_history(act)

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
        self._page.show_caret()
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
            elif wanted.kind == "skill":
                self.post_message(self.SkillsWanted(wanted.query))
            else:
                self.post_message(self.FilesWanted(wanted.query))

    def _show_offers(self, offers: Sequence[Offer]) -> None:
        if offers or self._offers:
            self._offers = offers
            self.post_message(self.Offered(offers))

    # --- drawing -----------------------------------------------------------------------------------------------------
    @property
    def caret(self) -> Offset | None:
        """The cell of the caret within the widget."""
        caret = self._page.caret()
        return None if caret is None else Offset(GUTTER + caret[0], caret[1])

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._page.height(_text_width(width))

    def on_resize(self) -> None:
        self._page.show_caret()

    def render_lines(self, crop: Region) -> list[Strip]:
        rows = self._page.rows(self.size.height)
        return [self._strip(rows[y] if y < len(rows) else None) for y in range(crop.y, crop.bottom)]

    def _strip(self, text: str | None) -> Strip:
        palette = self._palette
        pieces: list[Piece] = [(" " * GUTTER, palette.text)]
        if self._buffer.is_empty:
            if text is not None:
                pieces.append((placeholder(_text_width(self.size.width)), palette.dim))
        elif text:
            pieces.append((shown(text.replace("\t", " " * TAB_CELLS)).translate(VISIBLE), palette.text))
        return line(self.size.width, pieces, fill=palette.text)

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def on_click(self, event: events.Click) -> None:
        place = self._page.place_at(event.x - GUTTER, event.y)
        if place is not None:
            self._buffer.move_to(place)
            self._moved()


def placeholder(width: int) -> str:
    """What may be written, as much of it as there is room for."""
    text = PLACEHOLDER
    while len(text) > width and ", " in text:
        text = text.rpartition(", ")[0]
    return text


def _text_width(width: int) -> int:
    """Cells for the text in a composer of `width` cells."""
    return max(4, width - 2 * GUTTER)
