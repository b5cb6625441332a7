"""The todo list above the composer while something of it is open: one line, or the list as far as there is room."""

from rich.cells import cell_len
from textual import events
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.entries import Record
from flowchat.transcript.todo import TodoList, counted, current, newest, open_items
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import GUTTER, Row, one_line
from flowchat.ui.strips import Piece, cut, line, pieces_width
from flowchat.ui.todo_rows import item_row

LIST_ROWS, LIST_SHARE = 8, 1 / 3
"""Of a longer list so many rows show, at most this share of the screen's, around what is being done; the others are counted."""
CONVERSATION_ROWS = 2
"""Of what it shares with the conversation these stay; where there is no room beside them it is not to be seen."""


class TodoLine(Widget):
    """Nothing while nothing is open; a new list begins folded."""

    DEFAULT_CSS = "TodoLine { height: auto; display: none; }"

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._keymap = palette, keymap
        self._items: TodoList = ()
        self._unfolded = False

    def show(self, items: TodoList) -> None:
        """The list as it is from now on."""
        if items == self._items:
            return
        is_longer, self._items = len(items) != len(self._items), items
        self.display = bool(open_items(items))
        self._unfolded &= self.display
        self.refresh(layout=is_longer and self._unfolded)

    def hear(self, record: Record) -> None:
        """What has just been said: an answer may give another list."""
        if record.has_todo:
            self.show(newest((record,)))

    def toggle(self) -> bool:
        """Unfold it, or fold it again; False where there is nothing to be seen."""
        if self.display:
            self._unfolded = not self._unfolded
            self.refresh(layout=True)
        return self.display

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.toggle()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        listed = min(len(self._items), LIST_ROWS, int(viewport.height * LIST_SHARE)) if self._unfolded else 0
        return max(0, min(1 + listed, container.height - CONVERSATION_ROWS))

    def render_line(self, y: int) -> Strip:
        rows = drawn(self._items, self.size, self._unfolded, self._palette, self._keymap)
        return rows[y] if y < len(rows) else line(self.size.width, ())


def drawn(items: TodoList, size: Size, unfolded: bool, palette: Palette, keymap: Keymap) -> list[Strip]:
    """The line, and unfolded as much of the list as the size has rows for."""
    width, rows = size.width, _listed(items, palette, size.height - 1, size.width - 3 * GUTTER) if unfolded else []
    indent: Piece = (" " * 2 * GUTTER, palette.text)
    return [_head(items, width, unfolded, bool(rows), palette, keymap), *(line(width, [indent, *row]) for row in rows)]


def _head(items: TodoList, width: int, unfolded: bool, lists: bool, palette: Palette, keymap: Keymap) -> Strip:
    """`3 of 7 · write the tests`, `3 of 7 done` above the list; and the key that folds it."""
    fold = palette.glyphs.open if unfolded else palette.glyphs.folded
    left: list[Piece] = [(f"{fold} ", palette.accent), (counted(items), palette.dim)]
    hint = keymap.hint("chat", "folds" if unfolded else "unfolds", "todo")
    if lists or (item := current(items)) is None:
        left.append((" done", palette.dim))
    else:
        words, room = one_line(item.text), width - pieces_width(left) - GUTTER - 3
        left += [(" · ", palette.dim), (cut(words, room), palette.text)]
        hint = hint if cell_len(words) + cell_len(hint) + 2 * GUTTER <= room else ""
    right: list[Piece] = [(hint, palette.dim), (" " * GUTTER, palette.text)] if hint else []
    return line(width, left, right, palette.text)


def _listed(items: TodoList, palette: Palette, rows: int, width: int) -> list[Row]:
    """The items for so many rows: those around the current one where there are more, and how many others."""
    now = current(items)
    if rows < 1 or len(items) <= rows or now is None:
        return [item_row(item, palette, width) for item in items] if rows > 0 else []
    at, count = items.index(now), max(1, rows - 1)
    start = max(0, min(at - (count > 1), len(items) - count))
    places = ((start, "above"), (len(items) - start - count, "below"))
    words = ", ".join(f"{number} {where}" for number, where in places if number)
    shown = [item_row(item, palette, width) for item in items[start : start + count]]
    return [*shown, [(f"  {words}", palette.dim)]][:rows]
