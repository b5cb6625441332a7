"""Where a command's words lead if they are paths: the eyes of the policy, which itself looks at nothing."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.tools.paths import resolve
from flowchat.tools.process import find_program
from flowchat.tools.tool import BadArguments

if TYPE_CHECKING:
    from flowchat.tools.command import Judged, Part

MATCHES_LIMIT = 1_000
"""So many files the patterns of one command may stand for."""
_OF_BASH = frozenset(("cd", "echo", "pwd", "printf", "test", "[", "true", ":", "false", "type", "command"))
"""Programs that bash is itself."""

WORDS_LIMIT = 1_000
"""So many words of a command are looked at as paths; where there are more, no general rule frees it."""


class Touched(Struct, frozen=True):
    """Resolved paths: `named` those that each part of the command reads, in the order of its parts; `words` whatever in it might
    be one. `unclear`, part of a sentence, says of each part why it cannot be told where it reads; empty: it can."""

    named: tuple[tuple[Path, ...], ...] = ()
    unclear: tuple[str, ...] = ()
    words: tuple[Path, ...] = ()
    is_crowded: bool = False
    """Whether there were more words than are looked at."""


def touched(judged: "Judged", workspace: Path, folders: Sequence[Path] = (), environ: Mapping[str, str] = os.environ) -> Touched:
    """Looks at links, at what patterns match now, and where the programs lie. Raises nothing.

    `folders` are those that count as in the workspace.
    """
    inside = (workspace, *folders)
    read = [_read_by(part, workspace) for part in judged.parts]
    ours = [_why_ours(part, inside, environ) for part in judged.parts]
    words = list(dict.fromkeys(word for argv in judged.said for word in argv))
    paths = dict.fromkeys(path for word in words[:WORDS_LIMIT] for path in _perhaps(word, workspace))
    named, unclear = tuple(paths for paths, _ in read), tuple(here or why for here, (_, why) in zip(ours, read, strict=True))
    return Touched(named, unclear, tuple(paths), len(words) > WORDS_LIMIT)


def _why_ours(part: "Part", folders: Sequence[Path], environ: Mapping[str, str]) -> str:
    """Whether the program that only reads by its name would be a file that was worked on: what it does, nobody knows."""
    if not part.read_only or part.obeys or part.argv[0] in _OF_BASH:
        return ""
    program = find_program(part.argv[0], environ)
    where = os.path.realpath(os.path.dirname(program)) if program is not None else ""
    is_ours = any(where == str(folder) or where.startswith(f"{folder}/") for folder in folders)
    return f"{part.argv[0]} is a file of this folder, by PATH" if is_ours else ""


def _read_by(part: "Part", workspace: Path) -> tuple[tuple[Path, ...], str]:
    paths: list[Path] = []
    word = ""
    try:
        for word in part.paths:
            paths.append(resolve(word, workspace))
        for word in part.patterns:
            for path in _matched(word, workspace):
                paths.append(path)
                if len(paths) > MATCHES_LIMIT:
                    return tuple(paths), f"{word[:60]!r} stands for more than {MATCHES_LIMIT:,} files"
    except (BadArguments, OSError, ValueError):
        return tuple(paths), f"it is not clear where {word[:60]!r} leads"
    return tuple(paths), ""


def _matched(pattern: str, workspace: Path) -> Iterator[Path]:
    """What a pattern matches, and the folder it looks in, which it may match something in by the time it runs."""
    from glob import iglob

    whole = os.path.expanduser(pattern)
    first = next((at for at, sign in enumerate(whole) if sign in "*?["), 0)
    yield resolve(os.path.dirname(whole[:first]) or ".", workspace)
    for match in iglob(whole, root_dir=workspace):
        yield resolve(match, workspace)


def _perhaps(word: str, workspace: Path) -> Iterator[Path]:
    """What a word of any program might name: itself, or what stands after an option's letter, `=`, `:` or `@`."""
    ways = [word] if not word.startswith("-") else [word[2:]]
    ways += [word.partition(sign)[2] for sign in "=:@"]
    for way in dict.fromkeys(ways):
        try:
            if way:
                yield resolve(way, workspace)
        except (BadArguments, OSError, ValueError):
            continue
