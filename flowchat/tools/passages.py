"""What was said and is out of view: passages of a conversation, and the lines among them that hold words or fit a pattern."""

import asyncio
import re
import sys
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from flowchat.tools.process import Ended, run
from flowchat.tools.tool import BadArguments, NotDone
from flowchat.transcript.entries import BlobRef, Seq

PATTERN_SECONDS = 5.0
"""What a regular expression may take, in a program of its own that can be ended: some never come to an end."""
PATTERN_OUTPUT_BYTES = 1024 * 1024
"""Of matching lines, after which the search by a pattern is ended: far more than is shown."""
PIECE_CHARS = 2_000
"""A longer line is tried against a pattern piece by piece."""
FILE_BYTES = 8 * 1024 * 1024
"""After so much what search.py reads goes on in another file: it takes none over 20 MiB."""
PIECES_TOGETHER = 1_000
"""Pieces that come into one file together: at most 8 MB."""

Why: TypeAlias = Literal["folded", "pruned", "excluded", "cut"]


class Passage(Struct, frozen=True, gc=False):
    """One entry's text, at `seq`. `what` it is, in words; `why` the model does not see it whole.

    `kept` are long texts beside the session: they follow `text`, or, if that is `in_part`, the one there is is all of it.
    """

    seq: Seq
    at_ms: int
    what: str
    text: str
    why: Why = "folded"
    kept: tuple[BlobRef, ...] = ()
    in_part: bool = False

    @property
    def kept_bytes(self) -> int:
        return sum(blob.bytes for blob in self.kept)


Look: TypeAlias = Callable[[], Awaitable[Sequence[Passage]]]
"""Gives what is out of view now, in the order in which it was said."""


class Hit(Struct, frozen=True, gc=False):
    """The lines found in one passage: where each begins in its text, in characters, and where in the line the find is."""

    passage: Passage
    lines: tuple[tuple[int, int, str], ...]


class Found(Struct, frozen=True):
    """`how` says in words what the lines have in common. `partial`: the search ended before everything was looked at."""

    hits: Sequence[Hit]
    how: str
    partial: bool = False

    @property
    def lines(self) -> int:
        return sum(len(hit.lines) for hit in self.hits)


def terms_of(query: str) -> tuple[str, ...]:
    """The words of a query, each once, without case and the punctuation around them; "words in quotes" are one."""
    words = (match[1] or match[2].strip("?!.,;:()[]\"'") or match[2] for match in _TERM.finditer(query))
    return tuple(dict.fromkeys(word.casefold() for word in words))


def find_words(passages: Sequence[Passage], terms: Sequence[str]) -> Found:
    """The lines that hold most of the terms; of those, where terms stand on one line, and as words of their own, these."""
    best, hits = (1, 1, 0), list[Hit]()
    for passage in passages:
        text = passage.text.casefold()
        present = [term for term in terms if term in text]
        if len(present) < best[0]:
            continue
        (most, whole), lines = _best_lines(passage.text, present)
        score = len(present), most, whole
        if score > best:
            best, hits = score, []
        if score == best and lines:
            hits.append(Hit(passage, lines))
    return Found(hits, _in_common(best[:2], len(terms)))


async def find_pattern(passages: Sequence[Passage], pattern: str, ignore_case: bool, seconds: float = PATTERN_SECONDS) -> Found:
    """The lines a regular expression fits; the passages first given are searched first.

    Raises BadArguments for what is no pattern, NotDone where it does not come to an end in time.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        paths, firsts = await asyncio.to_thread(_write_out, passages, Path(folder))
        asked = {"pattern": pattern, "ignore_case": ignore_case, "context": 0, "files": [str(path) for path, _ in paths]}
        request = Path(folder) / "request.json"
        request.write_bytes(msgspec.json.encode(asked))
        command = [sys.executable, "-I", str(Path(__file__).with_name("search.py")), str(request)]
        ended = await run(command, Path("/"), seconds, enough_bytes=PATTERN_OUTPUT_BYTES)
        try:
            if ended.timed_out:
                raise NotDone(f"/{pattern}/ took more than {seconds:g} s: look for words, or for a simpler pattern")
            numbers = _numbers(ended, {str(path): before for path, before in paths}, pattern)
        finally:
            ended.recording.close()
    by_passage: dict[int, list[int]] = {}
    for number in numbers:
        index = bisect_right(firsts, number) - 1
        by_passage.setdefault(index, []).append(number - firsts[index])
    hits = [Hit(passages[index], _pieces_at(passages[index].text, places)) for index, places in by_passage.items()]
    partial = ended.status is None or not ended.recording.complete
    return Found(hits, f"that fit /{pattern}/", partial)


# --- words -----------------------------------------------------------------------------------------------------------
_TERM = re.compile(r'"([^"]+)"|(\S+)')


def _best_lines(text: str, terms: Sequence[str]) -> tuple[tuple[int, int], tuple[tuple[int, int, str], ...]]:
    """How many of the terms stand on one line at most, how many of them as whole words, and the lines that hold so many."""
    best, lines, start = (0, 0), list[tuple[int, int, str]](), 0
    for line in text.splitlines(keepends=True):
        folded = line.casefold()
        places = [_place_of(term, folded) for term in terms if term in folded]
        held = len(places), sum(whole for _, whole in places)
        if places and held >= best:
            if held > best:
                best, lines = held, []
            lines.append((start, min(place for place, _ in places), line.rstrip()))
        start += len(line)
    return best, tuple(lines)


def _place_of(term: str, line: str) -> tuple[int, bool]:
    """Where a term stands on a line that has it, and whether as a whole word: `lock 1` is in `lock 17`, but is not meant."""
    first = start = line.find(term)
    while start >= 0:
        end = start + len(term)
        if not line[max(0, start - 1) : start].isalnum() and not line[end : end + 1].isalnum():
            return start, True
        start = line.find(term, end)
    return first, False


def _in_common(best: tuple[int, int], terms: int) -> str:
    held, together = best
    words = "the word" if terms == 1 else "all of the words" if held == terms else f"{held} of the {terms} words, none with more"
    return f"with {words}" + (" in one entry, not on one line" if together < held else "")


# --- patterns --------------------------------------------------------------------------------------------------------
def _write_out(passages: Sequence[Passage], folder: Path) -> tuple[list[tuple[Path, int]], list[int]]:
    """The passages' lines in files: each file with the number of lines before it, and of each passage the first line's."""
    files, firsts, parts, size, count, before = list[tuple[Path, int]](), list[int](), list[bytes](), 0, 0, 0

    def close() -> None:
        nonlocal parts, size, before
        path = folder / f"{len(files)}.txt"
        path.write_bytes(b"".join(parts))
        files.append((path, before))
        parts, size, before = [], 0, count

    for passage in passages:
        firsts.append(count)
        pieces = _pieces(passage.text)
        for at in range(0, len(pieces), PIECES_TOGETHER):
            together = pieces[at : at + PIECES_TOGETHER]
            part = "\n".join([*together, ""]).replace("\0", "\ufffd").encode("utf-8", "replace")
            parts.append(part)
            size, count = size + len(part), count + len(together)
            if size >= FILE_BYTES:
                close()
    close()
    return files, firsts


def _pieces(text: str) -> list[str]:
    """The lines of a text, long ones in pieces."""
    lines = text.splitlines()
    if max(map(len, lines), default=0) <= PIECE_CHARS:
        return lines
    return [line[at : at + PIECE_CHARS] for line in lines for at in range(0, max(1, len(line)), PIECE_CHARS)]


def _pieces_at(text: str, places: Sequence[int]) -> tuple[tuple[int, int, str], ...]:
    """The pieces at these places, each with where it begins."""
    starts, start = list[int](), 0
    for line in text.splitlines(keepends=True):
        bare = len(line.splitlines()[0])
        starts += range(start, start + max(1, bare), PIECE_CHARS)
        start += len(line)
    pieces = _pieces(text)
    return tuple((starts[place], 0, pieces[place].rstrip()) for place in places)


def _numbers(ended: Ended, before: dict[str, int], pattern: str) -> list[int]:
    """The numbers, over all files and from 0, of the lines search.py printed."""
    printed = ended.recording.head
    if ended.status == 2 and "\0" not in printed:
        raise BadArguments(f"/{pattern}/ is not a valid pattern: {' '.join(printed.split())[:500]}")
    return [before[match[1]] + int(match[2]) - 1 for match in _PRINTED.finditer(printed) if match[1] in before]


_PRINTED = re.compile(r"^([^\0\n]+)\0(\d+):", re.MULTILINE)
