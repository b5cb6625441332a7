"""One SKILL.md: what its front matter says, and the text for the model behind it.

The front matter is YAML (agentskills.io). It is read with every value as the text it is written as, so that a name `on` or `1.0`
stays a name, and so that nothing in it can make an object.
"""

import re
from collections.abc import Iterator
from typing import cast

from msgspec import Struct

from flowchat.transcript.entries import sound

FILE_LIMIT_BYTES = 32 * 1024
"""A longer SKILL.md is not one: what is long belongs into files beside it."""
HEAD_LIMIT_CHARS = 8 * 1024
"""Of the front matter."""
DEPTH_LIMIT = 8
"""Of lists and tables in each other there: what is deeper costs the parser seconds."""
PROBLEM_LIMIT_CHARS = 80
"""Of what the parser says: that may repeat the text."""
NAME_LIMIT_CHARS = 64
DESCRIPTION_LIMIT_CHARS = 1024
SLUG = r"[a-z0-9]+(?:[-_][a-z0-9]+)*"
_HEAD = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")


class SkillText(Struct, frozen=True):
    """What a SKILL.md says. `tools`: those it asks for; it is given no rights by that.

    `for_user`: the user may name it, `for_model`: it is listed for the model. `was_cut`: its description was longer.
    """

    name: str
    description: str
    body: str
    tools: str = ""
    for_user: bool = True
    for_model: bool = True
    was_cut: bool = False


def read_skill(raw: bytes) -> SkillText:
    """The skill a file holds. Raises ValueError where it holds none, with a clause that says why."""
    if len(raw) > FILE_LIMIT_BYTES:
        raise ValueError(f"it is longer than {FILE_LIMIT_BYTES // 1024} KiB; put what is long into files beside it")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    head = _HEAD.match(text)
    if head is None:
        raise ValueError("it does not begin with front matter between two lines of ---")
    if len(head[1]) > HEAD_LIMIT_CHARS:
        raise ValueError(f"its front matter is longer than {HEAD_LIMIT_CHARS // 1024} KiB")
    said = _table(head[1])
    name, description = _text(said, "name"), " ".join(_text(said, "description").split())
    if not name or not description:
        raise ValueError(f"it has no {'description' if name else 'name'} in its front matter")
    if len(name) > NAME_LIMIT_CHARS or not re.fullmatch(SLUG, name):
        raise ValueError(
            f"{name[:NAME_LIMIT_CHARS]!r} cannot be its name: lower-case letters, digits and hyphens, at most {NAME_LIMIT_CHARS}"
        )
    body = text[head.end() :].strip()
    if not body:
        raise ValueError("it says nothing after its front matter")
    return SkillText(
        name,
        description[:DESCRIPTION_LIMIT_CHARS],
        body,
        _text(said, "allowed-tools"),
        _flag(said, "user-invocable", True),
        not _flag(said, "disable-model-invocation", False),
        len(description) > DESCRIPTION_LIMIT_CHARS,
    )


def _table(head: str) -> dict[str, object]:
    import yaml  # not before it is needed

    try:
        deep = _is_deep(head)
        found: object = None if deep else yaml.load(head, Loader=yaml.BaseLoader)  # every value a text, or of texts
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 2}" if error.problem_mark else ""
        problem = str(error.problem)[:PROBLEM_LIMIT_CHARS]
        raise ValueError(f"its front matter is not YAML{line} ({problem}); a text with a colon in it needs quotes") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("its front matter is not YAML") from None
    if deep:
        raise ValueError(f"its front matter has lists and tables more than {DEPTH_LIMIT} deep in each other")
    if not isinstance(found, dict):
        raise ValueError("its front matter is no table of names and values")
    return cast(dict[str, object], found)


def _is_deep(head: str) -> bool:
    """Whether more than DEPTH_LIMIT lists and tables lie in each other; the rest is not read then. Raises YAMLError."""
    import yaml

    depth = 0
    events = cast(Iterator[object], yaml.parse(head, Loader=yaml.BaseLoader))  # pyright: ignore[reportUnknownMemberType]  # yaml has no types
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_LIMIT:
            return True
    return False


def _text(said: dict[str, object], key: str) -> str:
    """A text, or a list of them on one line; empty where there is none."""
    value = said.get(key, "")
    if isinstance(value, list):
        value = ", ".join(one for one in cast(list[object], value) if isinstance(one, str))
    if not isinstance(value, str):
        raise ValueError(f"{key} in its front matter is not a text")
    return sound(value).strip()


def _flag(said: dict[str, object], key: str, default: bool) -> bool:
    value = _text(said, key).lower()
    if value and value not in (*_YES, *_NO):
        raise ValueError(f"{key} in its front matter is {value[:20]!r}, neither true nor false")
    return value in _YES if value else default
