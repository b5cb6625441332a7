"""What foreign text may do to a screen: nothing. Every text of a model, a tool or a file is shown only as `Clean`."""

import re
import unicodedata
from functools import cache

SEQUENCE_MARK = "␛"
"""Stands where an escape sequence was taken out."""
HIDDEN_MARK = "�"
"""Stands where a character was taken out that shows nothing, or reorders what others show."""
PAYLOAD_LIMIT_CHARS = 4096
"""A string sequence (OSC, DCS, ...) longer than this is not a sequence: its introducer is marked, the rest shown as text."""
COMBINING_LIMIT = 8
"""Marks one character may carry."""

_PLAIN = re.compile(
    "[\t\n -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u1e00-\u200a\u2010-\u2027\u202f-\u205f\u2070-\u20cf\u2100-\u3029"
    "\u3030-\u3098\u309b-\u3163\u3165-\ua66e\uac00-\ud7ff\ue000-\ufb1d"
    "\uff00-\uff9f\uffa1-\uffef\ufffd\U0001f000-\U0001f3fa\U0001f400-\U0001faff\U00020000-\U0003ffff]*"
)
"""Characters that are harmless wherever they stand."""
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,128}[ -/]{0,8}"
_STRING = rf"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{{0,{PAYLOAD_LIMIT_CHARS}}}"
_EMOJI = "[\u00a9\u00ae\u203c-\u3299\ufe0f\U0001f000-\U0001faff]"
_SCRIPT = "[\u0600-\u08ff\u0900-\u0dff]"
_HIDDEN = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_FOREIGN = (
    rf"(?P<sequence>{_CSI}[@-~]|{_STRING}(?:\x07|\x1b\\|\x9c)|\x1b[ -/]{{1,8}}[0-~]|\x1b[0-~]?)"
    r"|(?P<newline>\r\n)"
    r"|(?P<control>[\x00-\x08\x0b-\x1f\x7f-\x9f])"
    rf"|(?P<joiner>(?<={_SCRIPT})[\u200c\u200d](?={_SCRIPT})|(?<={_EMOJI})\u200d(?={_EMOJI}))"
    rf"|(?P<hidden>{_HIDDEN}|[\u200c\u200d]|(?<![^\x00-\x7f])[\ufe0e\ufe0f](?!\u20e3)|(?<!{_EMOJI})[\U0001f3fb-\U0001f3ff])"
)
_UNFINISHED = rf"(?:{_CSI}|{_STRING}\x1b?|\x1b[ -/]{{0,8}}|[\r\u200c\u200d\ufe0e\ufe0f])\Z"
"""The end of a text that what follows may make a part of something else."""
_MARKED = (
    "[\u0300-\u036f\u0483-\u1dff\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ua66f-\uabff\ufb1e\ufe20-\ufe2f\U00010000-\U0001efff]"
)
"""Combining marks, and letters of the scripts that have some."""
_COLOUR = r"\x1b\[(?!(?:[0-9;:]*[;:])?0*8[;:m])[0-9;:]*m"
"""Select graphic rendition without conceal: harmless to leave out."""


_compiled = cache(re.compile)
"""A pattern when the first text needs it: most need _PLAIN alone, and compiling all takes 3 ms of the start."""


class Clean(str):
    """Text without control characters but newline and tab, and with nothing that shows otherwise than it reads."""

    __slots__ = ()


def clean(text: str, drop_colours: bool = False) -> Clean:
    """The text as it may be shown; what was taken out has left a visible mark.

    `drop_colours`: text is a program's output; its colour sequences go without a mark and a lone carriage return is a newline.
    """
    if isinstance(text, Clean):
        return text
    return Clean(text) if _PLAIN.fullmatch(text) else Clean(_capped(_replaced(text, 0, drop_colours), 0)[0])


class Cleaner:
    """Cleans a text that comes in pieces: what the pieces give, joined, is `clean` of their whole.

    What may be the beginning of a sequence is held back, at most PAYLOAD_LIMIT_CHARS; `finish` gives it.
    """

    def __init__(self, drop_colours: bool = False) -> None:
        self._drop_colours = drop_colours
        self._before = self._held = ""
        self._carried = 0

    def feed(self, piece: str) -> Clean:
        if not self._held and piece and _PLAIN.fullmatch(piece):
            self._before, self._carried = piece[-1], 0
            return Clean(piece)
        text = self._before + self._held + piece
        unfinished = _compiled(_UNFINISHED).search(text, len(self._before))
        return self._take(text, unfinished.start() if unfinished else len(text))

    def finish(self) -> Clean:
        """What was held back, as text; the next piece begins another text."""
        text = self._before + self._held
        rest = self._take(text, len(text))
        self._before, self._carried = "", 0
        return rest

    def _take(self, text: str, end: int) -> Clean:
        start = len(self._before)
        self._held = text[end:]
        shown, self._carried = _capped(_replaced(text[:end], start, self._drop_colours), self._carried)
        self._before = text[max(0, end - 1) : end]
        return Clean(shown)


def _replaced(text: str, start: int, drop_colours: bool) -> str:
    """The text from `start` on, what stands before it being known but not given."""
    shown = _shown_of_output if drop_colours else _shown
    pieces: list[str] = []
    for found in _compiled(_FOREIGN).finditer(text, start):
        pieces += (text[start : found.start()], shown(found))
        start = found.end()
    pieces.append(text[start:])
    return "".join(pieces)


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
        case _:
            return HIDDEN_MARK


def _shown_of_output(found: re.Match[str]) -> str:
    if found[0] == "\r":
        return "\n"
    return "" if _compiled(_COLOUR).fullmatch(found[0]) else _shown(found)


def _picture(control: str) -> str:
    if control == "\x7f":
        return "␡"
    return chr(0x2400 + ord(control)) if control < " " else HIDDEN_MARK


def _capped(text: str, carried: int) -> tuple[str, int]:
    """The text with no more than COMBINING_LIMIT marks on any character, and how many its last one carries."""
    if not _compiled(_MARKED).search(text):
        return text, 0 if text else carried
    kept: list[str] = []
    for character in text:
        carried = carried + 1 if character >= "\u0300" and unicodedata.category(character) in ("Mn", "Me") else 0
        if carried <= COMBINING_LIMIT:
            kept.append(character)
        elif carried == COMBINING_LIMIT + 1:
            kept.append(HIDDEN_MARK)
    return "".join(kept), carried
