"""A flood in the real program on a real terminal: it can be typed meanwhile, and Esc ends it with nothing left."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ui.terminals import Terminal

DAEMON = """
import os, time
if os.fork():
    while True: print("flooding " * 20)
os.setsid()
if os.fork(): os._exit(0)
open("daemon.pid", "w").write(str(os.getpid()))
for fd in range(256):
    try: os.close(fd)
    except OSError: pass
time.sleep(60)
"""


def left_in(folder: Path) -> list[str]:
    """The processes of calls that work in a folder."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"FLOWCHAT_CALL=" in (process / "environ").read_bytes() and (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("command", ["yes flooding", "base64 /dev/urandom", "python daemon.py"])
def test_keys_show_during_a_flood_and_escape_ends_it_with_nothing_left(
    start: Callable[..., Terminal], tmp_path: Path, command: str
) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    program = start("-m", "flowchat", "--permission-mode", "bypass")
    program.type(f"run {command.replace('python', sys.executable)}".encode(), command[-6:].encode())
    program.write(b"\r")
    program.show_until(lambda rows: any("lines above" in row for row in rows))
    assert left_in(tmp_path)
    program.write(b"meanwhile")
    program.show_until(lambda rows: any(row.strip() == "meanwhile" for row in rows))
    program.write(b"\x1b")
    program.show_until(lambda rows: any("interrupted" in row for row in rows))
    program.show_until(lambda rows: left_in(tmp_path) == [] or not program.read_some(0.2))
    assert left_in(tmp_path) == []
