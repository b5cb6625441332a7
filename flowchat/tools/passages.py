"""What was said and is out of view: passages of a conversation, and the lines among them that hold words or fit a pattern.

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

TERMS_LIMIT = 32
"""Words of a query that are looked for."""
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
    """The lines found in a passage: the first of them, and how many there are."""

    passage: Passage
    lines: tuple[Line, ...]
    count: int


class Found(Struct, frozen=True):
    """`how` says in words what the lines have in common. `partial`: the search ended before everything was looked at."""

    hits: Sequence[Hit]
    how: str
    partial: bool = False

    @property
    def lines(self) -> int:
        return sum(hit.count for hit in self.hits)


def terms_of(query: str) -> tuple[str, ...]:
    """The words of a query, each once, without case and the punctuation around them; "words in quotes" are one."""
    words = (match[1] or match[2].strip("?!.,;:()[]\"'") or match[2] for match in _TERM.finditer(query))
    return tuple(dict.fromkeys(word.casefold() for word in words))


async def find_words(passages: Sequence[Passage], terms: Sequence[str], whole: Whole) -> Found:
    """The lines that hold most of the terms; of those, where terms stand on one line, and as words of their own, these."""
    words = _Words(terms)
    async for batch in _batches(passages, whole):
        await _in_thread(partial(words.look, batch))
    return words.found()


async def find_pattern(
    passages: Sequence[Passage], pattern: str, ignore_case: bool, whole: Whole, seconds: float = PATTERN_SECONDS
) -> Found:
    """The lines a regular expression fits; those first given are searched first, and lines given of HITS_SHOWN of them.

    Raises BadArguments for what is no pattern, NotDone where it does not come to an end in time.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files = _Files(Path(folder))
        async for batch in _batches(passages, whole):
            await _in_thread(partial(files.add, batch))
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
    hits = [Hit(_without_text(passages[index]), (), len(found)) for index, found in by_passage.items()]
    for at, (index, found) in enumerate(islice(by_passage.items(), HITS_SHOWN)):
        loaded = await whole(passages[index])
        lines = await _in_thread(partial(_pieces_at, loaded.text, found[:LINES_OF_AN_ENTRY]))
        hits[at] = structs.replace(hits[at], lines=lines)
    return Found(hits, f"that fit /{pattern}/", ended.status is None or not ended.recording.complete)


# --- words -----------------------------------------------------------------------------------------------------------
_TERM = re.compile(r'"([^"]+)"|(\S+)')


class _Words:
    """Looks for terms; of what it has looked at it keeps the best."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._terms = terms
        self._best, self._hits = (1, 1, 0), list[Hit]()

    def look(self, passages: Sequence[Passage], stopped: Event) -> None:
        for passage in passages:
            if stopped.is_set():
                return
            self._look(passage, stopped)

    def found(self) -> Found:
        return Found(self._hits, _in_common(self._best[:2], len(self._terms)))

    def _look(self, passage: Passage, stopped: Event) -> None:
        text = passage.text
        present = _present(text, self._terms)
        if len(present) < self._best[0]:
            return
        lines = _BestLines(present)
        for start, slab in _slabs(text):
            if len(slab) == len(text) or _present(slab, present):
                lines.take(start, slab)
            if stopped.is_set():
                return
        score = (len(present), *lines.best)
        if score > self._best:
            self._best, self._hits = score, []
        if score == self._best and lines.count:
            self._hits.append(Hit(_without_text(passage), tuple(lines.first), lines.count))


def _present(text: str, terms: Sequence[str]) -> list[str]:
    """The terms that stand anywhere in a text."""
    if len(text) <= SLAB_CHARS:
        folded = text.casefold()
        return [term for term in terms if term in folded]
    present = set[str]()
    for _, slab in _slabs(text):
        present.update(_present(slab, terms))
        if len(present) == len(terms):
            break
    return [term for term in terms if term in present]


class _BestLines:
    """The lines that hold most of the terms: `best` says how many at most on one, and how many of them as whole words."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._terms = terms
        self.best, self.count, self.first = (0, 0), 0, list[Line]()

    def take(self, start: int, text: str) -> None:
        """Lines of a text; the first of them begins at `start` in it."""
        for line in text.splitlines(keepends=True):
            folded = line.casefold()
            places = [_place_of(term, folded) for term in self._terms if term in folded]
            held = len(places), sum(whole for _, whole in places)
            if places and held >= self.best:
                if held > self.best:
                    self.best, self.count, self.first = held, 0, []
                self.count += 1
                if len(self.first) < LINES_OF_AN_ENTRY:
                    self.first.append(_excerpt(start, line.rstrip(), min(place for place, _ in places)))
            start += len(line)


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
            for _, slab in _slabs(passage.text):
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
    for start, slab in _slabs(text):
        if not wanted or stopped.is_set():
            break
        pieces = _pieces(slab)
        if wanted[0][0] < before + len(pieces):
            starts = list(_starts(start, slab))
            while wanted and wanted[0][0] < before + len(pieces):
                number, column = wanted.pop(0)
                lines.append(_excerpt(starts[number - before], pieces[number - before].rstrip(), column))
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
async def _batches(passages: Sequence[Passage], whole: Whole) -> AsyncGenerator[list[Passage], None]:
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


async def _in_thread(work: Callable[[Event], _T]) -> _T:
    """Run in a thread; cancelled, it is told to stop and waited for: what it works with goes next."""
    stopped = Event()
    task = asyncio.create_task(asyncio.to_thread(work, stopped))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait({task})
        raise


def _slabs(text: str) -> Iterator[tuple[int, str]]:
    """A text in slabs that end with a line where there is one, each with where it begins."""
    begin = 0
    while len(text) - begin > SLAB_CHARS:
        end = text.rfind("\n", begin, begin + SLAB_CHARS) + 1 or begin + SLAB_CHARS
        yield begin, text[begin:end]
        begin = end
    yield begin, text[begin:] if begin else text


def _excerpt(start: int, line: str, place: int) -> Line:
    """A line, which begins at `start`, around the place of the find."""
    begin = max(0, min(place - LINE_CHARS // 3, len(line) - LINE_CHARS))
    end = begin + LINE_CHARS
    return Line(start + begin, ("…" if begin else "") + line[begin:end] + ("…" if end < len(line) else ""))


def _without_text(passage: Passage) -> Passage:
    return structs.replace(passage, text="") if passage.kept else passage
