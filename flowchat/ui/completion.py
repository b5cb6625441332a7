"""What could complete the word at the caret: commands after `/`, files after `@`, skills after `$`; pure."""

import re
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import Literal

from msgspec import Struct

from flowchat.transcript.clean import clean
from flowchat.ui.commands import COMMANDS
from flowchat.ui.editing import Place
from flowchat.ui.prose import one_line

OFFERS_LIMIT = 50
"""Offers ranked and kept; a longer list narrows as one types."""
_AT_WORD = re.compile(r"(?:^|(?<=\s))@(\"[^\"]*|[^\s\"@]*)$")
_SLASH_WORD = re.compile(r"/([a-z]*)$")
_SKILL_WORD = re.compile(r"(?:^|(?<=[\s(]))(?<!\d )\$([a-z0-9_-]*)$")
"""Not after a number: that is an amount."""
_SLASH_SKILL = re.compile(r"/skill[: ]([a-z0-9_-]*)$")
_LOOK_BACK_CHARS = 512
_HIDDEN = 9


class Wanted(Struct, frozen=True):
    """A word that can be completed: from `start` to the caret stands `@query` or `/query`, of a skill the query alone."""

    kind: Literal["file", "command", "skill"]
    start: Place
    query: str


class Offer(Struct, frozen=True):
    """One completion: `text` takes the word's place; `label` and `note` are shown."""

    text: str
    label: str
    note: str = ""


def wanted_at(lines: Sequence[str], caret: Place) -> Wanted | None:
    """The word to complete at a caret, if there is one; commands only at the very beginning of the text.

    In a `!command` a `$name` is the shell's.
    """
    row, column = caret
    base = max(0, column - _LOOK_BACK_CHARS)
    before = lines[row][base:column]
    if row == 0 and base == 0 and (found := _SLASH_WORD.fullmatch(before)):
        return Wanted("command", (0, 0), found.group(1))
    if row == 0 and base == 0 and (found := _SLASH_SKILL.fullmatch(before)):
        return Wanted("skill", (0, found.start(1)), found[1])
    if not lines[0].startswith("!") and (found := _SKILL_WORD.search(before)):
        return Wanted("skill", (row, base + found.start(1)), found[1])
    if found := _AT_WORD.search(before):
        return Wanted("file", (row, base + found.start()), found.group(1).lstrip('"'))
    return None


def command_offers(query: str) -> list[Offer]:
    """The commands a query begins, then those it begins an alias of."""
    ranked: list[tuple[int, int, Offer]] = []
    for index, command in enumerate(COMMANDS):
        names = (command.name, *command.aliases)
        rank = min((_HIDDEN if not n.startswith(query) else 1 if i else 0) for i, n in enumerate(names))
        if rank < _HIDDEN:
            label = f"/{command.name} {command.argument}".rstrip()
            ranked.append(
                (rank, index, Offer(f"/{command.name} " if command.argument else f"/{command.name}", label, command.help))
            )
    return [offer for _, _, offer in sorted(ranked, key=lambda row: row[:2])]


def file_offers(query: str, paths: Sequence[str]) -> list[Offer]:
    """The best matches of a query among workspace-relative paths, at most OFFERS_LIMIT.

    A path matches if the query's characters occur in it in order. Case counts for nothing unless the query has capitals.
    """
    return [Offer(_mention(path), path) for path in _best(query, paths)]


def skill_offers(query: str, skills: Iterable[tuple[str, str]]) -> list[Offer]:
    """Of skills, by name and description, those whose names a query begins, then those it occurs in."""
    found = [(not name.startswith(query), name, words) for name, words in skills if query in name]
    return [Offer(f"{name} ", f"${name}", one_line(clean(words))) for _, name, words in sorted(found)[:OFFERS_LIMIT]]


def _best(query: str, paths: Sequence[str]) -> list[str]:
    if not query:
        return nsmallest(OFFERS_LIMIT, paths, key=lambda path: (path.count("/"), path))
    fold = str if query != query.lower() else str.lower
    whole = [path for path in paths if query in fold(path)]
    best = nsmallest(OFFERS_LIMIT, whole, key=lambda path: _rank(query, fold(path)))
    if len(best) < OFFERS_LIMIT:
        flags = re.IGNORECASE if query == query.lower() else re.NOFLAG
        spread = re.compile("[^\0]*?".join(map(re.escape, query)), flags).search
        taken = set(whole)
        loose = (path for path in paths if path not in taken and spread(path))
        best += nsmallest(OFFERS_LIMIT - len(best), loose, key=lambda path: (len(path), path))
    return best


def _rank(query: str, path: str) -> tuple[int, int, str]:
    """Smaller is better: the name itself, its beginning, somewhere in it, somewhere in the folders."""
    name = path.rstrip("/").rpartition("/")[2]
    place = 0 if name == query else 1 if name.startswith(query) else 2 if path.startswith(query) else 3 if query in name else 4
    return place, len(path), path


def _mention(path: str) -> str:
    return f'@"{path}" ' if re.search(r"\s", path) else f"@{path} "
