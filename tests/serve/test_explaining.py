"""`flowchat policy`: what it lists, and what it says decides."""

import json
from pathlib import Path

import pytest

from flowchat.errors import UsageError
from flowchat.runtime.rulebook import RuleBook
from flowchat.serve.explaining import explain, list_rules
from flowchat.tools.rules import Ground, parse_rule

MAKE = "the rule shell(make:*) (~/permissions.toml:1)"
RULES = 'allow = ["shell(make:*)", "shell(ls *)"]\nask = ["shell(git push:*)"]\ndeny = ["shell(rm:*)", "Read(secrets/**)"]\n'


@pytest.fixture
def book(tmp_path: Path) -> RuleBook:
    home = tmp_path.resolve()
    (home / "work" / ".flowchat").mkdir(parents=True)
    (home / "work" / ".flowchat" / "permissions.toml").write_text('allow = ["shell(npm test)"]\n')
    (home / "permissions.toml").write_text(RULES)
    return RuleBook(Ground(home / "work", home=home), home / "permissions.toml", [parse_rule("grep")])


def test_every_rule_is_listed_with_its_place_and_what_does_not_count_with_the_reason(book: RuleBook) -> None:
    assert list_rules(book, as_json=False) == [
        "deny   shell(rm:*)        ~/permissions.toml:3\n",
        "deny   Read(secrets/**)   ~/permissions.toml:3\n",
        "ask    shell(git push:*)  ~/permissions.toml:2\n",
        "allow  grep               the command line\n",
        "allow  shell(make:*)      ~/permissions.toml:1\n",
        "allow  shell(ls *)        ~/permissions.toml:1\n",
        "allow  shell(npm test)    .flowchat/permissions.toml:1; waits until this folder is trusted\n",
        "! ~/permissions.toml:1: shell(ls *): it never matches: `*` is a plain character in an exact command;"
        " write shell(ls:*)\n",
    ]
    rows = [json.loads(line) for line in list_rules(book, as_json=True)]
    assert rows[0] == {
        "type": "rule",
        "effect": "deny",
        "rule": "shell(rm:*)",
        "scope": "user",
        "file": "~/permissions.toml",
        "line": 3,
        "in_force": True,
    }
    assert [(row["type"], row.get("in_force")) for row in rows[-2:]] == [("rule", False), ("problem", None)]


def test_without_rules_it_says_what_holds(tmp_path: Path) -> None:
    assert list_rules(RuleBook(Ground(tmp_path)), False) == [
        "No rules: what only reads in this folder is free, everything else asks.\n"
    ]


@pytest.mark.parametrize(
    ("tool", "subject", "said"),
    [
        (
            "",
            "cd src && make test; rm -rf a",
            [
                "denied: the rule shell(rm:*) (~/permissions.toml:3)",
                "  allow  cd src  (it only reads)",
                f"  allow  make test  ({MAKE})",
                "  deny   rm -rf a  (the rule shell(rm:*) (~/permissions.toml:3))",
            ],
        ),
        (
            "",
            "make",
            [
                "allowed: the rule shell(make:*) (~/permissions.toml:1)",
                "  allow  make  (the rule shell(make:*) (~/permissions.toml:1))",
            ],
        ),
        ("", "npm ci", ["asks: it runs a command", "  ask    npm ci  ('npm' is not known to only read)"]),
        (
            "",
            "ls && cat secrets/key",
            [
                "denied: the rule Read(secrets/**) (~/permissions.toml:3)",
                "  allow  ls  (it only reads)",
                "  deny   cat secrets/key  (the rule Read(secrets/**) (~/permissions.toml:3))",
            ],
        ),
        ("Read", "secrets/key", ["denied: the rule Read(secrets/**) (~/permissions.toml:3)"]),
        ("edit_file", ".git/config", ["asks: it writes a protected path (.git)"]),
        ("write_file", "/etc/hosts", ["asks: it writes outside the workspace"]),
        ("web_fetch", "docs.python.org", ["asks: it connects to docs.python.org"]),
    ],
)
def test_it_says_what_decides_and_why_part_by_part(book: RuleBook, tool: str, subject: str, said: list[str]) -> None:
    lines = "".join(explain(book, "default", tool, subject, as_json=False)).splitlines()
    assert lines == [*said, f"in default mode, in {book.ground.workspace}"]


def test_where_not_all_can_be_seen_it_says_so(book: RuleBook) -> None:
    lines = list(explain(book, "default", "", "$RUN a", as_json=False))
    assert lines[0].startswith("asks: ")
    assert "so it is not certain that no rule forbids it" in lines[0]
    assert any(line.startswith("  what it runs cannot all be seen: ") for line in lines)


def test_one_object_tells_the_same_to_programs(book: RuleBook) -> None:
    [line] = explain(book, "default", "", "make; npm ci", as_json=True)
    found = json.loads(line)
    assert (found["decision"], found["by"], found["mode"], found["tool"]) == ("ask", "mode", "default", "shell")
    assert [(part["text"], part["decision"]) for part in found["parts"]] == [("make", "allow"), ("npm ci", "ask")]
    assert found["parts"][0]["rule"]["rule"] == "shell(make:*)"


def test_a_tool_there_is_not_is_an_error(book: RuleBook) -> None:
    with pytest.raises(UsageError, match="there is no tool 'teleport'"):
        list(explain(book, "default", "teleport", "a", as_json=False))


@pytest.fixture
def open_book(book: RuleBook, tmp_path: Path) -> RuleBook:
    """With domains that commands reach."""
    (tmp_path / "permissions.toml").write_text(
        'allow = ["shell(make:*)", "web_fetch(domain:*.python.org)"]\nask = ["web_fetch(domain:b.python.org)"]\n'
        'deny = ["web_fetch(domain:a.python.org)", "shell(rm)"]\n'
    )
    return book


@pytest.mark.parametrize(
    ("tool", "subject", "said"),
    [
        ("", "npm ci", "  in the full sandbox it reaches *.python.org and no other host"),
        ("", "make", "  in the full sandbox it reaches *.python.org and no other host"),
        ("", "rm", None),
        ("web_fetch", "docs.python.org", "  commands in the full sandbox reach it, too"),
        ("web_fetch", "a.python.org", "  commands in the full sandbox do not reach it"),
        ("web_fetch", "B.python.org", "  commands in the full sandbox do not reach it"),
        ("web_fetch", "python.org", None),
    ],
)
def test_it_says_what_commands_reach(open_book: RuleBook, tool: str, subject: str, said: str | None) -> None:
    lines = "".join(explain(open_book, "default", tool, subject, as_json=False)).splitlines()
    assert [line for line in lines if "reach" in line] == ([said] if said else [])
    assert not any("reach" in line for line in explain(open_book, "bypass", "", "npm ci", as_json=False))


def test_programs_are_told_what_commands_reach(open_book: RuleBook) -> None:
    found = [json.loads(*explain(open_book, "default", tool, "make", as_json=True)) for tool in ("", "web_fetch")]
    assert [one.get("reaches") for one in found] == [["*.python.org"], None]
