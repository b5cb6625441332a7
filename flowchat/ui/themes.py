"""Themes: the *.toml files that ship with the program and the user's own. The screen's background is the terminal's own."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from msgspec import Struct
from rich.style import Style

from flowchat.errors import UsageError
from flowchat.store.disk import read_file
from flowchat.toml import parse_table
from flowchat.ui.colours import Ground

DEFAULT = "neutral"
"""The family of `dark` and `light`; what is shown where nothing else is set."""
FILE_LIMIT_BYTES = 64 * 1024
CHAIN_LIMIT = 8
"""So many themes may extend one another."""
SHOWN_CHARS = 40
"""How much of a value a sentence repeats."""

TEXT_ROLES = ("text", "dim", "accent", "good", "warn", "bad")
"""The text colours of a theme; each is read on `ground` and on every one of GROUNDS that it meets."""
GROUNDS = ("raised", "selected", "added", "removed")
CODE = ("comment", "keyword", "name", "string", "number")
_KEYS = ("about", "dark", "extends", "ground", *TEXT_ROLES, *GROUNDS, "code")
_WEIGHTS = ("bold", "italic", "underline", "reverse")
_HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_NAMED = (*_HUES, *(f"bright_{hue}" for hue in _HUES))


class Theme(Struct, frozen=True):
    """A theme with what it extends filled in. `styles` has TEXT_ROLES and GROUNDS, `code` has CODE; `about` is Clean by its form.

    `ground` is a sample of the background it is made for. `problems`: a sentence for each thing in its files that does not count.
    """

    name: str
    dark: bool
    styles: Mapping[str, Style]
    code: Mapping[str, Style]
    ground: str = ""
    about: str = ""
    problems: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it needs no colours but the terminal's own 16."""
        colours = [colour for style in (*self.styles.values(), *self.code.values()) for colour in (style.color, style.bgcolor)]
        return not any(colour is not None and colour.triplet for colour in colours)


# --- what there is ---------------------------------------------------------------------------------------------------
def theme_folders() -> tuple[Path, ...]:
    """Where shipped themes lie: in the package (a wheel's), then beside it (a checkout's)."""
    package = Path(__file__).parents[1]
    return package / "themes", package.parent / "themes"


def theme_files(own: Path | None = None) -> Mapping[str, Sequence[Path]]:
    """The files of each theme by its name, the one that counts first: one of the folder `own`, then the shipped one."""
    found: dict[str, list[Path]] = {}
    for folder in (*([own] if own else []), *theme_folders()):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, []).append(path)
    return found


def families(names: Sequence[str]) -> list[str]:
    """The names that stand for two themes of which the terminal's background picks one."""
    pairs = [name.removesuffix("-dark") for name in names if name.endswith("-dark")]
    return [*([DEFAULT] if {"dark", "light"} <= {*names} else []), *(pair for pair in pairs if f"{pair}-light" in names)]


def theme_for(name: str, ground: Ground, names: Sequence[str]) -> str:
    """The theme a name stands for on a background. Raises UsageError."""
    if name in names:
        return name
    if name in families(names):
        return ground if name == DEFAULT else f"{name}-{ground}"
    there = sorted({*families(names), *names})
    raise UsageError(f"there is no theme {name[:SHOWN_CHARS]!r}; the themes are {', '.join(there)}")


# --- reading one -----------------------------------------------------------------------------------------------------
def read_theme(name: str, files: Mapping[str, Sequence[Path]]) -> Theme:
    """The theme of a name in `files`. What is wrong in its file is as in the theme it extends, and among its problems."""
    return _read(name, files, ())


def _read(name: str, files: Mapping[str, Sequence[Path]], seen: tuple[Path, ...]) -> Theme:
    path = next((path for path in files[name] if path not in seen), files[name][-1])
    text, table, problems = _load(path)
    check = _Check(path, text, problems)
    base = _base(table, files, (*seen, path), check)
    dark = table.get("dark", base.dark if base else True)
    if not isinstance(dark, bool):
        check.refuse("dark", dark, "true or false")
        dark = base.dark if base else True
    for key in table:
        if key not in _KEYS:
            check.say(key, f"{_shown(key, quoted=False)} is not part of a theme, which has {', '.join(_KEYS)}")
    styles = dict(base.styles) if base else {}
    for role in (*TEXT_ROLES, *GROUNDS):
        if role in table:
            check.take(styles, role, read_style(table[role], is_ground=role in GROUNDS), table[role])
    code = dict(base.code) if base else {}
    inner = table.get("code", {})
    if not isinstance(inner, dict):
        check.refuse("code", inner, "a table with comment, keyword, name, string, number")
        inner = {}
    for kind, said in cast(dict[str, Any], inner).items():
        if kind not in CODE:
            check.say(kind, f"{_shown(kind, quoted=False)} is not a kind of code; the kinds are {', '.join(CODE)}")
        else:
            check.take(code, kind, read_style(said, roles=styles), said)
    ground, about = table.get("ground", base.ground if base else ""), table.get("about", "")
    problems = tuple(check.problems) + (base.problems if base else ())
    return Theme(name, dark, styles, code, str(ground), one_line(about), problems)


def _load(path: Path) -> tuple[str, dict[str, Any], list[str]]:
    instead = "; dark is shown instead"  # as of a theme that says nothing
    try:
        text = read_file(path, FILE_LIMIT_BYTES).decode("utf-8-sig")
    except OSError as error:
        return "", {}, [f"{path} cannot be read ({error.strerror}){instead}"]
    except UnicodeDecodeError as error:
        return "", {}, [f"{path} is not UTF-8 text ({error.reason}){instead}"]
    try:
        return text, parse_table(text), []
    except ValueError as error:
        at = re.search(r"line (\d+)", str(error))
        line = int(at[1]) if at else max(1, len(text.splitlines()))
        return text, {}, [f"{path}, line {line}: this is not valid TOML ({error}){instead}"]


def _base(table: Mapping[str, Any], files: Mapping[str, Sequence[Path]], seen: tuple[Path, ...], check: "_Check") -> Theme | None:
    """What fills in for a theme; None for a shipped one that begins a chain."""
    own = "dark" if table.get("dark", True) is not False else "light"
    wanted = table.get("extends", None if seen[-1].parent in theme_folders() else own)
    if wanted is None:
        return None
    left = [path for path in files.get(wanted, ()) if path not in seen] if isinstance(wanted, str) else []
    if not left or len(seen) > CHAIN_LIMIT:
        check.refuse("extends", wanted, "another theme's name")
        wanted = own
    return _read(wanted, files, seen)


class _Check:
    """Collects what is wrong in one file, each with its line."""

    def __init__(self, path: Path, text: str, problems: list[str]) -> None:
        self._path, self._lines, self.problems = path, text.splitlines(), problems

    def say(self, key: str, sentence: str) -> None:
        begins = re.compile(rf"""\s*(?:\[+\s*)?["']?{re.escape(key)}["']?\s*(?:=|\]|\.)""")
        line = next((number for number, line in enumerate(self._lines, 1) if begins.match(line)), 1)
        self.problems.append(f"{self._path}, line {line}: {sentence}")

    def refuse(self, key: str, value: object, wanted: str) -> None:
        self.say(key, f"{key} = {_shown(value)} is not allowed: it must be {wanted}")

    def take(self, into: dict[str, Style], key: str, style: Style | None, said: object) -> None:
        """Keep a style under a key, or, where there is none, what it was and a sentence."""
        if style is None:
            self.refuse(key, said, f'"#rrggbb", "default" or one of the 16 names ({_NAMED[1]}, {_NAMED[9]}, ...)')
        else:
            into[key] = style


def read_style(said: object, *, is_ground: bool = False, roles: Mapping[str, Style] | None = None) -> Style | None:
    """`#rrggbb`, one of the terminal's 16 names, `default`, or a name in `roles`; weights may precede it or stand alone.

    A ground is a background colour. None: it is nothing of these.
    """
    words = said.split() if isinstance(said, str) else []
    weights = {word: True for word in words if word in _WEIGHTS}
    colours = [word for word in words if word not in _WEIGHTS]
    if len(colours) > 1 or not words:
        return None
    style = Style(**cast(dict[str, Any], weights))
    if not colours or colours == ["default"]:
        return style
    if roles is not None and colours[0] in roles:
        return roles[colours[0]] + style
    if colours[0] not in _NAMED and not re.fullmatch(r"#[0-9a-fA-F]{6}", colours[0]):
        return None
    return style + (Style(bgcolor=colours[0]) if is_ground else Style(color=colours[0]))


def one_line(said: object) -> str:
    """A few printable words of what a file says."""
    return "".join(c for c in str(said) if c.isprintable())[:SHOWN_CHARS]


def _shown(value: object, quoted: bool = True) -> str:
    text = repr(value) if quoted else str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
