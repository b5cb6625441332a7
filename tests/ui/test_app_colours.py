"""The program on terminals that show many colours, few or none, and on those that tell their background or do not."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.ui.intake import SEQUENCE_SECONDS
from tests.ui.terminals import ENTERED, LEFT, Terminal, unknown

ASKED = b"\x1b]11;?\x1b\\"
LIGHT, DARK = b"\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\", b"\x1b]11;rgb:1616/1818/1c1c\x07"
FULL = {"COLORTERM": "truecolor"}
PLACEHOLDER_DARK, PLACEHOLDER_LIGHT = b"\x1b[38;2;154;161;174m", b"\x1b[38;2;91;95;103m"
"""`dim` of the themes dark and light."""


def forms(seen: bytes) -> set[bytes]:
    """The forms in which colours of text were written: of 16, of 256, of all, or the terminal's own."""
    one = rb"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+"
    codes = [code for found in re.findall(rb"\x1b\[([\d;]*)m", seen) for code in re.findall(one, found)]
    inks = [code[:4] for code in codes if re.match(rb"38;|3[0-79]$|9[0-7]$", code)]
    return {{b"38;2": b"all", b"38;5": b"256", b"39": b"own"}.get(ink, b"16") for ink in inks}


def test_a_light_terminal_is_asked_once_and_gets_the_light_theme(start: Callable[..., Terminal]) -> None:
    program = start(environ=FULL)
    assert program.seen.count(ASKED) == 1
    program.write(LIGHT)
    program.read_until(lambda seen: PLACEHOLDER_LIGHT in seen)
    program.write(b"list")
    program.show_until(lambda rows: program.written == ["list"])
    assert unknown(program.seen) == []


def test_back_from_the_shell_it_is_not_asked_again(start: Callable[..., Terminal]) -> None:
    program = start(environ=FULL)
    program.write(b"\x1a")
    program.read_until(lambda seen: LEFT in seen)
    os.waitpid(program.pid, os.WUNTRACED)
    os.kill(program.pid, signal.SIGCONT)
    program.read_until(lambda seen: b"Write a message" in seen[seen.rfind(ENTERED) :] and seen.count(ENTERED) == 2)
    assert program.seen.count(ASKED) == 1


def test_a_dark_terminal_stays_as_it_was_painted(start: Callable[..., Terminal]) -> None:
    program = start(environ=FULL)
    program.write(DARK + b"list")
    program.show_until(lambda rows: program.written == ["list"])
    assert PLACEHOLDER_LIGHT not in program.seen


def test_a_terminal_that_never_answers_is_dark(start: Callable[..., Terminal]) -> None:
    program = start(environ=FULL)
    program.write(b"list")
    program.show_until(lambda rows: program.written == ["list"])
    assert PLACEHOLDER_DARK in program.seen


@pytest.mark.parametrize("at", [1, 2, 8, 24, 25])
def test_an_answer_that_comes_in_two_parts_is_not_typed(start: Callable[..., Terminal], at: int) -> None:
    program = start(environ=FULL)
    program.write(LIGHT[:at])
    program.write(LIGHT[at:])
    program.read_until(lambda seen: PLACEHOLDER_LIGHT in seen)
    program.write(b"list")
    program.show_until(lambda rows: program.written == ["list"])


def test_an_answer_whose_end_comes_much_too_late_is_not_typed_either(start: Callable[..., Terminal]) -> None:
    program = start(environ=FULL)
    program.write(LIGHT[:12])
    program.rest(SEQUENCE_SECONDS * 1.5)
    program.write(LIGHT[12:])
    program.rest(0.1)
    program.write(b"list")
    program.show_until(lambda rows: program.written == ["list"])


@pytest.mark.parametrize("environ", [{"TERM": "linux"}, {"NO_COLOR": "1"}])
def test_a_terminal_that_could_not_answer_is_not_asked(start: Callable[..., Terminal], environ: dict[str, str]) -> None:
    assert ASKED not in start(environ=environ).seen


def test_a_theme_that_is_set_stays_whatever_is_answered(start: Callable[..., Terminal], tmp_path: Path) -> None:
    config = tmp_path / "home" / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('theme = "dark"\n')
    program = start(environ=FULL)
    program.write(LIGHT + b"list")
    program.show_until(lambda rows: program.written == ["list"])
    assert PLACEHOLDER_LIGHT not in program.seen


@pytest.mark.parametrize(
    ("environ", "form"),
    [
        (FULL, b"all"),
        ({"TERM": "xterm-kitty"}, b"all"),
        ({"TERM": "xterm-256color"}, b"256"),
        ({"TERM": "xterm"}, b"16"),
        ({"TERM": "linux"}, b"16"),
        ({"NO_COLOR": "1", **FULL}, b"own"),
    ],
)
def test_colours_are_written_in_the_form_the_terminal_knows(
    start: Callable[..., Terminal], environ: dict[str, str], form: bytes
) -> None:
    program = start(environ={"COLORTERM": "", **environ})
    program.type(b"/mo", b"/mo")
    program.show_until(lambda rows: any("/model" in row for row in rows))
    assert forms(program.seen) == {form}


def test_an_empty_no_color_takes_no_colours_away(start: Callable[..., Terminal]) -> None:
    script = "import os, runpy, sys; os.environ['NO_COLOR'] = ''; sys.argv = ['flowchat']; "
    program = start("-c", script + "runpy.run_module('flowchat', run_name='__main__')", environ=FULL)
    assert forms(program.seen) == {b"all"}
