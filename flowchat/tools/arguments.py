"""What a model may write as a call's arguments, and the one sentence it gets when it wrote something else."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from flowchat.tools.tool import BadArguments
from flowchat.transcript.entries import ToolSchema

ARGUMENTS_LIMIT_BYTES = 8 * 1024 * 1024
"""A call with longer arguments is refused: what a model writes is a file at most."""
Property = dict[str, object]
_A = TypeVar("_A", bound=msgspec.Struct)
_KINDS: dict[object, tuple[type, str]] = {
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
}


def string(description: str = "") -> Property:
    return _property("string", description)


def integer(description: str = "") -> Property:
    return {**_property("integer", description), "minimum": 0}


def boolean(description: str = "") -> Property:
    return _property("boolean", description)


def schema(name: str, description: str, required: Mapping[str, Property], optional: Mapping[str, Property]) -> ToolSchema:
    """A tool's schema; keys always stand in the same order, so its bytes change only when its words do."""
    parameters: dict[str, object] = {"type": "object", "properties": {**required, **optional}}
    return ToolSchema(name, description, {**parameters, "required": list(required)} if required else parameters)


def parse(schema: ToolSchema, raw: str) -> dict[str, object]:
    """The arguments in a call's raw JSON text, fitting the schema; an optional one that is null is as if not there.

    Raises BadArguments, never gives {} for JSON that is broken. Only what a schema of ours can say is checked: the names,
    text, whole numbers and their minimum, booleans.
    """
    if len(raw) > ARGUMENTS_LIMIT_BYTES:
        raise BadArguments(
            f"{schema.name}: the arguments are longer than {ARGUMENTS_LIMIT_BYTES >> 20} MiB; write less at a time"
        )
    try:
        args: object = msgspec.json.decode(raw or "{}")
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise BadArguments(f"{schema.name}: the arguments are not JSON ({error}); send one JSON object") from None
    if not isinstance(args, dict):
        raise BadArguments(f"{schema.name}: the arguments must be one JSON object, not {kind_of(args)}")
    properties = cast("dict[str, Property]", schema.parameters.get("properties", {}))
    required = cast("list[str]", schema.parameters.get("required", []))
    given = {key: value for key, value in cast("dict[str, object]", args).items() if value is not None or key in required}
    _check_names(schema.name, given, properties, required)
    return {key: _checked(schema.name, key, value, properties[key]) for key, value in given.items()}


def fill(form: type[_A], args: Mapping[str, object]) -> _A:
    """The arguments as a Struct with their defaults; raises BadArguments."""
    try:
        return msgspec.convert(dict(args), form)
    except msgspec.ValidationError as error:
        raise BadArguments(f"the arguments do not match: {error}") from None


def _check_names(tool: str, given: Mapping[str, object], properties: Mapping[str, Property], required: list[str]) -> None:
    known = ", ".join(properties)
    for key in given:
        if key not in properties:
            raise BadArguments(f"{tool} takes no `{key[:100]}`; it takes {known}")
    for key in required:
        if key not in given:
            raise BadArguments(f"{tool} needs `{key}`; it takes {known}")


def _checked(tool: str, key: str, value: Any, wanted: Property) -> object:
    if wanted.get("type") not in _KINDS:
        return value
    kind, word = _KINDS[wanted["type"]]
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadArguments(f"{tool}: `{key}` must be {word}, not {kind_of(value)}")
    least = wanted.get("minimum")
    if isinstance(value, int) and isinstance(least, int) and value < least:
        raise BadArguments(f"{tool}: `{key}` must be at least {least}, not {value}")
    return cast(object, value)


def kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return "text"
        case int() | float():
            return f"the number {value}"[:60]
        case list():
            return "a list"
        case _:
            return "an object"


def _property(kind: str, description: str) -> Property:
    return {"type": kind, "description": description} if description else {"type": kind}
