"""The JSON Schema of what headless prints, made from the Structs it is printed from; run as a module it writes the file."""

import json
from pathlib import Path
from typing import Any

import msgspec

from flowchat.serve.stream import Envelope, Result
from flowchat.transcript.entries import TYPES, Damaged, Entry, Node, Unknown
from flowchat.transcript.events import DELTAS

FILE_NAME = "stream.schema.json"


def shipped() -> str:
    """The schema file that is part of the program."""
    return Path(__file__).with_name(FILE_NAME).read_text(encoding="utf-8")


def generate() -> str:
    """The schema of one line of `--output-format stream-json`, as the text of that file.

    Every line is exactly one of the kinds below, told apart by `type`; the last one of a run is `result`, which also is what
    `--output-format json` prints, without the envelope.
    """
    kinds = [*(kind for kind in TYPES.values() if kind not in (Unknown, Damaged)), *DELTAS.values(), Result]
    _, parts = msgspec.json.schema_components([*kinds, Envelope], ref_template="#/$defs/{name}", schema_hook=_any)
    envelope = parts.pop(Envelope.__name__)
    for kind in kinds:
        parts[kind.__name__] = _line(kind, parts[kind.__name__], envelope)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of flowchat --output-format stream-json",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": dict(sorted(parts.items())),
    }
    return json.dumps(schema, indent=1, ensure_ascii=True) + "\n"


def _any(kind: type) -> dict[str, Any]:
    """What a provider handed us and wants back unchanged can be anything."""
    return {"description": "anything"}


def _line(kind: type[msgspec.Struct], own: dict[str, Any], envelope: dict[str, Any]) -> dict[str, Any]:
    """A kind's own fields with the envelope around them; an entry has a `seq`, a node also its `parent`."""
    place: list[str] = []
    if issubclass(kind, Entry):
        place = ["seq", "parent"] if issubclass(kind, Node) else ["seq"]
    numbers = {name: {"type": "integer", "minimum": 0} for name in place}
    return {
        **own,
        "properties": {**envelope["properties"], **numbers, **own["properties"]},
        "required": sorted({*envelope["required"], *place, *own["required"]}),
    }


if __name__ == "__main__":
    Path(__file__).with_name(FILE_NAME).write_text(generate(), encoding="utf-8")
