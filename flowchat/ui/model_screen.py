"""The card of models: what answers here in a list that narrows as one types, and a test call before one of them is kept."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.worker import Worker

from flowchat.errors import FlowchatError
from flowchat.model.discover import key_names, provider_of
from flowchat.model.local import LocalModel
from flowchat.model.offers import Offer
from flowchat.model.probe import Probed
from flowchat.transcript.clean import clean
from flowchat.ui.key_screen import KeyScreen
from flowchat.ui.keymap import Keymap
from flowchat.ui.listing import Column, Listing
from flowchat.ui.model_rows import Entry, entries, narrowed, rows, summary, tested_lines
from flowchat.ui.one_line_edit import edited, pasted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut, cut_front, hint_lines, pieces_width
from flowchat.ui.working_screen import WorkingScreen

if TYPE_CHECKING:
    from textual.app import App

TOLD_LINES = 3
"""Of what the chosen line says of itself."""


class Finder(Protocol):
    """What the card asks of the workspace."""

    async def look_around(self) -> tuple[LocalModel, ...]: ...

    def offers(self, found: Sequence[LocalModel]) -> tuple[Offer, ...]: ...

    async def probe(self, name: str, api_base: str = "") -> Probed: ...

    async def keep_key(self, provider: str, key: str) -> str: ...


class Taken(Struct, frozen=True):
    """The model that was chosen, and the address that has to be set with it."""

    model: str
    api_base: str = ""


class ModelScreen(WorkingScreen["Taken | None"], inherit_bindings=False):
    """Gives what was taken, or None. Nothing is asked of a model before the person chose it."""

    def __init__(self, palette: Palette, keymap: Keymap, finder: Finder, copy: Callable[[str], None], in_use: str = "") -> None:
        super().__init__()
        self._palette, self._keymap, self._finder, self._copy, self._in_use = palette, keymap, finder, copy, in_use
        self._acts = keymap.acts("models") | keymap.acts("list")
        self._sought = ""
        self._local: Sequence[LocalModel] | None = None
        self._offers: Sequence[Offer] = ()
        self._found: list[Entry] = []
        self._said = ""
        self._walked = False
        self._tested: Entry | None = None
        self._probed: Probed | None = None
        self._test: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield Listing(palette, (Column("text"), Column("dim"))).add_class("fills", "models")
        yield Rows(palette, self._told).add_class("told")
        yield Rows(palette, self._test_lines).add_class("fills", "test")
        yield Rows(palette, self._foot).add_class("foot")

    def on_mount(self) -> None:
        self._show_test(None)
        self._show_found(())
        self._look()

    def on_resize(self) -> None:
        self._draw()

    @property
    def caret(self) -> Offset | None:
        """The cell after the search text; None while a test is shown."""
        if self._tested is not None:
            return None
        return Offset(min(pieces_width(self._head(self.size.width)[0]), self.size.width - 1), 0)

    # --- finding -----------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        self._local = None
        self._draw()
        self.run_worker(self._look_around(), exclusive=True, group="look")

    async def _look_around(self) -> None:
        self._local = await self._finder.look_around()
        self._show_found(self._local)

    def _show_found(self, found: Sequence[LocalModel], wanted: str = "") -> None:
        """What there is now; the line the person walked to stays the chosen one, else it is the best."""
        before = self._chosen
        self._offers = self._finder.offers(found)
        self._narrow()
        keep = next((at for at, entry in enumerate(self._found) if before is not None and entry.name == before.name), 0)
        at = next((at for at, entry in enumerate(self._found) if wanted and entry.model.startswith(f"{wanted}/")), None)
        self.query_one(Listing).show(rows(self._found), keep if at is None and self._walked else at or 0)
        self._draw()

    def _narrow(self) -> None:
        self._found = narrowed(entries(self._offers, self._in_use), self._sought)

    def _seek(self, sought: str) -> None:
        self._sought, self._said = sought, ""
        self._narrow()
        self.query_one(Listing).show(rows(self._found))
        self._draw()

    @property
    def _chosen(self) -> Entry | None:
        return self._found[self.query_one(Listing).chosen_index] if self._found else None

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        act = self._acts.get(event.key)
        if self._tested is not None:
            self._act_on_test(act)
        elif act == "copy" and event.is_printable and not self._copies:
            self._seek(self._sought + (event.character or ""))
        elif act in _ACTS:
            _ACTS[act](self)
        elif (sought := edited(self._sought, event)) is not None:
            self._seek(sought)
        elif act is not None and self.query_one(Listing).act(act):
            self.on_listing_walked()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._tested is None:
            self._seek(pasted(self._sought, event))

    def on_listing_walked(self) -> None:
        self._walked, self._said = True, ""
        self._draw()

    def on_listing_picked(self) -> None:
        self.choose()

    @property
    def _copies(self) -> bool:
        """Whether the letter of the copy key copies, and is not sought."""
        return self._chosen is not None and self._chosen.kind == "install" and not self._sought

    def close(self) -> None:
        self.dismiss(None)

    def look_again(self) -> None:
        self._look()

    def copy_line(self) -> None:
        entry = self._chosen
        if entry is not None and entry.kind == "install":
            self._copy(entry.name)
            self._said = f"Sent to the clipboard: {entry.name}"
            self._draw()

    def choose(self) -> None:
        """Test what is chosen, or do what its line is for. The demo needs no test."""
        entry = self._chosen
        if entry is None:
            return
        if entry.kind == "install":
            self.copy_line()
        elif entry.kind == "name":
            self._said = "Type its name, PROVIDER/NAME, and press Enter."
            self._draw()
        elif entry.kind == "key":
            self.enter_key()
        elif entry.is_demo:
            self.dismiss(Taken(entry.model, entry.api_base))
        else:
            self._begin_test(entry)

    def take_untested(self) -> None:
        entry = self._tested or self._chosen
        if entry is not None and entry.kind == "model":
            self.dismiss(Taken(entry.model, entry.api_base))

    def enter_key(self) -> None:
        """Enter a key; for the model whose test is shown it is tested again with it."""
        entry = self._tested
        provider = provider_of(entry.model) if entry is not None else ""

        def closed(kept: tuple[str, str] | None) -> None:
            self._key_kept(kept)
            if kept is not None and entry is not None:
                self._begin_test(entry)

        app = cast("App[int]", self.app)  # pyright: ignore[reportUnknownMemberType]  # textual leaves its result type open
        app.push_screen(KeyScreen(self._palette, self._keymap, self._finder.keep_key, provider), closed)

    def _key_kept(self, kept: tuple[str, str] | None) -> None:
        """A key was entered for a provider, and is in a place."""
        if kept is not None:
            provider, place = kept
            self._sought = ""
            self._show_found(self._local or (), wanted=provider)
            self._said = f"The key for {provider} is kept in {place}."
            self._draw()

    # --- the test call -----------------------------------------------------------------------------------------------
    def _begin_test(self, entry: Entry) -> None:
        self._probed = None
        self._show_test(entry)
        self._test = self.run_worker(self._ask(entry), exclusive=True, group="test")

    async def _ask(self, entry: Entry) -> None:
        try:
            self._probed = await self._finder.probe(entry.model, entry.api_base)
        except FlowchatError as error:
            self._probed = Probed(entry.model, 0, "assumed", error=str(error))
        self._draw()

    def _act_on_test(self, act: str | None) -> None:
        entry = self._tested
        if entry is None:
            return
        if act == "close":
            if self._test is not None:
                self._test.cancel()
            self._show_test(None)
        elif act == "keep":
            self.take_untested()
        elif act == "key" and self._wants_key:
            self.enter_key()
        elif act == "choose" and self._probed is not None:
            if self._probed.error:
                self._begin_test(entry)
            else:
                self.dismiss(Taken(entry.model, entry.api_base))
        elif act is not None:
            self.query_one(".test", Rows).act(act)

    @property
    def _wants_key(self) -> bool:
        """Whether the test failed and a key may be why."""
        failed = self._probed is not None and bool(self._probed.error)
        return failed and self._tested is not None and bool(key_names(provider_of(self._tested.model)))

    def _show_test(self, entry: Entry | None) -> None:
        """Show the test of a model in the place of the list; None: the list again."""
        self._tested = entry
        self.query_one(Listing).display = self.query_one(".told", Rows).display = entry is None
        self.query_one(".test", Rows).display = entry is not None
        self._draw()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _draw(self) -> None:
        for each in self.query(Rows):
            each.draw_again()

    def _head(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        title: list[Piece] = [("  Model   ", palette.text + palette.bold)]
        if self._tested is not None:
            return [title, []]
        said = cut(summary(self._local, self._offers), width - 4)
        sought = cut_front(clean(self._sought), max(1, width - pieces_width(title) - 1))
        return [[*title, (sought, palette.text)], [("  ", palette.text), (said, palette.dim)]]

    def _told(self, width: int) -> list[list[Piece]]:
        palette, entry = self._palette, self._chosen
        told = self._said or (entry.whole if entry is not None else "Nothing matches; Backspace widens.")
        parts = [*wrapped(told, width - 4), *[""] * TOLD_LINES][:TOLD_LINES]
        return [[(palette.glyphs.rule * width, palette.dim)], *([("  ", palette.text), (part, palette.text)] for part in parts)]

    def _test_lines(self, width: int) -> list[list[Piece]]:
        return tested_lines(self._tested, self._probed, self._palette, width) if self._tested is not None else []

    def _foot(self, width: int) -> list[list[Piece]]:
        hint, entry, probed = self._keymap.hint, self._chosen, self._probed
        if self._tested is not None:
            enter = "" if probed is None else hint("list", "try again" if probed.error else "keep it", "choose")
            untested = "keep it untested" if probed is None else "keep it anyway" if probed.error else ""
            key = hint("models", "enter a key", "key") if self._wants_key else ""
            hints = (enter, key, untested and hint("models", untested, "keep"), hint("list", "back", "close"))
            return hint_lines(width, hints, self._palette.dim)
        words = {"model": "test and keep", "name": "", "key": "enter a key", "install": "copy"}[
            entry.kind if entry is not None else "model"
        ]
        if entry is not None and entry.is_demo:
            words = "keep"
        if self._copies:
            return hint_lines(width, (hint("models", "copy", "copy"), hint("list", "close", "close")), self._palette.dim)
        again = hint("models", "look again", "again")
        return hint_lines(
            width, (hint("list", words, "choose") if words else "", again, hint("list", "close", "close")), self._palette.dim
        )


_ACTS: dict[str | None, Callable[[ModelScreen], Any | Awaitable[Any]]] = {
    "close": ModelScreen.close,
    "choose": ModelScreen.choose,
    "keep": ModelScreen.take_untested,
    "again": ModelScreen.look_again,
    "key": ModelScreen.enter_key,
    "copy": ModelScreen.copy_line,
}
