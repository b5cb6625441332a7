"""How roles look: a theme as frozen styles and glyphs; the only colours a widget knows."""

from typing import Literal

from msgspec import Struct, field
from rich.style import Style

Role = Literal["text", "dim", "accent", "good", "warn", "bad", "raised"]


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
_BOLD, _ITALIC = Style(bold=True), Style(italic=True)
_CODE_ROLES: dict[str, Role] = {
    "Comment": "dim",
    "Keyword": "accent",
    "Keyword.Constant": "warn",
    "Operator.Word": "accent",
    "Name.Decorator": "warn",
    "Name.Tag": "accent",
    "Name.Function": "accent",
    "Name.Class": "accent",
    "Name.Constant": "warn",
    "Name.Exception": "warn",
    "Literal.String": "good",
    "Literal.Number": "warn",
    "Literal.Date": "warn",
    "Generic.Deleted": "bad",
    "Generic.Inserted": "good",
    "Generic.Heading": "accent",
    "Generic.Subheading": "accent",
    "Generic.Prompt": "dim",
    "Generic.Output": "dim",
}
"""Roles of code by Pygments token; the nearest one up a token's path counts."""


def _colour(colour: str) -> Style:
    return Style(color=colour)


class Palette(Struct, frozen=True, eq=False):
    """One theme. `text` may be without colour: the terminal's own. `raised` has a background."""

    text: Style = field(default_factory=Style.null)
    dim: Style = field(default_factory=lambda: _colour("#8d94a1"))
    accent: Style = field(default_factory=lambda: _colour("#86b6f7"))
    good: Style = field(default_factory=lambda: _colour("#8fcf94"))
    warn: Style = field(default_factory=lambda: _colour("#e3b768"))
    bad: Style = field(default_factory=lambda: _colour("#f0908a"))
    raised: Style = field(default_factory=lambda: Style(bgcolor="#20242b"))
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

    def role(self, role: Role) -> Style:
        return getattr(self, role)

    def chosen(self, style: Style) -> Style:
        """The style on the chosen line of a list."""
        return style + self.raised

    def code_style(self, token: str) -> Style:
        """The style of a Pygments token, named as in "Name.Function.Magic"."""
        while token:
            role = _CODE_ROLES.get(token)
            if role is not None:
                return self.role(role) + _ITALIC if role == "dim" else self.role(role)
            token = token.rpartition(".")[0]
        return self.text


DARK = Palette()
