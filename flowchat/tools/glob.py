"""glob: the files of the workspace whose path fits a pattern."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import fill, schema, string
from flowchat.tools.folders import LIST_LIMIT, count, search_preview, searched
from flowchat.tools.globs import compile_glob
from flowchat.tools.paths import resolve, shown
from flowchat.tools.tool import BadArguments, Desk, Outcome, Reach
from flowchat.tools.walk import Walk
from flowchat.transcript.events import Preview


class _Args(Struct):
    pattern: str
    path: str = "."


class Glob:
    schema = schema(
        "glob",
        "List files by path pattern (*, **, ?, {a,b}); without a slash it matches names at any depth. Ignored files are omitted.",
        {"pattern": string()},
        {"path": string("Folder to search in")},
    )
    read_only = True

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("read", (resolve(fill(_Args, args).path, workspace),), below=True)

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return search_preview("Look for files in", self.reach(args, desk.workspace).paths[0])

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        given = fill(_Args, args)
        return await asyncio.to_thread(_find, searched(given.path, desk), given.pattern, desk.workspace)


def _find(folder: Path, pattern: str, workspace: Path) -> Outcome:
    pattern = pattern.removeprefix("./")
    if pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
        raise BadArguments(f"{pattern!r} leaves the folder: a pattern is relative; name the folder as path")
    try:
        fits = compile_glob(pattern if "/" in pattern else f"**/{pattern}").match
    except ValueError as error:
        raise BadArguments(str(error)) from None
    walk = Walk(folder)
    found = [path for path in walk.files() if fits(path)]
    prefix = "" if folder == workspace else f"{shown(folder, workspace)}/"
    lines = [prefix + path for path in found[:LIST_LIMIT]]
    if len(found) > LIST_LIMIT:
        lines.append(f"[{len(found) - LIST_LIMIT:,} more]")
    if walk.cut:
        lines.append(f"[the search {walk.cut}; name a folder as path]")
    return Outcome(
        count(len(found), "file", "files"), "\n".join(lines) or "[no matches; ignored files and credential files were skipped]"
    )
