"""`flowchat trust`, as a shell runs it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_command import flowchat


def folder_with_settings(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / ".flowchat").mkdir(parents=True)
    (folder / ".flowchat" / "config.toml").write_text('model = "demo"\n[limits]\nsteps = 5\n')
    return folder


def test_a_folder_with_nothing_in_it_is_trusted_shown_and_forgotten(tmp_path: Path) -> None:
    said = [
        flowchat("trust", *words, cwd=tmp_path).stdout.replace(str(tmp_path), "DIR")
        for words in ((), ("add",), (), ("remove",), ("list",))
    ]
    assert said == [
        "DIR is not trusted\nNothing in it waits for that.\n",
        "DIR is trusted\n",
        "DIR is trusted\n",
        "DIR is no longer trusted\n",
        "",
    ]


def test_what_waits_is_shown_and_not_approved_unasked(tmp_path: Path) -> None:
    folder = folder_with_settings(tmp_path)
    waiting = (
        '  .flowchat/config.toml: model = "demo"   (decides where keys and messages go)\n'
        "  .flowchat/config.toml: limits.steps = 5\n"
    )
    look = flowchat("trust", cwd=folder)
    asked = flowchat("trust", "add", cwd=folder)
    assert look.stdout == (
        f"{folder} is not trusted\nThese do nothing until it is:\n{waiting}`flowchat trust add` trusts the folder.\n"
    )
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == ("flowchat: this folder has settings or rules that would count; see `flowchat trust` and add --yes\n")
    sure = flowchat("trust", "add", str(folder), "--yes", cwd=tmp_path)
    assert sure.stdout == f"{folder} is trusted\nThese count from now on:\n{waiting}"
    [row] = [json.loads(line) for line in flowchat("trust", "list", "--json", cwd=tmp_path).stdout.splitlines()]
    assert (row["path"], len(row["approved"])) == (str(folder), 1)


@pytest.mark.parametrize(("answer", "code", "trusted"), [(b"y\n", 0, True), (b"n\n", 1, False), (b"\n", 1, False)])
def test_on_a_terminal_it_asks(tmp_path: Path, answer: bytes, code: int, trusted: bool) -> None:
    folder = folder_with_settings(tmp_path)
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    command = [sys.executable, "-m", "flowchat", "trust", "add"]
    done = subprocess.run(command, cwd=folder, env=os.environ, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, timeout=60)
    said = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, 'model = "demo"' in said, "[y/N]" in said) == (code, True, True)
    assert json.loads(flowchat("trust", "--json", cwd=folder).stdout)["trusted"] is trusted


def test_a_folder_that_is_gone_can_be_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    flowchat("trust", "add", str(folder), cwd=tmp_path)
    folder.rmdir()
    assert flowchat("trust", "remove", str(folder), cwd=tmp_path).stdout == f"{folder} is no longer trusted\n"
    again = flowchat("trust", "remove", str(folder), cwd=tmp_path)
    assert (again.returncode, again.stderr) == (1, f"flowchat: {folder} is not a folder you trusted\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("me",), "`flowchat trust` takes list, add DIR or remove DIR, not 'me'"),
        (("list", "x"), "`trust list` takes no folder, and 'x' was given: leave it out"),
        (("remove", "--yes"), "--yes goes with `trust add`: leave it out"),
        (("add", "nowhere"), "'nowhere' does not exist"),
    ],
)
def test_a_usage_error_says_what_it_takes(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = flowchat("trust", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
