"""Which theme is shown: what is set, what the terminal's background picks of a family, and what the terminal can show of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from rich.color import Color
from rich.style import Style

from flowchat.errors import UsageError
from flowchat.transcript.clean import clean
from flowchat.ui.colours import Ground, answers_ground, colour_depth, ground_known, in_256
from flowchat.ui.palette import DARK, Palette
from flowchat.ui.themes import DEFAULT, Theme, families, read_theme, theme_files, theme_for


class Choice(Struct, frozen=True):
    """What can be set as theme; `about` is Clean, `problem` a sentence or empty."""

    name: str
    about: str
    problem: str = ""


class Looks:
    """Holds the name that is set and the background that is known; themes are read when they are shown."""

    def __init__(self, setting: str, own: Path | None, environ: Mapping[str, str], *, ascii_only: bool = False) -> None:
        """`own`: the folder of the user's themes. What cannot be shown as it is set is in `notice`, a sentence or empty."""
        self._own, self._ascii = own, ascii_only
        self._depth = colour_depth(environ)
        self._ground: Ground | None = ground_known(environ)
        self._may_ask = self._depth != "none" and answers_ground(environ)
        self.name, self.notice = DEFAULT, ""
        try:
            self.palette = self.take(setting)
        except UsageError as error:
            self.notice = f"theme = {clean(setting[:40])!r} does not count: {error}"
            self.palette = self.take(DEFAULT)

    @property
    def asks_ground(self) -> bool:
        """Whether the terminal is to be asked for its background: where that may change what is shown."""
        return self._may_ask and self.name not in theme_files(self._own)

    def take(self, name: str) -> Palette:
        """Show another theme. Raises UsageError: then nothing has changed."""
        theme = self._theme(name)
        self.name = name
        self.palette = palette_of(self._shown(theme), self._depth, ascii_only=self._ascii)
        if theme.problems:
            more = f" (and {len(theme.problems) - 1} more)" if theme.problems[1:] else ""
            self.notice = clean(theme.problems[0]) + more
        return self.palette

    def ground_is(self, ground: Ground) -> bool:
        """The terminal told its background; whether that changes what is shown."""
        changes = (self._ground or "dark") != ground and self.name not in theme_files(self._own)
        self._ground = ground
        if changes:
            self.take(self.name)
        return changes

    def choices(self) -> Sequence[Choice]:
        """All that can be set: each family before its two. Reads every file."""
        files = theme_files(self._own)
        pairs, found = families(list(files)), list[Choice]()
        for name in sorted({*files, *pairs}, key=lambda name: _place(name, pairs)):
            theme = self._theme(name)
            about = f"{theme.about}; dark or light as the terminal is" if name in pairs and name not in files else theme.about
            found.append(Choice(name, about, clean(theme.problems[0]) if theme.problems else ""))
        return found

    def _theme(self, name: str) -> Theme:
        files = theme_files(self._own)
        return read_theme(theme_for(name, self._ground or "dark", list(files)), files)

    def _shown(self, theme: Theme) -> Theme:
        """The theme, or on a terminal of 16 colours that for such ones."""
        if self._depth != "16" or theme.is_plain:
            return theme
        return read_theme("ansi-dark" if theme.dark else "ansi-light", theme_files())


def _place(name: str, pairs: Sequence[str]) -> tuple[int, str, str]:
    """Where a name stands in the list: families in the order of need, each before its two; then what belongs to none."""
    family = DEFAULT if name in ("dark", "light") else name.removesuffix("-dark").removesuffix("-light")
    order = [DEFAULT, "warm", "contrast", "colour-blind", "ansi"]
    return (order.index(family) if family in order else len(order)), family, "" if name == family else name


def palette_of(theme: Theme, depth: str, *, ascii_only: bool = False) -> Palette:
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
