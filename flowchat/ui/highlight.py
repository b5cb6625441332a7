"""Colours for code; Pygments is imported when the first code comes, and only then."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Protocol

from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row
from flowchat.ui.strips import Piece

LINE_LIMIT_CHARS = 2000
"""Code with a longer line is not coloured."""
_PLAIN = frozenset({"", "text", "txt", "plain", "plaintext", "output", "none"})
_ALSO = {
    "jsonc": "json",
    "json5": "json",
    "shellsession": "console",
    "py3": "python",
    "proto3": "proto",
    "vue": "html",
    "svelte": "html",
}


class Lexer(Protocol):
    """What we use of a Pygments lexer."""

    def get_tokens(self, text: str) -> "Sequence[tuple[object, str]]": ...


def highlighted(language: str, lines: Sequence[str], palette: Palette) -> Sequence[Row]:
    """Lines of code as rows of pieces, one a line; plain where the language is unknown."""
    lexer = lexer_of(language.lower())
    if lexer is None or any(len(line) > LINE_LIMIT_CHARS for line in lines):
        return [[(line, palette.text)] for line in lines]
    rows: list[list[Piece]] = [[]]
    try:
        for token, text in lexer.get_tokens("\n".join(lines)):
            style = palette.code_style(_name(token))
            first, *others = text.split("\n")
            if first:
                rows[-1].append((first, style))
            rows += [[(part, style)] if part else [] for part in others]
    except Exception:  # theirs, on text of unknown origin: code without colours is still code
        return [[(line, palette.text)] for line in lines]
    return rows[: len(lines)] + [[] for _ in range(len(lines) - len(rows))]


@cache
def lexer_of(language: str) -> Lexer | None:
    """The lexer for a fence's language, or None; an unknown name is looked for once."""
    if language in _PLAIN:
        return None
    from pygments.lexers import find_lexer_class

    name = _names().get(_ALSO.get(language, language))
    found = find_lexer_class(name) if name else None
    return None if found is None else found(stripnl=False, ensurenl=True)  # pyright: ignore[reportReturnType]


@cache
def _names() -> dict[str, str]:
    """Lexer names by alias, plugins left out: looking for those costs 30 ms for each unknown name."""
    from pygments.lexers import get_all_lexers

    return {alias: name for name, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases}


@lru_cache(maxsize=512)
def _name(token: object) -> str:
    """`Token.Name.Function` as "Name.Function"."""
    return str(token).removeprefix("Token.").removeprefix("Token")
