"""Markdown inside a line: emphasis, code, links with their target, as styled pieces."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from rich.style import Style

from flowchat.transcript.clean import clean
from flowchat.ui.palette import Palette
from flowchat.ui.prose import TAB_CELLS, Row
from flowchat.ui.strips import Piece

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

INLINE_LIMIT_CHARS = 16 * 1024
"""Longer text without a block's end is shown as it is: the parser's time grows faster than the text."""
_BOLD, _ITALIC, _STRIKE = Style(bold=True), Style(italic=True), Style(strike=True)
_ADDED = {"strong": _BOLD, "em": _ITALIC, "s": _STRIKE}


@lru_cache(maxsize=512)
def inline_rows(text: str, style: Style, palette: Palette) -> tuple[Row, ...]:
    """The lines of a paragraph, not yet broken to a width: a line of the source is a line here."""
    if len(text) > INLINE_LIMIT_CHARS:
        return tuple([(line, style)] for line in text.expandtabs(TAB_CELLS).split("\n"))
    tokens = inline_parser().parseInline(text)
    writer = _Writer(style, palette)
    writer.write(tokens[0].children or ())
    return tuple(writer.lines)


@cache
def inline_parser() -> "MarkdownIt":
    """The parser of what stands inside a line; loaded when the first is asked for."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("strikethrough").disable(["html_inline"])


class _Writer:
    """Walks inline tokens; `lines` is what came of them."""

    def __init__(self, style: Style, palette: Palette) -> None:
        self.lines: list[list[Piece]] = [[]]
        self._styles = [style]
        self._palette = palette
        self._links: list[tuple[str, int, int]] = []

    def write(self, tokens: "Sequence[Token]") -> None:
        for token in tokens:
            match token.type:
                case "softbreak" | "hardbreak":
                    self.lines.append([])
                case "code_inline":
                    self._put(token.content, self._styles[0] + self._palette.inline_code)
                case "link_open":
                    self._links.append((str(token.attrs.get("href", "")), len(self.lines), len(self.lines[-1])))
                    self._styles.append(self._styles[-1] + Style(underline=True))
                case "link_close":
                    self._styles.pop()
                    self._end_link()
                case "image":
                    self._put(token.content or "image", self._styles[-1])
                    self._put(f" ({clean(str(token.attrs.get('src', '')))})", self._palette.dim)
                case _ if token.nesting > 0:
                    self._styles.append(self._styles[-1] + _ADDED.get(token.tag, Style.null()))
                case _ if token.nesting < 0:
                    self._styles.pop()
                case _:
                    self._put(token.content, self._styles[-1])

    def _put(self, text: str, style: Style) -> None:
        if text:
            self.lines[-1].append((clean(text).expandtabs(TAB_CELLS).replace("\n", " "), style))

    def _end_link(self) -> None:
        """Say where the link leads, unless its text says just that."""
        target, line, piece = self._links.pop()
        words = "".join(text for row in [self.lines[line - 1][piece:], *self.lines[line:]] for text, _ in row)
        if target.removeprefix("mailto:") != words:
            self._put(f" ({target})", self._palette.dim)
