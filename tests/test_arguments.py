"""What the words behind `flowchat` mean, and how those that mean nothing are refused."""

import os
from pathlib import Path

import pytest

from flowchat import __version__
from flowchat.arguments import PICK, Chat, Given, Headless, Page, Policy, Sessions, Trash, parse
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
        (["--permission-mode", "auto"], Chat(HERE, mode="auto")),
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
            Chat(HERE, prompt="a b", headless=Headless("stream-json", 3), given=Given(("grep", "shell(ls -l)"))),
        ),
        (["-p", "a", "--max-turns", "9"], Chat(HERE, prompt="a", headless=Headless(max_steps=9))),
        (["-p", "-c", "a"], Chat(HERE, prompt="a", newest=True, headless=Headless())),
        (["-p", "caf\udce9"], Chat(HERE, prompt="caf\ufffd", headless=Headless())),
        (["sessions", "list"], Sessions("list")),
        (["sessions", "list", "--json"], Sessions("list", as_json=True)),
        (["sessions", "show", "k3f9"], Sessions("show", "k3f9")),
        (["sessions", "path", "--json", "k3f9"], Sessions("path", "k3f9", as_json=True)),
        (["sessions", "list", "--size"], Sessions("list", sizes=True)),
        (["sessions", "delete", "k3f9"], Sessions("delete", "k3f9")),
        (["sessions", "export", "k3f9", "--format", "json", "--all"], Sessions("export", "k3f9", True, everything=True)),
        (["sessions", "export", "k3f9", "-o", "-"], Sessions("export", "k3f9")),
        (["sessions", "export", "k3f9", "-o", "a.md", "--force"], Sessions("export", "k3f9", output="a.md", force=True)),
        (["trash", "list"], Trash("list")),
        (["trash", "restore", "k3f9", "--json"], Trash("restore", "k3f9", as_json=True)),
        (["trash", "empty", "--yes"], Trash("empty", sure=True)),
        (["--version"], Page(f"flowchat {__version__}\n")),
        (["-C", "~", "hi"], Chat(Path.home().resolve(), prompt="hi")),
        (["--yolo", "--permission-mode", "bypass"], Chat(HERE, mode="bypass")),
        (
            ["--deny", "shell(rm:*)", "--add-dir", "/", "--allow", "grep"],
            Chat(HERE, given=Given(("grep",), ("shell(rm:*)",), (Path("/"),))),
        ),
        (["policy", "list", "--json"], Policy("list", as_json=True)),
        (["policy", "explain", "rm -rf a"], Policy("explain", "rm -rf a")),
        (["policy", "explain", "--", "-x"], Policy("explain", "-x")),
        (
            ["policy", "explain", "Read", "a", "--deny", "Read(a)", "--permission-mode", "plan", "-C", "/"],
            Policy("explain", "a", "Read", "plan", folder=Path("/"), given=Given((), ("Read(a)",))),
        ),
        (["-p", "--allow", "", "hi"], Chat(HERE, prompt="hi", headless=Headless(), given=Given(("",)))),
    ],
)
def test_words_are_a_command(words: list[str], command: object) -> None:
    assert parse(words) == command


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["-p", "-h"], ["sessions", "--help"], ["sessions", "list", "-h"]])
def test_help_is_a_page_that_shows_how_to_call_it(words: list[str]) -> None:
    page = parse(words)
    assert isinstance(page, Page)
    assert page.text.startswith("usage: flowchat")
    assert page.text.endswith("\n")


MODES = "use default, accept-edits, plan, auto or bypass"
HELP = "`flowchat --help` lists the options"
STEPS = "is not a valid step count: use a whole number from 1 to 999,999,999"
ACTIONS = "`flowchat sessions` takes list, show ID, path ID, delete ID or export ID, not"
FOR_A_PROMPT = "put a prompt that starts with - after --"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--permission-mode", "fast"], f"'fast' is not a permission mode: {MODES}"),
        (["-C", "/no/such/folder"], "-C '/no/such/folder' does not exist"),
        (["-C", "~nobody-of-this-name/x"], "-C '~nobody-of-this-name/x' does not exist"),
        (["-C", "x" * 300], f"-C '{'x' * 300}' does not exist"),
        (["-C", __file__], f"-C {__file__!r} is not a folder"),
        (["-p", "a", "--output-format", "yaml"], "'yaml' is not an output format: use text, json or stream-json"),
        (["-p", "a", "--max-steps", "0"], f"'0' {STEPS}"),
        (["-p", "a", "--max-steps", "-1"], f"'-1' {STEPS}"),
        (["-p", "a", "--max-steps", "9" * 5000], f"'{'9' * 20}...' {STEPS}"),
        (["-p", "a", "--max-steps", "٣"], f"'٣' {STEPS}"),
        (["-m"], f"-m/--model: expected one argument; {HELP}"),
        (["-m", " "], "-m is empty: name a model, as in `-m openai/gpt-5`, or leave it out"),
        (["--frobnicate"], f"unrecognized arguments: --frobnicate; {HELP}; {FOR_A_PROMPT}"),
        (["--perm", "plan"], f"unrecognized arguments: --perm; {HELP}; {FOR_A_PROMPT}"),
        (["--max-steps", "3", "a"], "--max-steps goes with -p: add it, or leave the flag out"),
        (["--output-format", "json", "a"], "--output-format goes with -p: add it, or leave the flag out"),
        (["-c", "-r", "k3f9"], "-c and -r each name a session: use one of them"),
        (
            ["-c", "--no-session"],
            "--no-session keeps nothing, so there is nothing to continue with -c or -r: leave one of them out",
        ),
        (["--yolo", "--permission-mode", "plan"], "--yolo is --permission-mode bypass, not plan: use one of them"),
        (["-p", "a", "-r"], "-r with -p needs the id or the title of a session: `flowchat sessions list` shows them"),
        (["sessions"], f"{ACTIONS} nothing"),
        (["sessions", "--json"], f"{ACTIONS} nothing"),
        (["sessions", "burn"], f"{ACTIONS} 'burn'"),
        (["sessions", "show"], "`sessions show` needs the id of a session: `flowchat sessions list` shows them"),
        (["sessions", "show", "k3f9", "--size"], "--size goes with `sessions list`: leave it out"),
        (["sessions", "show", "k3f9", "--all"], "--all goes with `sessions export`: leave it out"),
        (["sessions", "export", "k3f9", "--force"], "--force goes with -o FILE: name the file to replace"),
        (
            ["sessions", "export", "k3f9", "--json", "--format", "markdown"],
            "--json is --format json, not markdown: use one of them",
        ),
        (["doctor", "-x"], "unrecognized arguments: -x; `flowchat doctor --help` lists the options"),
        (
            ["config", "set", "theme", "light", "--json"],
            "--json goes with `config path` and `config show`, not with `config set`: leave it out",
        ),
        (["sessions", "export", "k3f9", "-o", " "], "-o is empty: name a file, or leave it out for stdout"),
        (["--add-dir", "/no/such/folder"], "--add-dir '/no/such/folder' does not exist"),
        (["policy"], "`flowchat policy` is followed by list, explain COMMAND or explain TOOL PATH, not by nothing"),
        (["policy", "explain"], "`flowchat policy explain` takes one command in quotes, or a tool and a path"),
        (
            ["policy", "explain", "git", "push", "-f"],
            "unrecognized arguments: -f; `flowchat policy --help` lists the options",
        ),
        (["policy", "list", "ls"], "`flowchat policy list` takes nothing more"),
        (["trash", "restore"], "`trash restore` needs the id of a session: `flowchat trash list` shows them"),
        (["trash", "empty", "k3f9"], "`trash empty` takes no id, and 'k3f9' was given: leave it out"),
        (["sessions", "list", "k3f9"], "`sessions list` takes no id, and 'k3f9' was given: use `sessions show k3f9`"),
    ],
)
def test_words_that_are_no_command_are_refused_in_one_sentence_that_names_them(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(words)
    assert str(refusal.value) == sentence


def test_a_folder_that_went_away_under_the_shell_is_told(tmp_path: Path) -> None:
    before = Path.cwd()
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    try:
        (tmp_path / "gone").rmdir()
        with pytest.raises(UsageError, match="the current folder no longer exists: change to another one, or name one with -C"):
            parse(["hi"])
    finally:
        os.chdir(before)
