"""The search of what was written in all sessions, narrowed as one types."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset

from flowchat.transcript.clean import clean
from flowchat.ui.errands import SLOW_SECONDS
from flowchat.ui.figures import moment
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.one_line_edit import edited, pasted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import PREVIEW_CHARS, beginning, one_line, wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut_front, hint_lines, pieces_width
from flowchat.ui.working_screen import WorkingScreen

if TYPE_CHECKING:
    from flowchat.store.sent import Sent

LISTED_LIMIT = 200
"""So many of those that match are listed; typing more narrows to the others."""
PREVIEW_LINES = 6


class HistoryScreen(WorkingScreen["str | None"], inherit_bindings=False):
    """Gives the chosen text, or None. `load` gives them, those of the folder `here` first, the newest of each first."""

    def __init__(
        self,
        palette: Palette,
        load: "Callable[[], Awaitable[Sequence[Sent]]]",
        here: str,
        now_ms: int,
        keymap: Keymap = DEFAULT,
    ) -> None:
        super().__init__()
        self._palette, self._load, self._here, self._now_ms = palette, load, here, now_ms
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._again = frozenset(keymap.keys("chat", "history"))
        self._sought, self._loaded, self._chosen_early = "", False, False
        self._all: list[tuple[str, Sent]] = []
        self._found: list[tuple[str, Sent]] = []
        self._narrowed_by = self._told = ""

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield Listing(palette, (Column("text"), Column("dim"), Column("dim", "right"))).add_class("fills")
        yield Rows(palette).add_class("preview")
        yield Rows(palette, self._foot)

    def on_mount(self) -> None:
        self._show()
        self.run_worker(self._fill())

    async def _fill(self) -> None:
        slow = self.set_timer(SLOW_SECONDS, self._tell_slow)
        self._all = [(sent.text.lower(), sent) for sent in await self._load()]
        slow.stop()
        self._found, self._narrowed_by, self._loaded = self._all, "", True
        self._seek(self._sought)
        if self._chosen_early:
            self._choose()

    @property
    def caret(self) -> Offset:
        """The cell after the search text."""
        return Offset(min(pieces_width(self._head(self.size.width)[0][:2]), self.size.width - 1), 0)

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = "down" if event.key in self._again else self._acts.get(event.key)
        event.stop()
        if act == "close":
            self.dismiss(None)
        elif act == "choose":
            self._choose()
        elif (sought := edited(self._sought, event)) is not None:
            self._seek(sought)
        elif act is not None and self.query_one(Listing).act(act):
            self._preview()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._seek(pasted(self._sought, event))

    def on_listing_picked(self) -> None:
        self._choose()

    def on_listing_walked(self) -> None:
        self._preview()

    def _seek(self, sought: str) -> None:
        self._sought = sought
        among = self._found if self._narrowed_by and sought.startswith(self._narrowed_by) else self._all
        words = sought.lower().split()
        self._found = [pair for pair in among if all(word in pair[0] for word in words)] if words else self._all
        self._narrowed_by = sought
        self._show()

    def _choose(self) -> None:
        if self._found:
            self.dismiss(self._found[self.query_one(Listing).chosen_index][1].text)
        self._chosen_early = not self._loaded

    def _tell_slow(self) -> None:
        self._told = "Looking through what you wrote"
        self._preview()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _show(self) -> None:
        self.query_one(Listing).show([self._row(sent) for _, sent in self._found[:LISTED_LIMIT]])
        self.query_one(".head", Rows).show(self._head)
        self._preview()

    def _row(self, sent: "Sent") -> Row:
        where = "" if sent.cwd == self._here else f"{clean(sent.cwd.rstrip('/').rpartition('/')[2])}/"
        return Row(sent, (one_line(beginning(sent.text)), where, moment(sent.at_ms, self._now_ms)))

    def _head(self, width: int) -> list[list[Piece]]:
        palette, count = self._palette, len(self._found)
        many = f"first {LISTED_LIMIT} of {count:,}" if count > LISTED_LIMIT else f"{count:,} of {len(self._all):,}"
        head = "  History   "
        sought = cut_front(clean(self._sought), max(1, width - len(head) - len(many) - 4))
        title: list[Piece] = [(head, palette.text + palette.bold), (sought, palette.text)]
        space = max(2, width - pieces_width(title) - len(many) - 2)
        return [[*title, (" " * space, palette.text), (many if self._loaded else "", palette.dim)], []]

    def _foot(self, width: int) -> list[list[Piece]]:
        hint = self._keymap.hint
        hints = (
            "Type to search",
            hint("list", "put into the composer", "choose"),
            hint("chat", "older", "history"),
            hint("list", "close", "close"),
        )
        return hint_lines(width, hints, self._palette.dim)

    def _preview(self) -> None:
        palette = self._palette
        if self._found:
            text = beginning(self._found[self.query_one(Listing).chosen_index][1].text, PREVIEW_CHARS)
            mark = f"{palette.glyphs.user} "
        else:
            nothing = "Nothing matches; Backspace widens." if self._all else "Nothing has been written yet."
            text, mark = nothing if self._loaded else self._told, "  "
        self.query_one(".preview", Rows).show(
            lambda width: [
                [(palette.glyphs.rule * width, palette.dim)],
                *([(mark, palette.accent), (part, palette.text)] for part in wrapped(text, width - 4)[:PREVIEW_LINES]),
            ]
        )
