"""The user's keybindings.json: what is read of it, and what is said of what does not count."""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from flowchat.config import text_of
from flowchat.ui.key_names import is_text, key_named, shown
from flowchat.ui.keymap import Change
from flowchat.ui.keys import CONTEXTS, RESERVED, WRITING

QUOTED_CHARS = 40
"""How much of a name in the file a notice repeats."""
_AS_BY_DEFAULT = "the default keys are used until it is fixed"
_FORM = 'the form is {"bindings": [{"context": "chat", "bindings": {"ctrl+e": "redraw"}}]}'
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')


def read_keybindings(file: Path) -> tuple[list[Change], list[str]]:
    """The changes a file makes, and a sentence for each thing in it that does not count; neither where it is not there.

    The form is {"bindings": [{"context": "chat", "bindings": {"ctrl+e": "editor", "ctrl+g": null}}]}.
    """
    try:
        read = json.loads(_with_lines(text_of(file)))
    except FileNotFoundError:
        return [], []
    except json.JSONDecodeError as error:
        return [], [f"{file} line {error.lineno} is not JSON ({error.msg}); {_AS_BY_DEFAULT}"]
    except (UnicodeDecodeError, RecursionError):
        return [], [f"{file} is not JSON in UTF-8; {_AS_BY_DEFAULT}"]
    except OSError as error:
        return [], [f"{file} cannot be read ({error.strerror}); {_AS_BY_DEFAULT}"]
    found = [*_sections(read)]
    changes = [change for _, change in found if isinstance(change, Change)]
    return changes, [f"{file} line {line}: {wrong}" for line, wrong in found if isinstance(wrong, str)]


def _with_lines(text: str) -> str:
    """The JSON with the number of its line after each name, which the reader would not tell."""
    return "\n".join(
        _NAME.sub(lambda name, number=number: f'"{name[1]}\\u0000{number}"{name[2]}' if name[2] else name[0], line)
        for number, line in enumerate(text.split("\n"), 1)
    )


def _members(read: object) -> list[tuple[str, int, Any]]:
    """The names of an object, each with its line and its value; none of anything else."""
    if not isinstance(read, dict):
        return []
    parts = [(*name.partition("\0")[::2], value) for name, value in cast("dict[str, Any]", read).items()]
    return [(name, int(line or 1), value) for name, line, value in parts]


def _sections(read: object) -> Iterator[tuple[int, Change | str]]:
    """Each row with its line, or what is wrong with it."""
    lists = [(line, value) for name, line, value in _members(read) if name == "bindings"]
    if not lists or not isinstance(lists[-1][1], list):
        yield (lists[-1][0] if lists else 1), f'there is no list "bindings" in it; {_FORM}'
        return
    for section in cast("list[object]", lists[-1][1]):
        members = _members(section)
        named = {name: (line, value) for name, line, value in members}
        first = members[0][1] if members else lists[-1][0]
        context_line, context = named.get("context", (first, None))
        _, bindings = named.get("bindings", (first, None))
        if not isinstance(context, str) or not isinstance(bindings, dict):
            yield first, f'a "context" and its "bindings" are expected; {_FORM}'
        elif context.lower() not in CONTEXTS:
            yield context_line, f"there is no context {_quoted(context)}; the contexts are {', '.join(CONTEXTS)}"
        else:
            yield from ((line, _row(context.lower(), name, act, line)) for name, line, act in _members(cast(object, bindings)))


def _row(context: str, name: str, act: object, line: int) -> Change | str:
    key = key_named(name)
    acts = list(dict.fromkeys(row.act for row in CONTEXTS[context]))
    if key is None:
        return f"{_quoted(name)} is not a key; /keys tells the name of any key you press"
    if key in RESERVED:
        return f"{shown(key)} stays as it is, so that there is always a way out; take another key"
    if context in WRITING and is_text(key):
        return f"{_quoted(name)} writes something; take it with ctrl or alt"
    if act is None:
        return Change(context, key, None, line)
    if not isinstance(act, str):
        return f"{_quoted(name)} needs the name of an action, or null"
    wanted = re.sub(r"[\s-]+", "_", act.strip().lower())
    if wanted in acts:
        return Change(context, key, wanted, line)
    near = get_close_matches(wanted, acts, 1)
    hint = f"the nearest is {near[0]}" if near else f"the actions are {', '.join(acts)}" if len(acts) < 10 else "/keys lists them"
    return f"there is no action {_quoted(act)} in the context {context}; {hint}"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= QUOTED_CHARS else text[:QUOTED_CHARS] + "…")
