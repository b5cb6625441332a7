"""The user's editor on a text: what it leaves comes back, and where it fails the text is as it was."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from flowchat.tools.editor import edit, editor_of
from flowchat.tools.tool import NotDone


def script(tmp_path: Path, body: str) -> list[str]:
    file = tmp_path / "an editor"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o700)
    return [str(file)]


def home(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        ("echo two >> $1", "one\n", "one\ntwo\n"),
        ('printf "%s\\n" new > $1', "old", "new"),
        ("true", "untouched\nlines\n", "untouched\nlines\n"),
        ("true", "", ""),
        ('printf "a\\r\\nb\\0c" > $1', "old", "a\nbc"),
    ],
)
async def test_what_the_editor_wrote_is_the_text(tmp_path: Path, body: str, text: str, expected: str) -> None:
    assert await edit(script(tmp_path, body), text, home(tmp_path)) == expected
    assert list(home(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo lost > $1; exit 3", "ended with status 3; the text is as it was"),
        ("echo lost > $1; kill -9 $$", "was ended by signal 9; the text is as it was"),
        ("rm $1", "the text is as it was"),
        ("printf '\\377' > $1", "is not UTF-8; the text is as it was"),
        ("truncate -s 17M $1", "longer than 16 MiB; the text is as it was"),
    ],
)
async def test_where_the_editor_fails_that_is_said_and_its_file_is_gone(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(NotDone) as refused:
        await edit(script(tmp_path, body), "text", home(tmp_path))
    assert said in str(refused.value)
    assert list(home(tmp_path).iterdir()) == []


async def test_its_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = os.umask(0)
    try:
        await edit(script(tmp_path, f'stat -c "%a %A" "$1" "$(dirname "$1")" > "{out}"'), "secret", home(tmp_path))
    finally:
        os.umask(before)
    assert [line.split()[0] for line in out.read_text().splitlines()] == ["600", "700"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o666


async def test_it_gets_the_terminals_variables_and_no_key(tmp_path: Path) -> None:
    out = tmp_path / "out"
    os.environ.update({"TERM": "xterm-direct", "A_SECRET_API_KEY": "k"})
    try:
        await edit(script(tmp_path, f'env > "{out}"'), "", home(tmp_path))
    finally:
        del os.environ["A_SECRET_API_KEY"]
    names = dict(line.partition("=")[::2] for line in out.read_text().splitlines())
    assert (names["TERM"], "A_SECRET_API_KEY" in names, "PAGER" in names) == ("xterm-direct", False, False)


async def test_cancelled_it_is_ended_even_if_it_would_not_be_hung_up(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    editing = asyncio.create_task(
        edit(script(tmp_path, f'trap "" HUP; echo $$ > "{pid_file}"; cat "{fifo(tmp_path)}"'), "", home(tmp_path))
    )
    while not (pid_file.exists() and pid_file.read_text().strip()):
        await asyncio.sleep(0)
    editing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await editing
    while is_running(int(pid_file.read_text())):
        await asyncio.sleep(0)
    assert list(home(tmp_path).iterdir()) == []


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "never"
    os.mkfifo(path)
    return path


def test_visual_comes_before_editor_and_words_are_read_as_a_shell_does() -> None:
    path = os.environ["PATH"]
    assert editor_of({"EDITOR": "false", "VISUAL": "env -i 'a b'", "PATH": path})[1:] == ["-i", "a b"]
    assert editor_of({"EDITOR": "true", "VISUAL": " "})[0].endswith("/true")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "No editor is set; set EDITOR"),
        ({"EDITOR": "no-such-editor -w"}, "EDITOR names 'no-such-editor -w', which is not a program"),
        ({"VISUAL": "vi 'x"}, "VISUAL cannot be read as a command"),
    ],
)
def test_without_an_editor_it_says_what_to_set(environ: dict[str, str], said: str) -> None:
    with pytest.raises(NotDone) as refused:
        editor_of(environ)
    assert said in str(refused.value)
