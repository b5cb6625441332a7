"""The map of the context: what the next request holds, item by item; what one does about an item is shown before it is done."""

from collections.abc import Awaitable, Callable
from typing import cast

from msgspec import Struct
from textual import events
from textual.app import App, ComposeResult
from textual.timer import Timer

from flowchat.agent.itemise import Kind, Row
from flowchat.agent.items import Change, Effect, Taken
from flowchat.errors import FlowchatError
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import ItemRef
from flowchat.ui.context_rows import Lines, Map, brief, columns, head, question, title, told, undo_question
from flowchat.ui.context_screen import ContextScreen
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Listing
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut, hint_lines
from flowchat.ui.working_screen import WorkingScreen

TOLD_LINES = 3
"""Of what is told of the chosen item, where there is room for it."""
ASKED_LINES = 6
LATE_SECONDS = 0.3
"""How long after something happened the map shows it."""
ROOMY_ROWS = 18
"""On a lower screen the chosen item is told in one row, of the window only how full it is, and of the keys the foremost."""
BARE_HEAD_LINES = 2
LEAD_PERCENT = 35
"""Of the width, for what a row is; the rest of it is left to what is said of it, as far as that needs it."""
_ALWAYS = "This is part of every request; nothing can be set of it"
_NOT_SET: dict[Kind, str] = {
    "system": _ALWAYS,
    "tools": _ALWAYS,
    "instructions": "The folder's instructions go with your first message; then this can be set",
    "checkpoint": "The summary stands for what it folds; /compact undo has the messages back",
}
"""Of what no row names an item: why."""
_CHANGES: dict[str, Change] = {"exclude": "excluded", "pin": "pinned", "prune": "pruned", "restore": "restored"}
_FOREMOST = ("exclude", "pin", "prune")


class Access(Struct, frozen=True):
    """How the map reaches the session. `at_ms` is when a node was said; `text` is all of an item.

    `may_change`, `effect`, `set` and `undo` raise FlowchatError where it cannot be.
    """

    look: Callable[[], Map]
    effect: Callable[[ItemRef, Change], Effect]
    last: Callable[[], Taken | None]
    set: Callable[[ItemRef, Change], Awaitable[object]]
    undo: Callable[[], Awaitable[object]]
    text: Callable[[Row], str]
    at_ms: Callable[[int], int | None]
    may_change: Callable[[], None]
    watch: Callable[[Callable[[], None]], Callable[[], None]]
    """Calls what it is given after each entry of the log; gives the way to stop."""


class ContextMap(WorkingScreen[None], inherit_bindings=False):
    """Esc closes."""

    def __init__(self, palette: Palette, access: Access, now_ms: int, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._access, self._now_ms = palette, access, now_ms
        self._keymap, self._acts, self._own_acts = keymap, keymap.acts("list"), keymap.acts("context")
        self._map = access.look()
        self._asked: tuple[str, Callable[[], Awaitable[object]]] | None = None
        """A question, and what a yes does."""
        self._unwatch: Callable[[], None] = lambda: None
        self._late: Timer | None = None
        """Until the rows are looked at again, where something happened since."""
        self._said: tuple[str, bool] = ("", False)
        """A sentence in the place of the hints until the next key, and whether it is a warning."""
        self._lists_keys = False
        """Whether a low screen shows all the keys, until the next one."""

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        yield Listing(palette, columns(self.size.width), lead_percent=LEAD_PERCENT).add_class("fills")
        yield Rows(palette, self._told).add_class("told")
        yield Rows(palette, self._foot).add_class("foot")

    def on_mount(self) -> None:
        self._show()
        self._unwatch = self._access.watch(self._happened)

    def on_unmount(self) -> None:
        self._unwatch()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self._said, self._lists_keys = ("", False), False
        asked, self._asked = self._asked, None
        if asked is not None:
            if event.key == "y":
                self._do(asked[1])
        else:
            self._on_reading(event)
        self._redraw()

    def _on_reading(self, event: events.Key) -> None:
        act, own = self._acts.get(event.key), self._own_acts.get(event.key)
        if own == "undo":
            self._ask_undo()
        elif own == "keys":
            self._lists_keys = True
        elif own is not None:
            self._ask(_CHANGES[own])
        elif act == "close" or event.key == "q":
            self.dismiss(None)
        elif act == "choose":
            self._open(self._chosen)
        elif act is not None:
            self.query_one(Listing).act(act)

    def _open(self, row: Row) -> None:
        """Show all of an item."""
        app = cast("App[int]", self.app)  # pyright: ignore[reportUnknownMemberType]  # textual leaves its result type open
        text = self._access.text(row) or " "
        app.push_screen(ContextScreen(self._palette, title(row, self._palette), (), text, self._keymap))

    def _ask(self, change: Change) -> None:
        row = self._chosen
        if row.ref is None:
            self._said = (_NOT_SET.get(row.kind, "This keeps the turns in order; nothing can be set of it"), True)
            return
        ref = row.ref
        try:
            self._access.may_change()
            effect = self._access.effect(ref, change)
        except FlowchatError as error:
            self._said = (_sentence(error), True)
        else:
            self._asked = question(change, row, effect, self._palette), lambda: self._access.set(ref, change)

    def _ask_undo(self) -> None:
        try:
            self._access.may_change()
        except FlowchatError as error:
            self._said = (_sentence(error), True)
            return
        taken = self._access.last()
        if taken is None:
            self._said = ("There is no change to take back", False)
        else:
            self._asked = undo_question(taken), self._access.undo

    def on_listing_picked(self) -> None:
        self._redraw()

    def on_listing_walked(self) -> None:
        self._redraw()

    # --- what is done ------------------------------------------------------------------------------------------------
    @property
    def _chosen(self) -> Row:
        return self._map.rows[self.query_one(Listing).chosen_index]

    def _do(self, work: Callable[[], Awaitable[object]]) -> None:
        async def do() -> None:
            try:
                await work()
            except FlowchatError as error:
                self._said = (_sentence(error), True)
            else:
                self._said = ("Done; the next request is made of this", False)
                self._show()
            self._redraw()

        self.run_worker(do())

    def _happened(self) -> None:
        """The session goes on: look again, not for each of many entries, and not under a question."""
        if self._late is None:
            self._late = self.set_timer(LATE_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        self._late = None
        if self._asked is None:
            self._show()
        else:
            self._happened()

    def _show(self) -> None:
        """The request as it is now, the same item chosen."""
        listing = self.query_one(Listing)
        chosen, place = (self._chosen if listing.rows else None), listing.chosen_index
        self._map = self._access.look()
        if chosen is not None:
            same = (index for index, row in enumerate(self._map.rows) if (row.ref, row.node) == (chosen.ref, chosen.node))
            place = next((index for index in same if self._map.rows[index].kind == chosen.kind), place)
        self._list(place, stays=chosen is not None)
        self._redraw()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def on_resize(self) -> None:
        listing = self.query_one(Listing)
        if listing.rows:
            self._list(listing.chosen_index, stays=True)
        self._redraw()

    def _list(self, place: int, stays: bool) -> None:
        """The rows as there is width for them."""
        listing, width = self.query_one(Listing), self.size.width
        listing.use_columns(columns(width))
        listing.show(Lines(self._map.rows, self._palette, width), place, stays)

    def _redraw(self) -> None:
        self.query_one(".head", Rows).show(self._head)
        self.query_one(".told", Rows).show(self._told)
        self.query_one(".foot", Rows).show(self._foot)

    def _head(self, width: int) -> list[list[Piece]]:
        listing = self.query_one(Listing)
        lines = head(self._map, min(listing.chosen_index, len(self._map.rows) - 1), self._palette, width)
        return lines if self._is_roomy else lines[:BARE_HEAD_LINES]

    def _told(self, width: int) -> list[list[Piece]]:
        """What there is to know of the chosen item."""
        palette = self._palette
        if not self._is_roomy or self._asked is not None or not self.query_one(Listing).rows:
            return []
        row = self._chosen
        first = wrapped(title(row, palette), width - 4)[:1]
        rest = wrapped(clean(told(row, self._access.at_ms(row.node), self._now_ms)), width - 4)[: TOLD_LINES - 1]
        lines: list[list[Piece]] = [[("  ", palette.text), (part, palette.text)] for part in first]
        lines += [[("  ", palette.text), (part, palette.dim)] for part in rest]
        return [[(palette.glyphs.rule * width, palette.dim)], *lines, *[[] for _ in range(TOLD_LINES - len(lines))]]

    @property
    def _is_roomy(self) -> bool:
        return self.size.height >= ROOMY_ROWS

    def _foot(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        rule: list[list[Piece]] = [[(palette.glyphs.rule * width, palette.dim)]]
        text, is_warning = self._said
        if self._asked is not None:
            asked = wrapped(clean(self._asked[0]), width - 4)[:ASKED_LINES]
            lines: list[list[Piece]] = [[("  ", palette.text), (part, palette.warn)] for part in asked]
            return [*rule, *lines, *hint_lines(width, ("y do it", "any other key leaves it"), palette.dim)]
        if text:
            style = palette.warn if is_warning else palette.text
            return [*rule, *([("  ", palette.text), (part, style)] for part in wrapped(clean(text), width - 4)[:ASKED_LINES])]
        return [*rule, *self._brief(width), *hint_lines(width, self._hints(), palette.dim)]

    def _brief(self, width: int) -> list[list[Piece]]:
        """The chosen item on a low screen."""
        if self._is_roomy or self._lists_keys or not self.query_one(Listing).rows:
            return []
        return [[("  ", self._palette.text), (cut(brief(self._chosen, width - 4), width - 4), self._palette.text)]]

    def _hints(self) -> list[str]:
        hint = self._keymap.hint
        changes = [hint("context", act, act) for act in (*_CHANGES, "undo")]
        if not self._is_roomy and not self._lists_keys:
            changes = [*(hint("context", act, act) for act in _FOREMOST), hint("context", "all", "keys")]
        return [*changes, hint("list", "open", "choose"), hint("list", "close", "close")]


def _sentence(error: FlowchatError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
