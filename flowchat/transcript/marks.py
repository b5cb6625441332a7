"""The marks around what flowchat puts beside the user's words, and text between them that can forge none."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal, TypeAlias, get_args

Mark: TypeAlias = Literal["context", "summary", "directives", "todo", "pinned", "file", "references"]
MARKS: tuple[Mark, ...] = get_args(Mark)

_LESS = "<＜﹤‹〈⟨❮˂ᐸ"
_ALIKE = dict(zip("‹〈⟨❮˂ᐸ⁄∕⧸аαсϲԁеεіιмопоοрρгѕтτυսνхχуγ", "<<<<<<///aaccdeeiimonoopprsttuuvxxyy", strict=True))
"""What of other scripts and signs passes for characters of a mark, beside their fullwidth and mathematical forms."""
_UNSEEN, _UNSEEN_CATEGORIES = "\0", ("Cc", "Cf", "Mn", "Me")
_FILLERS = "\u115f\u1160\u2800\u3164"
"""Letters and signs that show nothing."""


def inert(text: str) -> str:
    """The text with an entity for each `<` that begins a mark of ours, or what a reader may take for one.

    The same text always reads the same. One without such a `<` is given back as it is.
    """
    if not any(less in text for less in ("<" if text.isascii() else _LESS)):
        return text
    read = text if text.isascii() else text.translate({ord(char): _read(char) for char in set(text) if not char.isascii()})
    begin, parts = 0, list[str]()
    for found in _forged().finditer(read):
        parts += (text[begin : found.start()], "&lt;")
        begin = found.end()
    return "".join([*parts, text[begin:]])


def opening(mark: Mark, /, **attributes: str) -> str:
    return f"<{mark}{''.join(f' {name}={_quoted(value)}' for name, value in attributes.items())}>\n"


def closing(mark: Mark) -> str:
    return f"\n</{mark}>"


def element(mark: Mark, text: str, /, **attributes: str) -> str:
    """Text between marks of ours."""
    return f"{opening(mark, **attributes)}{inert(text)}{closing(mark)}"


def own_words(texts: Iterable[str], marks: Collection[Mark] = MARKS) -> Iterator[str]:
    """Of the texts of a user message those that none of these marks stand around; a mark begins and ends a text."""
    end = ""
    for text in texts:
        begun = next((closing(mark) for mark in marks if text.startswith((f"<{mark} ", f"<{mark}>"))), "")
        if not end and not begun:
            yield text
        elif end or not text.endswith(begun):
            end = "" if text == end else end or begun


def _quoted(text: str) -> str:
    """An attribute's value; the library's own way to do this loads an HTTP client."""
    return '"' + inert(text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")) + '"'


@lru_cache(4_096)
def _read(char: str) -> str:
    """The ASCII character this one passes for, _UNSEEN where it shows nothing, else itself."""
    if char in _FILLERS or unicodedata.category(char) in _UNSEEN_CATEGORIES:
        return _UNSEEN
    plain = unicodedata.normalize("NFKD", char)[:1].lower()
    return _ALIKE.get(plain, plain if plain.isascii() else " " if char.isspace() else char)


@cache
def _forged() -> re.Pattern[str]:
    """A `<` and, looked ahead at, what makes a mark of it; made when the first text needs it, for that takes a millisecond.

    Closing marks may have blanks anywhere but in the name. Opening ones may too where a bracket or an attribute follows:
    `a < file` is code. The end of a text goes with whatever the next text begins with.
    """
    unseen = r"[\x00-\x08\x0e-\x1b\x7f]*"
    gap = r"[\x00-\x20\x7f]*"
    names = "|".join(unseen.join(mark) for mark in MARKS)
    name = rf"(?:{names})(?={unseen}(?:\Z|[^\w.:-]|[.:-](?!\w)))"
    attribute = rf"{gap}(?:\Z|[>/]|[\w-]+{gap}(?:=|\Z))"
    return re.compile(rf"<(?={gap}(?:/{gap}(?:{name}|\Z)|{name}{attribute}|\Z)|{unseen}{name})", re.IGNORECASE | re.ASCII)
