"""The blocks of a markdown text: where each begins, and its rows; fences are left to fences.py."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct, field

from flowchat.transcript.clean import clean
from flowchat.ui.highlight import highlighted
from flowchat.ui.inline import inline_rows
from flowchat.ui.longline import portions
from flowchat.ui.palette import Palette
from flowchat.ui.prose import TAB_CELLS, Row, chop, code_width, text_width, wrap
from flowchat.ui.strips import Piece
from flowchat.ui.tables import table_rows

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

CODE_LIMIT_LINES = 256
"""Code inside a list or a quote is redrawn with each piece; more lines of it are not coloured."""
_ABOVE = "a\n"
"""Stands for the lines above a text that goes on with a paragraph."""
_TASK = re.compile(r"\[([ xX])\][ \t]+")

Blank = Callable[[int], bool]
"""Whether there is a blank line above a line, by its number."""


class Unit(Struct):
    """A block of the top level, or one item of a list there. `offset` is where it begins, in characters of the text.

    A fence has `language`, `marker` (its opening run), `indent` in cells and `code`, its lines; `ordinal` counts numbered items.
    A paragraph or heading has `text`, its lines.
    """

    kind: str
    offset: int
    blank_above: bool
    tokens: "Sequence[Token]"
    ordinal: int | None = None
    language: str = ""
    marker: str = ""
    indent: int = 0
    code: Sequence[str] = ()
    text: Sequence[str] = ()
    lines: Sequence[str] = field(default_factory=list[str])


def units_of(text: str, ordinal: int | None = None, continues: bool = False) -> Iterator[Unit]:
    """The units of a text; `ordinal` is the number of its first item where it goes on with a numbered list.

    `continues`: it goes on with a paragraph, which then is the first unit, of no lines where something else begins at once.
    """
    text = _ABOVE + text if continues else text
    lines = text.split("\n")
    offsets = [-len(_ABOVE) if continues else 0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    for kind, tokens, number in _pieces(block_parser().parse(text), ordinal):
        first, end = tokens[0].map or (0, 0)
        unit = Unit(kind, max(0, offsets[first]), _is_blank_above(lines, first), tokens, number, lines=lines)
        if kind in ("paragraph_open", "heading_open"):
            _read_paragraph(unit, tokens[1].content, continues and first == 0)
        if kind == "fence":
            _read_fence(unit, lines[first], lines[first + 1 : end])
        yield unit


def unit_rows(unit: Unit, width: int, palette: Palette) -> list[Row]:
    """A unit's rows in a pane of `width` cells."""
    drawing = _Drawing(palette, lambda line: _is_blank_above(unit.lines, line))
    if unit.kind == "paragraph_open":
        return drawing.paragraph(unit.text, text_width(width))
    if unit.kind == "list_item_open":
        return drawing.item(unit.tokens, unit.ordinal, text_width(width), code_width(width))
    return drawing.blocks(unit.tokens, text_width(width), code_width(width))


@cache
def block_parser() -> "MarkdownIt":
    """The parser of blocks; loaded when the first is asked for, for the first screen needs none."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["reference", "html_block"])
    parser.core.ruler.disable("inline")
    return parser


def _pieces(tokens: "Sequence[Token]", ordinal: int | None) -> "Iterator[tuple[str, Sequence[Token], int | None]]":
    at = 0
    while at < len(tokens):
        end = _end(tokens, at)
        if tokens[at].type in ("bullet_list_open", "ordered_list_open"):
            number = _start(tokens[at]) if ordinal is None else ordinal
            for item in _items(tokens[at:end]):
                yield "list_item_open", item, number
                number = None if number is None else number + 1
        else:
            yield tokens[at].type, tokens[at:end], None
        ordinal, at = None, end


def _read_paragraph(unit: Unit, content: str, continues: bool) -> None:
    """A paragraph underlined into a heading counts as one only up to the size of a portion."""
    content = content[len(_ABOVE) :] if continues else content
    unit.text = content.split("\n") if content else []
    if unit.tokens[0].markup in ("=", "-") and (continues or len(portions(unit.text)) > 1):
        unit.kind = "paragraph_open"


def _read_fence(unit: Unit, opening: str, lines: Sequence[str]) -> None:
    token = unit.tokens[0]
    unit.marker, unit.indent = token.markup, len(opening) - len(opening.lstrip(" "))
    unit.language = clean(token.info).strip().strip("{}").lstrip(".").partition(" ")[0].partition(":")[0]
    count = token.content.count("\n") + (not token.content.endswith("\n") and token.content != "")
    unit.code = lines[:count]


def _is_blank_above(lines: Sequence[str], line: int) -> bool:
    return line > 0 and not lines[line - 1].strip(" \t>")


def _end(tokens: "Sequence[Token]", at: int) -> int:
    """One past the last token of the block that begins at `at`."""
    if tokens[at].nesting <= 0:
        return at + 1
    level = tokens[at].level
    return next(i for i in range(at + 1, len(tokens)) if tokens[i].level == level and tokens[i].nesting < 0) + 1


def _start(opening: "Token") -> int | None:
    """The number of an ordered list's first item."""
    return int(opening.attrs.get("start", 1)) if opening.type == "ordered_list_open" else None


def _items(tokens: "Sequence[Token]") -> "Iterator[Sequence[Token]]":
    at = 1
    while at < len(tokens) - 1:
        end = _end(tokens, at)
        yield tokens[at:end]
        at = end


class _Drawing:
    """Draws blocks inside blocks. Widths are in cells: `prose` for text, `full` for tables and code."""

    def __init__(self, palette: Palette, blank_above: Blank) -> None:
        self._palette, self._blank_above = palette, blank_above

    def blocks(self, tokens: "Sequence[Token]", prose: int, full: int) -> list[Row]:
        rows: list[Row] = []
        at = 0
        while at < len(tokens):
            end = _end(tokens, at)
            place = tokens[at].map
            if rows and place is not None and self._blank_above(place[0]):
                rows.append([])
            rows += self._block(tokens[at:end], max(1, prose), max(1, full))
            at = end
        return rows

    def item(self, tokens: "Sequence[Token]", ordinal: int | None, prose: int, full: int) -> list[Row]:
        """A list's item after its bullet, number or box."""
        marker = f"{self._palette.glyphs.bullet} " if ordinal is None else f"{ordinal}. "
        children = tokens[1:-1]
        style = self._palette.dim
        if len(children) > 1 and children[1].type == "inline" and (task := _TASK.match(children[1].content)):
            children[1].content = children[1].content[task.end() :]
            done = task[1] != " "
            marker, style = ("[x] " if done else "[ ] "), self._palette.good if done else self._palette.dim
        indent = len(marker)
        rows = self.blocks(children, prose - indent, full - indent) or [[]]
        rest: Piece = (" " * indent, self._palette.text)
        return [[(marker, style) if number == 0 else rest, *row] for number, row in enumerate(rows)]

    def _block(self, tokens: "Sequence[Token]", prose: int, full: int) -> list[Row]:
        palette, first = self._palette, tokens[0]
        match first.type:
            case "paragraph_open":
                return self.paragraph(tokens[1].content.split("\n"), prose)
            case "heading_open":
                style = palette.heading + palette.accent if first.tag in ("h1", "h2") else palette.heading
                return [row for line in inline_rows(tokens[1].content, style, palette) for row in wrap(line, prose)]
            case "bullet_list_open" | "ordered_list_open":
                return self._list(tokens, prose, full)
            case "blockquote_open":
                bar: Piece = (f"{palette.glyphs.bar} ", palette.dim)
                return [[bar, *row] for row in self.blocks(tokens[1:-1], prose - 2, full - 2)]
            case "fence" | "code_block":
                return self._code(first, full)
            case "table_open":
                return self._table(tokens, full)
            case "hr":
                return [[(palette.glyphs.rule * prose, palette.dim)]]
            case _:
                return [row for line in clean(first.content).split("\n") for row in wrap([(line, palette.text)], prose)]

    def paragraph(self, lines: Sequence[str], width: int) -> list[Row]:
        texts = ["\n".join(portion) for portion in portions(lines)] if lines else []
        palette = self._palette
        return [row for text in texts for line in inline_rows(text, palette.text, palette) for row in wrap(line, width)]

    def _list(self, tokens: "Sequence[Token]", prose: int, full: int) -> list[Row]:
        rows: list[Row] = []
        ordinal = _start(tokens[0])
        for item in _items(tokens):
            place = item[0].map
            if rows and place is not None and self._blank_above(place[0]):
                rows.append([])
            rows += self.item(item, ordinal, prose, full)
            ordinal = None if ordinal is None else ordinal + 1
        return rows

    def _code(self, token: "Token", width: int) -> list[Row]:
        lines = token.content.removesuffix("\n").expandtabs(TAB_CELLS).split("\n")
        language = clean(token.info).strip().partition(" ")[0] if len(lines) <= CODE_LIMIT_LINES else ""
        indent: Piece = ("  ", self._palette.text)
        empty: Row = [("", self._palette.text)]
        coloured = highlighted(language, lines, self._palette)
        return [[indent, *part] for row in coloured for part in chop(row or empty, width - 2)]

    def _table(self, tokens: "Sequence[Token]", width: int) -> list[Row]:
        palette = self._palette
        header: list[Sequence[Row]] = []
        body: list[list[Sequence[Row]]] = []
        aligns: list[str] = []
        for number, token in enumerate(tokens):
            if token.type == "tr_open":
                body.append([])
            elif token.type == "th_open":
                aligns.append(str(token.attrs.get("style", "text-align:left")).rpartition(":")[2])
                header.append(inline_rows(tokens[number + 1].content, palette.heading, palette))
            elif token.type == "td_open":
                body[-1].append(inline_rows(tokens[number + 1].content, palette.text, palette))
        return table_rows(header, [cells for cells in body if cells], aligns, width, palette)
