"""The rows in view as they are painted, marks laid over them; rows that nobody has looked at for long are let go of."""

from collections.abc import Sequence

from textual.strip import Strip

from flowchat.ui.blocks import Look
from flowchat.ui.choice import Choice
from flowchat.ui.painting import badged, followed, marked, overlaid
from flowchat.ui.passages import Passage
from flowchat.ui.prose import GUTTER, gutter_strip
from flowchat.ui.seeking import Seeking
from flowchat.ui.story import Story
from flowchat.ui.strips import Piece
from flowchat.ui.viewport import Place, Viewport

DRAWN_LIMIT = 256
"""Passages whose rows are kept; of others they are made again when they come into view."""


class Window:
    """`places` are those of the rows given last, None below the end."""

    def __init__(self, story: Story, viewport: Viewport, choice: Choice, seeking: Seeking) -> None:
        self._story, self._viewport, self._choice, self._seeking = story, viewport, choice, seeking
        self._drawn: dict[Passage, None] = {}
        self.places: list[Place | None] = []

    def clear(self) -> None:
        """The story begins from nothing."""
        self._drawn.clear()

    def rows(self, look: Look, chooses: bool, has_news: bool, hint: str = "") -> list[Strip]:
        """The rows in view; `chooses`: the reader walks from block to block. `hint`: what a key does to the chosen one."""
        self.places = list(self._viewport.places())
        if chooses and self._choice.block is None:
            self._choice.take_last_of(self.places, look)
        blank = gutter_strip((), look.width)
        end = self._end_of_chosen(look) if hint and chooses else None
        rows = [
            blank if place is None else self._row(place, look, chooses, hint if place == end else "") for place in self.places
        ]
        while len(self._drawn) > DRAWN_LIMIT + len(rows):
            oldest = next(iter(self._drawn))
            del self._drawn[oldest]
            oldest.forget()
        if not self._viewport.shows_end:
            rows[-1] = badged(rows[-1], _badge(look, has_news), GUTTER)
        return rows

    def _end_of_chosen(self, look: Look) -> Place:
        (passage, first), count = self._choice.extent(look)
        return passage, first + count - 1

    def _row(self, place: Place, look: Look, chooses: bool, hint: str) -> Strip:
        passage = self._story.passages[place[0]]
        self._drawn.pop(passage, None)
        self._drawn[passage] = None
        row = self._story.row(place, look)
        for (start, end), is_here in self._seeking.marks(place, look):
            row = overlaid(row, start, end, look.palette.match_here if is_here else look.palette.match)
        if hint:
            row = followed(row, [(f"   {hint} ", look.palette.text)], look.palette.glyphs.rule, GUTTER)
        if chooses and self._choice.is_at(place, look):
            return marked(row, look.palette.glyphs.chosen, look.palette.accent)
        return row


def _badge(look: Look, has_news: bool) -> Sequence[Piece]:
    palette = look.palette
    words = f" {palette.glyphs.below} {'new below' if has_news else 'more below'} "
    return [(words, palette.raised + (palette.accent if has_news else palette.dim))]
