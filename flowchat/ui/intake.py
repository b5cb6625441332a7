"""What the terminal sends, as events: pastes whole, Enter in a burst a newline, garbled reports dropped; no input or output.

Textual's own parser reads single sequences; what lies around it is here because its parser takes a pasted megabyte apart
character by character, types reports it does not know into the text, and reads Alt+Enter as Enter (textual 8.2.8).
"""

import re
import time
from collections.abc import Iterator

from textual import events
from textual._xterm_parser import XTermParser
from textual.message import Message

from flowchat.ui.colours import Ground, read_ground
from flowchat.ui.keys import ESCAPE_SECONDS

PASTE_START, PASTE_END = "\x1b[200~", "\x1b[201~"
SEQUENCE_SECONDS = 0.5
"""A sequence no hand types may take so long from its beginning to its end: a slow line cuts it anywhere."""
LONG_BURST_CHARS = 64
"""Text this long in one read was pasted, not typed."""
_TOKEN = re.compile(
    r"(?P<mouse>\x1b\[(?:<[-\d;]+[Mm]|M[^\x1b]{3}))"
    r"|(?P<garbled>\x1b\[<(?:NaN|[-+.\d;])*[Mm])"
    r"|(?P<partial>\x1b(?:\[[0-?]*[ -/]*|\[M[^\x1b]{0,2}|\[<(?:NaN|Na|N|[-+.\d;])*|O|[\]P_^X][^\x00-\x1f]*\x1b?)?\Z)"
    r"|(?P<broken>\x1b\[[0-?]+[ -/]*(?=[\x00-\x1f])|\x1b\]\d[^\x00-\x1f]*(?=[\x00-\x06\x08-\x1a\x1c-\x1f]|\x1b[^\\]))"
    r"|(?P<report>\x1b\[[IO]|\x1b\[\?[\d;]*\$y|\x1b\[\??[\d;]+[Rctn]|\x1b\[\?[\d;]*u)"
    r"|(?P<string>\x1b[\]P_^X][^\x00-\x1f]+(?:\x07|\x1b\\))"
    r"|(?P<csi>\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~])"
    r"|(?P<alt>\x1b[^\x1b\[])"
    r"|(?P<escape>\x1b)"
    r"|(?P<text>[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+)"
    r"|(?P<control>[\x00-\x1f\x7f])"
)
_OTHER_KEYS = re.compile(r"\x1b\[27;(\d+);(\d+)~")
_SIZE_WITHOUT_PIXELS = re.compile(r"\x1b\[48;(\d+);(\d+);(?:0+;\d+|\d+;0+)t")
_SIZE_OF_NOTHING = re.compile(r"\x1b\[48;(?:0+;|\d+;0+;)")
_REPORT_END = re.compile(r"\A[0-9a-fA-F/:;#rgb]*(?:\x07|\x1b\\)")
"""What may still come of a colour's report whose beginning was waited for in vain."""
_ALT_ENTERS = {"\r": "alt+enter", "\n": "alt+enter", "\x7f": "alt+backspace"}


class GroundTold(Message):
    """The terminal answered what its background is."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground: Ground = ground


class Intake:
    """Feed it what was read; it gives the events that are complete and keeps the rest."""

    def __init__(self) -> None:
        self._parser = XTermParser()
        self._rest = ""
        self._due: float | None = None
        self._pasted: list[str] | None = None
        self._dropped_report = False

    @property
    def wait_seconds(self) -> float | None:
        """How long until `tick` has something to say; None: only new input has."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def feed(self, read: str, goes_on: bool = False) -> list[Message]:
        """The events in what one read gave; `goes_on`: it belongs to the burst before it."""
        if self._dropped_report:
            read, self._dropped_report = _REPORT_END.sub("", read), False
        text, self._rest, self._due = self._rest + read, "", None
        out: list[Message] = []
        while text:
            if self._pasted is not None:
                text = self._paste(text, out)
                continue
            before, start, after = text.partition(PASTE_START)
            out += self._burst(before, goes_on)
            text = after
            if start:
                self._pasted = []
        return out

    def tick(self) -> list[Message]:
        """The events of a sequence that nothing followed: Escape, or Alt and a character; a longer one is dropped."""
        if self._due is None or self._due > time.monotonic():
            return []
        rest, self._rest, self._due = self._rest, "", None
        self._dropped_report = len(rest) > 2 and rest.startswith("\x1b]")
        if rest == "\x1b":
            return [events.Key("escape", "\x1b")]
        return list(self._alt(rest[1])) if len(rest) == 2 else []

    # --- pastes ------------------------------------------------------------------------------------------------------
    def _paste(self, text: str, out: list[Message]) -> str:
        """Take what belongs to the paste; gives what follows it."""
        assert self._pasted is not None
        tail = self._pasted.pop() + text if self._pasted else text
        inside, end, after = tail.partition(PASTE_END)
        if end:
            out.append(_pasted("".join(self._pasted) + inside))
            self._pasted = None
            return after
        cut = max(0, len(tail) - len(PASTE_END))
        self._pasted += [tail[:cut], tail[cut:]]
        return ""

    # --- everything else ---------------------------------------------------------------------------------------------
    def _burst(self, text: str, goes_on: bool) -> Iterator[Message]:
        tokens = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]
        written = sum(len(token) for kind, token in tokens if kind == "text")
        pasted = goes_on or written > LONG_BURST_CHARS or (written > 1 and any("\r" in t for k, t in tokens if k == "text"))
        for kind, token in tokens:
            match kind:
                case "text" if pasted:
                    yield _pasted(token)
                case "text" | "control":
                    for character in token:
                        yield from self._parser.feed(character)
                case "mouse" | "csi" | "report":
                    yield from self._sequence(token)
                case "alt":
                    yield from self._alt(token[1])
                case "escape":
                    yield events.Key("escape", "\x1b")
                case "string" if (ground := read_ground(token)) is not None:
                    yield GroundTold(ground)
                case "partial":
                    patience = SEQUENCE_SECONDS if len(token) > 2 else ESCAPE_SECONDS
                    self._rest, self._due = token, time.monotonic() + patience
                case _:
                    pass

    def _sequence(self, token: str) -> Iterator[Message]:
        """A whole sequence by textual's parser, or nothing if that does not know it."""
        token = _OTHER_KEYS.sub(lambda found: f"\x1b[{found[2]};{found[1]}u", token)
        token = _SIZE_WITHOUT_PIXELS.sub(lambda found: "\x1b[48;{0};{1};{0};{1}t".format(*found.groups()), token)
        if _SIZE_OF_NOTHING.match(token):
            return
        known = False
        try:
            for event in self._parser.feed(token):
                known = True
                yield event
        except (ValueError, ArithmeticError):  # the number of no character, a size of nothing
            known = False
        if not known:
            old, self._parser = self._parser, XTermParser()
            self._parser.mouse_pixels = old.mouse_pixels
            self._parser.terminal_size = old.terminal_size
            self._parser.terminal_pixel_size = old.terminal_pixel_size

    def _alt(self, character: str) -> Iterator[Message]:
        if name := _ALT_ENTERS.get(character):
            yield events.Key(name, None)
            return
        for event in self._parser.feed(character):
            if isinstance(event, events.Key):
                shift = "shift+" if len(event.key) == 1 and event.key.isupper() else ""
                yield events.Key(f"alt+{shift}{event.key.lower()}", None)


def _pasted(text: str) -> events.Paste:
    return events.Paste(text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""))
