"""One setting by its dotted name: where it is in the settings, and which values it takes."""

from typing import Any, TypeAlias, cast

from msgspec import Struct, ValidationError, convert, structs, to_builtins

from flowchat.config import (
    ALLOWED,
    MODE_ALIASES,
    Compact,
    Limits,
    ModelSettings,
    Review,
    Settings,
    SkillSettings,
    Texts,
    ToolSettings,
    shown,
)
from flowchat.errors import UsageError
from flowchat.transcript.entries import Mode

Value: TypeAlias = str | int | float | tuple[str, ...]


def fit_setting(key: str, value: object) -> tuple[tuple[str, ...], Value]:
    """The path of a setting such as `compact.soft_percent` or `models.NAME.window`, and a value for it as it is kept.

    The value may be its text; a list's is that of the one thing in it. Raises UsageError for a key that is not a setting and a
    value it does not take.
    """
    path = _path_of(key)
    fields = {field.name: field for field in structs.fields(_TABLES.get(path[0], Settings) if path[1:] else Settings)}
    field = fields.get(path[-1])
    depth = 3 if path[0] == "models" else 2 if path[0] in _TABLES else 1
    if field is None or len(path) != depth or not all(path):
        raise UsageError(f"{key!r} is not a setting; known settings: {', '.join(setting_names())}")
    if field.type is Mode and isinstance(value, str):
        value = MODE_ALIASES.get(value, value)
    if field.type == Texts and isinstance(value, str):
        value = [value] if value else []
    allowed = ALLOWED.get(field.type, "a text")
    try:
        fitting: Value | None = convert(value, field.type, strict=False)
    except ValidationError:
        fitting = None
    if fitting is None:
        raise UsageError(f"{key} = {shown(value)} is not allowed: it must be {allowed}; nothing was changed")
    return path, fitting


def with_setting(settings: Settings, key: str, value: object) -> Settings:
    """The settings with one of them set. Raises UsageError as fit_setting."""
    path, fitting = fit_setting(key, value)
    table = cast(dict[str, Any], to_builtins(settings))
    inner = table
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = fitting
    return convert(table, Settings)


def setting_names() -> tuple[str, ...]:
    """Every setting there is, a model's own with NAME in the place of the model's."""
    names: list[str] = []
    for field in Settings.__struct_fields__:
        inner = _TABLES.get(field)
        between = ".NAME" if field == "models" else ""
        names += [f"{field}{between}.{name}" for name in inner.__struct_fields__] if inner else [field]
    return tuple(names)


def _path_of(key: str) -> tuple[str, ...]:
    """A dotted key in its parts; a model's name may hold dots, and quotes around it are left out."""
    first, _, rest = key.strip().partition(".")
    if first == "models" and rest:
        name, _, last = rest.rpartition(".")
        quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"
        return first, name[1:-1] if quoted else name, last
    return tuple(key.strip().split("."))


_TABLES: dict[str, type[Struct]] = {
    "compact": Compact,
    "review": Review,
    "limits": Limits,
    "tools": ToolSettings,
    "skills": SkillSettings,
    "models": ModelSettings,
}
"""The settings that are tables of settings."""
