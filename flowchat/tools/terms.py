"""The words of a query and where a text holds them: whatever their case and accents, in another form, or within other words.

Texts and queries are compared folded. What is folded has the lines of what it was made of, but not always its length.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias
from unicodedata import normalize

from msgspec import Struct

TERMS_LIMIT = 32
"""Words of a query that are looked for."""
WHOLE, FORM, PART, SHORT_PART = 1.0, 0.95, 0.3, 0.05
"""How well a term fits: as a word of its own; in another of its forms; within another word; a number or a few letters so."""
SHORT_CHARS = 3
"""Terms that are no longer stand in many words that have nothing to do with them."""
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        a about again all also am an and any are as at be been being but by can could did do does doing done for from had has
        have having he her here him his how i if in into is it its just may me might my no nor not of on or our out over
        please she should so some tell than that the their them then there these they this those to too under up us very was
        we were what when where which who whom whose why will with would you your
        """,
    )
)
"""Words of which nearly every English sentence has some."""


Place: TypeAlias = tuple[int, int, float]
"""Where in a folded text what stands for a term begins and ends, and how well it fits that."""


class Term(Struct, frozen=True):
    """A word, folded, or a phrase. `stem` is what all forms of a word begin with, `endings` fits what may follow that."""

    text: str
    stem: str
    endings: "re.Pattern[str] | None" = None
    phrase: "re.Pattern[str] | None" = None

    def stands_in(self, text: str) -> bool:
        """Whether a folded text holds it anywhere."""
        return self.stem in text and (self.stem == self.text or next(self.places(text), None) is not None)

    def places(self, text: str, start: int = 0, stop: int | None = None) -> Iterator[Place]:
        """Where a folded text holds it between two places, from the first one on."""
        if self.phrase:
            for found in self.phrase.finditer(text, start, len(text) if stop is None else stop):
                yield found.start(), found.end(), WHOLE if _alone(text, found.start(), found.end()) else PART
            return
        begin = text.find(self.stem, start, stop)
        while begin >= 0:
            after = begin + len(self.stem)
            end = begin + len(self.text)
            exact = end == after or text.startswith(self.text, begin)
            if exact and _alone(text, begin, end):
                yield begin, end, WHOLE
            elif self.endings and _alone(text, begin, begin) and (ending := self.endings.match(text, after)):
                yield begin, ending.end(), FORM
            elif exact:
                yield begin, end, SHORT_PART if len(self.text) <= SHORT_CHARS or self.text.isdecimal() else PART
            begin = text.find(self.stem, after, stop)

    def best(self, text: str, start: int, stop: int) -> tuple[int, float] | None:
        """Where what fits best between two places of a folded text begins, and how well it fits."""
        if text.find(self.stem, start, stop) < 0:
            return None
        best, best_fit = start, 0.0
        for begin, _, fit in self.places(text, start, stop):
            if fit > best_fit:
                best, best_fit = begin, fit
                if fit == WHOLE:
                    break
        return (best, best_fit) if best_fit else None


def terms_of(query: str) -> tuple[Term, ...]:
    """The words of a query, each once, without the punctuation around them; "words in quotes" are one, as they stand there."""
    terms = (_phrase(match[1]) if match[1] else _word(match[2]) for match in _TERM.finditer(query))
    return tuple({term.text: term for term in terms if term.text}.values())


def telling(terms: Iterable[Term]) -> list[Term]:
    """Those that tell one text from another: all but the words every sentence has, or those where there are no others."""
    terms = list(terms)
    return [term for term in terms if term.text not in _COMMON] or terms


def folded(text: str) -> str:
    """A text without case and accents, and each letter in one of the ways in which it can be written."""
    if text.isascii():
        return text.casefold()
    text = normalize("NFC", text)
    changed = {char: letter for char in set("".join(_NOT_ASCII.findall(text))) if (letter := _letter(char)) != char.casefold()}
    if len(changed) > _REPLACED_ONE_BY_ONE:
        text = text.translate(str.maketrans(changed))
    else:
        for char, letter in changed.items():
            text = text.replace(char, letter)
    return text.casefold()


def unfolded(text: str, place: int) -> int:
    """Where in a text that stands which stands at `place` when it is folded."""
    if text.isascii():
        return place
    begin, end = 0, len(text)
    while end - begin > 1:
        middle = (begin + end) // 2
        length = len(folded(text[begin:middle]))
        if place < length:
            end = middle
        else:
            begin, place = middle, place - length
    return begin


_TERM = re.compile(r'"([^"]+)"|(\S+)')
_AROUND_WORDS = "?!.,;:()[]\"'`*“”‘’„«»…"
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_REPLACED_ONE_BY_ONE = 32
_ACCENTS = re.compile("[\u0300-\u036f]+")
_STEM_CHARS, _STEM_OF_PLURAL_CHARS = 4, 3
_ENDS_OF_FORMS = ("ing", "ied", "ies", "es", "ed", "s", "y", "e")
_ENDS_OF_WORDS = ("ss", "us", "is")
_ENDINGS = re.compile(r"(?:s|d|es|ed|ing)(?![^\W_])")
_ENDINGS_OF_STEM = re.compile(r"(?:|s|d|e|y|es|ed|ing|ies|ied)(?![^\W_])")


def _phrase(said: str) -> Term:
    words = folded(said).split()
    text = " ".join(words)
    return Term(text, words[0], phrase=re.compile(r"\s+".join(map(re.escape, words)))) if words[1:] else Term(text, text)


def _word(said: str) -> Term:
    text = folded(said.strip(_AROUND_WORDS) or said)
    text = text[:-2] if text[:-2] and text.endswith(("'s", "’s")) else text
    if not (text.isascii() and text.isalpha()):
        return Term(text, text)
    stem = _stem(text)
    return Term(text, stem, _ENDINGS if stem == text else _ENDINGS_OF_STEM)


def _stem(word: str) -> str:
    """`listen` for `listens`, `listened` and `listening`; the word itself where too little would be left."""
    if not word.endswith(_ENDS_OF_WORDS):
        for ending in _ENDS_OF_FORMS:
            stem = word.removesuffix(ending)
            if stem != word and len(stem) >= (_STEM_OF_PLURAL_CHARS if ending == "s" else _STEM_CHARS):
                return stem
    return word


@lru_cache(4096)
def _letter(char: str) -> str:
    """One character, folded: `İ` is `i`, `ﬁ` is `fi`."""
    return normalize("NFC", _ACCENTS.sub("", normalize("NFKD", char).casefold()))


def _alone(text: str, begin: int, end: int) -> bool:
    """Whether no letter or digit goes on at either end: `lock 1` is in `lock 17`, but is not meant; a place has one end only."""
    return not text[max(0, begin - 1) : begin].isalnum() and (begin == end or not text[end : end + 1].isalnum())
