"""How roles look: a theme as frozen styles and glyphs; the only colours a widget knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rich.style import Style

Role = Literal["text", "dim", "accent", "good", "warn", "bad", "raised"]


@dataclass(frozen=True)
class Glyphs:
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
    ellipsis: str = "…"
    arrow: str = "→"
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
    ellipsis="~",
    arrow="->",
    bar_full="#",
    bar_empty="-",
    bar_mark_full="|",
    bar_mark_empty="|",
)


def _style(color: str = "", bold: bool | None = None, italic: bool | None = None) -> Style:
    return Style(color=color or None, bold=bold, italic=italic)


DARK_CODE: Mapping[str, Style] = {
    "Comment": _style("#7f8794", italic=True),
    "Keyword": _style("#c39ac9"),
    "Keyword.Constant": _style("#d9a66c"),
    "Operator.Word": _style("#c39ac9"),
    "Name.Builtin": _style("#7fb3c8"),
    "Name.Function": _style("#8fb4e3"),
    "Name.Class": _style("#e0c27a"),
    "Name.Decorator": _style("#7fb3c8"),
    "Name.Tag": _style("#8fb4e3"),
    "Name.Attribute": _style("#7fb3c8"),
    "Name.Exception": _style("#e0c27a"),
    "Literal.String": _style("#a3be8c"),
    "Literal.Number": _style("#d9a66c"),
    "Literal.Date": _style("#d9a66c"),
    "Generic.Deleted": _style("#e0787f"),
    "Generic.Inserted": _style("#93bf80"),
    "Generic.Heading": _style("#8fb4e3"),
    "Generic.Subheading": _style("#8fb4e3"),
    "Generic.Prompt": _style("#7f8794"),
}


@dataclass(frozen=True, eq=False)
class Palette:
    """One theme. `text` may be without colour: the terminal's own. `raised` has a background.

    `code` holds styles by Pygments token name ("Name.Function"); the nearest one up the token's path counts.
    """

    text: Style = field(default_factory=Style.null)
    dim: Style = field(default_factory=lambda: _style("#7f8794"))
    accent: Style = field(default_factory=lambda: _style("#7fa7e0"))
    good: Style = field(default_factory=lambda: _style("#93bf80"))
    warn: Style = field(default_factory=lambda: _style("#dcb26a"))
    bad: Style = field(default_factory=lambda: _style("#e0787f"))
    raised: Style = field(default_factory=lambda: Style(bgcolor="#23262c"))
    inline_code: Style = field(default_factory=lambda: _style("#d9b48a"))
    code: Mapping[str, Style] = field(default_factory=lambda: DARK_CODE)
    glyphs: Glyphs = field(default_factory=Glyphs)

    @property
    def ascii(self) -> bool:
        return self.glyphs is ASCII_GLYPHS

    @property
    def bold(self) -> Style:
        """Added to another style: headings, and the thing decided on."""
        return _BOLD

    @property
    def heading(self) -> Style:
        return self.text + _BOLD

    def role(self, role: Role) -> Style:
        return getattr(self, role)

    def chosen(self, style: Style) -> Style:
        """The style on the chosen line of a list."""
        return style + self.raised

    def code_style(self, token: str) -> Style:
        """The style of a Pygments token, named as in "Name.Function.Magic"."""
        while token:
            found = self.code.get(token)
            if found is not None:
                return self.text + found
            token = token.rpartition(".")[0]
        return self.text


_BOLD = Style(bold=True)
DARK = Palette()
