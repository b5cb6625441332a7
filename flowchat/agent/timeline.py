"""The usage timeline: how many tokens the next request takes up to any position in it. The one source of every figure of tokens.

A position counts canonical bytes (tokens.py) from the beginning of the request: system prompt, tools, then message by message.
"""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from msgspec import Struct

from flowchat.agent.tokens import BYTES_PER_TOKEN
from flowchat.transcript.events import Measurement

SPARSE_BYTES = 8
"""More bytes of common text no tokenizer puts in a token."""
MOST_BYTES_PER_TOKEN = 16
"""No text takes fewer tokens in any tokenizer we know of, blanks aside, and none more than one a byte."""


class Weighed(Struct, frozen=True, gc=False):
    """Tokens of the next request, and how they are known."""

    tokens: int
    source: Measurement


class Count(NamedTuple):
    """A model counted `tokens` of a request that ended at `position`."""

    position: int
    tokens: int


class Timeline:
    """What one model counted of the request as it now stands. Its tokens never fall from one position to a later one.

    At a position it counted they are measured; between two, the beginning among them, interpolated by bytes; behind the last
    extrapolated at the tokens a byte took in the last request; where nothing was counted, a token for four bytes. What is not
    measured is rounded up.
    """

    def __init__(self) -> None:
        self._positions: list[int] = [0]
        self._tokens: list[int] = [0]
        self._sure: list[tuple[int, int]] = [(0, 0)]
        """The counts of requests, each of which says more about what follows than those before it."""
        self._answered: int = -1
        """Where the last answer ends whose own tokens were told."""
        self._gave_way: int = 0
        """The last position whose count made another give way."""
        self.rate: tuple[int, int] | None = None
        """Tokens and bytes of the last request that was counted; None: none was. It outlives its count."""

    @property
    def end(self) -> int:
        """The last position that was counted; 0 where none is."""
        return self._positions[-1]

    @property
    def surest(self) -> Count:
        """The count of a request that asks for most of the next one's, if that takes at least a token for SPARSE_BYTES."""
        return Count(*self._sure[-1])

    def count(self, before: int, after: int, read: int, written: int) -> None:
        """A request that ended at `before` took `read` tokens, its answer, which ends at `after`, `written`, 0: not known.

        `before` stands behind every count there is, or at the last. An earlier count that is larger gives way; that happens: what
        an answer took counts its hidden reasoning, which the next request does not hold. So does what an answer took where what
        follows it would take more than a token a byte: then it was told too small.
        """
        self.rate = read, before
        if self._positions[-1] == self._answered and read - self._tokens[-1] > before - self._answered > 0:
            self._gave_way = before
            self._pop()
        self._answered = -1
        self._count(before, read)
        position, tokens = self._sure[-1]
        if (read - tokens) * SPARSE_BYTES >= before - position:
            self._sure.append((before, read))
        if written:
            self._count(after, read + written)
            self._answered = after if after > before else -1

    def forget(self, position: int) -> bool:
        """What stands behind `position` reads differently now. Whether that brings back what gave way to it: then count anew."""
        while self._positions[-1] > max(0, position):
            self._pop()
        while self._sure[-1][0] > max(0, position):
            self._sure.pop()
        return self._gave_way > position

    def weigh(self, position: int) -> Weighed:
        return Weighed(self.tokens_at(position), self.source_at(position))

    def tokens_at(self, position: int) -> int:
        """Tokens of the request up to a position, 0 or more."""
        index = bisect_right(self._positions, position) - 1
        at, tokens = self._positions[index], self._tokens[index]
        if position == at:
            return tokens
        if index + 1 < len(self._positions):
            up, across = self._tokens[index + 1] - tokens, self._positions[index + 1] - at
        else:
            up, across = self._usual() or (1, BYTES_PER_TOKEN)
        return tokens - (-(position - at) * up // across)

    def source_at(self, position: int) -> Measurement:
        """How `tokens_at` knows."""
        index = bisect_left(self._positions, position)
        if index == len(self._positions):
            return "no_data" if self._usual() is None else "extrapolated"
        if self._positions[index] != position:
            return "interpolated"
        return "measured" if index or self.end else "no_data"

    def _usual(self) -> tuple[int, int] | None:
        """What a byte takes; that of another request says something of this one, unless it held what is not ours."""
        if self.rate is None or self.end:
            return self.rate
        tokens, across = self.rate
        return self.rate if tokens <= across <= tokens * MOST_BYTES_PER_TOKEN else None

    def _count(self, position: int, tokens: int) -> None:
        if position <= self._positions[-1]:
            self.forget(position - 1)
        while self._tokens[-1] > tokens:
            self._gave_way = position
            self._pop()
        self._positions.append(position)
        self._tokens.append(tokens)

    def _pop(self) -> None:
        self._positions.pop()
        self._tokens.pop()
