from pathlib import Path

import pytest

from flowchat.cli import PICK, Chat, Headless, Sessions, Version, parse
from flowchat.errors import UsageError

HERE = Path.cwd().resolve()


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ([], Chat(HERE)),
        (["fix", "it"], Chat(HERE, prompt="fix it")),
        (["-m", "demo", "hello"], Chat(HERE, prompt="hello", model="demo")),
        (["--model=openai/gpt-5"], Chat(HERE, model="openai/gpt-5")),
        (["-c"], Chat(HERE, newest=True)),
        (["--continue", "go", "on"], Chat(HERE, newest=True, prompt="go on")),
        (["-r"], Chat(HERE, resume=PICK)),
        (["-r", "k3f9", "go", "on"], Chat(HERE, resume="k3f9", prompt="go on")),
        (["--resume", "Blue car"], Chat(HERE, resume="Blue car")),
        (["-C", "/", "hi"], Chat(Path("/"), prompt="hi")),
        (["--no-session"], Chat(HERE, saved=False)),
        (["--permission-mode", "accept-edits"], Chat(HERE, mode="accept-edits")),
        (["--permission-mode", "acceptEdits"], Chat(HERE, mode="accept-edits")),
        (["--permission-mode", "bypassPermissions"], Chat(HERE, mode="bypass")),
        (["--permission-mode", "plan"], Chat(HERE, mode="plan")),
        (["--yolo"], Chat(HERE, mode="bypass")),
        (["-p", "hi"], Chat(HERE, prompt="hi", headless=Headless())),
        (["run", "the", "tests"], Chat(HERE, prompt="the tests", headless=Headless())),
        (["the", "run"], Chat(HERE, prompt="the run")),
        (["--", "run"], Chat(HERE, prompt="run")),
        (["-p", "--", "-x", "--", "y"], Chat(HERE, prompt="-x -- y", headless=Headless())),
        (
            [
                "-p",
                "a",
                "--output-format",
                "stream-json",
                "b",
                "--max-steps",
                "3",
                "--allow",
                "grep",
                "--allow",
                "shell(ls -l)",
            ],
            Chat(HERE, prompt="a b", headless=Headless("stream-json", 3, ("grep", "shell(ls -l)"))),
        ),
        (["-p", "a", "--max-turns", "9"], Chat(HERE, prompt="a", headless=Headless(max_steps=9))),
        (["-p", "-c", "a"], Chat(HERE, prompt="a", newest=True, headless=Headless())),
        (["-p", "caf\udce9"], Chat(HERE, prompt="caf\ufffd", headless=Headless())),
        (["sessions", "list"], Sessions("list")),
        (["sessions", "list", "--json"], Sessions("list", as_json=True)),
        (["sessions", "show", "k3f9"], Sessions("show", "k3f9")),
        (["sessions", "path", "--json", "k3f9"], Sessions("path", "k3f9", as_json=True)),
        (["--version"], Version()),
    ],
)
def test_words_are_a_command(words: list[str], command: object) -> None:
    assert parse(words) == command


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--permission-mode", "auto"], "'auto' comes with the sandbox"),
        (["--permission-mode", "fast"], "'fast' is no permission mode: use default, accept-edits, plan or bypass"),
        (["-C", "/no/such/folder"], "'/no/such/folder' is no folder: name one that exists"),
        (["-p", "a", "--output-format", "yaml"], "'yaml' is no output format: use text, json or stream-json"),
        (["-p", "a", "--max-steps", "0"], "'0' is no number of steps: use a whole number from 1"),
        (["-p", "a", "--max-steps", "-1"], "-1"),
        (["-p", "a", "--max-steps", "9" * 5000], "use a whole number from 1"),
        (["-p", "a", "--max-steps", "٣"], "use a whole number from 1"),
        (["-m"], "--model"),
        (["-m", " "], "it is empty"),
        (["--frobnicate"], "--frobnicate; `flowchat --help` shows what there is"),
        (["--perm", "plan"], "--perm"),
        (["--max-steps", "3", "a"], "--max-steps goes with -p"),
        (["--allow", "grep", "a"], "--allow goes with -p"),
        (["--output-format", "json", "a"], "--output-format goes with -p"),
        (["-c", "-r", "k3f9"], "use one of them"),
        (["-c", "--no-session"], "leave one of them out"),
        (["--yolo", "--permission-mode", "plan"], "not plan: use one of them"),
        (["-p", "a", "-r"], "`flowchat sessions list` shows them"),
        (["sessions"], "action"),
        (["sessions", "burn"], "'burn'"),
        (["sessions", "show"], "`flowchat sessions list` shows them"),
        (["sessions", "list", "k3f9"], "use `sessions show k3f9`"),
    ],
)
def test_words_that_are_no_command_are_refused_in_one_sentence_that_names_them(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(words)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
