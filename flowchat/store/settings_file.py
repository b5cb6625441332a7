"""The user's config.toml as it is changed: one setting at a time, everything else in it as the user wrote it."""

import os
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast

from msgspec import Struct, to_builtins

from flowchat.config import FILE_LIMIT_BYTES, MODE_ALIASES, Settings, read_settings, read_table
from flowchat.errors import StorageFailed, UsageError
from flowchat.store.disk import Disk, read_file, refused
from flowchat.store.lock import one_at_a_time
from flowchat.store.setting import Value, fit_setting, setting_names, with_setting
from flowchat.toml import KeyPath, equals_sign, keys_of_lines, parse_table, parsed_or_none

BACKUP = ".before"
"""What is added to the file's name for the one that stood there, where a change could not leave the rest as it was."""

Table: TypeAlias = dict[str, Any]


def save_setting(file: Path, key: str, value: object, disk: Disk | None = None) -> str | None:
    """Set `key` (`theme`, `compact.soft_percent`, `models.NAME.window`) in a config.toml; it is made where it is missing.

    The file is replaced in one step, and only the setting's own line changes. Where that cannot be done the file is written
    from its values, the one that stood there is kept beside it, and the sentence that is returned says so. Blocks for an
    fsync. Raises UsageError for a key or value that is not allowed and a file that is not TOML, StorageFailed.
    """
    path, fitting = fit_setting(key, value)
    return _change(file, path, lambda was: fitting, disk or Disk())


def save_listed(file: Path, key: str, text: str, is_listed: bool, disk: Disk | None = None) -> str | None:
    """As save_setting: put a text into a setting that is a list of texts, or take it out. What another put there stays."""
    path, _ = fit_setting(key, [text])

    def changed(was: object) -> Value:
        before = cast(list[object], was) if isinstance(was, list) else []
        kept = [one for one in before if isinstance(one, str) and one != text]
        return (*kept, text) if is_listed else tuple(kept)

    return _change(file, path, changed, disk or Disk())


def _change(file: Path, path: KeyPath, change: Callable[[object], Value], disk: Disk) -> str | None:
    target = Path(os.path.realpath(file))  # a link to the user's dotfiles stays one
    try:
        disk.ensure_folder(target.parent)
    except OSError as error:
        raise StorageFailed(refused(target, error)) from error
    with one_at_a_time(target.parent, disk):
        return _save(target, path, change, disk)


def _save(target: Path, path: KeyPath, change: Callable[[object], Value], disk: Disk) -> str | None:
    text = _read(target)
    wanted = _load(target, text)
    inner = wanted
    for name in path[:-1]:
        below: object = inner.setdefault(name, {})
        if not isinstance(below, dict):
            raise UsageError(f"{target}: {name} is not a table, so {'.'.join(path)} cannot be set; correct it first")
        inner = cast(Table, below)
    fitting = change(inner.get(path[-1]))
    inner[path[-1]] = list(fitting) if isinstance(fitting, tuple) else fitting
    try:
        for changed in _candidates(text, path, wanted):
            if parsed_or_none(changed) == wanted:
                disk.write_file(target, changed.encode())
                return None
        return _write_from_values(target, text, wanted, disk)
    except OSError as error:
        raise StorageFailed(refused(target, error)) from error


class Effective(Struct, frozen=True):
    """A setting as it counts, and where that comes from; a variable of the environment is named in `variable`.

    `project`: from the settings of the folder one stands in.
    """

    key: str
    value: Value
    origin: Literal["default", "file", "project", "environment"]
    variable: str = ""


def effective(
    file: Path, environ: Mapping[str, str], project: Mapping[str, object] = MappingProxyType({})
) -> tuple[list[Effective], tuple[str, ...]]:
    """Every setting as it counts now, with those of the `project` that do by dotted name, and a sentence for each thing in the
    file that does not. Raises nothing."""
    settings, notices = read_settings(file)
    for key, value in project.items():
        settings = with_setting(settings, key, value)
    try:
        table = read_table(file)
    except (OSError, ValueError):
        table = Table()
    found: list[Effective] = []
    for key, path in _settings_in(settings):
        value, written = _value_at(to_builtins(settings), path), _value_at(table, path)
        if value is None:
            continue
        written = tuple(cast(list[object], written)) if isinstance(written, list) else written
        counts = written is not None and MODE_ALIASES.get(str(written), written) == value
        origin = "project" if key in project else "file" if counts else "default"
        found.append(Effective(key, cast(Value, value), origin))
    if named := environ.get("FLOWCHAT_MODEL", "").strip():
        found[0] = Effective("model", named, "environment", "FLOWCHAT_MODEL")
    return found, notices


def _settings_in(settings: Settings) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in setting_names():
        if not name.startswith("models."):
            yield name, tuple(name.split("."))
            continue
        for model in settings.models:
            last = name.rpartition(".")[2]
            yield f"models.{model}.{last}", ("models", model, last)


def _read(target: Path) -> str:
    try:
        return read_file(target, FILE_LIMIT_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise UsageError(f"{target} is not UTF-8 text ({error.reason}); correct it first, nothing was changed") from error
    except OSError as error:
        raise StorageFailed(f"{target} cannot be read ({error.strerror}); nothing was changed") from error


def _load(target: Path, text: str) -> Table:
    try:
        return parse_table(text)
    except ValueError as error:
        raise UsageError(f"{target} is not valid TOML ({error}); correct it first, nothing was changed") from error


def _write_from_values(target: Path, text: str, wanted: Table, disk: Disk) -> str:
    import tomli_w

    backup = target.with_name(target.name + BACKUP)
    disk.write_file(backup, text.encode())
    disk.write_file(target, tomli_w.dumps(wanted).encode())
    return f"{target} was rewritten without its comments; the original is {backup.name}"


# --- changing one line -----------------------------------------------------------------------------------------------
def _candidates(text: str, path: KeyPath, wanted: Table) -> Iterator[str]:
    """The text with one line changed or added, in each way that could set `path`: the one that parses as `wanted` does.

    A line may hold the setting itself, or as an inline table what it is in; its key is told in full or below a table's head.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    lines = StringIO(text, newline="\n").readlines()
    keys = list(keys_of_lines(lines))
    heads = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")]
    for number, key in enumerate(keys):
        if key and path[: len(key)] == key and number not in heads:
            changed = _with_value(lines[number], _value_at(wanted, key), end)
            yield "".join([*lines[:number], changed, *lines[number + 1 :]])
    added = _line(path[-1], _value_at(wanted, path)) + end
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    if len(path) == 1:
        yield _put(lines, _before_table(lines, heads[0]) if heads else len(lines), added)
    for number in heads:
        if keys[number] == path[:-1]:
            yield _put(lines, number + 1, added)
    gap = [end] if lines else []
    yield "".join([*lines, *gap, f"[{'.'.join(map(_key, path[:-1]))}]", end, added])


def _put(lines: list[str], at: int, added: str) -> str:
    return "".join([*lines[:at], added, *lines[at:]])


def _before_table(lines: list[str], head: int) -> int:
    """Where a line goes that is to come before the first table: above its comments and the blank lines over them."""
    while head and lines[head - 1].lstrip().startswith("#"):
        head -= 1
    while head and not lines[head - 1].strip():
        head -= 1
    return head


def _with_value(line: str, value: object, end: str) -> str:
    """A line that sets a key with another value; what stands around it stays: its indent and the comment after it."""
    body, at = line.rstrip("\r\n"), equals_sign(line) or 0
    comment, mark = "", -1
    while (mark := body.find("#", mark + 1)) >= 0:
        if mark > at and parsed_or_none(body[:mark]) is not None:
            kept = body[:mark].rstrip()
            comment = body[len(kept) :]
            break
    return f"{body[:at].rstrip()} = {_written(value)}{comment}{end}"


def _line(name: str, value: object) -> str:
    return f"{_key(name)} = {_written(value)}"


def _written(value: object) -> str:
    """A value on one line."""
    import tomli_w

    if isinstance(value, dict):
        rows = [_line(name, inner) for name, inner in cast(Table, value).items()]
        return f"{{ {', '.join(rows)} }}" if rows else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, cast(list[object], value)))}]"
    return tomli_w.dumps({"x": value}).partition("= ")[2].rstrip("\n")


def _key(name: str) -> str:
    import tomli_w

    return tomli_w.dumps({name: 0}).rpartition(" = ")[0]


def _value_at(value: object, path: KeyPath) -> object:
    """What lies at a path in tables; None where there is nothing."""
    if not path:
        return value
    return _value_at(cast(Table, value).get(path[0]), path[1:]) if isinstance(value, dict) else None
