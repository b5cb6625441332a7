import os
from pathlib import Path

import pytest

from flowchat.errors import UsageError
from flowchat.serve.headless import STDIN_LIMIT_BYTES, read_prompt


def piped(tmp_path: Path, content: bytes) -> int:
    file = tmp_path / "stdin"
    file.write_bytes(content)
    return os.open(file, os.O_RDONLY)


@pytest.mark.parametrize(
    ("prompt", "content", "said"),
    [
        ("sum it up", b"one\ntwo\n", "sum it up\n\none\ntwo\n"),
        ("", b"one\ntwo\n", "one\ntwo\n"),
        ("hi", b"", "hi"),
        ("hi", b" \n", "hi"),
        ("caf\u00e9", b"\xff", "caf\u00e9\n\n\ufffd"),
    ],
)
def test_what_stdin_says_stands_behind_the_prompt(tmp_path: Path, prompt: str, content: bytes, said: str) -> None:
    assert read_prompt(prompt, piped(tmp_path, content)) == said


def test_a_terminal_is_not_read() -> None:
    assert read_prompt("hi", None) == "hi"


def test_a_prompt_does_not_wait_for_a_stdin_that_stays_silent() -> None:
    reader, writer = os.pipe()
    assert read_prompt("hi", reader, wait_seconds=0.01) == "hi"
    os.write(writer, b"late")
    os.close(writer)
    assert read_prompt("hi", reader) == "hi\n\nlate"


def test_a_closed_stdin_is_an_empty_one() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    assert read_prompt("hi", reader) == "hi"


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_nothing_to_say_is_refused(tmp_path: Path, prompt: str) -> None:
    with pytest.raises(UsageError, match="there is nothing to send"):
        read_prompt(prompt, piped(tmp_path, b" \n"))


def test_more_than_the_limit_is_refused_with_the_limit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than 8,388,608 bytes"):
        read_prompt("", piped(tmp_path, b"x" * (STDIN_LIMIT_BYTES + 1)))
