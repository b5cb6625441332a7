"""Commands made to slip past rules, and everyday ones, against real rules of every kind."""

import json
from pathlib import Path

import pytest

from flowchat.runtime.permits import line_of
from flowchat.tools.policy import Law, Verdict, judge
from flowchat.tools.rules import Ground, Rule, parse_rule
from flowchat.tools.tool import Reach
from flowchat.transcript.entries import Mode

HERE = Path(__file__).parent / "judging"
MORE: dict[str, list[str]] = json.loads((HERE / "more_cases.json").read_text())
CASES: dict[str, str] = {case["id"]: case["command"] for case in json.loads((HERE / "cases.json").read_text())}
ALLOWED = (
    *("ls", "cat", "echo", "printf", "pwd", "head", "tail", "wc", "grep", "rg", "find", "sort", "uniq", "cut", "tr", "diff"),
    *("stat", "which", "true", "false", "test", "cd", "sed", "man", "history", "date", ":"),
    *(f"git {name}" for name in ("status", "log", "diff", "show", "branch", "grep", "ls-remote")),
)
"""Programs that people allow with all that may follow."""
PREFIXES = tuple(parse_rule(f"shell({words}:*)") for words in ALLOWED)
DENIES = (parse_rule("shell(touch:*)", "deny"),)


def judged(command: str, rules: tuple[Rule, ...], mode: Mode = "default", **law: bool) -> Verdict:
    held, asked = Law(mode, Ground(Path("/ws")), rules, trusted=True, **law), Reach("run", command=command)
    return judge(asked, "shell", held, line_of(asked, held))


@pytest.mark.parametrize("command", [CASES[name] for name in CASES if name[:4] in ("PERM", "PARS")], ids=repr)
def test_no_rule_for_a_program_frees_what_slips_in_behind_it(command: str) -> None:
    assert [judged(command, rules).decision for rules in (PREFIXES, ())] == ["ask", "ask"]


@pytest.mark.parametrize("command", [CASES[name] for name in CASES if name.startswith("BENIGN")], ids=repr)
def test_an_everyday_look_is_free_with_rules_and_without(command: str) -> None:
    found = [judged(command, rules, mode).decision for rules in (PREFIXES, (), DENIES) for mode in ("default", "plan", "auto")]
    assert set(found) == {"allow"}


@pytest.mark.parametrize("command", [*(CASES[name] for name in CASES if name.startswith("DENY")), *MORE["denied"]], ids=repr)
def test_what_a_rule_denies_runs_in_no_disguise(command: str) -> None:
    everything = (parse_rule("shell"), parse_rule("Bash"))
    found = {
        judged(command, rules, mode, confined=True).decision
        for rules in (DENIES, (*everything, *DENIES))
        for mode in ("default", "accept-edits", "plan", "auto", "bypass")
    }
    assert "allow" not in found
    assert "allow" not in {
        judged(command, (*everything, parse_rule("shell(touch:*)", "ask")), mode).decision for mode in ("auto", "bypass")
    }
