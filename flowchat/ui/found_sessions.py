"""Thousands of sessions narrowed by what is typed, their rows made only when they come into view."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, overload

from flowchat.ui.listing import Row

if TYPE_CHECKING:
    from flowchat.store.cards import SessionCard


class FoundSessions:
    """Cards in the order they came in, and those that hold every word that is sought in title, first message, id or folder."""

    def __init__(self, cards: "Sequence[SessionCard]" = ()) -> None:
        """Takes a few microseconds a card: for a thread."""
        self.cards = cards
        self._texts = [f"{card.title}\n{card.first_message}\n{card.sid}\n{card.cwd}".lower() for card in cards]

    def narrowed(self, sought: str) -> "Sequence[SessionCard]":
        words = sought.lower().split()
        if not words:
            return self.cards
        places: Iterable[int] = range(len(self.cards))
        for word in words:
            places = [place for place in places if word in self._texts[place]]
        return [self.cards[place] for place in places]


class Lazily(Sequence[Row]):
    """Rows of cards, each made when it is first looked at."""

    def __init__(self, cards: "Sequence[SessionCard]", row: "Callable[[SessionCard], Row]") -> None:
        self._cards, self._row = cards, row
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._cards)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self._cards)))]
        if index not in self._made:
            self._made[index] = self._row(self._cards[index])
        return self._made[index]
