"""list_dir: what is in one folder."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import fill, schema, string
from flowchat.tools.folders import LIST_LIMIT, count, search_preview, searched
from flowchat.tools.paths import resolve
from flowchat.tools.tool import Desk, Outcome, Reach
from flowchat.tools.walk import Ignored, entries
from flowchat.transcript.events import Preview


class _Args(Struct):
    path: str = "."


class ListDir:
    schema = schema("list_dir", "List a folder's entries with sizes in bytes; ignored ones are left out.", {}, {"path": string()})
    read_only = True

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("read", (resolve(fill(_Args, args).path, workspace),))

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return search_preview("List", self.reach(args, desk.workspace).paths[0])

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        return await asyncio.to_thread(_list, searched(fill(_Args, args).path, desk))


def _list(folder: Path) -> Outcome:
    ignored = Ignored.above(folder).entering(folder)
    found = [entry for entry in entries(folder) if entry.name != ".git"]
    kept = [entry for entry in found if not ignored.covers(entry.path, entry.is_dir(follow_symlinks=False))]
    lines = [_line(entry) for entry in kept[:LIST_LIMIT]]
    if len(kept) > LIST_LIMIT:
        lines.append(f"[{len(kept) - LIST_LIMIT:,} more]")
    if len(found) > len(kept):
        lines.append(f"[{len(found) - len(kept):,} ignored by .gitignore]")
    return Outcome(count(len(kept), "entry", "entries"), "\n".join(lines) or "[the folder is empty]")


def _line(entry: "os.DirEntry[str]") -> str:
    try:
        if entry.is_symlink():
            return f"{entry.name} -> {os.readlink(entry.path)}"
        if entry.is_dir():
            return f"{entry.name}/"
        return f"{entry.name}  {entry.stat().st_size}"
    except OSError:
        return entry.name
