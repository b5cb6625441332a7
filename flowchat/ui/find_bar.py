"""The line in which one writes what to find; it stands in the edge's place and says how the search stands."""

from typing import Literal, TypeAlias

from rich.cells import cell_len
from textual import events
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.ui.edge import TOAST_SECONDS, Level
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line
from flowchat.ui.seeking import Found
from flowchat.ui.strips import cut, rule

QUERY_LIMIT_CHARS = 500
"""Of what is pasted here no more is searched for."""
LEAST_QUERY_CELLS = 12
"""Hints go before so much of what is written does."""

Act: TypeAlias = Literal["next", "previous", "keep", "close"]


class FindBar(Widget, can_focus=True):
    """One line. Each change of what is written is posted; it is told what was found."""

    DEFAULT_CSS = "FindBar { height: 1; display: none; }"

    class Sought(Message):
        """Find this, perhaps nothing."""

        def __init__(self, query: str) -> None:
            super().__init__()
            self.query = query

    class Asked(Message):
        """On to another match, to the conversation with the search left on, or the end of it."""

        def __init__(self, act: Act) -> None:
            super().__init__()
            self.act: Act = act

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._keymap, self._acts = palette, keymap, keymap.acts("find")
        self._query, self._found = "", Found()
        self._toast: tuple[str, Level] | None = None
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Write here; what was written last time is gone, unless the search is still on."""
        if not self.display:
            self._query, self._found = "", Found()
        self.display = True
        self.focus()

    def end(self) -> None:
        self.display = False
        self._quieten()

    def show(self, found: Found) -> None:
        self._found = found
        self.refresh()

    def say(self, text: str, level: Level = "info") -> None:
        """Show a sentence for some seconds instead."""
        self._quieten()
        self._toast = (one_line(text), level)
        self._timer = self.set_timer(TOAST_SECONDS[level], self._quieten)

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        if act is None and not (event.is_printable and event.character):
            return
        event.stop()
        event.prevent_default()
        match act:
            case "next" | "previous":
                self.post_message(self.Asked(act))
            case "keep" | "close":
                self.post_message(self.Asked(act if self._query else "close"))
            case "delete":
                self._write(self._query[:-1])
            case "delete_word":
                self._write(self._query.rstrip().rpartition(" ")[0])
            case "delete_all":
                self._write("")
            case _:
                self._write(self._query + (event.character or ""))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._write(self._query + one_line(event.text))

    def _write(self, query: str) -> None:
        self._query = clean(query[:QUERY_LIMIT_CHARS])
        self._quieten()
        self.post_message(self.Sought(self._query))

    def _quieten(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._toast = self._timer = None
        self.refresh()

    # --- drawing -----------------------------------------------------------------------------------------------------
    @property
    def caret(self) -> Offset:
        """The cell behind what is written."""
        return Offset(min(4 + cell_len(self._shown()[0]), self.size.width - 1), 0)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        palette, width = self._palette, self.size.width
        if self._toast is not None:
            text, level = self._toast
            style = {"info": palette.accent, "warning": palette.warn, "error": palette.bad}[level]
            return rule(width, palette.dim, [(f" {cut(text, width - 6)} ", style)], (), palette.glyphs.rule)
        query, state, hints = self._shown()
        nothing = bool(self._query) and not self._found.count
        left = [(f" /{query} ", palette.text), *([(f" {state} ", palette.warn if nothing else palette.accent)] if state else [])]
        right = [(f" {hints} ", palette.dim)] if hints else []
        return rule(width, palette.dim, left, right, palette.glyphs.rule)

    def _shown(self) -> tuple[str, str, str]:
        """What is written, as much of its end as there is room for; how the search stands; and the next keys."""
        state, hints = self._state(), self._hints()
        room = self.size.width - 8 - (cell_len(state) + 2 if state else 0)
        while hints and room - cell_len("   ".join(hints)) - 4 < max(LEAST_QUERY_CELLS, cell_len(self._query)):
            hints = hints[:-1]
        query = self._query
        while cell_len(query) > max(1, room):
            query = query[1:]
        return query, state, "   ".join(hints)

    def _state(self) -> str:
        if not self._query or self._found.query != self._query:
            return ""
        if not self._found.count:
            return "not found"
        hidden = ", in the source" if self._found.hidden else ""
        return f"{self._found.number:,} of {self._found.count:,}{hidden}"

    def _hints(self) -> list[str]:
        hint = self._keymap.hint
        if self.has_focus:
            hints = [hint("find", "back", "close"), hint("find", "stay", "keep"), hint("find", "next", "next")]
        else:
            hints = [
                hint("chat", "back", "escape"),
                hint("conversation", "next", "next_match"),
                hint("conversation", "before", "previous_match"),
            ]
        return [hint for hint in hints if hint]
