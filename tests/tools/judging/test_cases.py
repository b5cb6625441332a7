"""Commands made to slip past a prompt or past a rule that denies, and everyday ones that must not be asked about."""

import json
from pathlib import Path

import pytest

from flowchat.tools.command import judge_command

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
