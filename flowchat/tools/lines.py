"""The lines of one entry that hold words of a query: how much each of them weighs, and of the best what is shown."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import heappush, heappushpop
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from flowchat.tools.passages import LINE_CHARS, LINES_OF_AN_ENTRY, Line, excerpt, slabs
from flowchat.tools.terms import WHOLE, Term, folded, unfolded

LINE_SHARE = 0.75
"""Of the score of an entry's best line: what another one must have to be shown with it."""
NEAR_LINES = 2
"""Lines before and behind one, whose words count for it in part."""
NEAR, FAR, COMMON = 0.4, 0.1, 0.01
"""What of its weight a word counts near a line, and elsewhere in the entry; and what a word counts that every sentence has."""
TOGETHER_CHARS = 2 * LINE_CHARS // 3
"""On a line that is longer than what is shown of one, so far apart words still stand together."""
AHEAD_CHARS = 1_000
"""So much of the next part of a long text is looked at with each: a phrase may begin in one and end in the next."""

_Placed: TypeAlias = list[tuple[int, int, float]]
"""Terms on a line: where in the text each stands, its number, and how well it fits."""
_Fits: TypeAlias = Mapping[int, float]
"""Terms by their numbers, and how well they fit where they fit best."""


class Part(NamedTuple):
    """Some of a text, from `start` on, as it is and folded; behind the first `own` folded characters it is the next part's."""

    start: int
    text: str
    folded: str
    own: int


def parts(text: str) -> Iterator[Part]:
    """A text in parts of a size that can be looked at."""
    for start, slab in slabs(text):
        end = start + len(slab)
        front = folded(slab)
        if end == len(text):
            yield Part(start, slab, front, len(front))
        else:
            ahead = text[end : end + AHEAD_CHARS]
            yield Part(start, slab + ahead, front + folded(ahead), len(front))


class EntryLines:
    """What is found in an entry that holds some terms, taken part by part; what cannot come to `least` need not be found.

    `held` terms stand on the best line, `together` of them telling ones.
    """

    def __init__(
        self, terms: Mapping[int, Term], weights: Sequence[float], common: Sequence[Term] = (), least: float = 0.0
    ) -> None:
        self._terms, self._weights, self._common = terms, weights, common
        self._most = self._weight(dict.fromkeys(terms, WHOLE))
        self._least = LINE_SHARE * (least - FAR * self._most)
        """A line that weighs less is not shown."""
        self._best, self._of_best = 0.0, frozenset[int]()
        self._counts = Counter[float]()
        self._kept: list[tuple[float, int, str, int]] = []
        """The best lines: score, where in the entry as a negative number, text, and where in that, folded, the find is."""
        self.held = self.together = 0

    @property
    def score(self) -> float:
        """The best line's, and a little for terms that stand elsewhere."""
        return round(self._best + FAR * self._weight({number: WHOLE for number in self._terms if number not in self._of_best}), 9)

    @property
    def count(self) -> int:
        return sum(lines for score, lines in self._counts.items() if score >= LINE_SHARE * self._best)

    @property
    def shown(self) -> tuple[Line, ...]:
        """The best lines, in the order in which they stand in the entry."""
        best = sorted((-start, text, place) for score, start, text, place in self._kept if score >= LINE_SHARE * self._best)
        return tuple(excerpt(start, text.rstrip(), unfolded(text, place)) for start, text, place in best)

    def take(self, part: Part) -> None:
        """Look at the lines with the term that stands in fewest places, then at others while one without it may be shown, too."""
        lines = _Lines(part, self._terms)
        rest = self._most
        for number in sorted(self._terms, key=lambda number: part.folded.count(self._terms[number].stem)):
            if self._is_too_light(rest):
                break
            for line in lines.holding(number):
                self._weigh(lines, line)
            rest -= self._weights[number]

    def _weigh(self, lines: "_Lines", line: int) -> None:
        fits, begin = lines.fits(line)
        own = fits
        if lines.size(line) > LINE_CHARS:
            begin, own = self._together(lines.placed(line), self._weight(fits))
        weight = self._weight(own)
        if not weight or self._is_too_light(weight):
            return
        near: _Fits = lines.near(line, own) if len(own) < len(self._terms) else {}
        common = lines.count_whole(line, self._common) if self._common else 0
        score = round(weight + (NEAR * self._weight(near) if near else 0.0) + COMMON * common, 9)
        if score > self._best:
            self._best, self._of_best = score, frozenset((*own, *near))
            self._least = max(self._least, LINE_SHARE * score)
            self.held, self.together = len(fits) + common, len(fits)
        self._counts[score] += 1
        if len(self._kept) < LINES_OF_AN_ENTRY or score > self._kept[0][0]:
            start, text = lines.at(line)
            keep = heappush if len(self._kept) < LINES_OF_AN_ENTRY else heappushpop
            keep(self._kept, (score, -start, text, lines.place(line, begin)))

    def _is_too_light(self, weight: float) -> bool:
        """Whether a line with terms of so much weight is not shown even with all the others near it."""
        return weight + NEAR * (self._most - weight) + COMMON * len(self._common) < self._least

    def _together(self, places: _Placed, most: float) -> tuple[int, _Fits]:
        """Of the places on a long line those within TOGETHER_CHARS that weigh most, and where they begin; all weigh `most`."""
        heaviest, best = 0.0, (0, dict[int, float]())
        held, first = Counter[tuple[int, float]](), 0
        for begin, number, fit in places:
            while begin - places[first][0] > TOGETHER_CHARS:
                held[places[first][1:]] -= 1
                first += 1
            held[number, fit] += 1
            if held[number, fit] > 1:
                continue  # it weighs no more for that
            own: _Fits = {}
            for (term, fits), count in held.items():
                if count and fits > own.get(term, 0.0):
                    own[term] = fits
            weight = self._weight(own)
            if weight > heaviest:
                heaviest, best = weight, (places[first][0], own)
                if weight >= most:
                    break
        return best

    def _weight(self, fits: _Fits) -> float:
        return sum([self._weights[number] * fits[number] for number in fits])


class _Lines:
    """The lines of a part by their numbers, and the terms that stand on each."""

    def __init__(self, part: Part, terms: Mapping[int, Term]) -> None:
        self._part, self._text, self._terms = part, part.folded, terms
        self._begins = list(accumulate(map(len, part.folded.splitlines(keepends=True)), initial=0))
        self._texts, self._starts = list[str](), list[int]()
        self._seen = set[int]()
        self._fits = dict[int, tuple[_Fits, int]]()
        self._phrases = defaultdict[int, _Placed](list)
        for number, term in terms.items():
            for begin, end, fit in term.places(part.folded) if term.phrase else ():
                if begin >= part.own:
                    break
                for line in {self._line(begin), self._line(end - 1)}:
                    self._phrases[line].append((begin, number, fit))

    def holding(self, number: int) -> Iterator[int]:
        """The lines on which a term may stand, as far as they are the part's own, and each once for all terms."""
        if self._terms[number].phrase:
            lines = sorted(line for line, placed in self._phrases.items() if any(number == held for _, held, _ in placed))
        else:
            lines = self._with(self._terms[number].stem)
        for line in lines:
            if line not in self._seen:
                self._seen.add(line)
                yield line

    def _with(self, stem: str) -> Iterator[int]:
        own = self._part.own + len(stem) - 1  # one that begins in the part is its own
        begin = self._text.find(stem, 0, own)
        while begin >= 0:
            line = self._line(begin)
            yield line
            begin = self._text.find(stem, self._begins[line + 1], own)

    def fits(self, line: int) -> tuple[_Fits, int]:
        """The terms on a line, and where the first of the best fitting ones begins."""
        if line not in self._fits:
            start, stop = self._begins[line], self._begins[line + 1]
            phrases = self._phrases.get(line, ()) if self._phrases else ()
            fits, first = _fits(phrases), min([begin for begin, _, _ in phrases], default=stop)
            for number, term in self._terms.items():
                if not term.phrase and (found := term.best(self._text, start, stop)):
                    begin, fits[number] = found
                    first = begin if begin < first else first
            self._fits[line] = fits, first
        return self._fits[line]

    def placed(self, line: int) -> _Placed:
        """All places of terms on a line, in order."""
        placed = list(self._phrases.get(line, ()))
        for number, term in self._terms.items():
            if not term.phrase:
                places = term.places(self._text, self._begins[line], self._begins[line + 1])
                placed += [(begin, number, fit) for begin, _, fit in places]
        return sorted(placed)

    def near(self, line: int, own: _Fits) -> _Fits:
        """The terms that are not among a line's own, but stand near it, or far on in it."""
        near = dict[int, float]()
        for other in range(max(0, line - NEAR_LINES), min(len(self._begins) - 1, line + NEAR_LINES + 1)):
            for number, fit in self.fits(other)[0].items():
                if number not in own and fit > near.get(number, 0.0):
                    near[number] = fit
        return near

    def count_whole(self, line: int, terms: Sequence[Term]) -> int:
        """How many of other terms stand on a line as words of their own."""
        begin, end = self._begins[line], self._begins[line + 1]
        best = (term.best(self._text, begin, end) for term in terms)
        return sum(found is not None and found[1] == WHOLE for found in best)

    def at(self, line: int) -> tuple[int, str]:
        """Where a line begins in the entry, and its text as it is."""
        if not self._texts:
            self._texts = self._part.text.splitlines(keepends=True)
            self._starts = list(accumulate(map(len, self._texts), initial=self._part.start))
        return self._starts[line], self._texts[line]

    def place(self, line: int, begin: int) -> int:
        """Where on a line that is which begins there in the part; a phrase may have begun before it."""
        return max(0, begin - self._begins[line])

    def size(self, line: int) -> int:
        return self._begins[line + 1] - self._begins[line]

    def _line(self, place: int) -> int:
        return bisect_right(self._begins, place) - 1


def _fits(placed: Collection[tuple[int, int, float]]) -> dict[int, float]:
    fits = dict[int, float]()
    for _, number, fit in placed:
        if fit > fits.get(number, 0.0):
            fits[number] = fit
    return fits
