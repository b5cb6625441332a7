"""edit_file: one exact piece of text for another, in a file the conversation has read."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import boolean, fill, schema, string
from flowchat.tools.changing import Change, carry_out, current, preview
from flowchat.tools.files import Missing
from flowchat.tools.paths import resolve, resolve_judged
from flowchat.tools.tool import BadArguments, Desk, Outcome, Reach, Refused
from flowchat.transcript.events import Preview

_PLACES_NAMED = 5
_NEAREST_LINES_LIMIT = 2_000
"""How far into a file the nearest match is looked for."""
_NEAREST_SHOWN_CHARS = 300


class _Args(Struct):
    path: str
    old: str
    new: str
    all: bool = False


class EditFile:
    schema = schema(
        "edit_file",
        "Replace text in a file you have read. `old` must match exactly, whitespace included, and only once, unless all is true.",
        {"path": string(), "old": string("Text to replace, without line numbers"), "new": string("Text in its place")},
        {"all": boolean("Replace every occurrence")},
    )
    read_only = False

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("write", (resolve(fill(_Args, args).path, workspace),))

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return preview(self._change(args, desk), desk.workspace)

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        return await carry_out(await asyncio.to_thread(self._change, args, desk), desk)

    def _change(self, args: Mapping[str, object], desk: Desk) -> Change:
        given = fill(_Args, args)
        path = resolve_judged(given.path, desk.workspace, desk.reach)
        was = current(path, desk.seen)
        if was is None:
            raise Missing(f"{path} does not exist: write_file creates files")
        try:
            old, new = given.old.encode(), given.new.encode()
        except UnicodeEncodeError:
            raise BadArguments("old or new holds half a character (a lone surrogate), which no UTF-8 file can") from None
        return Change(path, was, edited(was.content, old, new, given.all))


def edited(content: bytes, old: bytes, new: bytes, everywhere: bool) -> bytes:
    """`content` with `old` replaced by `new`; every other byte, a BOM and foreign encodings included, stays as it is.

    In a file whose lines end in CRLF both are taken to mean that. Raises Refused, with the nearest text or the places, unless
    `old` is there exactly once (or at least once, `everywhere`); BadArguments where nothing would change.
    """
    if not old:
        raise BadArguments("old is empty: give the text to replace, or use write_file")
    if content.count(b"\n") == content.count(b"\r\n") > 0:
        old, new = _with_crlf(old), _with_crlf(new)
    if old == new:
        raise BadArguments("old and new are the same: nothing would change")
    places = content.count(old)
    if places == 0:
        raise Refused(f"old is not in the file: {_nearest(content, old)}")
    if places > 1 and not everywhere:
        raise Refused(f"old is in the file {places} times ({_lines_of(content, old)}): add lines around it, or set all")
    return content.replace(old, new)


def _with_crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _lines_of(content: bytes, old: bytes) -> str:
    numbers: list[str] = []
    at = content.find(old)
    while at >= 0 and len(numbers) < _PLACES_NAMED:
        numbers.append(str(content.count(b"\n", 0, at) + 1))
        at = content.find(old, at + len(old))
    more = ", …" if at >= 0 else ""
    return f"lines {', '.join(numbers)}{more}"


def _nearest(content: bytes, old: bytes) -> str:
    """Where the file comes closest to the first line that says something, so that the model can see what differs."""
    import difflib

    lines = content.decode("utf-8", "replace").splitlines()[:_NEAREST_LINES_LIMIT]
    sought = [line.strip() for line in old.decode("utf-8", "replace").splitlines()]
    wanted = next((line for line in sought if line), "")[:_NEAREST_SHOWN_CHARS]
    if same := [number for number, line in enumerate(lines, 1) if wanted and line.strip() == wanted]:
        return f"its first line is, at line {same[0]}, so what follows or the indentation differs; read that part again"
    closest = difflib.get_close_matches(wanted, {line.strip()[:_NEAREST_SHOWN_CHARS] for line in lines}, 1, 0.6)
    if not closest:
        return "nothing in it comes close; read it again"
    number = next(number for number, line in enumerate(lines, 1) if line.strip()[:_NEAREST_SHOWN_CHARS] == closest[0])
    return f"the closest is line {number}: {closest[0]}"
