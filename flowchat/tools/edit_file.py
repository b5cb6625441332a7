"""edit_file: one exact piece of text for another, in a file the conversation has read."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import boolean, fill, schema, string
from flowchat.tools.changing import FileChange, as_bytes
from flowchat.tools.files import CHANGE_LIMIT_BYTES, Found, Missing
from flowchat.tools.line_ends import is_crlf, with_crlf
from flowchat.tools.tool import BadArguments, Refused

_PLACES_NAMED = 5
_NEAREST_LINES_LIMIT = 2_000
"""How far into a file the nearest match is looked for."""
_NEAREST_SHOWN_CHARS = 300


class _Args(Struct):
    path: str
    old: str
    new: str
    all: bool = False


def _edited(args: Mapping[str, object], path: Path, was: Found | None) -> bytes:
    given = fill(_Args, args)
    if was is None:
        raise Missing(f"{path} does not exist: write_file creates files")
    old, new = as_bytes(given.old, "old"), as_bytes(given.new, "new")
    return edited(was.content, old, new, given.all)


EDIT_FILE = FileChange(
    schema(
        "edit_file",
        "Replace text in a file you have read. `old` must match exactly, whitespace included, and only once, unless all is true.",
        {"path": string(), "old": string("Text to replace, without line numbers"), "new": string("Text in its place")},
        {"all": boolean("Replace every occurrence")},
    ),
    _edited,
)


def edited(content: bytes, old: bytes, new: bytes, everywhere: bool) -> bytes:
    """`content` with `old` replaced by `new`; every other byte, a BOM and foreign encodings included, stays as it is.

    In a file whose lines end in CRLF both are taken to mean that. Raises Refused, with the nearest text or the places, unless
    `old` is there exactly once (or at least once, `everywhere`); BadArguments where nothing would change, or too much.
    """
    if not old:
        raise BadArguments("old is empty: give the text to replace, or use write_file")
    if is_crlf(content):
        old, new = with_crlf(old), with_crlf(new)
    if old == new:
        raise BadArguments("old and new are the same: nothing would change")
    places = content.count(old)
    if places == 0:
        raise Refused(f"old is not in the file: {_nearest(content, old)}")
    if places > 1 and not everywhere:
        raise Refused(f"old is in the file {places:,} times ({_lines_of(content, old)}): add lines around it, or set all")
    if (size := len(content) + places * (len(new) - len(old))) > CHANGE_LIMIT_BYTES:
        raise BadArguments(f"the file would have {size:,} bytes; one that is changed may have {CHANGE_LIMIT_BYTES >> 20} MiB")
    return content.replace(old, new)


def _lines_of(content: bytes, old: bytes) -> str:
    """The lines it begins in, each once."""
    numbers: list[str] = []
    at = content.find(old)
    while at >= 0 and len(numbers) < _PLACES_NAMED:
        numbers.append(str(content.count(b"\n", 0, at) + 1))
        line_end = content.find(b"\n", at)
        at = content.find(old, max(line_end + 1, at + len(old))) if line_end >= 0 else -1
    more = ", …" if at >= 0 else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {', '.join(numbers)}{more}"


def _nearest(content: bytes, old: bytes) -> str:
    """Where the file comes closest to the first line that says something, so that the model can see what differs."""
    import difflib

    lines = content.decode("utf-8", "replace").splitlines()[:_NEAREST_LINES_LIMIT]
    sought = [line.strip() for line in old.decode("utf-8", "replace").splitlines()]
    wanted = next((line for line in sought if line), "")[:_NEAREST_SHOWN_CHARS]
    if same := [number for number, line in enumerate(lines, 1) if wanted and line.strip() == wanted]:
        return f"its first line matches line {same[0]}, but the indentation or the following lines differ; read that part again"
    closest = difflib.get_close_matches(wanted, {line.strip()[:_NEAREST_SHOWN_CHARS] for line in lines}, 1, 0.6)
    if not closest:
        return "no line is similar; read it again"
    number = next(number for number, line in enumerate(lines, 1) if line.strip()[:_NEAREST_SHOWN_CHARS] == closest[0])
    return f"the closest line is {number}: {closest[0]}"
