"""The user's editor in the place of the screen, on a real terminal."""

import os
import signal
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ui.terminals import ENTERED, LEFT, Terminal, modes_left

IN_FRONT = f"""exec {sys.executable} -I -S - "$1" 3<&0 <<'END'
import os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.dup2(3, 0)
termios.tcsetattr(0, termios.TCSANOW, termios.tcgetattr(0))  # who is not in front of the terminal yet is stopped here
print("EDITING", flush=True)
written = os.read(0, 100)
with open(sys.argv[1], "wb") as file:
    file.write(written)
END"""
"""Edits only once the keys that mean a signal come to it; a shell would lose one that comes between two of its commands."""


def editor(tmp_path: Path, body: str) -> dict[str, str]:
    file = tmp_path / "editor"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o700)
    return {"VISUAL": str(file)}


def opened(program: Terminal, text: bytes = b"draft") -> None:
    """Write something and go to the editor, which has said that it is there."""
    program.type(text, text)
    program.write(b"\x07")
    program.read_until(lambda seen: b"EDITING" in seen[max(0, seen.rfind(LEFT)) :])


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "home").rglob("editing-*"))


def test_the_editor_has_the_terminal_as_it_was_and_what_it_wrote_is_in_the_composer(
    start: Callable[..., Terminal], tmp_path: Path
) -> None:
    program = start(environ=editor(tmp_path, 'echo EDITING; read line; printf "%s\\nand %s\\n" "$(cat $1)" "$line" > $1'))
    opened(program)
    assert termios.tcgetattr(program.tty)[3] == program.before[3]
    assert modes_left(program.seen) == []
    program.write(b"more\n")
    program.show_until(lambda rows: program.written == ["draft", "and more"])
    assert program.seen.count(ENTERED) == 2
    assert left(tmp_path) == []
    program.write(b"!")
    program.show_until(lambda rows: program.written == ["draft", "and more!"])


def test_ctrl_c_in_the_editor_is_the_editors_alone_and_the_text_is_kept(start: Callable[..., Terminal], tmp_path: Path) -> None:
    program = start(environ=editor(tmp_path, f"echo lost > $1; {IN_FRONT}"))
    opened(program)
    program.write(b"\x03")
    rows = program.show_until(lambda rows: program.written == ["draft"])
    assert any("was ended by signal 2; the text is as it was" in row for row in rows)
    assert left(tmp_path) == []


def test_ctrl_z_in_the_editor_stops_nothing(start: Callable[..., Terminal], tmp_path: Path) -> None:
    program = start(environ=editor(tmp_path, IN_FRONT))
    opened(program)
    program.write(b"\x1a")
    program.write(b"on\n")
    program.show_until(lambda rows: program.written == ["on"])


def test_a_signal_to_flowchat_ends_the_editor_and_leaves_the_terminal_as_it_was(
    start: Callable[..., Terminal], tmp_path: Path
) -> None:
    program = start(environ=editor(tmp_path, f'trap "" HUP; echo $$ > "{tmp_path}/pid"; echo EDITING; read line'))
    opened(program)
    os.kill(program.pid, signal.SIGTERM)
    assert program.wait() == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert termios.tcgetattr(program.tty) == program.before
    assert modes_left(program.seen) == []
    assert left(tmp_path) == []


def test_what_is_said_meanwhile_goes_on_and_is_there_afterwards(start: Callable[..., Terminal], tmp_path: Path) -> None:
    sessions = tmp_path / "home" / "data" / "sessions"
    body = f'echo EDITING; while ! grep -q run_ended "{sessions}"/*/log.jsonl; do sleep 0.05; done'
    program = start(environ=editor(tmp_path, body))
    program.type(b"list", b"list")
    program.write(b"\r")
    program.read_until(lambda seen: b"Esc stop" in seen)
    opened(program, b"next")
    program.show_until(lambda rows: program.written == ["next"])
    assert any("Demo model" in row for row in program.rows)


def test_without_an_editor_it_says_how_to_set_one(start: Callable[..., Terminal]) -> None:
    program = start(environ={"VISUAL": "", "EDITOR": ""})
    program.type(b"/editor", b"/editor")
    program.write(b"\r")
    program.show_until(lambda rows: any("No editor is set; set EDITOR" in row for row in rows))
