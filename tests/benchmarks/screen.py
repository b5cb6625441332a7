"""What a terminal shows: the letters of the grid, without colours; what it cannot read it says instead of guessing."""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

_TOKEN = re.compile(
    rb"(?P<text>[^\x00-\x1f\x7f]+)"
    rb"|\x1b\[(?P<mark>[<=>?]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    rb"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    rb"|\x1b[P_^X][^\x1b]*\x1b\\"
    rb"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
    rb"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
)
_ALTERNATE = 1049
_SYNCHRONISED = 2026
_UNREAD_LIMIT_BYTES = 4096
"""A sequence that has not ended by then is none."""


class Unreadable(Exception):
    """The program wrote something this terminal does not know: what is on its screen could not be told."""


class Screen:
    """`reply` gets the terminal's answers to what the program asks of it. `alternate`: the program has the whole screen."""

    def __init__(self, columns: int, rows: int, reply: Callable[[bytes], None] = lambda answer: None) -> None:
        self.alternate = False
        self._columns, self._rows, self._reply = columns, rows, reply
        self._grid = self._blank()
        self._x = self._y = 0
        self._rest = b""

    def text(self) -> str:
        """The rows of the whole-screen program, nothing of what was there before it."""
        return "\n".join("".join(row).rstrip() for row in self._grid) if self.alternate else ""

    def feed(self, written: bytes) -> None:
        data, at = self._rest + written, 0
        self._rest = b""
        while at < len(data):
            token = _TOKEN.match(data, at)
            if token is None:
                if len(data) - at > _UNREAD_LIMIT_BYTES:
                    raise Unreadable(repr(data[at : at + 40]))
                break
            if token.end() == len(data) and token["text"] is not None:  # a letter may still be on its way
                whole = _whole_letters(token["text"])
                self._put(whole.decode())
                at += len(whole)
                break
            at = token.end()
            self._obey(token)
        self._rest = data[at:]

    def _obey(self, token: "re.Match[bytes]") -> None:
        if (text := token["text"]) is not None:
            self._put(text.decode(errors="replace"))
        elif (final := token["final"]) is not None:
            numbers = [int(n) if n.isdigit() else 0 for n in re.split(rb"[;:]", token["numbers"])]
            if token["mark"] or token["between"]:
                self._private(token["mark"] + token["between"], final.decode(), numbers)
            else:
                self._command(final.decode(), numbers)
        elif token["control"] == b"\r":
            self._x = 0
        elif token["control"] == b"\n":
            self._down()
        elif token["control"] == b"\b":
            self._x = max(0, self._x - 1)

    def _put(self, text: str) -> None:
        for letter in text:
            width = _width(letter)
            if width == 0:
                continue
            if self._x + width > self._columns:
                self._x = 0
                self._down()
            row = self._grid[self._y]
            row[self._x] = letter
            if width == 2:
                row[self._x + 1] = ""
            self._x += width

    def _command(self, final: str, numbers: list[int]) -> None:
        count = numbers[0] or 1
        match final:
            case "m" | "h" | "l" | "q" | "t":  # looks and modes change no letter
                pass
            case "H" | "f":
                self._y = min(self._rows, count) - 1
                self._x = min(self._columns, (numbers[1:] or [1])[0] or 1) - 1
            case "A":
                self._y = max(0, self._y - count)
            case "B":
                self._y = min(self._rows - 1, self._y + count)
            case "C":
                self._x = min(self._columns - 1, self._x + count)
            case "D":
                self._x = max(0, self._x - count)
            case "G":
                self._x = min(self._columns, count) - 1
            case "d":
                self._y = min(self._rows, count) - 1
            case "K":
                first, last = {0: (self._x, self._columns), 1: (0, self._x + 1), 2: (0, self._columns)}[numbers[0]]
                self._grid[self._y][first:last] = [" "] * (last - first)
            case "J":
                first, last = {0: (self._y + 1, self._rows), 2: (0, self._rows)}[numbers[0]]
                self._grid[first:last] = self._blank()[first:last]
                if numbers[0] == 0:
                    self._command("K", [0])
            case "X":
                last = min(self._columns, self._x + count)
                self._grid[self._y][self._x : last] = [" "] * (last - self._x)
            case "c":
                self._reply(b"\x1b[?62;22c")
            case "n" if numbers[0] == 6:
                self._reply(b"\x1b[%d;%dR" % (self._y + 1, self._x + 1))
            case _:
                raise Unreadable(f"CSI {numbers} {final}")

    def _private(self, mark: bytes, final: str, numbers: list[int]) -> None:
        """Modes and questions. Like an xterm: synchronised frames are known, kitty's keyboard is not."""
        if mark == b"?" and final in "hl" and _ALTERNATE in numbers:
            self.alternate = final == "h"
            self._grid = self._blank()
        elif mark == b"?$" and final == "p":
            self._reply(b"\x1b[?%d;%d$y" % (numbers[0], 2 if numbers[0] == _SYNCHRONISED else 0))

    def _down(self) -> None:
        if self._y < self._rows - 1:
            self._y += 1
        else:
            self._grid = [*self._grid[1:], [" "] * self._columns]

    def _blank(self) -> list[list[str]]:
        return [[" "] * self._columns for _ in range(self._rows)]


def _whole_letters(text: bytes) -> bytes:
    """Without the beginning of a letter whose other bytes have not come."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return text if back >= needed else text[:-back]
    return text


@lru_cache(maxsize=4096)
def _width(letter: str) -> int:
    if unicodedata.combining(letter) or letter in "\u200b\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
