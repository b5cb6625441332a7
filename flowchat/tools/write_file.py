"""write_file: a whole file, new or in the place of one the conversation has read."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import fill, schema, string
from flowchat.tools.changing import FileChange, as_bytes
from flowchat.tools.files import Found
from flowchat.tools.line_ends import in_the_manner_of


class _Args(Struct):
    path: str
    content: str


def _written(args: Mapping[str, object], path: Path, was: Found | None) -> bytes:
    content = as_bytes(fill(_Args, args).content, "the content")
    return content if was is None else in_the_manner_of(was.content, content)


WRITE_FILE = FileChange(
    schema(
        "write_file",
        "Create a file, folders included, or replace one you have read. For small changes use edit_file.",
        {"path": string(), "content": string("The whole file")},
        {},
    ),
    _written,
)
