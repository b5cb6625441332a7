"""The way to the clipboard: which one, what goes through it, and what is said of it."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowchat.ui.clipboard import OSC_LIMIT_BYTES, Clipboard, Tool, sequences, ways

TEXT = "größer\n\tals 💯\n"
OSC = re.compile(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")


def programs(folder: Path, **scripts: str) -> str:
    """A PATH with these shell scripts and the system's own programs."""
    for name, script in scripts.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def named(environ: Mapping[str, str]) -> list[str]:
    return [way.command[0] if isinstance(way, Tool) else "OSC 52" for way in ways(environ)]


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"TERM": "xterm-256color"}, ["OSC 52"]),
        ({"TERM": "xterm-256color", "DISPLAY": ":0"}, ["OSC 52", "xclip", "xsel"]),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7002", "WAYLAND_DISPLAY": "w"}, ["wl-copy", "OSC 52"]),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(370)", "DISPLAY": ":0"}, ["xclip", "xsel", "OSC 52"]),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/t,1,0"}, ["tmux", "OSC 52"]),
        ({"TERM": "linux"}, []),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, []),
        ({"TERM": "xterm-256color", "WSL_DISTRO_NAME": "Debian"}, ["OSC 52", "clip.exe"]),
    ],
)
def test_the_terminal_is_asked_first_unless_it_would_drop_it_without_a_word(environ: dict[str, str], wanted: list[str]) -> None:
    assert named(environ) == wanted


async def test_through_the_terminal_the_text_arrives_as_it_is() -> None:
    written: list[str] = []
    said = await Clipboard({"TERM": "xterm-256color"}, written.append).copy(TEXT)
    [coded] = OSC.findall("".join(written))
    assert (base64.b64decode(coded).decode(), said) == (TEXT, "Copied 14 characters to the clipboard (OSC 52)")


def test_tmux_and_screen_get_it_in_the_wrapping_they_hand_on() -> None:
    plain = "\x1b]52;c;YQ==\x07"
    assert list(sequences("a", {"TERM": "tmux-256color"})) == [plain, "\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\"]
    [wrapped] = sequences("a" * 300, {"TERM": "screen", "STY": "1.x"})
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", wrapped, re.DOTALL)
    assert [*sequences("a" * 300, {})] == ["".join(pieces)]
    assert max(map(len, pieces)) <= 252


async def test_what_is_too_long_for_the_terminal_goes_to_a_tool(tmp_path: Path) -> None:
    path = programs(tmp_path, xclip=f"[ $DISPLAY = :7 ] && cat > {tmp_path}/copied")
    environ = {"TERM": "xterm-256color", "DISPLAY": ":7", "PATH": path}
    text = "x" * (OSC_LIMIT_BYTES + 1)
    assert await Clipboard(environ, print).copy(text) == "Copied 75k to the clipboard (xclip)"
    assert (tmp_path / "copied").read_text() == text


async def test_a_tool_that_fails_is_followed_by_the_next(tmp_path: Path) -> None:
    path = programs(tmp_path, wl_copy="exit 1", xclip="echo no display; exit 1", xsel=f"cat > {tmp_path}/copied")
    environ = {"TERM": "linux", "WAYLAND_DISPLAY": "w", "DISPLAY": ":0", "PATH": path}
    assert await Clipboard(environ, print).copy(TEXT) == "Copied 14 characters to the clipboard (xsel)"
    assert (tmp_path / "copied").read_text() == TEXT


async def test_a_tool_that_never_answers_is_ended(tmp_path: Path) -> None:
    path = programs(tmp_path, xclip=f"echo $$ > {tmp_path}/pid; exec sleep 60", xsel=f"cat > {tmp_path}/copied")
    environ = {"TERM": "linux", "DISPLAY": ":0", "PATH": path}
    assert await Clipboard(environ, print).copy(TEXT) == "Copied 14 characters to the clipboard (xsel)"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_tool_that_stays_to_serve_the_clipboard_is_left_alone(tmp_path: Path) -> None:
    path = programs(tmp_path, wl_copy=f"cat > {tmp_path}/copied; sleep 60 & echo $! > {tmp_path}/pid")
    environ = {"TERM": "linux", "WAYLAND_DISPLAY": "w", "PATH": path}
    began = time.monotonic()
    await Clipboard(environ, print).copy(TEXT)
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, signal.SIGKILL)  # ProcessLookupError if it were not there
    assert time.monotonic() - began < 30


def test_no_key_of_ours_gets_to_a_tool(tmp_path: Path) -> None:
    path = programs(tmp_path, xclip=f"cat > /dev/null; env > {tmp_path}/seen")
    environ = {"TERM": "linux", "DISPLAY": ":0", "PATH": path}
    copy = f"import asyncio; from flowchat.ui.clipboard import *; asyncio.run(Clipboard({environ}, print).copy('x'))"
    subprocess.run([sys.executable, "-c", copy], env=os.environ | {"OPENAI_API_KEY": "sk-secret"}, check=True)
    seen = (tmp_path / "seen").read_text()
    assert ("DISPLAY=:0" in seen, "sk-secret" in seen) == (True, False)


async def test_without_any_clipboard_it_is_in_a_file_for_the_user_alone(tmp_path: Path) -> None:
    clipboard = Clipboard({"TERM": "linux", "TMPDIR": str(tmp_path), "PATH": str(tmp_path)}, print)
    said = [await clipboard.copy(TEXT * 100, "code 2 of 3"), await clipboard.copy(TEXT)]
    [file] = tmp_path.iterdir()
    assert said == [
        f"Copied code 2 of 3 (1.4k) to {file}: no clipboard can be reached",
        f"Copied 14 characters to {file}: no clipboard can be reached",
    ]
    assert (file.read_text(), file.stat().st_mode & 0o777) == (TEXT, 0o600)
