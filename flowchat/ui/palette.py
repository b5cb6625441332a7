"""How roles look: a theme as frozen styles and glyphs; the only colours a widget knows."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from rich.style import Style

Role = Literal["text", "dim", "accent", "good", "warn", "bad"]


class Glyphs(Struct, frozen=True):
    """Signs that are one cell wide everywhere."""

    user: str = "▎"
    done: str = "✓"
    failed: str = "✗"
    running: tuple[str, ...] = ("◐", "◓", "◑", "◒")
    waiting: str = "·"
    denied: str = "⊘"
    interrupted: str = "■"
    folded: str = "▸"
    open: str = "▾"
    checkpoint: str = "⤒"
    chosen: str = "▌"
    rule: str = "─"
    bar: str = "│"
    bullet: str = "•"
    below: str = "↓"
    bar_full: str = "▰"
    bar_empty: str = "▱"
    bar_mark_full: str = "▮"
    bar_mark_empty: str = "▯"


ASCII_GLYPHS = Glyphs(
    user="|",
    done="v",
    failed="x",
    running=("-", "\\", "|", "/"),
    waiting=".",
    denied="0",
    interrupted="#",
    folded=">",
    open="v",
    checkpoint="^",
    chosen="#",
    rule="-",
    bar="|",
    bullet="-",
    below="v",
    bar_full="#",
    bar_empty="-",
    bar_mark_full="|",
    bar_mark_empty="|",
)
_GLYPHS = Glyphs()
_BOLD = Style(bold=True)
_UNDERLINED, _REVERSED = Style(underline=True, bold=True), Style(reverse=True, bold=True)

_CODE: dict[str, Role | Literal["comment", "keyword", "name", "string", "number"]] = {
    "Comment": "comment",
    "Keyword": "keyword",
    "Keyword.Constant": "number",
    "Operator.Word": "keyword",
    "Name.Decorator": "keyword",
    "Name.Tag": "keyword",
    "Name.Function": "name",
    "Name.Class": "name",
    "Name.Exception": "name",
    "Name.Constant": "number",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Literal.Date": "number",
    "Generic.Deleted": "bad",
    "Generic.Inserted": "good",
    "Generic.Heading": "accent",
    "Generic.Subheading": "accent",
    "Generic.Prompt": "dim",
    "Generic.Output": "dim",
}
"""Kinds of code, or roles, by Pygments token; the nearest one up a token's path counts."""


def _colour(colour: str) -> Style:
    return Style(color=colour)


def _ground(colour: str) -> Style:
    return Style(bgcolor=colour)


def _code() -> Mapping[str, Style]:
    return {
        "comment": Style(color="#9aa1ae", italic=True),
        "keyword": _colour("#c4a9f5"),
        "name": _colour("#86b6f7"),
        "string": _colour("#8fcf94"),
        "number": _colour("#e3b768"),
    }


class Palette(Struct, frozen=True, eq=False):
    """One theme; the defaults are the theme `dark`, with `text` in the terminal's own colour.

    `raised` (bars), `selected` (the chosen line, selected text), `added` and `removed` (what changed in a line of a diff) are
    grounds, added to another style; where there is no colour for one it has a weight, or its ink and paper change places.
    `code` has the styles of comment, keyword, name (defined or called), string and number (any constant).
    """

    text: Style = field(default_factory=Style.null)
    dim: Style = field(default_factory=lambda: _colour("#9aa1ae"))
    accent: Style = field(default_factory=lambda: _colour("#86b6f7"))
    good: Style = field(default_factory=lambda: _colour("#8fcf94"))
    warn: Style = field(default_factory=lambda: _colour("#e3b768"))
    bad: Style = field(default_factory=lambda: _colour("#f39a94"))
    raised: Style = field(default_factory=lambda: _ground("#20242b"))
    selected: Style = field(default_factory=lambda: _ground("#2d3541"))
    added: Style = field(default_factory=lambda: _ground("#1c3325"))
    removed: Style = field(default_factory=lambda: _ground("#402224"))
    code: Mapping[str, Style] = field(default_factory=_code)
    ascii: bool = False

    @property
    def glyphs(self) -> Glyphs:
        return ASCII_GLYPHS if self.ascii else _GLYPHS

    @property
    def bold(self) -> Style:
        """Added to another style: headings, and the thing decided on."""
        return _BOLD

    @property
    def heading(self) -> Style:
        return self.text + _BOLD

    @property
    def inline_code(self) -> Style:
        return self.accent

    @property
    def match(self) -> Style:
        """Added to what a search has found."""
        return self.warn + _UNDERLINED

    @property
    def match_here(self) -> Style:
        """Added to the match the reader is at."""
        return self.warn + _REVERSED

    def role(self, role: Role) -> Style:
        return getattr(self, role)

    def chosen(self, style: Style) -> Style:
        """The style on the chosen line of a list, or of selected text; one for all of it where ink and paper change places."""
        return Style(bold=style.bold) + self.selected if self.selected.reverse else style + self.selected

    def code_style(self, token: str) -> Style:
        """The style of a Pygments token, named as in "Name.Function.Magic"."""
        while token:
            match _CODE.get(token):
                case None:
                    token = token.rpartition(".")[0]
                case "comment" | "keyword" | "name" | "string" | "number" as kind:
                    return self.code[kind]
                case role:
                    return self.role(role)
        return self.text


DARK = Palette()
