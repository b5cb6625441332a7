"""A tool that changes one file: what must hold before, the snapshot of what is replaced, the write that is never half done."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from flowchat.tools import files
from flowchat.tools.arguments import fill
from flowchat.tools.differences import Difference, difference
from flowchat.tools.paths import refuse_unseen_characters, resolve, resolve_judged, shown
from flowchat.tools.tool import BadArguments, Desk, Outcome, Reach, Refused
from flowchat.transcript.entries import FileTouched, ToolSchema
from flowchat.transcript.events import Preview

_T = TypeVar("_T")


class Change(Struct, frozen=True):
    """`path` shall hold `after`; `was` is the file as it stands, None where there is none."""

    path: Path
    was: files.Found | None
    after: bytes

    def difference(self, workspace: Path) -> Difference:
        before = None if self.was is None else self.was.content.decode("utf-8", "replace")
        return difference(before, self.after.decode("utf-8", "replace"), shown(self.path, workspace))


class FileChange:
    """A tool made of its schema, which has a `path`, and of `after`: what the file shall hold, from the call's arguments, the
    path and the file as it stands (None: there is none). `after` raises ToolError where nothing should be changed."""

    read_only = False

    def __init__(self, schema: ToolSchema, after: Callable[[Mapping[str, object], Path, files.Found | None], bytes]) -> None:
        self.schema = schema
        self._after = after

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("write", (resolve(_named(args), workspace),))

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        change = self._change(args, desk)
        verb = "Create" if change.was is None else "Change"
        changed = change.difference(desk.workspace)
        return Preview(f"{verb} {shown(change.path, desk.workspace)}?", (("lines", changed.counts),), changed.diff, "diff")

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        return await _carry_out(await asyncio.to_thread(self._change, args, desk), desk)

    def _change(self, args: Mapping[str, object], desk: Desk) -> Change:
        path = resolve_judged(_named(args), desk.workspace, desk.reach)
        was = _current(path, desk.seen)
        after = self._after(args, path, was)
        if len(after) > files.CHANGE_LIMIT_BYTES:
            raise BadArguments(f"{path} would have {len(after):,} bytes; a file may have {files.CHANGE_LIMIT_BYTES >> 20} MiB")
        return Change(path, was, after)


def as_bytes(text: str, what: str) -> bytes:
    """A model's text in UTF-8; raises BadArguments where that cannot hold it."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadArguments(f"{what} contains a lone surrogate, which a UTF-8 file cannot hold") from None


class _Named(Struct):
    path: str


def _named(args: Mapping[str, object]) -> str:
    path = fill(_Named, args).path
    if path.endswith("/"):
        raise BadArguments(f"{path!r} names a folder: name a file")
    return path


def _current(path: Path, seen: Mapping[str, str]) -> files.Found | None:
    """The file as it stands, for a change; raises Refused unless the conversation has seen just these bytes."""
    refuse_unseen_characters(path)
    found = files.read(path)
    if found is None:
        return None
    known = seen.get(str(path))
    if known is None:
        raise Refused(f"{path} was not read in this conversation: read it first, then change it")
    if known != found.sha256:
        raise Refused(f"{path} changed since it was read: read it again, then change it")
    return found


async def _carry_out(change: Change, desk: Desk) -> Outcome:
    """Write it. What is replaced is kept first. A cancel that comes once the write is under way waits for its answer."""
    changed = await asyncio.to_thread(change.difference, desk.workspace)
    before = await desk.keep(change.was.content, "application/octet-stream") if change.was is not None else None
    await _to_its_end(lambda: files.replace(change.path, change.after, change.was))
    name = shown(change.path, desk.workspace)
    story = f"created {name}" if change.was is None else f"changed {name}"
    return Outcome(
        changed.counts,
        f"{story} ({changed.counts})",
        diff=changed.diff,
        files=(FileTouched(str(change.path), files.sha256_of(change.after), "write", before),),
    )


async def _to_its_end(work: Callable[[], _T]) -> _T:
    """Run in a thread; cancelled meanwhile, still give what came of it, but raise CancelledError if nothing did."""
    task = asyncio.create_task(asyncio.to_thread(work))
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and task.exception() is not None:
        raise asyncio.CancelledError
    return task.result()
