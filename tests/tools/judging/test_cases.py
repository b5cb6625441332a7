"""Commands made to slip past a prompt or past a rule that denies, and everyday ones that must not be asked about."""

import json
from pathlib import Path

import pytest

from flowchat.tools.command import judge_command

CASES: dict[str, str] = {case["id"]: case["command"] for case in json.loads(Path(__file__).with_name("cases.json").read_text())}


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
