"""What is called plain, other readers of bash read in the same way: bash itself, and bashlex."""

import json
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import bashlex
import bashlex.errors
import pytest

from flowchat.tools.command import Judged, judge_command
from flowchat.tools.plain import NotPlain, Simple, read, refused_text
from tests.tools.judging.growing import commands, scribbles

HERE = Path(__file__).parent
CORPUS = [case["command"] for case in json.loads((HERE / "cases.json").read_text())]
CORPUS += [command for kind in json.loads((HERE / "more_cases.json").read_text()).values() for command in kind]
GROWN = list(islice(commands(seed=7, wild=0.3), 1_500))
BASH = ("/bin/bash", "--noprofile", "--norc")
TELLING = """told() { printf '%s\\0' "$@" >&9; printf '\\1' >&9; }
command_not_found_handle() { told "$@"; }
exec 9>&1 >/dev/null 2>&1
PATH=/nowhere
"""
"""From here on every program that bash would start tells its words instead."""


@pytest.fixture(scope="module")
def builtins() -> set[str]:
    return set(subprocess.run([*BASH, "-c", "compgen -b"], capture_output=True, text=True, check=True).stdout.split())


def words_by_bash(text: str, folder: Path) -> list[list[str]]:
    done = subprocess.run(
        [*BASH, "-c", TELLING + text], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
    )
    return [one.split("\0")[:-1] for one in done.stdout.decode().split("\1")[:-1]]


def simple_commands(text: str) -> tuple[Simple, ...]:
    found = NotPlain("") if refused_text(text) else read(text)
    return () if isinstance(found, NotPlain) else found


def test_bash_gives_the_same_words_to_every_command_of_a_plain_text(tmp_path: Path) -> None:
    """Patterns match nothing in an empty folder, so that they stay as they are."""
    plain = [one for text in GROWN for one in simple_commands(text) if not any(word.home for word in one.words)]
    assert len(plain) > 1_000
    lines = "\n".join("told " + " ".join(word.written for word in one.words) for one in plain)
    assert words_by_bash(lines, tmp_path) == [[word.text for word in one.words] for one in plain]


def test_bash_runs_the_parts_of_a_plain_text_and_nothing_else(builtins: set[str], tmp_path: Path) -> None:
    """Texts without a pipe, whose parts run in no order, and without `||`, whose second part does not run."""
    compared = 0
    for text, judged in islice(plain_texts(), 400):
        starts = [part.argv[0] for part in judged.parts]
        if "|" in text or "~" in text or any(name in builtins or "/" in name for name in starts):
            continue
        assert words_by_bash(text, tmp_path) == [list(part.argv) for part in judged.parts], text
        compared += 1
    assert compared > 100


def test_bash_reads_what_is_scribbled_as_it_was_judged(builtins: set[str], tmp_path: Path) -> None:
    compared = 0
    for text in islice(scribbles(seed=11), 4_000):
        parts = [part.argv for part in judge_command(text).parts]
        if parts and not any(argv[0] in builtins or argv[0] == "" or "/" in argv[0] for argv in parts):
            assert words_by_bash(text, tmp_path) == [list(argv) for argv in parts], text
            compared += 1
    assert compared > 200


def test_bash_accepts_what_is_called_plain() -> None:
    refused = [
        text
        for text, _ in islice(plain_texts(), 400)
        if subprocess.run([*BASH, "-n", "-c", text], capture_output=True, check=False).returncode
    ]
    assert refused == []


def test_bashlex_reads_the_same_words_where_it_reads_at_all() -> None:
    """But for backslashes and quotes: of two next to each other it takes away one too many, or one too few."""
    compared = 0
    for text, judged in plain_texts():
        try:
            theirs = [words for tree in bashlex.parse(text.strip("\n")) for words in words_by_bashlex(tree)]
        except (bashlex.errors.ParsingError, NotImplementedError, AssertionError, AttributeError):
            continue
        ours = [[bare(word) for word in part.argv] for part in judged.parts]
        assert [[bare(word) for word in words] for words in theirs] == ours, text
        compared += 1
    assert compared > 500


def plain_texts() -> Iterator[tuple[str, Judged]]:
    for text in (*CORPUS, *GROWN):
        judged = judge_command(text)
        if judged.plain:
            yield text, judged


def bare(word: str) -> str:
    return word.translate({ord(sign): None for sign in "\\'\""})


def words_by_bashlex(tree: bashlex.ast.node) -> list[list[str]]:
    if tree.kind == "command":
        return [[part.word for part in tree.parts if part.kind == "word"]]
    return [words for part in getattr(tree, "parts", []) for words in words_by_bashlex(part)]
