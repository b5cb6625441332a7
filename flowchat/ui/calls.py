"""What a call says about itself in one line: the short name of its tool and its main argument."""

from collections.abc import Mapping
from typing import cast

import msgspec

from flowchat.ui.figures import many
from flowchat.ui.prose import one_line

HEAD_CHARS = 4096
"""Of arguments that are still being written no more than this is read."""
_SHORT = {"read_file": "read", "write_file": "write", "edit_file": "edit", "list_dir": "list"}
_MAIN = ("command", "path", "pattern", "query", "url", "name")
_ENDS = ('"}', "}", '"]}', "]}", '":null}', "null}", ":null}")
"""What may be missing at the end of an object that is being written."""


def short_name(tool: str) -> str:
    return _SHORT.get(tool) or one_line(tool) or "call"


def main_argument(tool: str, raw: str) -> str:
    """What the call is about, on one line, from its raw JSON text; as much as can be said where that is not whole."""
    args = read_arguments(raw)
    pattern, path = _text(args, "pattern"), _text(args, "path")
    match tool:
        case "grep" if pattern:
            shown = f'"{pattern}"' + (f" in {path}" if path not in ("", ".") else "")
        case "glob" if pattern:
            shown = pattern + (f" in {path}" if path not in ("", ".") else "")
        case "list_dir":
            shown = path or "."
        case "recall":
            shown = _recalled(args)
        case "todo":
            shown = _listed(args)
        case _:
            shown = next((text for key in _MAIN if (text := _text(args, key))), "") or _all(args)
    return one_line(shown)


def read_arguments(raw: str) -> Mapping[str, object]:
    """A call's arguments; of a text that is not a complete object what its start says, {} where that is nothing."""
    try:
        return msgspec.json.decode(raw or "{}", type=dict[str, object])
    except (msgspec.DecodeError, ValueError):
        head = raw[:HEAD_CHARS].rstrip().rstrip("\\,")
    for end in _ENDS:
        try:
            return msgspec.json.decode(head + end, type=dict[str, object])
        except (msgspec.DecodeError, ValueError):
            continue
    return {}


def _recalled(args: Mapping[str, object]) -> str:
    query, start = _text(args, "query"), args.get("from")
    about = query if query.startswith("/") else f'"{query}"' if query else "" if start else "what is out of view"
    return " ".join(filter(None, (about, f"from entry {start}" if start else "")))


def _listed(args: Mapping[str, object]) -> str:
    """How long the list is that a call gives; the list itself is for its answer to show."""
    items = args.get("items")
    count = len(cast("list[object]", items)) if isinstance(items, list) else 0
    return many(count, "item") if count else "no items"


def _text(args: Mapping[str, object], key: str) -> str:
    value = args.get(key)
    return value if isinstance(value, str) else ""


def _all(args: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in args.items() if value is not None)
