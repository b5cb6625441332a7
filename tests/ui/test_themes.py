"""The themes that ship can be read everywhere; those of the user are taken as far as they are right."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import structs
from rich.style import Style

from flowchat.errors import UsageError
from flowchat.ui.colours import in_256, luminance
from flowchat.ui.looks import palette_of
from flowchat.ui.palette import ASCII_GLYPHS, DARK
from flowchat.ui.themes import (
    CODE,
    GROUNDS,
    TEXT_ROLES,
    Theme,
    families,
    read_style,
    read_theme,
    theme_files,
    theme_folders,
    theme_for,
)

READABLE, VERY_READABLE = 4.5, 7.0
"""WCAG 2, contrast of text, levels AA and AAA."""
SHIPPED = theme_files()
COLOURED = [name for name in SHIPPED if not name.startswith("ansi")]
CUBE = (0, 95, 135, 175, 215, 255)
TERMINALS = {
    "VGA": "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
    "Windows": "0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc 767676 e74856 16c60c f9f1a5 3b78ff b4009e 61d6d6 f2f2f2",
    "GNOME": "2e3436 cc0000 4e9a06 c4a000 3465a4 75507b 06989a d3d7cf 555753 ef2929 8ae234 fce94f 729fcf ad7fa8 34e2e2 eeeeec",
    "xterm": "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff",
    "macOS": "000000 c23621 25bc24 adad27 492ee1 d338d3 33bbc8 cbcccd 818383 fc391f 31e722 eaec23 5833ff f935f8 14f0f0 e9ebeb",
    "VS Code": "000000 cd3131 0dbc79 e5e510 2472c8 bc3fbc 11a8cd e5e5e5 666666 f14c4c 23d18b f5f543 3b8eea d670d6 29b8db e5e5e5",
    "PuTTY": "000000 bb0000 00bb00 bbbb00 0000bb bb00bb 00bbbb bbbbbb 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
}
"""The 16 colours as terminals come with them."""


def parts(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(*parts(one)), luminance(*parts(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def shown_in_256(colour: str) -> str:
    number = in_256(colour) - 16
    if number >= 216:
        return "#" + f"{8 + 10 * (number - 216):02x}" * 3
    return "#" + "".join(f"{CUBE[step]:02x}" for step in (number // 36, number // 6 % 6, number % 6))


def ink(style: Style) -> str:
    assert style.color is not None
    return style.color.name


def paper(style: Style) -> str:
    assert style.bgcolor is not None
    return style.bgcolor.name


def pairs(theme: Theme) -> dict[str, tuple[str, str]]:
    """Every text colour with every ground it is shown on."""
    everywhere = {
        "ground": theme.ground,
        "the end of its kind": "#000000" if theme.dark else "#ffffff",
        **{name: paper(theme.styles[name]) for name in ("raised", "selected")},
    }
    found: dict[str, tuple[str, str]] = {}
    for name, style in {**{role: theme.styles[role] for role in TEXT_ROLES}, **theme.code}.items():
        found |= {f"{name} on {where}": (ink(style), ground) for where, ground in everywhere.items()}
    for role, ground in (("good", "added"), ("text", "added"), ("bad", "removed"), ("text", "removed")):
        found[f"{role} on {ground}"] = (ink(theme.styles[role]), paper(theme.styles[ground]))
    return found


def unreadable(theme: Theme, least: float) -> dict[str, float]:
    figures = {where: round(contrast(*colours), 2) for where, colours in pairs(theme).items()}
    return {where: figure for where, figure in figures.items() if figure < least}


# --- those that ship -------------------------------------------------------------------------------------------------
def test_there_is_a_dark_and_a_light_one_of_each_kind() -> None:
    kinds = ["colour-blind", "contrast", "warm", "ansi"]
    assert set(SHIPPED) == {"dark", "light", *(f"{kind}-{ground}" for kind in kinds for ground in ("dark", "light"))}
    assert [name for name in SHIPPED if read_theme(name, SHIPPED).dark != name.endswith("dark")] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_theme_is_whole_and_without_a_mistake(name: str) -> None:
    theme = read_theme(name, SHIPPED)
    assert (theme.problems, set(theme.styles), set(theme.code)) == ((), {*TEXT_ROLES, *GROUNDS}, set(CODE))
    assert theme.about


@pytest.mark.parametrize("name", COLOURED)
def test_every_text_colour_can_be_read_on_every_ground(name: str) -> None:
    assert unreadable(read_theme(name, SHIPPED), VERY_READABLE if "contrast" in name else READABLE) == {}


@pytest.mark.parametrize("name", COLOURED)
def test_in_256_colours_it_can_be_read_too(name: str) -> None:
    figures = {
        where: round(contrast(*map(shown_in_256, colours)), 2) for where, colours in pairs(read_theme(name, SHIPPED)).items()
    }
    assert {where: figure for where, figure in figures.items() if figure < READABLE} == {}


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", ["ansi-dark", "ansi-light"])
def test_the_16_colours_it_takes_can_be_read_in_every_terminal(name: str, terminal: str) -> None:
    theme, colours = read_theme(name, SHIPPED), TERMINALS[terminal].split()
    shown = {
        key: "#" + colours[style.color.number]
        for key, style in {**theme.styles, **theme.code}.items()
        if style.color is not None and style.color.number is not None
    }
    assert {key: colour for key, colour in shown.items() if contrast(colour, theme.ground) < READABLE} == {}
    assert [key for key, style in theme.styles.items() if style.bgcolor is not None] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_good_and_bad_differ_from_text_and_from_each_other(name: str) -> None:
    styles = read_theme(name, SHIPPED).styles
    assert len({str(styles[role]) for role in ("text", "good", "warn", "bad")}) == 4


def seen_by(eye: str, colour: str) -> list[float]:
    """A colour as protanopes and deuteranopes see it (Machado, Oliveira, Fernandes 2009, severity 1), in linear light."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts(colour))
    matrix = {
        "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
        "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    }[eye]
    return [max(0.0, a * red + b * green + c * blue) for a, b, c in matrix]


def apart(one: list[float], other: list[float]) -> float:
    """How far two colours lie from each other, in the units of CIE L*a*b*."""

    def lab(rgb: list[float]) -> tuple[float, float, float]:
        x, y, z = (
            sum(weight * part for weight, part in zip(row, rgb, strict=True)) / white
            for row, white in (
                ((0.4124, 0.3576, 0.1805), 0.9505),
                ((0.2126, 0.7152, 0.0722), 1.0),
                ((0.0193, 0.1192, 0.9505), 1.089),
            )
        )
        f = [part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z)]
        return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])

    return sum((a - b) ** 2 for a, b in zip(lab(one), lab(other), strict=True)) ** 0.5


@pytest.mark.parametrize("eye", ["protan", "deutan"])
@pytest.mark.parametrize("name", ["colour-blind-dark", "colour-blind-light"])
def test_the_colour_blind_see_good_and_bad_far_apart(name: str, eye: str) -> None:
    styles = read_theme(name, SHIPPED).styles
    far = {
        (one, other): round(apart(seen_by(eye, ink(styles[one])), seen_by(eye, ink(styles[other]))))
        for one, other in (("good", "bad"), ("good", "warn"), ("warn", "bad"), ("text", "good"), ("text", "bad"))
    }
    assert {two: distance for two, distance in far.items() if distance < 20} == {}


def test_what_draws_without_a_theme_looks_as_dark_on_the_terminals_own_text() -> None:
    dark = structs.asdict(palette_of(read_theme("dark", SHIPPED), "full"))
    assert structs.asdict(DARK) == {**dark, "text": Style()}


def test_without_colour_nothing_has_one() -> None:
    palette = palette_of(read_theme("dark", SHIPPED), "none")
    styles = [getattr(palette, role) for role in (*TEXT_ROLES, *GROUNDS)] + list(palette.code.values())
    assert [style for style in styles if style.color or style.bgcolor] == []
    assert palette.bad != palette.text
    assert palette.chosen(palette.dim) == Style(reverse=True) != palette.dim


def test_in_ascii_every_glyph_is_ascii() -> None:
    glyphs = palette_of(read_theme("light", SHIPPED), "full", ascii_only=True).glyphs
    assert glyphs == ASCII_GLYPHS
    assert all("".join(getattr(glyphs, field.name)).isascii() for field in structs.fields(glyphs))


def test_themes_lie_in_the_package_or_beside_it() -> None:
    package, checkout = theme_folders()
    assert (package.name, package.parent.name, checkout) == ("themes", "flowchat", package.parents[1] / "themes")


# --- names -----------------------------------------------------------------------------------------------------------
def test_a_family_is_the_one_of_its_two_that_suits_the_ground() -> None:
    names = ["dark", "light", "mine-dark", "mine-light", "odd-dark", "one"]
    assert families(names) == ["neutral", "mine"]
    assert [theme_for(name, "light", names) for name in ("neutral", "mine", "mine-dark", "one")] == [
        "light",
        "mine-light",
        "mine-dark",
        "one",
    ]


def test_an_unknown_theme_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="there is no theme 'neon'; the themes are dark, light, neutral"):
        theme_for("neon", "dark", ["dark", "light"])


# --- the user's own --------------------------------------------------------------------------------------------------
def own(folder: Path, **files: str) -> Mapping[str, list[Path]]:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return theme_files(folder)


def test_a_theme_may_change_one_colour_of_another(tmp_path: Path) -> None:
    files = own(tmp_path, mine='extends = "warm-light"\naccent = "#003366"\n[code]\nkeyword = "bold accent"\n')
    mine, warm = read_theme("mine", files), read_theme("warm-light", files)
    assert mine == Theme(
        "mine",
        False,
        {**warm.styles, "accent": Style(color="#003366")},
        {**warm.code, "keyword": Style(color="#003366", bold=True)},
        warm.ground,
    )


def test_a_theme_of_a_shipped_name_stands_in_its_place_and_may_extend_it(tmp_path: Path) -> None:
    files = own(tmp_path, dark='extends = "dark"\nbad = "red"\n')
    assert read_theme("dark", files).styles == {**read_theme("dark", SHIPPED).styles, "bad": Style(color="red")}


def test_what_extends_nothing_is_filled_in_by_dark_or_light(tmp_path: Path) -> None:
    files = own(tmp_path, night="", day="dark = false\n")
    assert [read_theme(name, files).styles for name in ("night", "day")] == [
        read_theme(name, SHIPPED).styles for name in ("dark", "light")
    ]


MISTAKES = {
    'text = "blue"\naccent = "blu"\n': 'line 2: accent = \'blu\' is not allowed: it must be "#rrggbb", "default" or',
    'accent = "#12345"\n': "line 1: accent = '#12345' is not allowed",
    "\n\nraised = 7\n": "line 3: raised = 7 is not allowed",
    "dark = 'yes'\n": "line 1: dark = 'yes' is not allowed: it must be true or false",
    "# one\nprimary = '#ffffff'\n": "line 2: primary is not part of a theme, which has about, dark,",
    "[code]\nverb = '#ffffff'\n": "line 2: verb is not a kind of code; the kinds are comment, keyword,",
    "code = 3\n": "line 1: code = 3 is not allowed: it must be a table",
    "extends = 'nobody'\n": "line 1: extends = 'nobody' is not allowed: it must be another theme's name",
    "extends = 'bad'\n": "line 1: extends = 'bad' is not allowed",
    "text = '#ffffff'\naccent '#ffffff'\n": "line 2: this is not valid TOML",
    "text = [": "line 1: this is not valid TOML",
    f"text = {'[' * 5000}{']' * 5000}": "line 1: this is not valid TOML (a value in it is nested too deeply",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_file_and_line_and_everything_else_counts(text: str, tmp_path: Path) -> None:
    theme = read_theme("bad", own(tmp_path, bad=text))
    [problem] = theme.problems
    assert problem.startswith(f"{tmp_path / 'bad.toml'}, {MISTAKES[text]}")
    assert {**theme.styles, "text": None} == {**read_theme("dark", SHIPPED).styles, "text": None}
    assert theme.code == read_theme("dark", SHIPPED).code


def test_a_ring_of_themes_ends(tmp_path: Path) -> None:
    theme = read_theme("a", own(tmp_path, a="extends = 'b'", b="extends = 'a'"))
    assert [problem.partition(" line ")[2] for problem in theme.problems] == [
        "1: extends = 'a' is not allowed: it must be another theme's name"
    ]


def test_what_is_not_a_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    (tmp_path / "long.toml").write_text("#" * 70_000)
    files = theme_files(tmp_path)
    told = {name: read_theme(name, files).problems for name in ("pipe", "folder", "bytes", "long")}
    assert {name: len(problems) for name, problems in told.items()} == {"pipe": 1, "folder": 1, "bytes": 1, "long": 1}
    assert all(problems[0].endswith("; dark is shown instead") for problems in told.values())
    assert all(str(tmp_path / f"{name}.toml") in problems[0] for name, problems in told.items())


@pytest.mark.parametrize(
    ("said", "style"),
    [
        ("#A0b1c2", Style(color="#a0b1c2")),
        ("bold bright_red", Style(color="bright_red", bold=True)),
        ("underline", Style(underline=True)),
        ("default", Style()),
        ("italic dim", Style(color="blue", italic=True)),
        ("", None),
        ("red blue", None),
        ("blink red", None),
        ("color(3)", None),
        ("rgb(1,2,3)", None),
        (3, None),
    ],
)
def test_a_style_is_a_colour_with_weights(said: object, style: Style | None) -> None:
    assert read_style(said, roles={"dim": Style(color="blue")}) == style
