"""Themes: the *.toml files that ship with the program, as palettes. The screen's background is the terminal's own."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rich.style import Style

from flowchat.errors import UsageError
from flowchat.ui.palette import ASCII_GLYPHS, Glyphs, Palette

TEXT_ROLES = ("text", "dim", "accent", "good", "warn", "bad", "inline_code")
"""The text styles of a theme; each is read on `ground` and on `raised`."""


def theme_folders() -> tuple[Path, ...]:
    """Where themes lie: in the package (a wheel's), then beside it (a checkout's)."""
    package = Path(__file__).parents[1]
    return package / "themes", package.parent / "themes"


@cache
def theme_files() -> Mapping[str, Path]:
    """The themes there are, by name; the first folder that has one wins."""
    found: dict[str, Path] = {}
    for folder in theme_folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def read_theme(name: str) -> dict[str, Any]:
    """A theme as its file has it: `dark`, `ground`, `raised`, the TEXT_ROLES, and `code` by Pygments token. Raises UsageError."""
    path = theme_files().get(name)
    if path is None:
        raise UsageError(f"there is no theme {name!r}; there are {', '.join(theme_files())}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def load_palette(name: str, *, ascii_only: bool = False, colourless: bool = False) -> Palette:
    """A theme by name; `ascii_only`: glyphs in ASCII; `colourless`: weight and underlines in the place of colours.

    Raises UsageError.
    """
    theme = read_theme(name)
    glyphs = ASCII_GLYPHS if ascii_only else Glyphs()
    if colourless:
        return _colourless(glyphs)
    styles = {role: Style.parse(theme[role]) for role in TEXT_ROLES}
    code = {token: Style.parse(style) for token, style in theme["code"].items()}
    return Palette(**styles, raised=Style(bgcolor=theme["raised"]), code=code, glyphs=glyphs)


def _colourless(glyphs: Glyphs) -> Palette:
    plain, bold = Style(), Style(bold=True)
    return Palette(
        text=plain,
        dim=Style(dim=True),
        accent=plain,
        good=plain,
        warn=bold,
        bad=bold,
        raised=plain,
        inline_code=plain,
        code={},
        glyphs=glyphs,
    )
