"""Which theme is shown: what is set, what the terminal's background picks of a family, and what the terminal can show of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from msgspec import Struct
from rich.color import Color
from rich.style import Style

from flowchat.errors import UsageError
from flowchat.transcript.clean import clean
from flowchat.ui.colours import Colours, Depth, Ground, in_256
from flowchat.ui.palette import DARK, Palette
from flowchat.ui.themes import DEFAULT, Theme, families, read_theme, theme_files, theme_for


class Choice(Struct, frozen=True):
    """What can be set as theme; `about` is Clean, `problem` a sentence or empty."""

    name: str
    about: str
    problem: str = ""


class Live:
    """All that the palette of the moment has."""

    def __init__(self, looks: "Looks") -> None:
        self._looks = looks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._looks.palette, name)


class Looks:
    """Holds the name that is set and the background that is known; themes are read when they are shown."""

    def __init__(self, setting: str, own: Path | None, colours: Colours, *, ascii_only: bool = False) -> None:
        """`own`: the folder of the user's themes. What cannot be shown as it is set is in `problem`, a sentence or empty."""
        self._own, self._ascii = own, ascii_only
        self._depth: Depth = colours.depth
        self._may_ask = colours.depth != "none" and colours.answers
        self._ground: Ground = colours.ground or "dark"
        self._files = theme_files(own)
        self.name, self.problem = DEFAULT, ""
        try:
            self.palette = self.take(setting)
        except UsageError as error:
            self.palette = self.take(DEFAULT)
            self.problem = f"config.toml: {error}; {DEFAULT} is shown"

    @property
    def live(self) -> Palette:
        """A palette that is always the one of the moment, for what stays open while another theme is chosen."""
        return cast(Palette, Live(self))

    @property
    def asks_ground(self) -> bool:
        """Whether the terminal is to be asked for its background; also where it changes nothing until a family is chosen."""
        return self._may_ask

    def take(self, name: str) -> Palette:
        """Show another theme, as its file is now. Raises UsageError: then nothing has changed."""
        self._files = theme_files(self._own)
        theme = self._theme(name)
        self.name = name
        self.palette = palette_of(self._shown(theme), self._depth, ascii_only=self._ascii)
        self.problem = _problem(theme)
        return self.palette

    def ground_is(self, ground: Ground) -> bool:
        """The terminal told its background; whether that changes what is shown."""
        changes = self._ground != ground and self.name not in self._files
        self._ground = ground
        if changes:
            self.take(self.name)
        return changes

    def choices(self) -> Sequence[Choice]:
        """All that can be set: each family before its two. Reads every file."""
        files = self._files = theme_files(self._own)
        pairs, found = families(list(files)), list[Choice]()
        for name in sorted({*files, *pairs}, key=lambda name: _place(name, pairs)):
            theme = self._theme(name)
            follows = name in pairs and name not in files
            about = "follows the terminal" if follows else theme.about
            found.append(Choice(name, about, _problem(theme)))
        return found

    @property
    def limits(self) -> str:
        """What the terminal cannot show of any theme, in a sentence or empty."""
        if self._depth == "16":
            return "This terminal has 16 colours: every theme looks like ansi"
        return "NO_COLOR is set: every theme looks the same" if self._depth == "none" else ""

    def put_back(self, name: str, palette: Palette) -> None:
        """Show again what was shown."""
        self.name, self.palette, self.problem = name, palette, ""

    def _theme(self, name: str) -> Theme:
        return read_theme(theme_for(name, self._ground, list(self._files)), self._files)

    def _shown(self, theme: Theme) -> Theme:
        """The theme, or on a terminal of 16 colours that for such ones."""
        if self._depth != "16" or theme.is_plain:
            return theme
        return read_theme("ansi-dark" if theme.dark else "ansi-light", theme_files())


def _problem(theme: Theme) -> str:
    more = f" (and {len(theme.problems) - 1} more)" if theme.problems[1:] else ""
    return clean(theme.problems[0]) + more if theme.problems else ""


def _place(name: str, pairs: Sequence[str]) -> tuple[int, str, str]:
    """Where a name stands in the list: families in the order of need, each before its two; then what belongs to none."""
    family = DEFAULT if name in ("dark", "light") else name.removesuffix("-dark").removesuffix("-light")
    order = [DEFAULT, "warm", "contrast", "colour-blind", "ansi"]
    return (order.index(family) if family in order else len(order)), family, "" if name == family else name


def palette_of(theme: Theme, depth: Depth, *, ascii_only: bool = False) -> Palette:
    """A theme as the terminal can show it; with no colours at all there are weights and underlines in their place."""
    if depth == "none":
        plain, bold, swapped = Style(), Style(bold=True), Style(reverse=True)
        roles = {"text": plain, "dim": Style(dim=True), "accent": plain, "good": plain, "warn": bold, "bad": bold}
        code = dict.fromkeys(DARK.code, plain) | {"comment": Style(italic=True)}
        return Palette(**roles, raised=plain, selected=swapped, added=bold, removed=bold, code=code, ascii=ascii_only)
    fit = _fit_256 if depth == "256" else _as_it_is
    styles = {role: fit(style) for role, style in theme.styles.items()}
    return Palette(**styles, code={**DARK.code, **{kind: fit(style) for kind, style in theme.code.items()}}, ascii=ascii_only)


def _as_it_is(style: Style) -> Style:
    return style


def _fit_256(style: Style) -> Style:
    return style + Style.from_color(_number(style.color), _number(style.bgcolor))


def _number(colour: Color | None) -> Color | None:
    return Color.from_ansi(in_256(colour.name)) if colour is not None and colour.triplet else colour
