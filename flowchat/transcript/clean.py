"""What foreign text may do to a screen: nothing. Every text of a model, a tool or a file is shown only as `Clean`."""

import re
import unicodedata

SEQUENCE_MARK = "␛"
"""Stands where an escape sequence was taken out."""
HIDDEN_MARK = "�"
"""Stands where a character was taken out that shows nothing, or reorders what others show."""
PAYLOAD_LIMIT_CHARS = 4096
"""A string sequence (OSC, DCS, ...) longer than this is no sequence: its introducer is marked, the rest shown as text."""
COMBINING_LIMIT = 8
"""Marks one character may carry."""

_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,128}[ -/]{0,8}"
_STRING = rf"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{{0,{PAYLOAD_LIMIT_CHARS}}}"
_EMOJI = "[\u00a9\u00ae\u203c-\u3299\ufe0f\U0001f000-\U0001faff]"
_SCRIPT = "[\u0600-\u08ff\u0900-\u0dff]"
_JOINED = rf"(?<!{_EMOJI})\u200d|\u200d(?!{_EMOJI})"
_HIDDEN = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_FOREIGN = re.compile(
    rf"(?P<sequence>{_CSI}[@-~]|{_STRING}(?:\x07|\x1b\\|\x9c)|\x1b[ -/]{{1,8}}[0-~]|\x1b[0-~]?)"
    r"|(?P<newline>\r\n)"
    r"|(?P<control>[\x00-\x08\x0b-\x1f\x7f-\x9f])"
    rf"|(?P<joiner>(?<={_SCRIPT})[\u200c\u200d](?={_SCRIPT}))"
    rf"|(?P<hidden>{_HIDDEN}|\u200c|{_JOINED}|(?<![^\x00-\x7f])[\ufe0e\ufe0f](?!\u20e3))"
    r"|(?P<run>[\u0300-\u036f\u0483-\u1fff\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ua66f-\uabff\ufb1e\ufe20-\ufe2f"
    rf"\U00010000-\U0001efff]{{{COMBINING_LIMIT + 1},}})"
)
_UNFINISHED = re.compile(rf"(?:{_CSI}|{_STRING}\x1b?|\x1b[ -/]{{0,8}}|\r|{_EMOJI}\u200d|{_SCRIPT}[\u200c\u200d])\Z")
"""The end of a text that what follows may make a part of something else."""
_COLOUR = re.compile(r"\x1b\[(?!(?:[0-9;:]*[;:])?0*8[;:m])[0-9;:]*m")
"""Select graphic rendition without conceal: harmless to leave out."""


class Clean(str):
    """Text without control characters but newline and tab, and with nothing that shows otherwise than it reads."""

    __slots__ = ()


def clean(text: str, drop_colours: bool = False) -> Clean:
    """The text as it may be shown; what was taken out has left a visible mark.

    `drop_colours`: text is a program's output; its colour sequences go without a mark and a lone carriage return is a newline.
    """
    if isinstance(text, Clean):
        return text
    if text.isascii() and text.isprintable():
        return Clean(text)
    if _FOREIGN.search(text) is None:
        return Clean(text)
    return Clean(_FOREIGN.sub(_shown_of_output if drop_colours else _shown, text))


class Cleaner:
    """Cleans a text that comes in pieces: what the pieces give, joined, is `clean` of their whole.

    What may be the beginning of a sequence is held back, at most PAYLOAD_LIMIT_CHARS; `finish` gives it.
    """

    def __init__(self, drop_colours: bool = False) -> None:
        self._drop_colours = drop_colours
        self._before = self._held = ""

    def feed(self, piece: str) -> Clean:
        text = self._held + piece
        if text.isascii() and text.isprintable():
            self._before, self._held = "", ""
            return Clean(text)
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        text, self._held = text[:end], text[end:]
        return clean(text, self._drop_colours)

    def finish(self) -> Clean:
        """What was held back, as text."""
        held, self._held = self._held, ""
        return clean(held, self._drop_colours)


def _shown(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "sequence":
            return SEQUENCE_MARK
        case "newline":
            return "\n"
        case "control":
            return _picture(found[0])
        case "joiner":
            return found[0]
        case "run":
            return _capped(found[0])
        case _:
            return HIDDEN_MARK


def _shown_of_output(found: re.Match[str]) -> str:
    if found[0] == "\r":
        return "\n"
    return "" if _COLOUR.fullmatch(found[0]) else _shown(found)


def _picture(control: str) -> str:
    if control == "\x7f":
        return "␡"
    return chr(0x2400 + ord(control)) if control < " " else HIDDEN_MARK


def _capped(run: str) -> str:
    """A run of letters with marks in which no letter carries more than COMBINING_LIMIT of them."""
    kept: list[str] = []
    carried = 0
    for character in run:
        carried = carried + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if carried <= COMBINING_LIMIT:
            kept.append(character)
        elif carried == COMBINING_LIMIT + 1:
            kept.append(HIDDEN_MARK)
    return "".join(kept)
