"""todo: with it the model keeps a list of what it is about to do. The newest one on the branch counts; nothing is kept here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from flowchat.tools.arguments import Property, kind_of, schema
from flowchat.tools.tool import BadArguments, Desk, Outcome, Reach
from flowchat.transcript.entries import TodoItem
from flowchat.transcript.events import Preview
from flowchat.transcript.todo import TodoList, in_one_line

ITEMS_LIMIT = 50
TEXT_LIMIT_CHARS = 300
LIST_LIMIT_BYTES = 4 * 1024
"""UTF-8 of all texts together, about 1,000 tokens: what is open of it travels with each summary."""
SHOWN_CHARS = 40
"""How much an error repeats of a word that is no status."""

_Status = Literal["pending", "in_progress", "done"]
_STATUSES: Mapping[str, _Status] = {
    **dict.fromkeys(("pending", "open", "todo", "not_started"), "pending"),
    **dict.fromkeys(("in_progress", "active", "doing"), "in_progress"),
    **dict.fromkeys(("done", "completed", "complete"), "done"),
}
"""What a model may write for each, lower case and with underscores."""
_ITEM: Property = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "status": {"type": "string", "enum": ["pending", "in_progress", "done"]}},
    "required": ["text", "status"],
}


class Todo:
    schema = schema(
        "todo",
        "Keep a todo list, for work of several steps. Each call gives the whole list; at most one item is in_progress.",
        {"items": {"type": "array", "items": _ITEM}},
        {},
    )
    read_only = True

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        """Nothing but the conversation itself."""
        items_of(args)
        return Reach("read")

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return Preview("Keep this todo list?", tuple((item.status, item.text) for item in items_of(args)))

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        items = items_of(args)
        line = in_one_line(items)
        return Outcome(line, line, todo=items)


def items_of(args: Mapping[str, object]) -> TodoList:
    """The list a call gives, each text on one line. Raises BadArguments."""
    given = args.get("items")
    if not isinstance(given, list):
        raise BadArguments(f"todo: `items` must be a list, not {kind_of(given)}")
    entries = cast("list[object]", given)
    if len(entries) > ITEMS_LIMIT:
        raise BadArguments(f"todo: a list may have {ITEMS_LIMIT} items, not {len(entries):,}")
    items = tuple(_item(number, entry) for number, entry in enumerate(entries, 1))
    begun = [str(number) for number, item in enumerate(items, 1) if item.status == "in_progress"]
    if len(begun) > 1:
        raise BadArguments(f"todo: items {' and '.join(begun[:2])} are both in_progress; at most one may be")
    size = sum(len(item.text.encode("utf-8", "replace")) for item in items)
    if size > LIST_LIMIT_BYTES:
        raise BadArguments(f"todo: the texts may have {LIST_LIMIT_BYTES:,} bytes together, not {size:,}; say it shorter")
    return items


def _item(number: int, given: object) -> TodoItem:
    if not isinstance(given, dict):
        raise BadArguments(f"todo: item {number} must be an object with text and status, not {kind_of(given)}")
    fields = cast("dict[str, object]", given)
    text = fields.get("text", fields.get("content"))
    line = " ".join(text.split()) if isinstance(text, str) else ""
    if not line:
        raise BadArguments(f"todo: item {number} has no text")
    if len(line) > TEXT_LIMIT_CHARS:
        raise BadArguments(f"todo: the text of item {number} may have {TEXT_LIMIT_CHARS} characters, not {len(line):,}")
    word = str(fields.get("status") or "pending")
    status = _STATUSES.get(word.strip().lower().replace("-", "_").replace(" ", "_"))
    if status is None:
        raise BadArguments(f"todo: item {number} is {word[:SHOWN_CHARS]!r}; it may be pending, in_progress or done")
    return TodoItem(line, status)
