"""Themes: the *.toml files that ship with the program, as palettes. The screen's background is the terminal's own."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rich.style import Style

from flowchat.errors import UsageError
from flowchat.ui.palette import Palette

TEXT_ROLES = ("text", "dim", "accent", "good", "warn", "bad")
"""The text colours of a theme; each is read on `ground` and on `raised`."""


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


def read_theme(name: str) -> dict[str, str | bool]:
    """A theme as its file has it: `dark`, `ground`, `raised` and the TEXT_ROLES. Raises UsageError."""
    path = theme_files().get(name)
    if path is None:
        raise UsageError(f"there is no theme {name!r}; there are {', '.join(theme_files())}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def load_palette(name: str, *, ascii_only: bool = False, colourless: bool = False) -> Palette:
    """A theme by name; `ascii_only`: glyphs in ASCII; `colourless`: weight and underlines in the place of colours.

    Raises UsageError.
    """
    theme = read_theme(name)
    if colourless:
        plain, bold = Style(), Style(bold=True)
        return Palette(plain, Style(dim=True), plain, plain, bold, bold, raised=Style(), ascii=ascii_only)
    colours = {role: Style(color=str(theme[role])) for role in TEXT_ROLES}
    return Palette(**colours, raised=Style(bgcolor=str(theme["raised"])), ascii=ascii_only)
