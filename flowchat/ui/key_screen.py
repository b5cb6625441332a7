"""Entering an API key: the provider from a list, then the key, of which only its length is seen."""

from collections.abc import Awaitable, Callable

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.worker import Worker

from flowchat.errors import FlowchatError
from flowchat.model.discover import PROVIDERS, key_names
from flowchat.store.keys import KEY_LIMIT_CHARS
from flowchat.transcript.clean import clean
from flowchat.ui.keymap import Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.one_line_edit import edited, pasted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut_front, hint_lines, pieces_width
from flowchat.ui.working_screen import WorkingScreen

DOTS = 24
"""So many at most stand for the key."""
SAID_LINES = 3
_BEGIN = "The key is not shown and stands in no log, history or project file. A variable of the environment is used before it."


class KeyScreen(WorkingScreen["tuple[str, str] | None"], inherit_bindings=False):
    """Gives the provider and where its key is kept now, in words; None: nothing was kept."""

    def __init__(self, palette: Palette, keymap: Keymap, keep: Callable[[str, str], Awaitable[str]], provider: str = "") -> None:
        """`provider`: whose key it is, where that is known already."""
        super().__init__()
        self._palette, self._keymap, self._keep = palette, keymap, keep
        self._acts = keymap.acts("list")
        self._all = [provider for provider in PROVIDERS.values() if provider.keys]
        self._sought, self._key = "", ""
        self._provider = provider if key_names(provider) else ""
        self._said, self._is_bad = _BEGIN, False
        self._keeping: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield Listing(palette, (Column("text"), Column("dim"))).add_class("fills")
        yield Rows(palette, self._told).add_class("told")
        yield Rows(palette, self._foot)

    def on_mount(self) -> None:
        self.query_one(Listing).display = not self._provider
        self._narrow()

    def on_unmount(self) -> None:
        self._key = ""

    @property
    def caret(self) -> Offset:
        """The cell after what is typed."""
        return Offset(min(pieces_width(self._head(self.size.width)[0]), self.size.width - 1), 0)

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        act = self._acts.get(event.key)
        if act == "close":
            self._back()
        elif act == "choose":
            self._choose()
        elif (typed := edited(self._typed, event)) is not None:
            self._typed = typed
        elif act is not None and not self._provider:
            self.query_one(Listing).act(act)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._typed = self._typed + event.text.strip() if self._provider else pasted(self._typed, event)

    def on_listing_picked(self) -> None:
        self._choose()

    def _back(self) -> None:
        if self._provider:
            if self._keeping is not None:
                self._keeping.cancel()
            self._provider = self._key = ""
            self._say(_BEGIN)
            self.query_one(Listing).display = True
        else:
            self.dismiss(None)

    def _choose(self) -> None:
        if self._provider:
            self._say("Keeping the key")  # a keyring may ask to be opened first
            self._keeping = self.run_worker(self._keep_key(self._provider, self._key), exclusive=True, group="keep")
        elif (row := self.query_one(Listing).chosen) is not None:
            self._provider = str(row.key)
            self.query_one(Listing).display = False
            self._say(_BEGIN)

    async def _keep_key(self, provider: str, key: str) -> None:
        try:
            place = await self._keep(provider, key)
        except FlowchatError as error:
            self._say(str(error), bad=True)
            return
        self.dismiss((provider, place))

    # --- what is typed -----------------------------------------------------------------------------------------------
    @property
    def _typed(self) -> str:
        return self._key if self._provider else self._sought

    @_typed.setter
    def _typed(self, text: str) -> None:
        if self._provider:
            self._key = text[: KEY_LIMIT_CHARS + 1]  # one more than is taken is refused with a sentence
            self._say(_BEGIN)
        else:
            self._sought = text
            self._narrow()

    def _narrow(self) -> None:
        word = self._sought.strip().lower()
        fitting = [each for each in self._all if any(word in name.lower() for name in (each.name, *each.keys))]
        self.query_one(Listing).show([Row(each.name, (each.name, each.keys[0])) for each in fitting])
        self._say(self._said)

    def _say(self, text: str, bad: bool = False) -> None:
        self._said, self._is_bad = one_line(text), bad
        for each in self.query(Rows):
            each.draw_again()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _head(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        if not self._provider:
            head = "  Key for   "
            sought = cut_front(clean(self._sought), max(1, width - len(head) - 1))
            return [[(head, palette.text + palette.bold), (sought, palette.text)], []]
        dots = "*" * min(len(self._key), DOTS)
        count = f"  {len(self._key):,} characters" if self._key else ""
        return [
            [(f"  Key for {self._provider}   ", palette.text + palette.bold), (dots, palette.text)],
            [(count, palette.dim)],
        ]

    def _told(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        parts = [*wrapped(self._said, width - 4), *[""] * SAID_LINES][:SAID_LINES]
        style = palette.bad if self._is_bad else palette.dim
        return [[(palette.glyphs.rule * width, palette.dim)], *([("  ", palette.text), (part, style)] for part in parts)]

    def _foot(self, width: int) -> list[list[Piece]]:
        words = ("keep the key", "back") if self._provider else ("choose", "close")
        hint = self._keymap.hint
        return hint_lines(width, (hint("list", words[0], "choose"), hint("list", words[1], "close")), self._palette.dim)
