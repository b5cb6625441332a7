"""The resume picker: sessions newest first, narrowed as one types; one can be renamed, trashed and brought back there."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset

from flowchat.errors import FlowchatError
from flowchat.store.sizes import byte_size
from flowchat.transcript.clean import clean
from flowchat.ui.errands import SLOW_SECONDS
from flowchat.ui.figures import from_home, many, moment, size
from flowchat.ui.found_sessions import FoundSessions, Lazily
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.one_line_edit import edited, pasted
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, cut, cut_front, hint_lines, pieces_width
from flowchat.ui.working_screen import WorkingScreen

if TYPE_CHECKING:
    from flowchat.store.cards import SessionCard

PREVIEW_LINES = 4
TITLE_LIMIT_CHARS = 200
_LOOKING = "Looking for sessions"
State = Literal["seeking", "naming", "asking"]
_HEADS: dict[State, str] = {"seeking": "  Resume   ", "naming": "  New title   ", "asking": "  Resume   "}


class Shelf(Struct, frozen=True):
    """What the picker asks for; each raises FlowchatError. `load(everywhere)` gives cards, newest first; `held` those of these
    ids that another process has open; `trash` a name, which `restore` takes and gives the id; `here` is the id on the screen."""

    load: "Callable[[bool], Awaitable[FoundSessions]]"
    held: Callable[[Sequence[str]], Awaitable[set[str]]]
    bytes_of: Callable[[str], Awaitable[int]]
    rename: Callable[[str, str], Awaitable[None]]
    trash: Callable[[str], Awaitable[str]]
    restore: Callable[[str], Awaitable[str]]
    here: str = ""


class SessionsScreen(WorkingScreen["str | None"], inherit_bindings=False):
    """Gives the id of the chosen session, or None."""

    def __init__(self, palette: Palette, shelf: Shelf, now_ms: int, sought: str = "", keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._shelf, self._now_ms = palette, shelf, now_ms
        self._keymap, self._acts, self._own_acts = keymap, keymap.acts("list"), keymap.acts("sessions")
        self._state: State = "seeking"
        self._sought, self._name, self._everywhere = sought, "", False
        self._all, self._found = FoundSessions(), list["SessionCard"]()
        self._held: set[str] = set()
        self._bytes: dict[str, int] = {}
        self._trashed: list[str] = []
        self._about: SessionCard | None = None
        """What is being named or asked about, wherever the list goes meanwhile."""
        self._said: tuple[str, bool] = ("", False)
        """A sentence in the place of the hints until the next key, and whether it is a warning."""
        self._loaded = self._chosen_early = False

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, self._head).add_class("head")
        columns = (Column("text"), Column("dim"), Column("dim", "right"), Column("dim", "right"))
        yield Listing(palette, columns).add_class("fills")
        yield Rows(palette).add_class("preview")
        yield Rows(palette, self._foot).add_class("foot")

    def on_mount(self) -> None:
        self._reload()

    @property
    def caret(self) -> Offset:
        """The cell after what is typed."""
        return Offset(min(pieces_width(self._head(self.size.width)[0][:2]), self.size.width - 1), 0)

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        event.stop()
        had_said, self._said = self._said, ("", False)
        if self._state == "naming":
            self._on_naming(event)
        elif self._state == "asking":
            self._state = "seeking"
            if event.key == "y":
                self._do(self._trash(self._about))
        else:
            self._on_seeking(event)
        if had_said[0] or self._state == "seeking":
            self._redraw()

    def _on_seeking(self, event: events.Key) -> None:
        act, own = self._acts.get(event.key), self._own_acts.get(event.key)
        if own is not None:
            self._begin(own)
        elif act == "close":
            self.dismiss(None)
        elif act == "choose":
            self._choose()
        elif (sought := edited(self._sought, event)) is not None:
            self._seek(sought)
        elif act is not None and self.query_one(Listing).act(act):
            self._preview()

    def _begin(self, act: str) -> None:
        card = self._about = self._chosen
        if act == "everywhere":
            self._everywhere = not self._everywhere
            self._reload()
        elif act == "undo":
            self._do(self._restore())
        elif card is not None and act == "rename":
            self._state, self._name = "naming", one_line(card.title or card.first_message)
            self._redraw()
        elif card is not None and card.sid == self._shelf.here:
            self._tell("This session is open here; /new first, then it can be trashed", True)
        elif card is not None:
            self._state = "asking"
            self._redraw()

    def _on_naming(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        if act == "close":
            self._state = "seeking"
        elif act == "choose":
            self._state = "seeking"
            self._do(self._rename(self._about, self._name))
        elif (name := edited(self._name, event)) is not None:
            self._name = name[:TITLE_LIMIT_CHARS]
        self._redraw()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._state == "naming":
            self._name = pasted(self._name, event)[:TITLE_LIMIT_CHARS]
            self._redraw()
        elif self._state == "seeking":
            self._seek(pasted(self._sought, event))

    def on_listing_picked(self) -> None:
        if self._state == "seeking":
            self._choose()
        else:
            self.on_listing_walked()

    def on_listing_walked(self) -> None:
        """The mouse chose another session: what was asked about the one before is taken back."""
        self._state = "seeking"
        self._redraw()
        self._preview()

    def _choose(self) -> None:
        if self._chosen is not None:
            self.dismiss(self._chosen.sid)
        self._chosen_early = not self._loaded

    # --- what is done ------------------------------------------------------------------------------------------------
    @property
    def _chosen(self) -> "SessionCard | None":
        return self._found[self.query_one(Listing).chosen_index] if self._found else None

    def _reload(self, chosen: str = "") -> None:
        self.run_worker(partial(self._load, self._everywhere, chosen), group="load", exclusive=True)

    async def _load(self, everywhere: bool, chosen: str) -> None:
        slow = self.set_timer(SLOW_SECONDS, lambda: self._tell(_LOOKING, False))
        try:
            self._all = await self._shelf.load(everywhere)
        finally:
            slow.stop()
        self._loaded = True
        if self._said[0] == _LOOKING:
            self._said = ("", False)
        self._seek(self._sought, self._about.sid if self._state != "seeking" and self._about is not None else chosen)
        if self._chosen_early:
            self._choose()
            return
        try:
            self._held = await self._shelf.held([card.sid for card in self._all.cards])
        except FlowchatError:
            return
        if self._held and self.is_mounted:
            self._seek(self._sought, self._chosen.sid if self._chosen is not None else "")

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async def do() -> None:
            try:
                await work
            except FlowchatError as error:
                self._tell(str(error), True)
                self._reload(self._chosen.sid if self._chosen is not None else "")  # perhaps it has gone meanwhile

        self.run_worker(do())

    async def _rename(self, card: "SessionCard | None", name: str) -> None:
        if card is not None:
            await self._shelf.rename(card.sid, name)
            self._reload(card.sid)

    async def _trash(self, card: "SessionCard | None") -> None:
        if card is None:
            return
        self._trashed.append(await self._shelf.trash(card.sid))
        place = self.query_one(Listing).chosen_index
        left = [other for other in self._found if other.sid != card.sid]
        self._reload(left[min(place, len(left) - 1)].sid if left else "")
        self._tell(f"{_called(card)} is in the trash; {self._keymap.name('sessions', 'undo')} puts it back", False)

    async def _restore(self) -> None:
        if not self._trashed:
            self._tell("Nothing was trashed here; `flowchat trash list` shows what was before", False)
            return
        sid = await self._shelf.restore(self._trashed[-1])
        self._trashed.pop()
        self._reload(sid)
        self._tell("It is back", False)

    async def _weigh(self, sid: str) -> None:
        self._bytes[sid] = await self._shelf.bytes_of(sid)
        self._draw_preview()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _seek(self, sought: str, chosen: str = "") -> None:
        self._sought, self._found = sought, list(self._all.narrowed(sought))
        place = next((place for place, card in enumerate(self._found) if card.sid == chosen), 0) if chosen else 0
        self.query_one(Listing).show(Lazily(self._found, self._row), place)
        self._redraw()
        self._preview()

    def _tell(self, text: str, is_warning: bool) -> None:
        self._said = (text, is_warning)
        self._redraw()

    def _redraw(self) -> None:
        self.query_one(".head", Rows).show(self._head)
        self.query_one(".foot", Rows).show(self._foot)

    def _head(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        where = "all directories" if self._everywhere else "this directory"
        written = self._name if self._state == "naming" else self._sought
        room = max(1, width - len(_HEADS[self._state]) - 4)
        title: list[Piece] = [(_HEADS[self._state], palette.text + palette.bold), (cut_front(clean(written), room), palette.text)]
        space = width - pieces_width(title) - len(where) - 2
        return [[*title, (" " * space, palette.text), (where, palette.dim)] if space > 1 else title, []]

    def _foot(self, width: int) -> list[list[Piece]]:
        palette, hint, card = self._palette, self._keymap.hint, self._about
        text, is_warning = self._said
        if self._state == "asking" and card is not None:
            keys = "y trash it   any other key keeps it"
            question = f"Move {_called(card)} to the trash?"
            return [[("  ", palette.text), (part, palette.warn)] for part in wrapped(question, width - 4)] + hint_lines(
                width, (keys,), palette.dim
            )
        if text:
            return [
                [("  ", palette.text), (part, palette.warn if is_warning else palette.text)] for part in wrapped(text, width - 4)
            ]
        if self._state == "naming":
            return hint_lines(width, (hint("list", "rename it", "choose"), hint("list", "leave it", "close")), palette.dim)
        other = "this directory" if self._everywhere else "all directories"
        hints = (
            "Type to search",
            hint("list", "resume", "choose") if self._found else "",
            hint("sessions", other, "everywhere"),
            hint("sessions", "rename", "rename") if self._found else "",
            hint("sessions", "trash", "trash") if self._found else "",
            hint("sessions", "undo", "undo") if self._trashed else "",
            hint("list", "close", "close"),
        )
        return hint_lines(width, hints, palette.dim)

    def _row(self, card: "SessionCard") -> Row:
        title = one_line(card.title or card.first_message) or card.sid
        if self._everywhere:
            title = f"{title}  {clean(card.cwd.rstrip('/').rpartition('/')[2])}/"
        when = "open here" if card.sid == self._shelf.here else "open elsewhere" if card.sid in self._held else ""
        return Row(
            card, (title, when or moment(card.updated_ms, self._now_ms), many(card.messages, "message"), size(card.tokens))
        )

    def _preview(self) -> None:
        card = self._chosen
        if card is not None and card.sid not in self._bytes:
            self.run_worker(partial(self._weigh, card.sid), group="weigh", exclusive=True)
        self._draw_preview()

    def _draw_preview(self) -> None:
        palette, card = self._palette, self._chosen
        told = "" if card is None else self._facts(card)
        text, mark = (self._nothing(), "  ") if card is None else (clean(card.first_message.strip()), f"{palette.glyphs.user} ")

        def draw(width: int) -> list[list[Piece]]:
            lines: list[list[Piece]] = [[(palette.glyphs.rule * width, palette.dim)]]
            if told:
                lines.append([("  ", palette.text), (cut(told, width - 4), palette.dim)])
            return [
                *lines,
                *([(mark, palette.accent), (part, palette.text)] for part in wrapped(text, width - 4)[:PREVIEW_LINES]),
            ]

        self.query_one(".preview", Rows).show(draw)

    def _facts(self, card: "SessionCard") -> str:
        held = "open elsewhere: read or fork it" if card.sid in self._held else ""
        weight = byte_size(self._bytes[card.sid]) if card.sid in self._bytes else ""
        told = (held, many(card.messages, "message"), weight, clean(card.model), clean(from_home(card.cwd)))
        return "   ".join(filter(None, told))

    def _nothing(self) -> str:
        """What to do where there is no session to show."""
        if not self._loaded:
            return ""
        key = self._keymap.name("sessions", "everywhere")
        elsewhere = "" if self._everywhere else f"; {key} looks in all directories"
        if self._all.cards:
            return f"No session matches. Backspace widens{elsewhere}."
        back = self._keymap.name("list", "close")
        where = "anywhere" if self._everywhere else "in this directory"
        return f"No sessions {where} yet. {back} goes back: write a message, and it is kept{elsewhere}."


def _called(card: "SessionCard") -> str:
    return f"“{cut(one_line(card.title or card.first_message) or card.sid, 50)}”"
