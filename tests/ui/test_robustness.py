"""What a terminal, a shell and a hand do to the program: each case of robustness on a real terminal."""

import gc
import json
import os
import select
import shutil
import signal
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowchat.ui.approval import GUARD_SECONDS
from tests.ui.terminals import ENTERED, LEFT, Terminal, modes_left, unknown

Start = Callable[..., Terminal]
CASES = {
    case["id"]: case["input"]["event"]
    for case in json.loads(Path(__file__).with_name("cases.json").read_text())
    if case["area"] == "ui-robustness"
}
ENTER = b"\x1b[13u"
PASTE = "".join(f"line {number} of what is pasted\n" for number in range(35_000))
"""A megabyte."""


def unbracketed_paste(start: Start, folder: Path) -> None:
    program = start()
    pour(program, PASTE.replace("\n", "\r").encode())
    program.show_until(lambda rows: any("35,001 lines]" in row for row in program.written))
    assert kept_text(program, folder) == PASTE
    assert b"flowchat -r" not in program.seen


def ascii_locale(start: Start, folder: Path) -> None:
    program = start(environ={"LANG": "C", "LC_ALL": "POSIX"})
    program.write("é".encode() + b"list" + ENTER)
    program.show_until(lambda rows: any("Demo model" in row for row in rows))
    assert program.seen.isascii()


def no_screen(start: Start, folder: Path) -> None:
    for term in ("dumb", ""):
        program = Terminal(folder, "-m", "flowchat", environ={"TERM": term})
        assert program.wait() == 2
        assert len(program.seen.decode().strip().splitlines()) == 1
        assert ENTERED not in program.seen
        program.close()


def no_terminal(start: Start, folder: Path) -> None:
    """Standard output is a file: one sentence, and nothing of a screen anywhere."""
    code = "import os, runpy, sys; sys.argv = ['flowchat']; os.dup2(os.open('out', os.O_CREAT | os.O_WRONLY), 1)"
    program = Terminal(folder, "-c", f"{code}; runpy.run_module('flowchat', run_name='__main__')")
    assert program.wait() == 2
    assert (folder / "out").read_bytes() == b""
    assert b"must all be terminals" in program.seen
    assert ENTERED not in program.seen
    program.close()


def ended_by(number: signal.Signals, code: int) -> Callable[[Start, Path], None]:
    def case(start: Start, folder: Path) -> None:
        program = start()
        program.write(b"list" + ENTER)
        program.read_until(lambda seen: b"Demo model" in seen)
        if number == signal.SIGHUP:
            program.hang_up()
        else:
            os.kill(program.pid, number)
        assert program.wait(reads=number != signal.SIGHUP) == code
        assert number == signal.SIGHUP or (modes_left(program.seen), termios.tcgetattr(program.tty)) == ([], program.before)

    return case


def killed(start: Start, folder: Path) -> None:
    program = start()
    program.write(b"list" + ENTER)
    program.show_until(lambda rows: any("Demo model" in row for row in rows) and not any("Esc stop" in row for row in rows))
    os.kill(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert modes_left(program.seen) != []
    again = start("-m", "flowchat", "-c")
    again.show_until(lambda rows: any("Demo model" in row for row in rows))
    again.write(b"\x04")
    assert again.wait() == 0
    assert again.seen.index(b"\x1b[?1006l") < again.seen.index(ENTERED)
    assert (modes_left(again.seen), unknown(again.seen)) == ([], [])


def folder_removed(start: Start, folder: Path) -> None:
    work = folder / "work"
    work.mkdir()
    enter = "import os, runpy, sys; sys.argv = ['flowchat']; os.chdir('work'); runpy.run_module('flowchat', run_name='__main__')"
    program = start("-c", enter)
    program.write(b"list" + ENTER)
    program.show_until(lambda rows: any("Demo model" in row for row in rows) and not any("Esc stop" in row for row in rows))
    shutil.rmtree(work)
    program.write(b"run touch c" + ENTER)
    program.show_until(lambda rows: any("y once" in row for row in rows))
    program.rest(2 * GUARD_SECONDS)
    program.write(b"y")
    program.show_until(lambda rows: any("failed" in row for row in rows) and any("work" in row for row in rows))
    program.show_until(lambda rows: not any("Esc stop" in row for row in rows))
    program.write(b"\x04")
    assert program.wait() == 0
    assert b"flowchat -r 2" in program.seen[program.seen.rfind(LEFT) :]


def no_home(start: Start, folder: Path) -> None:
    (folder / "shut").mkdir(mode=0o500)
    nowhere = {"FLOWCHAT_HOME": "/dev/null/home", "HOME": ""}
    program = start(environ=nowhere)
    program.write(b"list" + ENTER)
    program.show_until(lambda rows: any("Demo model" in row for row in rows) and "not kept" in rows[-1])
    program.write(b"\x04")
    assert program.wait() == 0


def widths(start: Start, folder: Path) -> None:
    """What is pasted writes no sequence of its own; that each text has its cells is in test_widths."""
    program = start()
    program.write("\x1b[200~漢字 e\u0301 👩\u200d💻 हिन्दी שלום ⚠\ufe0f\x1b[201~|".encode())
    program.read_until(lambda seen: b"|" in seen)
    assert unknown(program.seen) == []


HAPPENS: dict[str, Callable[[Start, Path], None]] = {
    "UI-003": unbracketed_paste,
    "UI-005": ascii_locale,
    "UI-006": no_screen,
    "UI-007": no_terminal,
    "UI-009": ended_by(signal.SIGHUP, 129),
    "UI-010": ended_by(signal.SIGINT, 130),
    "UI-014": killed,
    "UI-015": widths,
    "UI-019": folder_removed,
    "UI-020": no_home,
}


@pytest.mark.parametrize("case", CASES, ids=[f"{case} {event}" for case, event in CASES.items()])
def test_a_case_of_robustness_ends_well(case: str, start: Start, tmp_path: Path) -> None:
    HAPPENS[case](start, tmp_path)


@pytest.mark.parametrize("text", [PASTE, PASTE * 10], ids=["1 MB", "10 MB"])
def test_a_long_paste_is_kept_whole_and_not_sent(text: str, start: Start, tmp_path: Path) -> None:
    program = start()
    pour(program, b"\x1b[200~" + text.replace("\n", "\r").encode() + b"\x1b[201~")
    lines = text.count("\n") + 1
    program.show_until(lambda rows: any(f"{lines:,} lines]" in row for row in program.written))
    assert kept_text(program, tmp_path) == text
    assert b"flowchat -r" not in program.seen


def pour(program: Terminal, text: bytes) -> None:
    """Write a long text as the program takes it, and read what it says meanwhile."""
    gc.disable()  # a pause of ours would be one of the hand that pastes
    os.set_blocking(program.tty, False)
    while text:
        readable, writable, _ = select.select([program.tty], [program.tty], [])
        if readable:
            program.read_some(0)
        if writable:
            try:
                text = text[os.write(program.tty, text[:4096]) :]
            except BlockingIOError:
                continue
    os.set_blocking(program.tty, True)
    gc.enable()


def kept_text(program: Terminal, folder: Path) -> str:
    """What is unsent on disk once the program has been told to leave."""
    os.kill(program.pid, signal.SIGTERM)
    assert program.wait() == 143
    drafts: list[Any] = [json.loads(file.read_text()) for file in folder.glob("home/state/drafts/*.json")]
    return "".join(draft["text"] for draft in drafts)
