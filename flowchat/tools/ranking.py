"""The entries that hold most of a query's words: the best first.

All that was said is looked through once for the words it holds, which also tells how rare each of them is; then line by line,
what could weigh most first, for as long as anything better may come.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from heapq import heappush, heappushpop
from math import log
from threading import Event
from typing import NamedTuple

from msgspec import structs

from flowchat.tools.lines import COMMON, EntryLines, parts
from flowchat.tools.passages import SLAB_CHARS, Found, Hit, Passage, Whole, batches, in_thread, without_text
from flowchat.tools.terms import Term, folded, telling
from flowchat.transcript.entries import Seq

NEXT_BEST = 10
"""So many entries are given; more only where more fit as well as the best does."""
SHARE_LIMIT, SHARE_BEYOND_A_WORD = 0.55, 0.05
"""What an entry must have of the best one's score to be given behind it: a little more than one word's part, at most so much."""
MESSAGES = ("user", "assistant")
"""Each of these is given by itself; of answers and files in which the same lines are found only one is."""


async def find_words(passages: Sequence[Passage], terms: Sequence[Term], whole: Whole) -> Found:
    """The entries with a line that holds most of the terms, or has them near it: NEXT_BEST, or all that fit as well as the best.

    A term weighs the more the fewer entries hold it, and a word of every sentence nearly nothing where there are others.
    """
    holding = _Holding(telling(terms))
    async for batch in batches(passages, whole):
        await in_thread(partial(holding.look, batch))
    ranking = _Ranking(terms, holding.masks)
    for mask, indexes in ranking.order:
        if ranking.is_settled(mask):
            break
        async for batch in batches([passages[index] for index in reversed(indexes)], whole):
            await in_thread(partial(ranking.look, batch, mask))
            if ranking.is_settled(mask):
                break
    return ranking.found()


class _Holding:
    """Which of the terms each passage holds: a bit for each."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self._terms = [(1 << number, term.stem, term) for number, term in enumerate(terms)]
        self.masks: list[int] = []

    def look(self, passages: Iterable[Passage], stopped: Event) -> None:
        terms, masks, is_stopped = self._terms, self.masks, stopped.is_set
        for passage in passages:
            mask = 0
            for text in (folded(passage.text),) if len(passage.text) <= SLAB_CHARS else _in_parts(passage.text):
                for bit, stem, term in terms:
                    if stem in text and term.stands_in(text):
                        mask |= bit
                if is_stopped():
                    return
            masks.append(mask)


def _in_parts(text: str) -> Iterator[str]:
    return (part.folded for part in parts(text))


class _Candidate(NamedTuple):
    """An entry, the number of terms on its best line, and of the telling ones how many are there, and how many in the entry."""

    hit: Hit
    held: int
    together: int
    anywhere: int


class _Ranking:
    """Looks at passages in `order` until it is settled which are the best, and keeps these."""

    def __init__(self, terms: Sequence[Term], masks: Sequence[int]) -> None:
        self._telling = telling(terms)
        self._common = [term for term in terms if term not in self._telling]
        by_mask = defaultdict[int, list[int]](list)
        for index, mask in enumerate(masks):
            if mask:
                by_mask[mask].append(index)
        held = [sum(len(some) for mask, some in by_mask.items() if mask >> number & 1) for number in range(len(self._telling))]
        self._weights = [log(1 + len(masks) / entries) if entries else 0.0 for entries in held]
        self._most = {mask: self._most_of(mask) for mask in by_mask}
        """What an entry that holds these terms can weigh."""
        self.order = sorted(by_mask.items(), key=lambda some: -self._most[some[0]])
        """The numbers of the passages that hold anything, by what they hold: what could weigh most first."""
        self._top, self._best = 0.0, list[float]()
        """The score of the best so far, and of the NEXT_BEST best, as a heap."""
        self._candidates: list[_Candidate] = []
        self._share = min(SHARE_LIMIT, SHARE_BEYOND_A_WORD + 1 / len(self._telling))
        self._by_text = dict[tuple[str, int], Seq]()
        """Which entry stands for all that have a text."""
        self._by_lines = dict[tuple[str, ...], tuple[float, Seq]]()
        """Of those in which the same lines were found the best one, with its score."""
        self._alike = Counter[Seq]()

    def is_settled(self, mask: int) -> bool:
        """Whether no entry that holds just these terms is to be given any more."""
        return self._is_less(self._most[mask])

    def look(self, passages: Iterable[Passage], mask: int, stopped: Event) -> None:
        """Weigh passages that hold these terms."""
        terms = {number: term for number, term in enumerate(self._telling) if mask >> number & 1}
        for passage in passages:
            if self.is_settled(mask):
                return
            text = (passage.what, hash(passage.text))
            if passage.what not in MESSAGES and text in self._by_text:
                self._alike[self._by_text[text]] += 1
                continue
            lines = EntryLines(terms, self._weights, self._common, self._least())
            for part in parts(passage.text):
                lines.take(part)
                if stopped.is_set():
                    return
            self._by_text[text] = self._weigh(passage, lines, len(terms))

    def found(self) -> Found:
        best_first = sorted(self._candidates, key=lambda candidate: (-candidate.hit.score, -candidate.hit.passage.seq))
        as_good = sum(candidate.hit.score == self._top for candidate in best_first)
        given = [some for some in best_first[: max(NEXT_BEST, as_good)] if some.hit.score > self._share * self._top]
        hits = [structs.replace(some.hit, alike=self._alike[some.hit.passage.seq]) for some in given]
        others = sum(len(indexes) for _, indexes in self.order) - sum(1 + hit.alike for hit in hits)
        return Found(hits, self._in_common(given[0]) if given else "", others=others)

    def _least(self) -> float:
        """What a hit weighs at least."""
        return max(self._best[0] if len(self._best) == NEXT_BEST else 0.0, self._share * self._top)

    def _is_less(self, score: float) -> bool:
        """Whether there are enough that weigh more, or as much and are newer; all that weigh as much as the best are given."""
        least = self._least()
        return score < least or (score == least < self._top)

    def _weigh(self, passage: Passage, lines: EntryLines, anywhere: int) -> Seq:
        """Keep a passage if it is one of the best so far. Gives which one stands for it: another, if the same was found there."""
        score = lines.score
        if not lines.count or self._is_less(score):
            return passage.seq
        shown = lines.shown
        if passage.what not in MESSAGES:
            told = (passage.what, *[line.text for line in shown])
            as_good, other = self._by_lines.get(told, (0.0, 0))
            if as_good >= score:
                self._alike[other] += 1
                return other
            self._by_lines[told] = score, passage.seq
        self._top = max(self._top, score)
        if len(self._best) < NEXT_BEST:
            heappush(self._best, score)
        else:
            heappushpop(self._best, score)
        hit = Hit(without_text(passage), shown, lines.count, score)
        self._candidates.append(_Candidate(hit, lines.held, lines.together, anywhere))
        return passage.seq

    def _most_of(self, mask: int) -> float:
        weights = [weight for number, weight in enumerate(self._weights) if mask >> number & 1]
        return round(sum(weights) + COMMON * len(self._common), 9)

    def _in_common(self, best: _Candidate) -> str:
        """What the best have in common."""
        terms = len(self._telling) + len(self._common)
        if terms == 1:
            return "with the word"
        if best.held == terms:
            return "with all of the words"
        if best.anywhere == terms:
            return "with all of the words in one entry, not on one line"
        if best.together < best.anywhere:
            return f"with {best.held} of the {terms} words on one line"
        none_with_more = not self._common and max(mask.bit_count() for mask, _ in self.order) <= best.held
        return f"with {best.held} of the {terms} words" + (", none with more" if none_with_more else "")
