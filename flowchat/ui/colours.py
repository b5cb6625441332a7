"""What the terminal can show: how many colours, and whether its background is dark; textual is told before it is imported."""

import os
import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Depth = Literal["none", "16", "256", "full"]
Ground = Literal["dark", "light"]
"""What the terminal's own background is."""

GROUND_ASKED = "\x1b]11;?\x1b\\"
"""Asks a terminal for its background (xterm's OSC 11); one that does not know this says nothing."""
_GROUND_SAID = re.compile(r"\x1b\]11;(?:rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})|#((?:[0-9a-fA-F]{2}){3}))")
_FULL = ("kitty", "ghostty", "alacritty", "foot", "wezterm", "contour", "iterm")
"""Terminals with all colours that say so in their name alone, where COLORTERM is lost on the way (ssh)."""
_SILENT = ("linux", "vt", "cons", "eterm", "dumb", "screen")
"""Terminals that might write out what they do not understand, or swallow it; tmux answers under any name."""
_MIDDLE = 0.179
"""The luminance on which black and white are read equally well."""
_CUBE = (0, 95, 135, 175, 215, 255)


class Colours(Struct, frozen=True):
    """What a terminal shows. `ground` None: not known before it is asked, which is in order where it `answers`."""

    depth: Depth = "full"
    ground: Ground | None = None
    answers: bool = False


def terminal_colours(environ: Mapping[str, str]) -> Colours:
    """What the environment says of the terminal."""
    return Colours(colour_depth(environ), ground_known(environ), answers_ground(environ))


def colour_depth(environ: Mapping[str, str]) -> Depth:
    """How many colours there are: what COLORTERM says, else what TERM is known for; none where NO_COLOR is set."""
    if environ.get("NO_COLOR"):
        return "none"
    term = environ.get("TERM", "").lower()
    passed_on = "STY" in environ and term.startswith("screen")  # GNU screen shows 256, whatever is around it
    if not passed_on and environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "full"
    if term.endswith("-direct") or any(name in term for name in _FULL):
        return "full"
    return "256" if "256color" in term else "16"


def ground_known(environ: Mapping[str, str]) -> Ground | None:
    """What COLORFGBG says of the background ("15;0": white on black), as rxvt and Konsole set it."""
    last = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not last.isdecimal() or int(last) > 15:
        return None
    return "light" if int(last) in (7, 9, 10, 11, 12, 13, 14, 15) else "dark"


def answers_ground(environ: Mapping[str, str]) -> bool:
    """Whether the terminal may be asked for its background."""
    return "TMUX" in environ or not environ.get("TERM", "dumb").lower().startswith(_SILENT)


def read_ground(reply: str) -> Ground | None:
    """The background in a terminal's answer to GROUND_ASKED; None: it is something else."""
    found = _GROUND_SAID.match(reply)
    if found is None:
        return None
    whole = found[4] and (found[4][:2], found[4][2:4], found[4][4:])
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in whole or (found[1], found[2], found[3]))
    return "light" if luminance(red, green, blue) > _MIDDLE else "dark"


def luminance(red: float, green: float, blue: float) -> float:
    """The relative luminance of a colour whose parts are 0 to 1, as WCAG 2 has it."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def in_256(colour: str) -> int:
    """The number of the colour nearest to a `#rrggbb` among those that are the same everywhere: the cube and the greys.

    Rich takes dark tints for much stronger colours of the cube; a ground would become one on which nothing can be read.
    """
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    steps = [min(range(6), key=lambda step: abs(_CUBE[step] - part)) for part in parts]
    grey = max(0, min(23, round((sum(parts) / 3 - 8) / 10)))
    far = [
        sum((a - b) ** 2 for a, b in zip(parts, other, strict=True)) for other in ([_CUBE[s] for s in steps], [8 + 10 * grey] * 3)
    ]
    return 232 + grey if far[1] < far[0] else 16 + 36 * steps[0] + 6 * steps[1] + steps[2]


_SYSTEMS: dict[Depth, str] = {"none": "standard", "16": "standard", "256": "256", "full": "truecolor"}
os.environ["TEXTUAL_COLOR_SYSTEM"] = _SYSTEMS[colour_depth(os.environ)]  # rich knows fewer terminals
if os.environ.get("NO_COLOR") == "":  # no-color.org: an empty value means nothing; textual asks only whether there is one
    del os.environ["NO_COLOR"]
