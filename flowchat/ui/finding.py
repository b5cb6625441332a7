"""Finding a text in the conversation: counted in what the blocks hold, laid out only where the reader jumps to."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from flowchat.ui.blocks import Block, Look
from flowchat.ui.passages import Passage
from flowchat.ui.story import Story
from flowchat.ui.unwrapping import unwrapped

READ_ROWS_LIMIT = 4000
"""In a block of more rows a match that goes on in the next row is not marked, for its lines are not put together again."""
_KEPT_BLOCKS = 64
"""Blocks whose marks are remembered."""

Span: TypeAlias = tuple[int, int, int]
"""A row of a block, and the characters of it from the second to before the third."""


class Hit(Struct, frozen=True):
    """The match `number` (from 0) in a block, `block` being its number in the passage."""

    passage: Passage
    block: int
    number: int


class Find:
    """All places of one text; `at` is the one the reader is at. Stays right while the story grows if `refresh` is called."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.query = ""
        self.at: Hit | None = None
        self._pattern = re.compile("")
        self._counts: dict[Passage, tuple[int, ...]] = {}
        self._texts: dict[Passage, list[str]] = {}
        self._grew: set[Passage] = set()
        self._marks: dict[Block, tuple[int, Look, list[list[Span]]]] = {}

    def look_for(self, query: str, start: int, block: int) -> None:
        """Find this text; the reader is now at the first match from a block of passage `start` on, else at the last before.

        Capitals in it count, else there are none; blanks stand for any blanks.
        """
        before = self._counts if self.query and query.startswith(self.query) else None
        self.query = query
        flags = re.IGNORECASE if query == query.lower() else 0
        words = r"\s+".join(map(re.escape, re.split(r"\s+", query)))
        begin = r"(?<!\s)" if words.startswith(r"\s") else ""  # else each of many blanks would be tried with all after it
        self._pattern = re.compile(begin + words, flags)
        self._counts, self._marks = {}, {}
        passages = self._story.passages if query else []
        for passage in passages:
            self._counts[passage] = self._count(passage) if before is None or any(before.get(passage, (1,))) else ()
        self.at = self._nearest(start, block)

    def refresh(self) -> None:
        """The story may have changed: what is new or grows is searched."""
        if not self.query:
            return
        changed, self._grew = self._grew | self._story.growing, self._story.growing
        for passage in changed:
            self.forget(passage)
        counts = self._counts
        self._counts = {p: counts[p] if p in counts else self._count(p) for p in self._story.passages}
        at = self.at
        if at is None:
            return
        found = self._counts.get(at.passage, ())
        if at.block >= len(found) or at.number >= found[at.block]:
            index = self._story.passages.index(at.passage) if at.passage in self._counts else len(self._story.passages)
            self.at = self._nearest(index, at.block)

    def forget(self, passage: Passage) -> None:
        """A passage reads otherwise."""
        self._counts.pop(passage, None)
        self._texts.pop(passage, None)

    def step(self, by: int) -> bool:
        """Go to the next match (1) or the one before (-1), round at the ends; False where there is none."""
        self.refresh()
        total = self.total
        if not total:
            return False
        self.at = self._nth((self.ordinal - 1 + by) % total if self.at is not None else 0)
        return True

    def pass_over(self, row: int, look: Look) -> None:
        """Go on to the first match at or below a row of the block the reader is at, to the last of all where there is none."""
        assert self.at is not None
        drawn, counted = self._drawn(self.at.passage, self.at.block, look), self._counts[self.at.passage][self.at.block]
        below = next((number for number, spans in enumerate(drawn) if spans[0][0] >= row), None)
        if below is not None:
            self.at = replace(self.at, number=-(-below * counted // len(drawn)))
            return
        self.at = replace(self.at, number=counted - 1)
        if self.ordinal < self.total:
            self.step(1)

    # --- how many ----------------------------------------------------------------------------------------------------
    @property
    def total(self) -> int:
        return sum(map(sum, self._counts.values()))

    @property
    def ordinal(self) -> int:
        """Of the match the reader is at, from 1; 0: at none."""
        if self.at is None:
            return 0
        before = 0
        for passage, counts in self._counts.items():
            if passage is self.at.passage:
                return before + sum(counts[: self.at.block]) + self.at.number + 1
            before += sum(counts)
        return 0

    # --- where on the screen -----------------------------------------------------------------------------------------
    def spans(self, passage: Passage, block: int, look: Look) -> Sequence[tuple[Span, bool]]:
        """What to mark in the rows of a block, and whether that belongs to the match the reader is at."""
        counts = self._counts.get(passage, ())
        if block >= len(counts) or not counts[block]:
            return ()
        drawn = self._drawn(passage, block, look)
        here = self._drawn_at(look) if self.at is not None and (self.at.passage, self.at.block) == (passage, block) else None
        return [(span, number == here) for number, spans in enumerate(drawn) for span in spans]

    def row(self, look: Look) -> int | None:
        """The row, in its block, of the match the reader is at; None where it does not show."""
        here = self._drawn_at(look)
        return None if here is None or self.at is None else self._drawn(self.at.passage, self.at.block, look)[here][0][0]

    def all_show(self, look: Look) -> bool:
        """Whether every match in the block the reader is at is to be seen."""
        if self.at is None:
            return True
        return len(self._drawn(self.at.passage, self.at.block, look)) >= self._counts[self.at.passage][self.at.block]

    def _drawn_at(self, look: Look) -> int | None:
        """Which of the drawn matches of its block the reader is at: with markup in between there may be more or fewer."""
        assert self.at is not None
        drawn = len(self._drawn(self.at.passage, self.at.block, look))
        counted = self._counts[self.at.passage][self.at.block]
        return None if not drawn else min(drawn - 1, self.at.number * drawn // counted)

    def _drawn(self, passage: Passage, number: int, look: Look) -> list[list[Span]]:
        block = passage.blocks[number]
        known = self._marks.get(block)
        if known is not None and known[0] == block.version and known[1] is look:
            return known[2]
        if len(self._marks) >= _KEPT_BLOCKS:
            self._marks.clear()
        spans = _matches(self._pattern, passage.texts(number, look), block.searched, look.palette.glyphs.bar)
        self._marks[block] = (block.version, look, spans)
        return spans

    # --- matches -----------------------------------------------------------------------------------------------------
    def _count(self, passage: Passage) -> tuple[int, ...]:
        findall = self._pattern.findall
        return tuple([len(findall(text)) for text in self._texts.get(passage) or self._read(passage)])

    def _read(self, passage: Passage) -> list[str]:
        """What the blocks of a passage hold; remembered while the search is on."""
        was_built = passage.is_built
        texts = self._texts[passage] = [block.searched for block in passage.blocks]
        if not was_built:
            passage.forget()
        return texts

    def _nearest(self, start: int, block: int) -> Hit | None:
        before: Hit | None = None
        for index, (passage, counts) in enumerate(self._counts.items()):
            for number, count in enumerate(counts):
                if count and (index, number) >= (start, block):
                    return Hit(passage, number, 0)
                before = Hit(passage, number, count - 1) if count else before
        return before

    def _nth(self, wanted: int) -> Hit | None:
        for passage, counts in self._counts.items():
            for number, count in enumerate(counts):
                if wanted < count:
                    return Hit(passage, number, wanted)
                wanted -= count
        return None


def _matches(pattern: re.Pattern[str], rows: Sequence[str], source: str, bar: str) -> list[list[Span]]:
    """The matches in the rows of a block, each with its part of every row it is in."""
    if len(rows) > READ_ROWS_LIMIT:
        return [[(at, *found.span())] for at, row in enumerate(rows) for found in pattern.finditer(row)]
    read = unwrapped(rows, source, bar)
    starts: list[int] = []
    joined = ""
    for row in read:
        starts.append(len(joined))
        joined += row.shown + row.joint
    matches: list[list[Span]] = []
    for found in pattern.finditer(joined):
        spans: list[Span] = []
        for at in range(bisect_right(starts, found.start()) - 1, len(starts)):
            if starts[at] >= found.end():
                break
            first, end = max(0, found.start() - starts[at]), min(len(read[at].shown), found.end() - starts[at])
            if first < end:
                spans.append((at, read[at].start + first, read[at].start + end))
        if spans:
            matches.append(spans)
    return matches
