"""How the items of a todo list look: a mark for what is done, being done and open, then the text."""

from flowchat.transcript.entries import TodoItem
from flowchat.transcript.todo import TodoList
from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row, one_line, wrapped
from flowchat.ui.strips import Piece, cut

MARK_CELLS = 2


def item_row(item: TodoItem, palette: Palette, width: int) -> Row:
    """An item on one row, cut where it is longer."""
    return _rows(item, palette, [cut(one_line(item.text), max(1, width - MARK_CELLS))])[0]


def item_rows(items: TodoList, palette: Palette, width: int) -> list[Row]:
    """All items, each on as many rows as it needs."""
    return [row for item in items for row in _rows(item, palette, wrapped(one_line(item.text), max(1, width - MARK_CELLS)))]


def as_markdown(items: TodoList) -> str:
    """The list as it is copied: the mark of what is being done is no markdown, and kept in words."""
    marks = {"done": "[x]", "in_progress": "[ ] (now)", "pending": "[ ]"}
    return "\n".join(f"- {marks[item.status]} {one_line(item.text)}" for item in items)


def _rows(item: TodoItem, palette: Palette, parts: list[str]) -> list[Row]:
    glyphs = palette.glyphs
    match item.status:
        case "done":
            mark, style = (glyphs.done, palette.good), palette.dim
        case "in_progress":
            mark, style = (glyphs.running[0], palette.accent), palette.heading
        case "pending":
            mark, style = (glyphs.waiting, palette.dim), palette.text
    first: Piece = (f"{mark[0]} ", mark[1])
    return [[first if number == 0 else (" " * MARK_CELLS, style), (part, style)] for number, part in enumerate(parts)]
