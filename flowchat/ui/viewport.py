"""Where the reader is: a place in a list of things with heights, kept while the heights above it change.

The place of the top row is (thing, row of it), never a sum of heights: what was never in view need not be measured.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

Place: TypeAlias = tuple[int, int]
"""A thing's number and a row of it."""


class Viewport:
    """Shows `rows` rows from `top` on. `follows`: the end is kept in view.

    Things are first() .. count()-1, each of height(n) rows, 0 or more; all of that may change between calls.
    """

    def __init__(self, count: Callable[[], int], height: Callable[[int], int], first: Callable[[], int] = lambda: 0) -> None:
        self._count, self._height, self._first = count, height, first
        self.rows = 0
        self.top: Place = (0, 0)
        self.follows = True

    def places(self) -> Iterator[Place | None]:
        """The places of the rows in view, from the top; None below the end."""
        left = self.rows
        thing, row = self.top
        while left and thing < self._count():
            shown = min(left, max(0, self._height(thing) - row))
            yield from ((thing, row + number) for number in range(shown))
            left -= shown
            thing, row = thing + 1, 0
        yield from [None] * left

    def keep(self, reserve: int) -> None:
        """After a change: still a place that is there, and where the end is followed, the end in view.

        Then the view moves on only when the end has left it, and so far that `reserve` rows below stay blank: while these
        fill, nothing that was painted moves.
        """
        self.top = thing, row = max(self.top, (self._first(), 0))
        if thing >= self._count():
            self.to_end()
        elif row and row >= self._height(thing):
            self.top = (thing, max(0, self._height(thing) - 1))
        below = self._rows_below(self.rows + 1)
        if self.follows and (below > self.rows or below < min(self.rows // 3, self._rows_above(self.rows))):
            self.to_end(reserve)

    def to_end(self, reserve: int = 0) -> None:
        """Show the end, so many rows below it blank."""
        self.follows = True
        self.top = self._back((self._count(), 0), max(1, self.rows - reserve))

    def to_start(self) -> None:
        self.top = (self._first(), 0)
        self.follows = self.shows_end

    def scroll(self, rows: int) -> None:
        """Move down so many rows, up where negative; at most until the end is in the last row."""
        if rows < 0:
            self.top = self._back(self.top, -rows)
        else:
            more = self._rows_below(self.rows + rows) - self.rows
            self.top = self._forth(self.top, max(0, min(rows, more)))
        self.follows = self.shows_end

    def show(self, first: Place, rows: int) -> None:
        """Move as little as it takes to see the rows from `first` on, the first of them in any case."""
        if first < self.top:
            self.top = first
        else:
            missing = self._distance(self.top, first) + min(rows, self.rows) - self.rows
            if missing > 0:
                self.top = self._forth(self.top, missing)
        self.follows = self.shows_end

    @property
    def shows_end(self) -> bool:
        return self._rows_below(self.rows + 1) <= self.rows

    def _rows_below(self, limit: int) -> int:
        """Rows from the top one to the end, counted no further than `limit`."""
        thing, row = self.top
        total = -row
        while total < limit and thing < self._count():
            total += self._height(thing)
            thing += 1
        return max(0, min(total, limit))

    def _rows_above(self, limit: int) -> int:
        (thing, total), first = self.top, self._first()
        while total < limit and thing > first:
            thing -= 1
            total += self._height(thing)
        return min(total, limit)

    def _distance(self, start: Place, end: Place) -> int:
        rows = end[1] - start[1]
        return rows + sum(self._height(thing) for thing in range(start[0], end[0]))

    def _back(self, place: Place, rows: int) -> Place:
        (thing, row), first = place, self._first()
        while rows > row and thing > first:
            rows -= row
            thing -= 1
            row = self._height(thing)
        return thing, max(0, row - rows)

    def _forth(self, place: Place, rows: int) -> Place:
        thing, row = place
        while thing < self._count() - 1 and row + rows >= self._height(thing):
            rows -= self._height(thing) - row
            thing, row = thing + 1, 0
        return thing, row + rows
