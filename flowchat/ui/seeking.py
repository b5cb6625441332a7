"""A search under way in the pane: where the reader was before it, and what it unfolded to show a match."""

from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.transcript.entries import Edited, Record
from flowchat.ui.blocks import Block, Fold, Look
from flowchat.ui.checkpoints import FoldLine
from flowchat.ui.choice import Choice
from flowchat.ui.passages import Passage
from flowchat.ui.story import Mark, Story
from flowchat.ui.viewport import Place, Viewport

if TYPE_CHECKING:
    from flowchat.ui.finding import Find

ROWS_ABOVE, ROWS_SHOWN = 2, 6
"""Around a match, so many rows are shown where there is room."""


class Found(Struct, frozen=True):
    """How a search stands: at match `number` (from 1) of `count`; `hidden`: no row shows it, it is in the source alone."""

    query: str = ""
    number: int = 0
    count: int = 0
    hidden: bool = False


class Seeking:
    """Moves the viewport from match to match. While it is on the end is not followed: the reader reads."""

    def __init__(self, story: Story, viewport: Viewport, choice: Choice) -> None:
        self._story, self._viewport, self._choice = story, viewport, choice
        self.find: Find | None = None
        self._origin: tuple[Mark | None, Place, bool, tuple[Passage, int] | None] | None = None
        self._opened: tuple[Passage, Block, Fold] | None = None
        self._revealed: list[tuple[FoldLine, Fold]] = []

    @property
    def is_on(self) -> bool:
        return self.find is not None

    def found(self, look: Look) -> Found:
        find = self.find
        if find is None or not find.query:
            return Found()
        return Found(find.query, find.ordinal, find.total, find.at is not None and find.row(look) is None)

    def seek(self, query: str, look: Look) -> None:
        """Search for this text from where the reader was when the search began."""
        if self.find is None:
            from flowchat.ui.finding import Find

            self.find = Find(self._story)
            top = self._viewport.top
            self._origin = (self._story.mark(top, look), top, self._viewport.follows, self._choice.taken)
        self._close(look)
        self._conceal(look)
        self._return(look)
        top = self._start(look)
        self.find.look_for(query, top[0], top[1])
        at = self.find.at
        if at is not None and top[2] and (at.passage, at.block) == (self._story.passages[top[0]], top[1]):
            self.find.pass_over(top[2], look)
        self._show(look)

    def step(self, by: int, look: Look) -> bool:
        """Go to another match; False where there is none."""
        if self.find is None or not self.find.step(by):
            return False
        self._show(look)
        return True

    def refresh(self) -> None:
        """The story may have changed."""
        if self.find is not None:
            self.find.refresh()

    def recount(self, record: Record) -> None:
        """A record was placed: what an edited message says now is searched again."""
        if self.find is not None and isinstance(record.entry, Edited):
            for passage in self._story.passages:
                if passage.record is not None and passage.record.seq == record.entry.target:
                    self.find.forget(passage)

    def marks(self, place: Place, look: Look) -> list[tuple[tuple[int, int], bool]]:
        """The characters to mark in a row, and whether they are of the match the reader is at."""
        found = self._story.block_at(place, look) if self.find is not None and self.find.query else None
        if self.find is None or found is None:
            return []
        (_, first), _ = self._story.extent_at(place[0], found[1], look)
        return [(span[1:], here) for span, here in self.find.spans(*found, look) if span[0] == place[1] - first]

    def stay(self) -> None:
        """The reader has gone on from here: the search will not lead back."""
        self._origin = self._opened = None
        self._revealed = []

    def leave(self, look: Look) -> None:
        """End the search; the reader is again where it began, unless gone on from a match."""
        if self._origin is None:
            self._viewport.follows = self._viewport.shows_end
        else:
            self._close(look)
            self._conceal(look)
            follows = self._origin[2]
            self._return(look)
            if follows:
                self._viewport.to_end()
        self.find = self._origin = self._opened = None
        self._revealed = []

    def _start(self, look: Look) -> tuple[int, int, int]:
        """The passage and block at the top of the view, and the row of it."""
        index, row = self._viewport.top
        if index >= len(self._story.passages) or row >= self._story.height(index, look):
            return index, 0, 0
        found = self._story.block_at((index, row), look)
        if found is None:
            return index, 0, 0
        (_, first), _ = self._story.extent_at(index, found[1], look)
        return index, found[1], row - first

    def _return(self, look: Look) -> None:
        """Back to where the reader was."""
        if self._origin is None:
            return
        mark, place, follows, chosen = self._origin
        if chosen is not None:
            self._choice.take(*chosen)
        self._viewport.follows = follows
        if mark is not None and mark[0] in self._story.passages:
            self._viewport.top = self._story.find(mark, look)
        elif not self._story.passages or place[0] < len(self._story.passages):
            self._viewport.top = place

    def _show(self, look: Look) -> None:
        """Bring the match into view, unfolded where it does not show otherwise."""
        assert self.find is not None
        hit = self.find.at
        if hit is None:
            self._close(look)
            self._conceal(look)
            return
        self._reveal(hit.passage, look)
        block = hit.passage.blocks[hit.block]
        if self._opened is None or self._opened[1] is not block:
            self._close(look)
            self._unfold(hit.passage, block, look)
        self._choice.take(hit.passage, hit.block)
        row = self.find.row(look) or 0
        (index, first), _ = self._story.extent(hit.passage, hit.block, look)
        place = (index, first + row)
        if place not in self._in_view():
            self._viewport.show((index, max(0, first + row - ROWS_ABOVE)), ROWS_SHOWN)
        self._viewport.follows = False

    def _in_view(self) -> list[Place | None]:
        return list(self._viewport.places())

    def _unfold(self, passage: Passage, block: Block, look: Look) -> None:
        assert self.find is not None
        before = block.by_hand
        if self.find.all_show(look) or not block.fold(look):
            return
        passage.touched = True
        if self.find.row(look) is None:
            _fold_as(block, before)
        else:
            self._opened = (passage, block, before)

    def _reveal(self, passage: Passage, look: Look) -> None:
        """Unfold what a checkpoint covers for a match in it, or fold it again when the match is elsewhere."""
        checkpoints, place = self._story.checkpoints, self._story.passages.index(passage)
        if not any(checkpoints.covers(line, place) for line, _ in self._revealed):
            self._conceal(look)
        for line in checkpoints.closed(place):
            self._revealed.append((line, line.by_hand))
            line.fold(look)

    def _conceal(self, look: Look) -> None:
        """Fold again what was revealed; what stands at the top stays there if it still shows."""
        revealed, self._revealed = self._revealed, []
        if revealed:
            mark = self._story.mark(self._viewport.top, look)
            for line, before in revealed:
                _fold_as(line, before)
            if mark is not None:
                self._viewport.top = self._story.find(mark, look)

    def _close(self, look: Look) -> None:
        """Fold again what was unfolded for a match; what stands at the top stays there."""
        if self._opened is None:
            return
        passage, block, before = self._opened
        self._opened = None
        if passage in self._story.passages and block in passage.blocks:
            mark = self._story.mark(self._viewport.top, look)
            _fold_as(block, before)
            if mark is not None:
                self._viewport.top = self._story.find(mark, look)


def _fold_as(block: Block, before: Fold) -> None:
    block.by_hand = before
    block.version += 1
