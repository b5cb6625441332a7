"""Commands made to slip past a prompt or past a rule that denies, and everyday ones that must not be asked about."""

import json
from pathlib import Path

import pytest

from flowchat.runtime.permits import line_of
from flowchat.tools.command import judge_command
from flowchat.tools.policy import Decision, Law, judge
from flowchat.tools.rules import Ground, Rule, parse_rule
from flowchat.tools.tool import Reach
from flowchat.transcript.entries import Mode

HERE = Path(__file__).parent
MORE: dict[str, list[str]] = json.loads((HERE / "more_cases.json").read_text())
CASES: dict[str, str] = {case["id"]: case["command"] for case in json.loads((HERE / "cases.json").read_text())}


def named(kind: str) -> list[str]:
    return [name for name in CASES if name.startswith(kind)]


@pytest.mark.parametrize("name", [*named("PERM"), *named("PARSE")])
def test_a_command_that_does_more_than_read_is_never_called_reading(name: str) -> None:
    judged = judge_command(CASES[name])
    assert not judged.read_only
    assert judged.reason


@pytest.mark.parametrize("name", named("BENIGN"))
def test_an_everyday_look_is_known_to_only_read(name: str) -> None:
    judged = judge_command(CASES[name])
    assert (judged.reason, judged.plain) == ("", True)
    assert [part.why for part in judged.parts] == [""] * len(judged.parts)


@pytest.mark.parametrize("name", named("DENY"))
def test_a_denied_program_is_among_what_is_said_or_the_command_is_called_murky(name: str) -> None:
    judged = judge_command(CASES[name])
    denied = [argv for argv in judged.said if argv[0] == "touch"]
    assert not judged.read_only
    assert denied or judged.murky


@pytest.mark.parametrize("command", MORE["not_reading"], ids=repr)
def test_what_writes_runs_connects_or_is_unknown_is_not_called_reading(command: str) -> None:
    judged = judge_command(command)
    assert judged.reason, judged.parts


@pytest.mark.parametrize("command", MORE["denied"], ids=repr)
def test_a_program_is_found_however_it_is_written_or_wrapped(command: str) -> None:
    judged = judge_command(command)
    assert not judged.read_only
    assert [argv for argv in judged.said if argv[0] == "touch"], (judged.said, judged.murky)


@pytest.mark.parametrize("command", MORE["reading"], ids=repr)
def test_what_an_agent_looks_at_all_day_needs_no_prompt(command: str) -> None:
    judged = judge_command(command)
    assert (judged.reason, judged.plain) == ("", True)


LOOKS = (
    *(
        "ls",
        "cat",
        "echo",
        "printf",
        "pwd",
        "head",
        "tail",
        "wc",
        "grep",
        "rg",
        "find",
        "sort",
        "uniq",
        "cut",
        "tr",
        "diff",
        "stat",
    ),
    *("which", "true", "false", "test", "cd", "sed", "man", "history", "date", "git status", "git log", "git diff", "git show"),
    *("git branch", "git grep", "git ls-remote", ":"),
)
CAREFREE = tuple(parse_rule(f"shell({look}:*)") for look in LOOKS)
"""What someone allows who trusts names of programs."""


def decided(command: str, rules: tuple[Rule, ...], folder: Path, mode: Mode = "default") -> Decision:
    law = Law(mode, Ground(folder), rules, trusted=True)
    reach = Reach("run", command=command)
    return judge(reach, "shell", law, line_of(reach, law)).decision


@pytest.mark.parametrize("mode", ["default", "accept-edits"])
@pytest.mark.parametrize("name", [*named("PERM"), *named("PARSE")])
def test_a_rule_for_a_program_that_looks_frees_nothing_else_that_it_can_do(name: str, mode: Mode, tmp_path: Path) -> None:
    assert decided(CASES[name], CAREFREE, tmp_path, mode) == "ask"


@pytest.mark.parametrize("command", [*MORE["denied"], *(CASES[name] for name in named("DENY"))], ids=repr)
def test_no_way_of_writing_it_makes_less_of_a_rule_that_denies(command: str, tmp_path: Path) -> None:
    """In the mode that allows all else."""
    assert decided(command, (parse_rule("shell(touch:*)", "deny"),), tmp_path, "bypass") in ("deny", "ask")
    assert decided(command, (parse_rule("shell(rm:*)", "deny"),), tmp_path, "bypass") != "deny"


@pytest.mark.parametrize("name", named("BENIGN"))
def test_an_everyday_look_runs_unasked(name: str, tmp_path: Path) -> None:
    assert (decided(CASES[name], (), tmp_path), decided(CASES[name], CAREFREE, tmp_path)) == ("allow", "allow")
