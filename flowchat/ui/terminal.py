"""The terminal: its modes, its real cursor, the thread that reads it; what it was is what it is again afterwards."""

import os
import re
import select
import signal
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, TextIO

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from flowchat.ui.colours import GROUND_ASKED
from flowchat.ui.intake import Intake
from flowchat.ui.widths import as_written, clusters

READ_BYTES = 65536
LONG_READ_BYTES = 1024
"""What follows so long a read at once belongs to the same burst."""
BURST_GAP_SECONDS = 0.005
GIVE_UP_WRITES = 100
GIVE_UP_SECONDS = 0.01
"""So often, and so long after each time, a terminal that takes nothing is emptied for what restores it."""
MODES_OFF = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?2026l"
    "\x1b[?7h\x1b[?25h\x1b[0m"
)
"""Every mode we or a killed predecessor may have set, off."""
_KEYBOARD_RESET = "\x1b[<9u"
"""Pops what a killed program left on the terminal's stack of keyboard modes (kitty's protocol)."""


_ASCII_SIGNS = {
    **dict.fromkeys("\u2018\u2019", "'"),
    **dict.fromkeys("\u201c\u201d", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014─", "-"),
    **dict.fromkeys("│┃▌▎", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼", "+"),
    **dict.fromkeys(map(chr, range(0x2400, 0x2425)), "^"),
    "…": "~",
    "•": "*",
    "\u00a0": " ",
}
_FOREIGN_RUN = re.compile(r"[^\x00-\x7f]+")


class HungUp(Message):
    """The terminal is gone."""


class Terminal(LinuxDriver):
    """Textual's driver with a thread that sleeps until there is something to read, and a visible cursor."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)  # pyright: ignore[reportUnknownMemberType]
        self._wake = os.pipe()
        self._caret_shown = False
        self._entered = False
        self._ascii: bool = getattr(app, "ascii_only", False)
        self._asks_ground: bool = getattr(app, "asks_ground", False)

    # --- the cursor --------------------------------------------------------------------------------------------------
    def show_caret(self, shown: bool) -> None:
        """Show the terminal's own cursor where frames leave it, or hide it."""
        if shown != self._caret_shown:
            self._caret_shown = shown
            self.write("\x1b[?25h" if shown else "\x1b[?25l")

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def capture_mouse(self, on: bool) -> bool:
        """Hear of the mouse from now on, or leave it to the terminal; gives which of the two is so."""
        if on != self._mouse:
            self._mouse = True  # textual's own do nothing without it
            self._enable_mouse_support() if on else self._disable_mouse_support()
            self._mouse = on
            self.flush()
        return on

    # --- the size ----------------------------------------------------------------------------------------------------
    def _get_terminal_size(self) -> tuple[int, int]:
        """What the terminal says itself, else what the environment says of it: that was so when a shell began."""
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self.fileno)
            if columns and rows:
                return columns, rows
        return super()._get_terminal_size()

    # --- modes -------------------------------------------------------------------------------------------------------
    def start_application_mode(self) -> None:
        if self._entered:  # a SIGCONT after a SIGSTOP, of which no one hears: what the terminal is now, the shell knows
            self._must_signal_resume = True
            self.suspend_application_mode()
        _make_sane(self.fileno)
        _write_all(self.fileno, _KEYBOARD_RESET + MODES_OFF)
        self._caret_shown = False
        super().start_application_mode()
        if self._asks_ground:  # once: back from the shell no one waits for an answer
            self._asks_ground = False
            self.write(GROUND_ASKED)
        self._entered = True

    def stop_application_mode(self) -> None:
        super().stop_application_mode()
        self.write(MODES_OFF)
        self.flush()

    def restore_now(self) -> None:
        """Leave the screen without the loop's or the writer's help; for an end that cannot wait."""
        if not self._entered:
            return
        with suppress(termios.error):
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        _write_past(self._writer_thread, self.fileno, "\x1b[<u\x1b[?1049l" + MODES_OFF)

    def write(self, data: str) -> None:
        """As textual's, but a terminal that is gone takes nothing and stops nothing, one without Unicode gets none."""
        writer = self._writer_thread
        if not data.isascii():
            data = in_ascii(data) if self._ascii else as_written(data)
        if writer is not None and writer.is_alive():
            writer.write(data)

    def close(self) -> None:
        writer = self._writer_thread
        if writer is not None and writer.is_alive():
            writer.stop()
        self._entered = False

    # --- reading -----------------------------------------------------------------------------------------------------
    def disable_input(self) -> None:
        self.exit_event.set()
        os.write(self._wake[1], b"x")
        if self._key_thread is not None:
            self._key_thread.join()
        self._key_thread = None
        os.read(self._wake[0], 1)
        self.exit_event.clear()
        signal.signal(signal.SIGWINCH, _hear_nothing)  # a size is of no use now, but _write_past needs a handler
        self._disable_mouse_support()
        with suppress(termios.error):
            termios.tcflush(self.fileno, termios.TCIFLUSH)

    def run_input_thread(self) -> None:
        intake, decode = Intake(), getincrementaldecoder("utf-8")("replace").decode
        last_long = 0.0
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno, self._wake[0]], [], [], intake.wait_seconds)
            if self._wake[0] in ready:
                return
            if self.fileno not in ready:
                found = intake.tick()
            else:
                try:
                    read = os.read(self.fileno, READ_BYTES)
                except OSError:
                    read = b""
                if not read:
                    self.send_message(HungUp())
                    return
                now = time.monotonic()
                found = intake.feed(decode(read), goes_on=now - last_long < BURST_GAP_SECONDS)
                last_long = now if len(read) >= LONG_READ_BYTES else 0.0
            for event in found:
                self.process_message(event)


def guard(terminal: Terminal | None, seconds: float, exit_code: int) -> threading.Timer:
    """A thread that leaves the process with its terminal restored after so many seconds, unless it is cancelled."""

    def leave() -> None:
        if terminal is not None:
            terminal.restore_now()
        os._exit(exit_code)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
    return timer


def say_behind(line: str, out: TextIO) -> None:
    """Write a line for who sees the terminal afterwards, if it is still there."""
    with suppress(OSError):
        os.write(out.fileno(), f"{line}\n".encode(out.encoding, "replace"))


def shows_ascii_alone(environ: Mapping[str, str], encoding: str) -> bool:
    """Whether the user's locale is the one of ASCII, said outright, or the output takes no Unicode.

    Python writes UTF-8 in the C locale (PEP 540), whatever the terminal; one that says nothing of its locale gets it.
    """
    said = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environ.get(name))), "")
    return said in ("C", "POSIX") or "utf" not in encoding.lower()


def in_ascii(text: str) -> str:
    """A text whose every character is as wide as it was, and ASCII: known marks by a sign that resembles them, others `?`."""
    return _FOREIGN_RUN.sub(_run_in_ascii, text)


def _run_in_ascii(run: re.Match[str]) -> str:
    text = run[0]
    return "".join([_ASCII_SIGNS.get(text[first:end]) or "?" * cells for first, end, cells in clusters(text)])


def _make_sane(fileno: int) -> None:
    """Give a terminal that a killed program left raw its line discipline back, so that it is what we restore."""
    try:
        attributes = termios.tcgetattr(fileno)
    except termios.error:
        return
    if attributes[3] & termios.ICANON and attributes[3] & termios.ECHO:
        return
    attributes[0] |= termios.ICRNL | termios.IXON
    attributes[1] |= termios.OPOST | termios.ONLCR
    attributes[3] |= termios.ICANON | termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ISIG | termios.IEXTEN
    termios.tcsetattr(fileno, termios.TCSANOW, attributes)


def _hear_nothing(number: int, frame: FrameType | None) -> None:
    return


def _write_past(writer: threading.Thread | None, fileno: int, text: str) -> None:
    """Write even to a terminal that takes nothing: what waits there, and what `writer` is held up with, is given up for it."""
    threading.excepthook = lambda _: None
    with suppress(OSError, termios.error):
        os.set_blocking(fileno, False)
        for _ in range(GIVE_UP_WRITES):
            if writer is not None and writer.is_alive() and writer.ident:
                signal.pthread_kill(writer.ident, signal.SIGWINCH)  # any that has a handler ends the write it waits in
            termios.tcflush(fileno, termios.TCOFLUSH)
            with suppress(BlockingIOError):
                if os.write(fileno, text.encode()) == len(text):
                    break
            select.select([], [], [], GIVE_UP_SECONDS)
        os.set_blocking(fileno, True)


def _write_all(fileno: int, text: str) -> None:
    with suppress(OSError):
        os.write(fileno, text.encode())
