"""One file changed: what must hold before, the snapshot of what is replaced, the write that is never half done, its story."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from flowchat.tools import files
from flowchat.tools.differences import Difference, difference
from flowchat.tools.paths import refuse_unseen_characters, shown
from flowchat.tools.tool import Desk, Outcome, Refused
from flowchat.transcript.entries import FileTouched
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


def current(path: Path, seen: Mapping[str, str]) -> files.Found | None:
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


def preview(change: Change, workspace: Path) -> Preview:
    """The question and the whole difference."""
    verb = "Create" if change.was is None else "Change"
    changed = change.difference(workspace)
    return Preview(f"{verb} {shown(change.path, workspace)}?", (("lines", changed.counts),), changed.diff, "diff")


async def carry_out(change: Change, desk: Desk) -> Outcome:
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
