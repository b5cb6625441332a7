"""The program on a real pseudo terminal: what it writes, what is to be seen of it, what it leaves behind."""

import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping
from fcntl import ioctl
from pathlib import Path

import pyte

WAIT_SECONDS = 20
ENTERED, LEFT, CURSOR_SHOWN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
KEYBOARD_ASKED, KEYBOARD_LEFT = b"\x1b[>25u", b"\x1b[<u"
"""Kitty's keyboard protocol, pushed and popped."""
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"TERM": "xterm-256color", "FLOWCHAT_MODEL": "demo", "PYTHONPATH": str(ROOT)}
_OURS = re.compile(
    rb"\x1b\[(?:[\d;]*[mHJKABCD]|[<>]\d*u|\?(?:1049|100[02346]|1015|1016|2004|2048|2026|7|25)[hl]|\?(?:2026|2048)\$p)|\x1b\]11;\?\x1b\\|[\r\n]"
)
_CUT = re.compile(rb"\x1b(?:\[[\d;?<>]*\$?)?\Z")
"""The end of what has been read so far."""
_CONTROL = re.compile(rb"[\x00-\x1f\x7f].{0,8}|\xc2[\x80-\x9f]", re.DOTALL)
_KEYBOARD = re.compile(rb"\x1b\[[<>]\d*u")
"""What pyte takes for another sequence."""


class Terminal:
    """A program on a pseudo terminal; `environ` adds to its environment, an empty value takes the name out of it."""

    def __init__(
        self, folder: Path, *words: str, environ: Mapping[str, str] | None = None, columns: int = 80, rows: int = 24
    ) -> None:
        environment = {**os.environ, **ENVIRONMENT, "FLOWCHAT_HOME": str(folder / "home"), **(environ or {})}
        self.pid, self.tty = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(sys.executable, [sys.executable, *words], {name: value for name, value in environment.items() if value})
        self._picture = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._picture)
        self._drawn = 0
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.tty)
        self.seen = b""
        self.code: int | None = None

    def resize(self, columns: int, rows: int) -> None:
        ioctl(self.tty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._picture.resize(rows, columns)

    # --- reading -----------------------------------------------------------------------------------------------------
    def read_some(self, seconds: float) -> bool:
        """Wait so long for output; False once there can be none any more."""
        if select.select([self.tty], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.tty, 65536)
            except OSError:
                return False
        return True

    def rest(self, seconds: float) -> None:
        """Type nothing for so long, as a hand does before it decides."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read_some(left)

    def read_until(self, reached: Callable[[bytes], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not reached(self.seen):
            assert time.monotonic() < end, self.seen[-2000:]
            if not self.read_some(0.2):
                return

    def show_until(self, reached: Callable[[list[str]], bool]) -> list[str]:
        """Read until the screen is as wanted; gives its rows."""
        end = time.monotonic() + WAIT_SECONDS
        while not reached(rows := self.rows):
            assert time.monotonic() < end, "\n".join(rows)
            assert self.read_some(0.2), "\n".join(rows)
        return rows

    @property
    def rows(self) -> list[str]:
        """What is to be seen."""
        self._stream.feed(_KEYBOARD.sub(b"", self.seen[self._drawn :]))
        self._drawn = len(self.seen)
        return [row.rstrip() for row in self._picture.display]

    @property
    def written(self) -> list[str]:
        """The rows of the composer, between the last two edges."""
        rows = self.rows
        edges = [at for at, row in enumerate(rows) if row.startswith(("──", "--"))]
        return [row.strip() for row in rows[edges[-2] + 1 : edges[-1]]] if len(edges) > 1 else []

    # --- writing -----------------------------------------------------------------------------------------------------
    def write(self, text: bytes) -> None:
        os.write(self.tty, text)

    def type(self, text: bytes, echo: bytes) -> None:
        """Write keys and wait for what they show."""
        before = len(self.seen)
        self.write(text)
        self.read_until(lambda seen: echo in seen[before:])

    # --- the end -----------------------------------------------------------------------------------------------------
    def wait(self, reads: bool = True) -> int:
        """Read to the end, or leave unread what is written; the exit code."""
        end = time.monotonic() + WAIT_SECONDS
        while self.code is None and time.monotonic() < end:
            self.read_some(0.05) if reads else time.sleep(0.05)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
        assert self.code is not None, self.seen[-2000:]
        return self.code

    def fill_up(self) -> None:
        """Read nothing until no more is written, since there is no room for it."""
        end, before = time.monotonic() + WAIT_SECONDS, -1
        while (unread := self._unread()) != before or not unread:
            assert time.monotonic() < end
            before = unread
            time.sleep(0.2)

    def _unread(self) -> int:
        return int(struct.unpack("i", ioctl(self.tty, termios.FIONREAD, b"0000"))[0])

    def hang_up(self) -> None:
        """Take the terminal away, as a window that is closed."""
        os.close(self.tty)
        self.tty = os.open(os.devnull, os.O_RDWR)

    def close(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.tty)


def modes_left(seen: bytes) -> list[bytes]:
    """The modes still on at the end of what was written."""
    modes = [b"1049", b"1000", b"1002", b"1003", b"1006", b"1015", b"1016", b"1004", b"2004", b"2048", b"2026"]
    return [mode for mode in modes if seen.rfind(b"\x1b[?%bh" % mode) > seen.rfind(b"\x1b[?%bl" % mode)]


def unknown(seen: bytes) -> list[bytes]:
    """Control bytes of what was written that are no sequence of ours: colours, places, erasing, and the modes we set."""
    return _CONTROL.findall(_OURS.sub(b"", _CUT.sub(b"", seen)))
