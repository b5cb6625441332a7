"""A summary that is not a checkpoint yet: looked through line by line, its lines pinned, or written on as in the composer."""

from typing import Literal

from textual import events
from textual.geometry import Offset, Region
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.ui.composer import VISIBLE
from flowchat.ui.editing import TextBuffer
from flowchat.ui.keymap import Keymap
from flowchat.ui.page import Page
from flowchat.ui.palette import Palette
from flowchat.ui.strips import Piece, line
from flowchat.ui.wrapping import TAB_CELLS

GUTTER = 2
PINNED = "  pinned"
WHEEL_ROWS = 3


class Draft(Widget, can_focus=True):
    """`pinned` are the lines that stay word for word; a line that is rewritten is pinned no more."""

    DEFAULT_CSS = "Draft { height: 1fr; }"

    def __init__(self, palette: Palette, keymap: Keymap, text: str) -> None:
        super().__init__()
        self._palette, self._acts = palette, keymap.acts("composer")
        self._newlines = frozenset((*keymap.keys("chat", "submit"), *keymap.keys("chat", "newline")))
        self._buffer = TextBuffer()
        self._page = Page(self._buffer, self._text_width)
        self._pinned: set[str] = set()
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
    def writes(self) -> bool:
        """Whether keys write in it."""
        return self._writes

    def load(self, text: str) -> None:
        """Another text in the place of what is there, its beginning in view."""
        self._buffer.replace(clean(text))
        self._buffer.move_start()
        self._moved()

    def write(self, whether: bool) -> None:
        """Begin to write in it at the chosen line, or end that."""
        self._writes = whether
        if not whether:
            self._buffer.move_line_start()
        self._moved()

    def pin(self) -> bool:
        """Pin the chosen line, or let it go again; False where it says nothing."""
        text = self._buffer.lines[self._buffer.caret[0]].strip()
        if text:
            self._pinned ^= {text}
            self.refresh()
        return bool(text)

    # --- keys --------------------------------------------------------------------------------------------------------
    def walk(self, act: str) -> bool:
        """Choose another line, as a key of a list asks; False where the act is not about that."""
        steps = {"up": -1, "down": 1, "page_up": -self._page_lines, "page_down": self._page_lines}
        last = len(self._buffer.lines) - 1
        if act not in steps and act not in ("first", "last"):
            return False
        row = {"first": 0, "last": last}.get(act, self._buffer.caret[0] + steps.get(act, 0))
        self._buffer.move_to((max(0, min(row, last)), 0))
        self._moved()
        return True

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
        self.refresh()

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def on_click(self, event: events.Click) -> None:
        place = self._page.place_at(event.x - GUTTER, event.y)
        if place is not None:
            self._buffer.move_to(place if self._writes else (place[0], 0))
            self._moved()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._wheel("up")

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._wheel("down")

    def _wheel(self, act: Literal["up", "down"]) -> None:
        for _ in range(WHEEL_ROWS):
            self._page.walk(act)
        self.refresh()

    # --- drawing -----------------------------------------------------------------------------------------------------
    @property
    def caret(self) -> Offset | None:
        """The cell of the caret while it is written in."""
        place = self._page.caret() if self._writes else None
        return None if place is None else Offset(GUTTER + place[0], place[1])

    @property
    def _page_lines(self) -> int:
        return max(1, self.size.height - 2)

    def _text_width(self) -> int:
        return max(4, self.size.width - 2 * GUTTER - len(PINNED))

    def on_resize(self) -> None:
        self._page.rows_limit = max(1, self.size.height)
        self._moved()

    def render_lines(self, crop: Region) -> list[Strip]:
        spans = self._page.spans(self.size.height)
        return [self._strip(*spans[y]) if y < len(spans) else line(self.size.width, ()) for y in range(crop.y, crop.bottom)]

    def _strip(self, number: int, span: tuple[int, int]) -> Strip:
        palette, whole = self._palette, self._buffer.lines[number]
        shown = whole[slice(*span)].replace("\t", " " * TAB_CELLS).translate(VISIBLE)
        is_pinned = whole.strip() in self._pinned
        style = palette.heading if whole.startswith("#") else palette.text
        if is_pinned:
            style = palette.accent
        is_chosen = number == self._buffer.caret[0] and not self._writes
        is_first = span[0] == 0
        mark = f"{palette.glyphs.folded} " if is_chosen and is_first else " " * GUTTER
        left: list[Piece] = [(mark, palette.accent), (shown, palette.chosen(style) if is_chosen else style)]
        right: list[Piece] = [(PINNED.strip() + "  ", palette.accent)] if is_pinned and is_first else []
        return line(self.size.width, left, right, palette.chosen(palette.text) if is_chosen else palette.text)
