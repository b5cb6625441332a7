"""The program in a real terminal: what it leaves behind, however it ends."""

import os
import signal
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.ui.app import LEAVE_SECONDS
from flowchat.ui.terminal import in_ascii, shows_ascii_alone
from tests.ui.terminals import CURSOR_SHOWN, ENTERED, KEYBOARD_ASKED, KEYBOARD_LEFT, LEFT, Terminal, modes_left, unknown

ASCII = """
import sys
from pathlib import Path
from flowchat.config import Settings
from flowchat.runtime.workspace import Workspace
from flowchat.ui.app import Start, run_app

sys.exit(run_app(Workspace(Path("."), Settings(model="demo"), None, {}), start=Start(ascii=True)))
"""
BREAKS = """
import sys
from pathlib import Path
from flowchat.config import Settings
from flowchat.runtime.workspace import Workspace
from flowchat.ui.app import Start, run_app

class Breaks(Workspace):
    def files(self):
        raise ZeroDivisionError("a bug")

sys.exit(run_app(Breaks(Path("."), Settings(model="demo"), None, {}), start=Start(log=Path("/log/here"))))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_restores_the_terminal_and_is_the_exit_code(start: Callable[..., Terminal], number: int, code: int) -> None:
    program = start()
    assert termios.tcgetattr(program.tty) != program.before
    program.type(b"list", b"list")
    program.write(b"\r")
    program.read_until(lambda seen: b"Demo model" in seen)
    began = time.monotonic()
    os.kill(program.pid, number)
    assert program.wait() == code
    assert time.monotonic() - began < LEAVE_SECONDS
    assert b"flowchat -r 2" in program.seen[program.seen.rfind(LEFT) :], "the guard ended it: nothing was closed and said"
    assert modes_left(program.seen) == []
    assert program.seen.rfind(CURSOR_SHOWN) > program.seen.rfind(b"\x1b[?25l")
    assert termios.tcgetattr(program.tty) == program.before


STUCK = """
import sys, time
from pathlib import Path
from flowchat.config import Settings
from flowchat.runtime.workspace import Workspace
from flowchat.ui.app import Start, run_app

class Stuck(Workspace):
    async def close(self):
        time.sleep(60)

sys.exit(run_app(Stuck(Path("."), Settings(model="demo"), None, {}), start=Start()))
"""


def test_a_program_that_cannot_leave_is_ended_with_the_terminal_restored(start: Callable[..., Terminal]) -> None:
    program = start("-c", STUCK)
    os.kill(program.pid, signal.SIGTERM)
    assert program.wait() == 143
    assert modes_left(program.seen) == []
    assert termios.tcgetattr(program.tty) == program.before


def test_a_terminal_without_unicode_gets_ascii_alone(start: Callable[..., Terminal]) -> None:
    program = start("-c", ASCII)
    program.type("é ␛ \x1b[200~\x07\x1b[201~".encode(), b"^")
    program.write(b"\x03")
    program.read_until(lambda seen: b"Write a message" in seen.rpartition(b"^")[2])
    program.type(b"list", b"list")
    program.write(b"\r")
    program.read_until(lambda seen: b"Demo model" in seen)
    assert program.seen.isascii()


@pytest.mark.parametrize(
    ("environ", "encoding", "is_ascii"),
    [
        ({}, "utf-8", False),
        ({}, "ascii", True),
        ({"LANG": "de_DE.ISO-8859-1"}, "iso8859-1", True),
        ({"LANG": "C", "LC_ALL": "POSIX"}, "utf-8", True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, "UTF-8", True),
        ({"LANG": "C", "LC_ALL": ""}, "utf-8", True),
    ],
)
def test_the_locale_decides_on_ascii(environ: dict[str, str], encoding: str, is_ascii: bool) -> None:
    assert shows_ascii_alone(environ, encoding) is is_ascii


@pytest.mark.parametrize("columns", ["7", "100000", "0", "many"])
def test_the_size_is_what_the_terminal_says_and_not_what_the_environment_does(
    start: Callable[..., Terminal], columns: str
) -> None:
    program = start(environ={"COLUMNS": columns, "LINES": columns})
    program.show_until(lambda rows: rows[22] == "─" * 80)


def test_only_known_sequences_are_written_whatever_the_mouse_does(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"\x1b[<35;4;12M\x1b[<35;40;21M\x1b[<0;40;21M\x1b[<0;40;21m\x1b[<64;1;1Mlist\x1b[13u")
    program.read_until(lambda seen: b"Demo model" in seen)
    program.write(b"\x03\x03\x03")
    program.wait()
    assert unknown(program.seen) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a␛b", "a^b"),
        ("…", "~"),
        ("│ é 漢\x1b[0m", "| ? ??\x1b[0m"),
        ("👨\u200d👩\u200d👧 e\u0301 ⚠\ufe0f", "?? e ?"),
        ("\x1b[0mplain", "\x1b[0mplain"),
    ],
)
def test_what_is_not_ascii_is_shown_as_wide_as_it_is(text: str, shown: str) -> None:
    assert in_ascii(text) == shown


def test_leaving_prints_how_to_go_on(start: Callable[..., Terminal]) -> None:
    program = start()
    program.type(b"list", b"list")
    program.write(b"\r")
    program.read_until(lambda seen: b"Demo model" in seen)
    program.write(b"\x04")
    assert program.wait() == 0
    assert b"flowchat -r 2" in program.seen[program.seen.rfind(LEFT) :]


def test_a_crash_restores_the_terminal_and_says_one_sentence(start: Callable[..., Terminal]) -> None:
    program = start("-c", BREAKS)
    program.write(b"@")
    assert program.wait() == 1
    assert modes_left(program.seen) == []
    behind = program.seen[program.seen.rfind(LEFT) :].decode()
    assert "flowchat: the screen failed: " in behind
    assert "/log/here" in behind
    assert "Traceback" not in behind


def test_a_terminal_left_raw_by_a_kill_is_sane_after_the_next_program(start: Callable[..., Terminal], tmp_path: Path) -> None:
    program = start()
    raw = termios.tcgetattr(program.tty)
    raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    script = f"import termios, runpy, sys; sys.argv = ['flowchat']; termios.tcsetattr(0, termios.TCSANOW, {raw!r})\n"
    again = start("-c", script + "runpy.run_module('flowchat', run_name='__main__')")
    again.write(b"\x04")
    assert again.wait() == 0
    after = termios.tcgetattr(again.tty)
    assert after[3] & termios.ICANON
    assert after[3] & termios.ECHO


def test_keys_and_text_of_one_burst_are_not_sent(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"one\rtwo\r")
    program.read_until(lambda seen: b"two" in seen)
    program.write(b"\x03\x04")
    assert program.wait() == 0
    assert b"flowchat -r" not in program.seen


def test_suspended_it_gives_the_terminal_back_and_continued_it_paints_anew(start: Callable[..., Terminal]) -> None:
    program = start()
    for _ in range(3):
        program.seen = b""
        program.write(b"\x1a")
        program.read_until(lambda seen: LEFT in seen)
        os.waitpid(program.pid, os.WUNTRACED)
        assert termios.tcgetattr(program.tty) == program.before
        os.kill(program.pid, signal.SIGCONT)
        program.read_until(lambda seen: b"Write a message" in seen[seen.rfind(ENTERED) :] and ENTERED in seen)
        assert termios.tcgetattr(program.tty) != program.before


SLOW_DISK = """
import sys, time
from pathlib import Path
from flowchat.config import Settings, open_folders
from flowchat.runtime.workspace import Workspace
from flowchat.store.disk import Disk
from flowchat.ui.app import Start, run_app

class Slow(Disk):
    def fsync(self, fd):
        time.sleep(0.5)
        super().fsync(fd)

folders = open_folders({"FLOWCHAT_HOME": str(Path("home").absolute())})
sys.exit(run_app(Workspace(Path("."), Settings(model="demo"), folders, {}, disk=Slow()), start=Start()))
"""


def test_what_is_written_is_on_disk_when_the_program_is_suspended(start: Callable[..., Terminal], tmp_path: Path) -> None:
    program = start("-c", SLOW_DISK)
    program.type(b"half a thought", b"half a thought")
    program.write(b"\x1a")
    program.read_until(lambda seen: LEFT in seen)
    os.waitpid(program.pid, os.WUNTRACED)
    drafts = [path for path in tmp_path.rglob("*") if path.is_file() and b"half a thought" in path.read_bytes()]
    os.kill(program.pid, signal.SIGCONT)
    assert drafts != []


def test_stopped_without_being_asked_it_goes_on_and_leaves_the_terminal_as_it_was(start: Callable[..., Terminal]) -> None:
    program = start()
    for _ in range(3):
        before = len(program.seen)
        os.kill(program.pid, signal.SIGSTOP)
        os.waitpid(program.pid, os.WUNTRACED)
        os.kill(program.pid, signal.SIGCONT)
        program.read_until(lambda seen, before=before: b"Write a message" in seen[before:].partition(ENTERED)[2])
    program.type(b"abc", b"abc")
    program.write(b"\x03\x04")
    assert program.wait() == 0
    assert modes_left(program.seen) == []
    assert program.seen.count(KEYBOARD_ASKED) == program.seen.count(KEYBOARD_LEFT)
    assert termios.tcgetattr(program.tty) == program.before


@pytest.mark.parametrize("asked", ["list", "long"])
def test_a_terminal_that_is_gone_ends_the_program_as_a_hangup_does(start: Callable[..., Terminal], asked: str) -> None:
    program = start()
    program.type(asked.encode(), asked.encode())
    program.write(b"\r")
    program.read_until(lambda seen: b"Demo model" in seen)
    program.hang_up()
    assert program.wait(reads=False) == 129


def test_a_terminal_that_takes_nothing_more_is_restored_all_the_same(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"\x0c" * 500)
    program.fill_up()
    os.kill(program.pid, signal.SIGTERM)
    assert program.wait(reads=False) == 143
    program.read_until(lambda seen: modes_left(seen) == [])
    assert modes_left(program.seen) == []
    assert termios.tcgetattr(program.tty) == program.before


def test_a_storm_of_sizes_while_it_streams_ends_in_the_right_picture(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"long\x1b[13u")
    program.read_until(lambda seen: b"Demo model" in seen)
    for number in range(200):
        program.resize(1 + number * 37 % 160, 1 + number * 13 % 60)
        program.rest(0.01)
    program.resize(80, 24)
    program.write(b"still here")
    program.show_until(lambda rows: program.written == ["still here"] and rows[22] == "─" * 80)
    program.write(b"\x1b[27u\x03\x03\x04")
    assert program.wait() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 10), (3, 2), (20, 5), (40, 12), (400, 100)])
def test_every_screen_can_be_opened_at_any_size(start: Callable[..., Terminal], size: tuple[int, int]) -> None:
    program = start()
    program.write(b"list\x1b[13u")
    program.show_until(lambda rows: "F1 help" in rows[23] and any("Demo model" in row for row in rows))
    program.resize(*size)
    for keys in (
        b"\x1bOP",
        b"/re",
        b"@",
        b"/resume\x1b[13u",
        b"/edit\x1b[13u",
        b"/context raw\x1b[13u",
        b"/theme\x1b[13u\x1b[B\x1b[B",
        b"\x1b[1;5Ajk",
        b"a" * 60,
    ):
        program.write(keys + b"\x1b[27u\x01\x0b")
    program.write(b"write x.txt: hi\x1b[13u")
    program.rest(0.5)
    program.resize(80, 24)
    program.show_until(lambda rows: any("y once" in row for row in rows))
    assert unknown(program.seen) == []
