"""A permissions.toml: the rules in it with their lines, and changes to it one rule at a time, all else as the person wrote it.

allow = ["shell(make test)"]
ask = ["shell(git push:*)"]
deny = ["read_file(secrets/**)"]
"""

import fcntl
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, cast

from msgspec import Struct

from flowchat.errors import StorageFailed, UsageError
from flowchat.store.disk import Disk, read_file, refused

FILE_LIMIT_BYTES = 256 * 1024
"""A longer file is not one of rules."""
RULES_LIMIT = 1_000
"""A file with more would make every call wait; then none of them is known."""
TRIES_LIMIT = 5
"""So often a change is begun anew where the file was changed by another meanwhile."""
Effect = Literal["allow", "ask", "deny"]
EFFECTS: tuple[Effect, ...] = ("allow", "ask", "deny")


class Item(Struct, frozen=True):
    """One rule as it is written; `line` from 1."""

    effect: Effect
    text: str
    line: int


class Trouble(Struct, frozen=True):
    line: int
    sentence: str


class Written(Struct, frozen=True):
    """`unread`: why the file could not be read, so that nobody knows what it forbids; empty where it could, or is not there."""

    items: tuple[Item, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    unread: str = ""


# --- reading ---------------------------------------------------------------------------------------------------------
def read_written(file: Path) -> Written:
    """What a file says; a missing one says nothing. Raises nothing."""
    try:
        found = written(read_file(file, FILE_LIMIT_BYTES).decode("utf-8-sig"))
        return found if len(found.items) <= RULES_LIMIT else Written(unread=f"it has more than {RULES_LIMIT:,} rules")
    except (FileNotFoundError, NotADirectoryError):
        return Written()
    except UnicodeDecodeError:
        return Written(unread="it is not UTF-8 text")
    except OSError as error:
        return Written(unread=(error.strerror or str(error)).lower())


def written(text: str) -> Written:
    """The rules in a text. Of one that is not TOML what forbids counts as far as it can be found, and nothing that allows."""
    found = list(_arrays(text))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        trouble = Trouble(
            int(place[1]) if place else _last_line(text), f"not valid TOML ({error}); nothing is allowed by this file"
        )
        return Written(_forbidding(found), (trouble,))
    except RecursionError:
        return Written(_forbidding(found), (Trouble(1, "too deeply nested; nothing is allowed by this file"),))
    items: list[Item] = []
    troubles: list[Trouble] = []
    for key, value in table.items():
        line = _line_of(text, key)
        if key in EFFECTS:
            _add_items(key, value, found, line, items, troubles)
        else:
            troubles.append(Trouble(line, f"{key!r} is not known: rules are in lists named allow, ask and deny, at the top"))
    below = [array for array in found if array.table]
    items += [item for item in _forbidding(below) if item not in items]
    return Written(tuple(sorted(items, key=lambda item: item.line)), tuple(troubles))


def _add_items(
    effect: Effect, value: object, found: "list[_Array]", line: int, items: list[Item], troubles: list[Trouble]
) -> None:
    own = [string for array in found if array.key == effect and not array.table for string in array.strings]
    if not isinstance(value, list):
        troubles.append(Trouble(line, f"{effect} must be a list of rules: {effect} = [...]"))
        if isinstance(value, str) and effect != "allow":
            items.append(Item(effect, value, line))
        return
    lines = iter(own)
    for rule in cast(list[object], value):
        if not isinstance(rule, str):
            troubles.append(Trouble(line, f"{effect}: a rule is a text in quotes, not {rule!r:.60}"))
            continue
        at = next((string for string in lines if string.value == rule), None)
        items.append(Item(effect, rule, at.line if at else line))


def _forbidding(found: "list[_Array]") -> tuple[Item, ...]:
    return tuple(
        Item(array.key, string.value, string.line) for array in found if array.key != "allow" for string in array.strings
    )


def _line_of(text: str, key: str) -> int:
    place = re.search(rf"(?m)^[ \t]*\[*[ \t]*[\"']?{re.escape(key)}\b", text)
    return text.count("\n", 0, place.start()) + 1 if place else 1


def _last_line(text: str) -> int:
    return text.rstrip("\n").count("\n") + 1


class _String(Struct, frozen=True):
    value: str
    line: int
    start: int
    end: int


class _Array(Struct):
    """A list of texts below one of our keys: where its brackets are (`end` -1: never closed), and the head it stands under."""

    key: Effect
    table: str
    start: int
    end: int
    strings: list[_String]


_TOKEN = re.compile(
    r"#[^\n]*"
    r'|"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|[\[\]{}=,\n]"
    r"|[^\s#\"'\[\]{}=,]+",
    re.DOTALL,
)


def _arrays(text: str) -> Iterator[_Array]:
    """Every list below a key of ours, in whatever state the text is. A line that begins another key ends one left open."""
    table, word, follows, depth = "", "", False, 0
    array: _Array | None = None
    head: list[str] | None = None
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token.startswith("#"):
            continue
        if head is not None:
            table, head = ("".join(head).strip(), None) if token == "\n" else (table, [*head, token.strip("[]")])
            continue
        if array is not None and depth and _begins_key(text, found.start(), token):
            yield array
            array, depth, word, follows = None, 0, token, False
        elif token == "[":
            if depth == 0 and not follows:
                head = []
                continue
            depth += 1
            if depth == 1 and word in EFFECTS:
                array = _Array(word, table, found.end(), -1, [])
        elif token == "]":
            depth = max(0, depth - 1)
            if depth == 0:
                if array is not None:
                    array.end = found.start()
                    yield array
                array, word, follows = None, "", False
        elif token == "\n":
            follows = follows and depth > 0
        elif token == "=":
            follows = follows or depth == 0
        elif array is not None and depth == 1 and token[0] in "\"'" and (value := _text_of(token)) is not None:
            array.strings.append(_String(value, text.count("\n", 0, found.start()) + 1, found.start(), found.end()))
        elif depth == 0 and not follows:
            word = token.strip("\"'")
    if array is not None:
        yield array


def _begins_key(text: str, start: int, token: str) -> bool:
    """Whether a bare word in an open list is rather the next key: at the start of its line, an equals sign after it."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return token in EFFECTS and not before.strip() and text[start + len(token) :].lstrip(" \t").startswith("=")


def _text_of(token: str) -> str | None:
    try:
        return str(tomllib.loads(f"x = {token}")["x"])
    except tomllib.TOMLDecodeError:
        return None


# --- changing --------------------------------------------------------------------------------------------------------
def add_item(file: Path, effect: Effect, text: str, disk: Disk | None = None, links: bool = False) -> Item:
    """Write a rule down, at the end of its list, in one step; one that is there already stays where it is.

    `links`: the file may be a link to where the person keeps it. Blocks for an fsync and for others that write here. Raises
    UsageError where the file is not TOML, StorageFailed.
    """
    there = Item(effect, text, 0)

    def change(before: str) -> str:
        table = _table(file, before)
        items = table.setdefault(effect, [])
        if not isinstance(items, list):
            raise UsageError(f"{file}: {effect} is not a list; correct it first, nothing was changed")
        if text in items:
            return before
        cast(list[object], items).append(text)
        return _fitting(file, _with_item(before, effect, text), table)

    after = _edit(file, change, disk or Disk(), links)
    return next((item for item in reversed(written(after).items) if (item.effect, item.text) == (effect, text)), there)


def remove_item(file: Path, item: Item, disk: Disk | None = None, links: bool = False) -> bool:
    """Take a rule out of its list; False where it is not in it any more. Raises as `add_item`."""
    removed = False

    def change(before: str) -> str:
        nonlocal removed
        table = _table(file, before)
        items = table.get(item.effect)
        removed = isinstance(items, list) and item.text in items
        if not removed:
            return before
        places = [
            string
            for array in _arrays(before)
            if array.key == item.effect and not array.table
            for string in array.strings
            if string.value == item.text
        ]
        place = min(places, key=lambda string: abs(string.line - item.line), default=None)
        if place is None:
            raise UsageError(f"{file}: {item.text!r} cannot be found; take it out by hand, nothing was changed")
        cast(list[object], items).remove(item.text)
        return _fitting(file, _without(before, place), table)

    _edit(file, change, disk or Disk(), links)
    return removed


def _edit(file: Path, change: Callable[[str], str], disk: Disk, links: bool) -> str:
    """Read, change and replace a file while no other flowchat does; gives its text as it is then."""
    target = Path(os.path.realpath(file)) if links else file
    try:
        if not links and os.path.realpath(file) != str(file):
            raise StorageFailed(f"{file} leads to {os.path.realpath(file)}: rules are not written through a link in a project")
        disk.ensure_folder(target.parent)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # where there are no locks, the comparison below is what keeps others' changes
                fcntl.flock(folder, fcntl.LOCK_EX)
            for _ in range(TRIES_LIMIT):
                before = _bytes(target)
                after = change((before or b"").decode("utf-8-sig"))
                if before is not None and after == before.decode("utf-8-sig"):
                    return after
                if _bytes(target) == before:
                    disk.write_file(target, after.encode())
                    return after
        finally:
            os.close(folder)
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text; correct it first, nothing was changed") from error
    except OSError as error:
        raise StorageFailed(refused(file, error)) from error
    raise StorageFailed(f"{file} is being changed by another program; nothing was changed")


def _bytes(target: Path) -> bytes | None:
    try:
        return read_file(target, FILE_LIMIT_BYTES)
    except FileNotFoundError:
        return None


def _table(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file} is not valid TOML ({error}); correct it first, nothing was changed") from error


def _fitting(file: Path, candidates: Iterator[str], wanted: dict[str, Any]) -> str:
    """The first of these texts that says what is wanted."""
    for text in candidates:
        try:
            if tomllib.loads(text) == wanted:
                return text
        except tomllib.TOMLDecodeError:
            continue
    raise UsageError(f"{file} is written in a way that cannot be changed for you; change it by hand")


def _with_item(text: str, effect: Effect, rule: str) -> Iterator[str]:
    """The text with a rule more, in each way it could be added."""
    new, end = _quoted(rule), "\r\n" if "\r\n" in text else "\n"
    for array in _arrays(text):
        if array.key == effect and not array.table and array.end >= 0:
            yield _into(text, array, new, end)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    heads = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")]
    added = f"{effect} = [{end}    {new},{end}]{end}"
    yield "".join([*lines, added])
    for number in heads:
        yield "".join([*lines[:number], added, end, *lines[number:]])


def _into(text: str, array: _Array, new: str, end: str) -> str:
    """A rule more at the end of a list, on a line of its own where the others are."""
    if not array.strings:
        inside = text[array.start : array.end]
        if "\n" in inside:
            return f"{text[: array.end].rstrip(' ' + chr(9))}    {new},{end}{text[array.end :]}"
        return f"{text[: array.start]}{new}{text[array.end :]}"
    last = array.strings[-1]
    rest = text[last.end : array.end]
    comma = "," if re.match(r"\s*,", rest) else ""
    if "\n" not in rest:
        return f"{text[: last.end]}, {new}{text[last.end :]}"
    start = text.rfind("\n", 0, last.start) + 1
    before = text[start : last.start]
    indent = before if not before.strip() else "    "
    after = text.index("\n", last.end) + 1
    line_end = text[last.end : after]
    kept = line_end if comma else f",{line_end}"
    return f"{text[: last.end]}{kept}{indent}{new},{end}{text[after:]}"


def _without(text: str, place: _String) -> Iterator[str]:
    """The text less one rule: with its line where nothing else is on it, else with the comma beside it."""
    start, stop = text.rfind("\n", 0, place.start) + 1, text.find("\n", place.end)
    stop = len(text) if stop < 0 else stop + 1
    before, after = text[start : place.start], text[place.end : stop]
    comma = re.match(r"\s*,", after)
    if not before.strip() and not after[comma.end() if comma else 0 :].split("#")[0].strip():
        comment = after[after.index("#") :] if "#" in after else ""
        yield text[:start] + (before + comment if comment else "") + text[stop:]
    if comma:
        yield text[: place.start] + text[place.end + comma.end() :].lstrip(" \t")
    leading = re.search(r",\s*\Z", text[: place.start])
    if leading:
        yield text[: leading.start()] + text[place.end :]
    yield text[: place.start] + text[place.end :]


def _quoted(rule: str) -> str:
    """A rule as TOML writes a text, on one line."""
    import tomli_w

    return tomli_w.dumps({"x": rule}).partition("= ")[2].rstrip("\n")
