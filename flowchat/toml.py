"""TOML as text: read without ever failing in another way, and line by line, for what sets what."""

import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, cast

KeyPath: TypeAlias = tuple[str, ...]
"""Keys from the outermost table inwards."""
LINE_KEY_CHARS = 400
"""A longer key of a line is not looked for."""


def parse_table(text: str) -> dict[str, Any]:
    """What a TOML text says. Raises ValueError, also for what is TOML but nested or long beyond what can be read."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError("a value in it is nested too deeply or too long") from error


def parsed_or_none(text: str) -> dict[str, Any] | None:
    """The same, None where it says nothing."""
    try:
        return parse_table(text)
    except ValueError:
        return None


def keys_of_lines(lines: Iterable[str]) -> Iterator[KeyPath]:
    """For each line the path of what it begins to set, a setting or a table; empty where it sets nothing."""
    table: KeyPath = ()
    for line in lines:
        if line.lstrip().startswith("["):
            head = _only_path(parsed_or_none(line))
            table = head or table
            yield head
        else:
            at = equals_sign(line)
            yield () if at is None else (*table, *_only_path(parsed_or_none(f"{line[:at]}= 0")))


def equals_sign(line: str) -> int | None:
    """Where the `=` is that ends a line's key, which may hold others in quotes."""
    signs = (at for at, char in enumerate(line[:LINE_KEY_CHARS]) if char == "=")
    return next((at for at in signs if parsed_or_none(f"{line[:at]}= 0") is not None), None)


def place_in(text: str, path: KeyPath) -> str:
    """`, line 3`, where a path is set, or the table it is in; empty where that is not to be seen."""
    keys = list(enumerate(keys_of_lines(text.split("\n")), 1))
    exact = (number for number, key in keys if key[: len(path)] == path)
    around = (number for number, key in reversed(keys) if key and path[: len(key)] == key)
    number = next(exact, None) or next(around, None)
    return f", line {number}" if number else ""


def _only_path(table: object) -> KeyPath:
    """The path to the one thing in a table of tables of one thing each."""
    if not isinstance(table, dict):
        return ()
    items = list(cast(dict[str, Any], table).items())
    return (items[0][0], *_only_path(items[0][1])) if len(items) == 1 else ()
