"""The themes that ship, and what becomes of them without colour or beyond ASCII."""

import pytest
from msgspec.structs import fields

from flowchat.errors import UsageError
from flowchat.ui.palette import ASCII_GLYPHS
from flowchat.ui.themes import TEXT_ROLES, load_palette, read_theme, theme_files, theme_folders

READABLE = 4.5
"""WCAG 2, contrast of text, level AA."""


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("role", TEXT_ROLES)
def test_every_text_colour_can_be_read_on_every_ground(name: str, role: str) -> None:
    theme = read_theme(name)
    grounds = [str(theme["ground"]), str(theme["raised"]), "#000000" if theme["dark"] else "#ffffff"]
    assert min(contrast(str(theme[role]), ground) for ground in grounds) >= READABLE


@pytest.mark.parametrize("name", ["dark", "light"])
def test_a_palette_has_the_colours_of_its_file(name: str) -> None:
    theme, palette = read_theme(name), load_palette(name)
    shown = {role: palette.role(role).color.name for role in TEXT_ROLES}  # type: ignore[arg-type, union-attr]
    assert shown == {role: theme[role] for role in TEXT_ROLES}
    assert palette.raised.bgcolor is not None
    assert palette.raised.bgcolor.name == theme["raised"]


def test_without_colour_nothing_has_one() -> None:
    palette = load_palette("dark", colourless=True)
    styles = [palette.role(role) for role in (*TEXT_ROLES, "raised")]  # type: ignore[arg-type]
    assert [style for style in styles if style.color or style.bgcolor] == []
    assert palette.bad != palette.text


def test_in_ascii_every_glyph_is_ascii() -> None:
    glyphs = load_palette("light", ascii_only=True).glyphs
    assert glyphs == ASCII_GLYPHS
    assert all("".join(getattr(glyphs, field.name)).isascii() for field in fields(glyphs))


def test_themes_lie_in_the_package_or_beside_it() -> None:
    package, checkout = theme_folders()
    assert (package.name, package.parent.name, checkout) == ("themes", "flowchat", package.parents[1] / "themes")
    assert list(theme_files()) == ["dark", "light"]


def test_an_unknown_theme_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="there is no theme 'neon'; there are dark, light"):
        load_palette("neon")
