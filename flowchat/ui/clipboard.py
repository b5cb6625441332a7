"""The way of a copied text to the clipboard: through the terminal (OSC 52), through a clipboard tool, or into a file."""

import asyncio
import base64
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from msgspec import Struct

from flowchat.tools.process import find_program, hand_over
from flowchat.ui.figures import many, size

OSC_LIMIT_BYTES = 74_994
"""A longer text does not go through the terminal: in base64 it is more than the 100,000 characters that all take."""
SCREEN_CHUNK_CHARS = 76
"""GNU screen takes no longer string than 256 bytes, so what is meant for the terminal outside comes in pieces."""
TOOL_SECONDS = 2.0
"""A tool that takes longer has no display that answers."""
_DOUBTFUL = ("VTE_VERSION", "XTERM_VERSION", "KONSOLE_VERSION")
"""Set by terminals of which many versions and settings drop OSC 52 without a word."""
_WITHOUT_OSC = ("", "dumb", "linux")

Write: TypeAlias = Callable[[str], None]


class Tool(Struct, frozen=True):
    """A program that reads a text from its stdin; `variables` tell it where the clipboard is."""

    command: tuple[str, ...]
    variables: tuple[str, ...] = ()
    encoding: str = "utf-8"


class Clipboard:
    """Copies by the first way that works. `write` sends a sequence to the terminal."""

    def __init__(self, environ: Mapping[str, str], write: Write) -> None:
        self._environ, self._write = environ, write
        self._file = ""

    async def copy(self, text: str, what: str = "") -> str:
        """Copy; gives a sentence that says how much (of `what`, as in "code 2 of 3") and where to. Raises OSError."""
        for way in ways(self._environ):
            if isinstance(way, Tool):
                if await self._hand_over(way, text):
                    return told(text, what, f"the clipboard ({way.command[0]})")
            elif len(text.encode()) <= OSC_LIMIT_BYTES:
                self._write("".join(sequences(text, self._environ)))
                return told(text, what, "the clipboard (OSC 52)")
        return told(text, what, f"{await asyncio.to_thread(self._keep, text)}: no clipboard can be reached")

    async def _hand_over(self, tool: Tool, text: str) -> bool:
        program = find_program(tool.command[0], self._environ)
        if program is None:
            return False
        variables = {name: self._environ[name] for name in tool.variables if name in self._environ}
        return await hand_over((program, *tool.command[1:]), text.encode(tool.encoding), variables, TOOL_SECONDS)

    def _keep(self, text: str) -> str:
        """Write a file that only the user reads; the same one each time. Gives its path."""
        if not self._file:
            handle, self._file = tempfile.mkstemp(".txt", "flowchat-copied-", self._environ.get("TMPDIR"))
        else:
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return self._file


def told(text: str, what: str, where: str) -> str:
    """The sentence for a text that has been copied."""
    much = size(len(text)) if len(text) >= 1000 else many(len(text), "character")
    return f"Copied {what} ({much}) to {where}" if what else f"Copied {much} to {where}"


def ways(environ: Mapping[str, str]) -> Iterator[Tool | None]:
    """What to try, in this order; None stands for OSC 52.

    tmux by default drops what programs in it send to the clipboard, but hands on what its own command is given (tmux(1),
    set-clipboard, load-buffer -w).
    """
    if "TMUX" in environ:
        yield Tool(("tmux", "load-buffer", "-w", "-"), ("TMUX", "TMUX_TMPDIR"))
    term = environ.get("TERM", "")
    none = term in _WITHOUT_OSC or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    doubtful = any(name in environ for name in _DOUBTFUL)
    if not none and not doubtful:
        yield None
    yield from _tools(environ)
    if doubtful and not none:
        yield None


def sequences(text: str, environ: Mapping[str, str]) -> Iterator[str]:
    """OSC 52 as the terminal gets it, and again in the wrapping of a multiplexer in between, which hands on what it holds.

    tmux(1), allow-passthrough; screen(1), "Device Control String".
    """
    coded = base64.b64encode(text.encode()).decode()
    plain = f"\x1b]52;c;{coded}\x07"
    term = environ.get("TERM", "")
    if "TMUX" in environ or term.startswith("tmux"):
        yield plain
        yield f"\x1bPtmux;{plain.replace(chr(27), chr(27) * 2)}\x1b\\"
    elif "STY" in environ or term.startswith("screen"):
        pieces = [plain[at : at + SCREEN_CHUNK_CHARS] for at in range(0, len(plain), SCREEN_CHUNK_CHARS)]
        yield "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    else:
        yield plain


def _tools(environ: Mapping[str, str]) -> Iterator[Tool]:
    if sys.platform == "darwin":
        yield Tool(("pbcopy",))
    if "WAYLAND_DISPLAY" in environ:
        yield Tool(("wl-copy",), ("WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"))
    if "DISPLAY" in environ:
        yield Tool(("xclip", "-selection", "clipboard"), ("DISPLAY", "XAUTHORITY"))
        yield Tool(("xsel", "--clipboard", "--input"), ("DISPLAY", "XAUTHORITY"))
    if "WSL_DISTRO_NAME" in environ:
        yield Tool(("clip.exe",), ("WSL_DISTRO_NAME", "WSL_INTEROP"), "utf-16")
