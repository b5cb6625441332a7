"""grep: lines of the workspace's files that fit a regular expression; ripgrep's work where there is one, else search.py's."""

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.tools.arguments import boolean, fill, integer, schema, string
from flowchat.tools.folders import LIST_LIMIT, count, search_preview, searched
from flowchat.tools.globs import compile_glob
from flowchat.tools.paths import resolve, shown
from flowchat.tools.process import Ended, find_program, run
from flowchat.tools.tool import BadArguments, Desk, NotDone, Outcome, Reach
from flowchat.tools.walk import LEFT_OUT, Walk
from flowchat.transcript.events import Preview

SEARCH_SECONDS = 20.0
CONTEXT_LIMIT_LINES = 20
ENOUGH_BYTES = 1024 * 1024
"""Output after which the search is ended: far more than is shown."""
LINE_LIMIT_CHARS = 500
FILE_LIMIT = "20M"
_FOUND = re.compile(r"(?P<path>/[^\0\n]+)\0(?P<number>\d+)(?P<kind>[:-])(?P<text>.*)")


class _Args(Struct):
    pattern: str
    path: str = "."
    glob: str = ""
    ignore_case: bool = False
    context: int = 0


class Grep:
    schema = schema(
        "grep",
        "Search file contents by regular expression, line by line. Ignored and binary files are left out.",
        {"pattern": string()},
        {
            "path": string("Folder or file to search"),
            "glob": string("Only matching files, as in glob"),
            "ignore_case": boolean(),
            "context": integer("Lines around each match"),
        },
    )
    read_only = True

    def __init__(self, ripgrep: str | None = None) -> None:
        """`ripgrep`: the program to use; None looks for one at each call, "" does without."""
        self._ripgrep = ripgrep

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("read", (resolve(fill(_Args, args).path, workspace),), below=True)

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return search_preview("Search", self.reach(args, desk.workspace).paths[0])

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        given = fill(_Args, args)
        if "\n" in given.pattern or "\0" in given.pattern + given.glob:
            raise BadArguments("a pattern matches within one line: it may not contain a newline or NUL")
        if given.context > CONTEXT_LIMIT_LINES:
            raise BadArguments(f"context may be at most {CONTEXT_LIMIT_LINES} lines")
        target = await asyncio.to_thread(searched, given.path, desk, True)
        program = find_program("rg") if self._ripgrep is None else self._ripgrep
        ended = await (_ripgrep(program, given, target) if program else _own_search(given, target))
        try:
            return _outcome(ended, given, desk)
        finally:
            ended.recording.close()


async def _ripgrep(program: str, given: _Args, target: Path) -> Ended:
    command = [
        program,
        *("--no-config", "--color=never", "--no-heading", "--with-filename", "--line-number", "--null", "--no-messages"),
        *("--hidden", "--no-require-git", "--no-ignore-global", "--no-ignore-dot", "--sort=path"),
        *(f"--max-filesize={FILE_LIMIT}", f"--max-columns={LINE_LIMIT_CHARS}", "--max-columns-preview"),
        *([f"--glob={given.glob}"] if given.glob else []),
        *(f"--iglob=!{name}" for name in sorted(LEFT_OUT)),
        *(["--ignore-case"] if given.ignore_case else []),
        *([f"--context={given.context}"] if given.context else []),
        f"--regexp={given.pattern}",
        "--",
        str(target),
    ]
    return await run(command, Path("/"), SEARCH_SECONDS, enough_bytes=ENOUGH_BYTES)


async def _own_search(given: _Args, target: Path) -> Ended:
    paths = await asyncio.to_thread(_candidates, target, given.glob)
    asked = {"pattern": given.pattern, "ignore_case": given.ignore_case, "context": given.context, "files": paths}
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".json") as request:
        request.write(msgspec.json.encode(asked))
        request.flush()
        command = [sys.executable, "-I", str(Path(__file__).with_name("search.py")), request.name]
        return await run(command, Path("/"), SEARCH_SECONDS, enough_bytes=ENOUGH_BYTES)


def _candidates(target: Path, glob: str) -> list[str]:
    if target.is_file():
        return [str(target)]
    try:
        fits = compile_glob(glob if "/" in glob else f"**/{glob}").match if glob else None
    except ValueError as error:
        raise BadArguments(str(error)) from None
    found = (path for path in Walk(target).files() if fits is None or fits(path))
    return [str(target / path) for path in found if path.isprintable()]


def _outcome(ended: Ended, given: _Args, desk: Desk) -> Outcome:
    printed = ended.recording.head
    if ended.timed_out:
        raise NotDone(f"the search took more than {SEARCH_SECONDS:.0f} s: name a folder as path, a glob, or a simpler pattern")
    if ended.status == 2 and "\0" not in printed:
        raise BadArguments(f"{given.pattern!r} is not a valid pattern: {' '.join(printed.split())[:500]}")
    found = [match for line in printed.split("\n") if (match := _FOUND.fullmatch(line.rstrip("\r"))) or line == "--"]
    hidden = {path for path in {match["path"] for match in found if match} if desk.hides(Path(path))}
    found = [match for match in found if match is None or match["path"] not in hidden]
    hits = sum(match is not None and match["kind"] == ":" for match in found)
    cut = "" if ended.status is not None and ended.recording.complete else "at least "
    content = _shown(found, hits, desk.workspace, bool(cut))
    return Outcome(
        cut + count(hits, "match", "matches"), content or "[no matches; ignored files and credential files were skipped]"
    )


def _shown(found: list[re.Match[str] | None], hits: int, workspace: Path, cut: bool) -> str:
    """Matches under the path of their file, at most LIST_LIMIT of them."""
    lines: list[str] = []
    path, listed = "", 0
    for match in found:
        if match is None:
            lines.append("--")
            continue
        if match["kind"] == ":":
            listed += 1
            if listed > LIST_LIMIT:
                lines.append(f"[{'at least ' if cut else ''}{hits - LIST_LIMIT:,} more matches]")
                break
        if match["path"] != path:
            path = match["path"]
            lines.append(shown(Path(path), workspace))
        lines.append(f"{match['number']}{match['kind']}{match['text'][:LINE_LIMIT_CHARS]}")
    return "\n".join(lines)
