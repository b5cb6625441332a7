"""Who may do what: tables."""

from pathlib import Path

import pytest

from flowchat.errors import UsageError
from flowchat.tools.policy import PATH_TOOLS, RUN_TOOLS, Rule, Verdict, grant_for, judge, parse_rule, unasked
from flowchat.tools.registry import standard_tools
from flowchat.tools.tool import Reach
from flowchat.transcript.entries import Mode

WS = Path("/ws")
DATA = Path("/ws/.local/share/flowchat")


def reach(kind: str, subject: str) -> Reach:
    if kind == "run":
        return Reach("run", command=subject)
    return Reach("write" if kind == "write" else "read", (WS / subject,), below=kind == "search")


@pytest.mark.parametrize(
    ("kind", "subject", "default", "accept", "plan", "bypass"),
    [
        ("read", "a.py", "allow", "allow", "allow", "allow"),
        ("read", ".git/config", "allow", "allow", "allow", "allow"),
        ("read", "/etc/passwd", "ask", "ask", "ask", "allow"),
        ("read", "/ws2/a", "ask", "ask", "ask", "allow"),
        ("read", ".ssh/id_rsa", "ask", "ask", "ask", "allow"),
        ("read", ".local/share/flowchat/sessions/x", "ask", "ask", "ask", "allow"),
        ("read", ".local", "allow", "allow", "allow", "allow"),
        ("search", "src", "allow", "allow", "allow", "allow"),
        ("search", ".local", "ask", "ask", "ask", "allow"),
        ("search", "/", "ask", "ask", "ask", "allow"),
        ("write", "a.py", "ask", "allow", "deny", "allow"),
        ("write", "/tmp/a", "ask", "ask", "deny", "allow"),
        ("write", ".git/hooks/pre-commit", "ask", "ask", "deny", "allow"),
        ("write", "sub/.Git/config", "ask", "ask", "deny", "allow"),
        ("write", ".envrc", "ask", "ask", "deny", "allow"),
        ("write", ".bashrc", "ask", "ask", "deny", "allow"),
        ("write", ".gitignore", "ask", "allow", "deny", "allow"),
        ("write", ".local/share/flowchat/x", "ask", "ask", "deny", "allow"),
        ("run", "ls", "ask", "ask", "deny", "allow"),
    ],
)
def test_a_mode_decides_by_what_a_call_reaches(
    kind: str, subject: str, default: str, accept: str, plan: str, bypass: str
) -> None:
    modes: tuple[Mode, ...] = ("default", "accept-edits", "plan", "bypass")
    found = [judge(reach(kind, subject), "tool", mode, (), (), WS, (DATA,)).decision for mode in modes]
    assert found == [default, accept, plan, bypass]


def test_a_blob_of_the_session_is_read_freely() -> None:
    assert judge(Reach("read"), "read_file", "default", (), (), WS).decision == "allow"


@pytest.mark.parametrize(
    ("rule", "tool", "kind", "subject", "decision"),
    [
        ("write_file", "write_file", "write", "a", "allow"),
        ("write_file", "edit_file", "write", "a", "ask"),
        ("write_file", "write_file", "write", "/tmp/a", "ask"),
        ("write_file", "write_file", "write", ".git/config", "ask"),
        ("write_file(src/**)", "write_file", "write", "src/deep/a", "allow"),
        ("write_file(./src/*.py)", "write_file", "write", "src/a.py", "allow"),
        ("write_file(src/**)", "write_file", "write", "srcx/a", "ask"),
        ("write_file(**)", "write_file", "write", ".git/config", "ask"),
        ("write_file(.git/config)", "write_file", "write", ".git/config", "allow"),
        ("write_file(**)", "write_file", "write", "/tmp/a", "ask"),
        ("write_file(/tmp/**)", "write_file", "write", "/tmp/a", "allow"),
        ("write_file(/tmp/**)", "write_file", "write", "/tmp/.ssh/a", "ask"),
        ("read_file(/etc/hosts)", "read_file", "read", "/etc/hosts", "allow"),
        ("grep(/usr/**)", "grep", "search", "/usr/include", "allow"),
        ("shell", "shell", "run", "anything at all", "allow"),
        ("shell(pytest -q)", "shell", "run", "pytest -q", "allow"),
        ("shell(pytest -q)", "shell", "run", "pytest -q; rm x", "ask"),
        ("shell(pytest -q)", "shell", "run", "pytest  -q", "ask"),
        ("shell(f(x) (y))", "shell", "run", "f(x) (y)", "allow"),
        ("shell(ls *)", "shell", "run", "ls a", "ask"),
    ],
)
def test_a_rule_allows_what_it_names_and_nothing_else(rule: str, tool: str, kind: str, subject: str, decision: str) -> None:
    written = parse_rule(rule)
    by_rule = judge(reach(kind, subject), tool, "default", (), (written,), WS)
    by_grant = judge(reach(kind, subject), tool, "default", (written,), (), WS)
    assert (by_rule.decision, by_grant.decision) == (decision, decision)
    if decision == "allow":
        assert (by_rule, by_grant) == (Verdict("allow", "rule", written), Verdict("allow", "session", written))


def test_no_rule_outranks_plan() -> None:
    verdict = judge(reach("run", "ls"), "shell", "plan", (Rule("shell"),), (Rule("shell"),), WS)
    assert (verdict.decision, verdict.by) == ("deny", "mode")
    assert "plan" in verdict.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rm",
        "Shell(ls)",
        "shell(",
        "shell()",
        "shell(ls",
        "write_file(~/x)",
        "write_file(../x)",
        "write_file(" + "*" * 11 + ")",
    ],
)
def test_a_rule_nobody_understands_is_refused_with_the_rule_in_the_sentence(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rule(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", ["read_file", "edit_file(src/**)", "shell(pytest -q)", "write_file(/tmp/*)"])
def test_a_rule_reads_as_it_is_written(text: str) -> None:
    assert str(parse_rule(text)) == text


@pytest.mark.parametrize(
    ("tool", "kind", "subject", "rule", "reads"),
    [
        ("edit_file", "write", "a", Rule("edit_file"), "edit_file in this workspace"),
        ("edit_file", "write", ".envrc", Rule("edit_file", path="/ws/.envrc"), "edit_file for /ws/.envrc"),
        ("read_file", "read", "/etc/hosts", Rule("read_file", path="/etc/hosts"), "read_file for /etc/hosts"),
        ("shell", "run", "make", Rule("shell", command="make"), "this exact command"),
    ],
)
def test_a_grant_is_the_narrowest_of_use_and_holds_from_then_on(
    tool: str, kind: str, subject: str, rule: Rule, reads: str
) -> None:
    asked = reach(kind, subject)
    assert grant_for(asked, tool, WS) == (rule, reads)
    assert judge(asked, tool, "default", (), (), WS).decision == "ask"
    assert judge(asked, tool, "default", (rule,), (), WS).decision == "allow"


def test_flowchats_own_files_are_freed_only_by_name() -> None:
    asked = reach("read", ".local/share/flowchat/log")
    rule, _ = grant_for(asked, "read_file", WS, (DATA,))
    assert rule == Rule("read_file", path="/ws/.local/share/flowchat/log")
    found = [judge(asked, "read_file", "default", (), (given,), WS, (DATA,)).decision for given in (rule, Rule("read_file"))]
    assert found == ["allow", "ask"]


def test_where_nobody_can_be_asked_the_refusal_names_the_rule_that_would_allow_it() -> None:
    asked = reach("run", "make")
    denied = unasked(judge(asked, "shell", "default", (), (), WS), "shell", asked, WS)
    reason = "it runs a command, and there is no one to ask here; --allow 'shell(make)' would allow it"
    assert denied == Verdict("deny", "headless", reason=reason)
    allowed = Verdict("allow", "mode", reason="default mode")
    assert unasked(allowed, "read_file", reach("read", "a"), WS) == allowed


def test_rules_know_all_tools() -> None:
    assert sorted(PATH_TOOLS + RUN_TOOLS) == sorted(standard_tools().names())
