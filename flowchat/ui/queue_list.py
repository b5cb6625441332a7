"""The messages that wait, above the composer; with the focus it posts what shall become of the chosen one."""

from collections.abc import Sequence

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.entries import QueueItem, text_of
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import GUTTER, beginning
from flowchat.ui.strips import Piece, cut_pieces, hint_lines, line

SHOWN_LIMIT = 3


class QueueList(Widget, can_focus=True):
    """One line an item, at most three; the rest is counted."""

    class Dropped(Message):
        def __init__(self, item: QueueItem) -> None:
            super().__init__()
            self.item = item

    class Moved(Message):
        """An item shall stand so many places further on (or, negative, before)."""

        def __init__(self, item: QueueItem, by: int) -> None:
            super().__init__()
            self.item, self.by = item, by

    class Taken(Message):
        """An item shall go back into the composer, and out of the queue."""

        def __init__(self, item: QueueItem) -> None:
            super().__init__()
            self.item = item

    class Promoted(Message):
        def __init__(self, item: QueueItem) -> None:
            super().__init__()
            self.item = item

    class Held(Message):
        """The queue shall wait, or go on by itself again."""

        def __init__(self, held: bool) -> None:
            super().__init__()
            self.held = held

    class Closed(Message):
        """Back to the composer."""

    DEFAULT_CSS = "QueueList { height: auto; display: none; }"
    FOCUS_ON_CLICK = False

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._keymap, self._acts = palette, keymap, keymap.acts("queue")
        self._items: tuple[QueueItem, ...] = ()
        self._held = False
        self._chosen = 0
        self._clicked: int | None = None

    @property
    def items(self) -> tuple[QueueItem, ...]:
        return self._items

    def show(self, items: Sequence[QueueItem], held: bool) -> None:
        chosen = self._items[self._chosen].client_id if self._items else ""
        self._items, self._held = tuple(items), held
        self._chosen = next((at for at, item in enumerate(self._items) if item.client_id == chosen), self._chosen)
        self._chosen = max(0, min(self._chosen, len(self._items) - 1))
        self.display = bool(self._items)
        self.refresh(layout=True)
        if not self._items and self.has_focus:
            self.post_message(self.Closed())

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def on_focus(self) -> None:
        self._chosen = len(self._items) - 1 if self._clicked is None else self._clicked
        self._clicked = None
        self.refresh(layout=True)

    def on_blur(self) -> None:
        self.refresh(layout=True)

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = self._acts.get(event.key)
        if act is not None and self._items:
            event.stop()
            event.prevent_default()
            self._do(act)

    def on_click(self, event: events.Click) -> None:
        """On a message: choose it; on a key's words: what that key does."""
        if (at := self._above + event.y) < len(self._items) and event.y < SHOWN_LIMIT:
            self._chosen = self._clicked = at
            self.refresh()
        if not self.has_focus:
            self.focus()
            return
        self._clicked = None
        hints = self._hints(self.size.width)
        row = event.y - self.size.height + len(hints)
        words = "".join(text for text, _ in hints[row]) if 0 <= row < len(hints) else ""
        for act, hint in self._hint_of_act():
            start = words.find(hint) if hint else -1
            if 0 <= start <= event.x < start + len(hint):
                self._do(act)

    def _do(self, act: str) -> None:
        item = self._items[self._chosen]
        match act:
            case "close":
                self.post_message(self.Closed())
            case "down" if self._chosen == len(self._items) - 1:
                self.post_message(self.Closed())
            case "up" | "down":
                self._chosen = max(0, self._chosen + (1 if act == "down" else -1))
            case "edit":
                self.post_message(self.Taken(item))
            case "delete":
                self.post_message(self.Dropped(item))
            case "promote":
                self.post_message(self.Promoted(item))
            case "hold":
                self.post_message(self.Held(not self._held))
            case _:
                self.post_message(self.Moved(item, -1 if act == "move_up" else 1))
        self.refresh()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return min(len(self._items), SHOWN_LIMIT) + (len(self._items) > SHOWN_LIMIT) + len(self._hints(width))

    def render_line(self, y: int) -> Strip:
        palette, width = self._palette, self.size.width
        shown, hidden = min(len(self._items), SHOWN_LIMIT), len(self._items) - SHOWN_LIMIT
        above = self._above
        if y < shown:
            return self._item(above + y, width)
        if y == shown and hidden > 0:
            places = ((above, "above"), (hidden - above, "below")) if above else ((hidden, "more"),)
            words = ", ".join(f"{count} {where}" for count, where in places if count)
            return line(width, [(f"  {words}", palette.dim)], fill=palette.text)
        hints = self._hints(width)
        at = y - self.size.height + len(hints)
        return line(width, hints[at] if 0 <= at < len(hints) else (), fill=palette.text)

    def _hints(self, width: int) -> list[list[Piece]]:
        hints = [hint for _, hint in self._hint_of_act()]
        return hint_lines(width, hints, self._palette.dim) if self.has_focus else []

    def _hint_of_act(self) -> list[tuple[str, str]]:
        """What a click on each hint does, and the hint."""
        hint = self._keymap.hint
        return [
            ("edit", hint("queue", "edit", "edit")),
            ("delete", hint("queue", "drop", "delete")),
            ("move_up", hint("queue", "move", "move_up", "move_down")),
            ("promote", hint("queue", "send now", "promote")),
            ("hold", hint("queue", "let go on" if self._held else "hold", "hold")),
            ("close", hint("queue", "close", "close")),
        ]

    @property
    def _above(self) -> int:
        """How many messages lie above the first one shown."""
        return max(0, min(self._chosen - SHOWN_LIMIT + 1, len(self._items) - SHOWN_LIMIT)) if self.has_focus else 0

    def _item(self, index: int, width: int) -> Strip:
        palette, item = self._palette, self._items[index]
        is_chosen = self.has_focus and index == self._chosen
        word = "steers" if item.deliver == "steer" else "held" if self._held else "queued"
        head = f"{index + 1} {word}".ljust(9)
        style = palette.warn if self._held and item.deliver == "queue" else palette.dim
        left: list[Piece] = [
            (f"{palette.glyphs.folded} " if is_chosen else "  ", palette.accent),
            (f"{head}  ", style),
            (beginning(text_of(item.parts)).replace("\n", " "), palette.text + palette.bold if is_chosen else palette.text),
        ]
        hint = "" if index or self.has_focus else self._keymap.hint("chat", "edit", "queue")
        right: list[Piece] = [(hint, palette.dim), ("  ", palette.text)] if hint else []
        return line(width, left if right else cut_pieces(left, width - GUTTER), right, palette.text)


def moved(items: Sequence[QueueItem], item: QueueItem, by: int) -> tuple[QueueItem, ...]:
    """The items with one so many places further on, as far as there are places; as they are where it is not among them."""
    rest = [other for other in items if other.client_id != item.client_id]
    here = next((at for at, other in enumerate(items) if other.client_id == item.client_id), None)
    if here is not None:
        rest.insert(max(0, min(here + by, len(rest))), items[here])
    return tuple(rest)
