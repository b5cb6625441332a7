"""The resume picker: sessions newest first, narrowed as one types."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import Screen

from flowchat.transcript.clean import clean
from flowchat.ui.figures import many, moment, size
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, hint_lines, pieces_width

if TYPE_CHECKING:
    from flowchat.store.cards import SessionCard

PREVIEW_LINES = 4


class SessionsScreen(Screen["str | None"], inherit_bindings=False):
    """Gives the id of the chosen session, or None. `load(everywhere)` gives the cards, newest first."""

    def __init__(
        self,
        palette: Palette,
        load: "Callable[[bool], Awaitable[Sequence[SessionCard]]]",
        now_ms: int,
        sought: str = "",
        keymap: Keymap = DEFAULT,
    ) -> None:
        super().__init__()
        self._palette, self._load, self._now_ms = palette, load, now_ms
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._sought, self._everywhere = sought, False
        self._cards: Sequence[SessionCard] = ()
        self._found: list[SessionCard] = []
        self._loaded = False

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        columns = (Column("text"), Column("dim"), Column("dim", "right"), Column("dim", "right"))
        yield Listing(palette, columns).add_class("fills")
        yield Rows(palette).add_class("preview")
        yield Rows(palette, self._foot).add_class("foot")

    async def on_mount(self) -> None:
        await self._reload()

    @property
    def caret(self) -> Offset:
        """The cell after the search text."""
        return Offset(min(pieces_width(self._head(self.size.width)[0][:2]), self.size.width - 1), 0)

    async def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        event.stop()
        if act == "close":
            self.dismiss(None)
        elif act == "choose":
            self._choose()
        elif event.key == "tab":
            self._everywhere = not self._everywhere
            await self._reload()
        elif event.key in ("backspace", "ctrl+h"):
            self._seek(self._sought[:-1])
        elif event.key in ("ctrl+u", "ctrl+w"):
            self._seek("")
        elif event.is_printable and event.character:
            self._seek(self._sought + event.character)
        elif act is not None and self.query_one(Listing).act(act):
            self._preview()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._seek(self._sought + clean(event.text.replace("\n", " ")))

    def on_listing_picked(self) -> None:
        self._choose()

    async def _reload(self) -> None:
        self._cards = await self._load(self._everywhere)
        self._loaded = True
        self._seek(self._sought)

    def _seek(self, sought: str) -> None:
        self._sought = sought
        words = sought.lower().split()
        self._found = [card for card in self._cards if all(word in _searched(card) for word in words)]
        self.query_one(Listing).show([self._row(card) for card in self._found])
        self.query_one(".head", Rows).show(self._head)
        self.query_one(".foot", Rows).show(self._foot)
        self._preview()

    def _choose(self) -> None:
        if self._found:
            self.dismiss(self._found[self.query_one(Listing).chosen_index].sid)

    def _head(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        where = "all directories" if self._everywhere else "this directory"
        title: list[Piece] = [("  Resume   ", palette.text + palette.bold), (clean(self._sought), palette.text)]
        space = max(2, width - pieces_width(title) - len(where) - 2)
        return [[*title, (" " * space, palette.text), (where, palette.dim)], []]

    def _foot(self, width: int) -> list[list[Piece]]:
        other = "this directory" if self._everywhere else "all directories"
        hint = self._keymap.hint
        hints = ("Type to search", hint("list", "resume", "choose"), f"Tab {other}", hint("list", "close", "close"))
        return hint_lines(width, hints, self._palette.dim)

    def _row(self, card: "SessionCard") -> Row:
        title = clean(card.title or card.first_message.strip().partition("\n")[0] or card.sid)
        if self._everywhere:
            title = f"{title}  {clean(card.cwd.rstrip('/').rpartition('/')[2])}/"
        return Row(card, (title, moment(card.updated_ms, self._now_ms), many(card.messages, "message"), size(card.tokens)))

    def _preview(self) -> None:
        palette = self._palette
        if self._found:
            card = self._found[self.query_one(Listing).chosen_index]
            text, mark = clean(card.first_message.strip()), f"{palette.glyphs.user} "
        else:
            nothing = "No session matches." if self._cards else "No sessions here yet."
            text, mark = clean(nothing if self._loaded else ""), "  "
        self.query_one(".preview", Rows).show(
            lambda width: [
                [(palette.glyphs.rule * width, palette.dim)],
                *([(mark, palette.accent), (part, palette.text)] for part in wrapped(text, width - 4)[:PREVIEW_LINES]),
            ]
        )


def _searched(card: "SessionCard") -> str:
    return f"{card.title} {card.first_message} {card.sid} {card.cwd}".lower()
