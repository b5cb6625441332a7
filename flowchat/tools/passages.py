"""What was said and is out of view: passages of a conversation, and the lines among them that fit a pattern.

Long texts are kept beside the session and read one at a time; what is looked at and held of one is bounded, whatever its size.
"""

import asyncio
import re
import sys
from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import Struct, structs

from flowchat.tools.process import Ended, run
from flowchat.tools.tool import BadArguments, NotDone
from flowchat.transcript.entries import BlobRef, Seq

LINES_OF_AN_ENTRY = 6
"""Of the lines found in one entry so many are shown, the rest counted."""
LINE_CHARS = 300
"""Of a line that was found."""
PATTERN_SECONDS = 5.0
"""What a regular expression may take, in a program of its own that can be ended: some never come to an end."""
PATTERN_OUTPUT_BYTES = 1024 * 1024
"""Of matching lines, after which the search by a pattern is ended: far more than is shown."""
SLAB_CHARS = 256 * 1024
"""A text is looked at by so much at a time; a line longer than that is more than one."""
PIECE_CHARS = 2_000
"""A longer line is tried against a pattern piece by piece."""
FILE_BYTES = 8 * 1024 * 1024
"""After so much what search.py reads goes on in another file: it takes none over 20 MiB."""
BATCH_BYTES = 1024 * 1024
"""Of kept texts that are looked at together; a longer one by itself."""
HITS_SHOWN = 512
"""Entries with something found of which lines are given: more than there is room to show, for each takes over 32 bytes."""
_T = TypeVar("_T")

Why: TypeAlias = Literal["folded", "pruned", "cut"]


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
Whole: TypeAlias = Callable[[Passage], Awaitable[Passage]]
"""Gives a passage with all of its text."""


class Line(NamedTuple):
    """What is shown of a line that was found, and where that begins in the passage's text, in characters."""

    start: int
    text: str


class Hit(Struct, frozen=True, gc=False):
    """The lines found in a passage: the first or the best of them, and how many there are.

    `score`: how well they fit; `alike`: in how many other passages they stand just so.
    """

    passage: Passage
    lines: tuple[Line, ...]
    count: int
    score: float = 0.0
    alike: int = 0


class Found(Struct, frozen=True):
    """`how` says in words what the lines have in common. `partial`: the search ended before everything was looked at.

    `others`: entries that hold something of what was looked for, but no more than those of which lines are given.
    """

    hits: Sequence[Hit]
    how: str
    partial: bool = False
    others: int = 0

    @property
    def lines(self) -> int:
        return sum(hit.count for hit in self.hits)


async def find_pattern(
    passages: Sequence[Passage], pattern: str, ignore_case: bool, whole: Whole, seconds: float = PATTERN_SECONDS
) -> Found:
    """The lines a regular expression fits; those first given are searched first, and lines given of HITS_SHOWN of them.

    Raises BadArguments for what is no pattern, NotDone where it does not come to an end in time.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files = _Files(Path(folder))
        async for batch in batches(passages, whole):
            await in_thread(partial(files.add, batch))
        files.close()
        asked = {"pattern": pattern, "ignore_case": ignore_case, "context": 0, "columns": True, "files": list(files.before)}
        request = Path(folder) / "request.json"
        request.write_bytes(msgspec.json.encode(asked))
        command = [sys.executable, "-I", str(Path(__file__).with_name("search.py")), str(request)]
        ended = await run(command, Path("/"), seconds, enough_bytes=PATTERN_OUTPUT_BYTES)
        try:
            if ended.timed_out:
                raise NotDone(f"/{pattern}/ took more than {seconds:g} s: look for words, or for a simpler pattern")
            places = _places(ended, files.before, pattern)
        finally:
            ended.recording.close()
    by_passage: dict[int, list[tuple[int, int]]] = {}
    for number, column in places:
        index = bisect_right(files.firsts, number) - 1
        by_passage.setdefault(index, []).append((number - files.firsts[index], column))
    hits = [Hit(without_text(passages[index]), (), len(found)) for index, found in by_passage.items()]
    for at, (index, found) in enumerate(islice(by_passage.items(), HITS_SHOWN)):
        loaded = await whole(passages[index])
        lines = await in_thread(partial(_pieces_at, loaded.text, found[:LINES_OF_AN_ENTRY]))
        hits[at] = structs.replace(hits[at], lines=lines)
    return Found(hits, f"that fit /{pattern}/", ended.status is None or not ended.recording.complete)


# --- patterns --------------------------------------------------------------------------------------------------------
class _Files:
    """The lines of passages, written out for search.py."""

    def __init__(self, folder: Path) -> None:
        self.before: dict[str, int] = {}
        """Each file with the number of lines in those before it."""
        self.firsts: list[int] = []
        """The number of each passage's first line, over all files."""
        self._folder = folder
        self._parts: list[bytes] = []
        self._size = self._begin = self._count = 0

    def add(self, passages: Iterable[Passage], stopped: Event) -> None:
        for passage in passages:
            self.firsts.append(self._count)
            for _, slab in slabs(passage.text):
                if stopped.is_set():
                    return
                pieces = _pieces(slab)
                part = "\n".join([*pieces, ""]).replace("\0", "\ufffd").encode("utf-8", "replace")
                self._parts.append(part)
                self._size, self._count = self._size + len(part), self._count + len(pieces)
                if self._size >= FILE_BYTES:
                    self.close()

    def close(self) -> None:
        """Write down what has been added."""
        path = self._folder / f"{len(self.before)}.txt"
        path.write_bytes(b"".join(self._parts))
        self.before[str(path)] = self._begin
        self._parts, self._size, self._begin = [], 0, self._count


def _pieces(slab: str) -> list[str]:
    """The lines of a slab, long ones in pieces."""
    lines = slab.splitlines()
    if max(map(len, lines), default=0) <= PIECE_CHARS:
        return lines
    return [line[at : at + PIECE_CHARS] for line in lines for at in range(0, max(1, len(line)), PIECE_CHARS)]


def _pieces_at(text: str, found: Sequence[tuple[int, int]], stopped: Event) -> tuple[Line, ...]:
    """What is shown of the pieces with these numbers, in order, each with the place of the find in it."""
    lines, wanted, before = list[Line](), list(found), 0
    for start, slab in slabs(text):
        if not wanted or stopped.is_set():
            break
        pieces = _pieces(slab)
        if wanted[0][0] < before + len(pieces):
            starts = list(_starts(start, slab))
            while wanted and wanted[0][0] < before + len(pieces):
                number, column = wanted.pop(0)
                lines.append(excerpt(starts[number - before], pieces[number - before].rstrip(), column))
        before += len(pieces)
    return tuple(lines)


def _starts(start: int, slab: str) -> Iterator[int]:
    """Where each piece of a slab begins."""
    for line in slab.splitlines(keepends=True):
        bare = len(line.splitlines()[0])
        yield from range(start, start + max(1, bare), PIECE_CHARS)
        start += len(line)


def _places(ended: Ended, before: Mapping[str, int], pattern: str) -> list[tuple[int, int]]:
    """The lines search.py printed: their numbers, over all files and from 0, and where in them the find is."""
    printed = ended.recording.head
    if ended.status == 2 and "\0" not in printed:
        raise BadArguments(f"/{pattern}/ is not a valid pattern: {' '.join(printed.split())[:500]}")
    found = (match for match in _PRINTED.finditer(printed) if match[1] in before)
    return [(before[match[1]] + int(match[2]) - 1, int(match[3])) for match in found]


_PRINTED = re.compile(r"^([^\0\n]+)\0(\d+):(\d+):", re.MULTILINE)


# --- both ------------------------------------------------------------------------------------------------------------
async def batches(passages: Sequence[Passage], whole: Whole) -> AsyncGenerator[list[Passage], None]:
    """The passages with all of their texts, so many together that what is kept of them stays within about BATCH_BYTES."""
    batch, room = list[Passage](), BATCH_BYTES
    for passage in passages:
        if passage.kept:
            if batch and passage.kept_bytes > room:
                yield batch
                batch, room = [], BATCH_BYTES
            room -= passage.kept_bytes
            passage = await whole(passage)
        batch.append(passage)
    yield batch


async def in_thread(work: Callable[[Event], _T]) -> _T:
    """Run in a thread; cancelled, it is told to stop and waited for: what it works with goes next."""
    stopped = Event()
    task = asyncio.create_task(asyncio.to_thread(work, stopped))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait({task})
        raise


def slabs(text: str) -> Iterator[tuple[int, str]]:
    """A text in slabs that end with a line where there is one, each with where it begins."""
    begin = 0
    while len(text) - begin > SLAB_CHARS:
        end = text.rfind("\n", begin, begin + SLAB_CHARS) + 1 or begin + SLAB_CHARS
        yield begin, text[begin:end]
        begin = end
    yield begin, text[begin:] if begin else text


def excerpt(start: int, line: str, place: int) -> Line:
    """A line, which begins at `start`, around the place of the find."""
    begin = max(0, min(place - LINE_CHARS // 3, len(line) - LINE_CHARS))
    end = begin + LINE_CHARS
    return Line(start + begin, ("…" if begin else "") + line[begin:end] + ("…" if end < len(line) else ""))


def without_text(passage: Passage) -> Passage:
    return structs.replace(passage, text="") if passage.kept else passage
