"""Who may do what: tables."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from flowchat.errors import UsageError
from flowchat.runtime.permits import line_of
from flowchat.tools.command import judge_command
from flowchat.tools.domains import domains_of
from flowchat.tools.jobs import Jobs
from flowchat.tools.policy import Law, Line, Verdict, grant_for, judge, parts_of, rules_for, unasked
from flowchat.tools.registry import standard_tools
from flowchat.tools.rules import EFFECTS, PATH_TOOLS, RUN_TOOLS, TOOLS, Effect, Ground, Origin, Rule, forbids, parse_rule
from flowchat.tools.tool import Reach
from flowchat.tools.touching import touched
from flowchat.transcript.entries import Mode

WS = Path("/ws")
DATA = Path("/ws/.local/share/flowchat")
GROUND = Ground(WS, (), (DATA,), Path("/homes/me"))
MODES: tuple[Mode, ...] = ("default", "accept-edits", "plan", "auto", "bypass")


def reach(kind: str, subject: str) -> Reach:
    if kind == "run":
        return Reach("run", command=subject)
    return Reach("write" if kind == "write" else "read", (WS / subject,), below=kind == "search")


def rules(allow: str = "", ask: str = "", deny: str = "") -> tuple[Rule, ...]:
    """Rules written one a line."""
    written: tuple[tuple[Effect, str], ...] = (("allow", allow), ("ask", ask), ("deny", deny))
    return tuple(parse_rule(text, effect) for effect, texts in written for text in texts.split("\n") if text)


def judged(asked: Reach, tool: str, mode: Mode = "default", given: tuple[Rule, ...] = (), **law: bool) -> Verdict:
    held = Law(mode, GROUND, given, "", **law)
    return judge(asked, tool, held, line_of(asked, held))


def of(kind: str) -> str:
    return {"read": "read_file", "search": "grep", "write": "write_file", "run": "shell"}[kind]


@pytest.mark.parametrize(
    ("kind", "subject", "default", "accept", "plan", "auto", "bypass"),
    [
        ("read", "a.py", "allow", "allow", "allow", "allow", "allow"),
        ("read", ".git/config", "allow", "allow", "allow", "allow", "allow"),
        ("read", "/etc/passwd", "ask", "ask", "ask", "ask", "allow"),
        ("read", "/ws2/a", "ask", "ask", "ask", "ask", "allow"),
        ("read", ".ssh/id_rsa", "ask", "ask", "ask", "ask", "allow"),
        ("read", ".local/share/flowchat/sessions/x", "ask", "ask", "ask", "ask", "allow"),
        ("read", ".local", "allow", "allow", "allow", "allow", "allow"),
        ("search", "src", "allow", "allow", "allow", "allow", "allow"),
        ("search", ".local", "ask", "ask", "ask", "ask", "allow"),
        ("search", "/", "ask", "ask", "ask", "ask", "allow"),
        ("write", "a.py", "ask", "allow", "deny", "allow", "allow"),
        ("write", "/tmp/a", "ask", "ask", "deny", "ask", "allow"),
        ("write", ".git/hooks/pre-commit", "ask", "ask", "deny", "ask", "allow"),
        ("write", ".husky/pre-commit", "ask", "ask", "deny", "ask", "allow"),
        ("write", "AGENTS.md", "ask", "ask", "deny", "ask", "allow"),
        ("write", "docs/skills/x/SKILL.md", "ask", "ask", "deny", "ask", "allow"),  # a link in .agents/skills may lead there
        ("write", "docs/Claude.md", "ask", "ask", "deny", "ask", "allow"),
        ("write", "sub/.Git/config", "ask", "ask", "deny", "ask", "allow"),
        ("write", ".envrc", "ask", "ask", "deny", "ask", "allow"),
        ("write", ".bashrc", "ask", "ask", "deny", "ask", "allow"),
        ("write", ".gitignore", "ask", "allow", "deny", "allow", "allow"),
        ("write", ".flowchat/permissions.local.toml", "ask", "ask", "deny", "ask", "allow"),
        ("write", ".local/share/flowchat/x", "ask", "ask", "deny", "ask", "allow"),
        ("run", "ls src", "allow", "allow", "allow", "allow", "allow"),
        ("run", "cat a.py | head -3", "allow", "allow", "allow", "allow", "allow"),
        ("run", "cat /etc/passwd", "ask", "ask", "ask", "ask", "allow"),
        ("run", "cat .ssh/id_rsa", "ask", "ask", "ask", "ask", "allow"),
        ("run", "cat .local/share/flowchat/x", "ask", "ask", "ask", "ask", "allow"),
        ("run", "rg key", "ask", "ask", "ask", "ask", "allow"),
        ("run", "make", "ask", "ask", "deny", "ask", "allow"),
        ("run", "ls; make", "ask", "ask", "deny", "ask", "allow"),
        ("run", "ls > a", "ask", "ask", "deny", "ask", "allow"),
        ("run", "echo $(ls)", "ask", "ask", "deny", "ask", "allow"),
    ],
)
def test_a_mode_decides_by_what_a_call_reaches(
    kind: str, subject: str, default: str, accept: str, plan: str, auto: str, bypass: str
) -> None:
    found = [judged(reach(kind, subject), of(kind), mode).decision for mode in MODES]
    assert found == [default, accept, plan, auto, bypass]


LENT = DATA / "skills" / "x", Path("/homes/me/.claude/skills/y")


@pytest.mark.parametrize(
    ("kind", "subject", "decision"),
    [
        ("read", f"{LENT[0]}/SKILL.md", "allow"),
        ("read", f"{LENT[1]}/deep/a.md", "allow"),
        ("search", str(LENT[0]), "allow"),
        ("run", f"cat {LENT[1]}/SKILL.md", "allow"),
        ("read", f"{LENT[1]}/.netrc", "ask"),
        ("read", f"{LENT[0]}y/SKILL.md", "ask"),
        ("read", f"{LENT[0].parent}/z/SKILL.md", "ask"),
        ("search", str(LENT[0].parent), "ask"),
        ("search", str(LENT[1].parent), "ask"),
        ("read", f"{LENT[1]}/private.md", "deny"),
        ("write", f"{LENT[0]}/SKILL.md", "ask"),
        ("write", f"{LENT[1]}/SKILL.md", "ask"),
        ("run", f"rm {LENT[0]}/SKILL.md", "ask"),
        ("run", f"cp /tmp/a {LENT[0]}/SKILL.md", "ask"),
    ],
)
def test_a_folder_that_is_lent_is_read_freely_and_no_more_than_that(kind: str, subject: str, decision: str) -> None:
    given = rules("shell\nwrite_file\nread_file", deny="read_file(/homes/me/.claude/skills/y/private.md)")
    law = Law("accept-edits", replace(GROUND, lent=LENT), given)
    asked = reach(kind, subject)
    assert judge(asked, of(kind), law, line_of(asked, law)).decision == decision


def test_a_blob_of_the_session_is_read_freely() -> None:
    assert judged(Reach("read"), "read_file").decision == "allow"


def test_in_mode_auto_what_the_sandbox_holds_runs_and_the_rest_may_be_reviewed() -> None:
    make, keys, deep = reach("run", "make > log"), reach("run", "cp .ssh/id_rsa a"), reach("write", "/tmp/a")
    assert judged(make, "shell", "auto", confined=True).decision == "allow"
    assert judged(make, "shell", "default", confined=True).decision == "ask"
    found = [(v.decision, v.reviewable) for v in (judged(make, "shell", "auto"), judged(deep, "write_file", "auto"))]
    assert found == [("ask", True), ("ask", True)]
    assert [v.reviewable for v in (judged(keys, "shell", "auto"), judged(reach("write", ".envrc"), "write_file", "auto"))] == [
        False
    ] * 2
    asking = judged(make, "shell", "auto", rules(ask="shell(make:*)"), confined=True)
    assert (asking.decision, asking.by, asking.reviewable) == ("ask", "rule", False)


def test_what_obeys_a_folder_reads_freely_only_where_it_is_trusted() -> None:
    """A toolchain's version may be another's by a file of the folder. git that only reads obeys nothing there."""
    commands = ("python --version", "git status")
    found = [judged(reach("run", command), "shell", trusted=trusted) for command in commands for trusted in (True, False)]
    assert [(verdict.decision, verdict.reason) for verdict in found] == [
        ("allow", "it only reads"),
        ("ask", "python obeys the settings of this folder, which is not trusted yet"),
        ("allow", "it only reads"),
        ("allow", "it only reads"),
    ]


def test_git_beside_what_a_rule_frees_obeys_the_folder() -> None:
    """What answers its settings from outside would hold for the other program, too, so nothing does."""
    both, given = reach("run", "git status && mkdir x"), rules("shell(mkdir:*)")
    found = [judged(both, "shell", given=given, trusted=trusted) for trusted in (True, False)]
    assert [(verdict.decision, verdict.reason) for verdict in found] == [
        ("allow", ""),
        ("ask", "git obeys the settings of this folder, which is not trusted yet: git status"),
    ]
    held = judged(both, "shell", "auto", confined=True)
    assert (held.decision, held.reason) == ("allow", "it runs in the sandbox")
    assert judged(reach("run", "git diff -- /etc/passwd && make"), "shell", "auto", confined=True).decision == "ask"


@pytest.mark.parametrize(
    ("rule", "tool", "kind", "subject", "decision"),
    [
        ("write_file", "write_file", "write", "a", "allow"),
        ("write_file", "edit_file", "write", "a", "ask"),
        ("write_file", "write_file", "write", "/tmp/a", "ask"),
        ("write_file", "write_file", "write", ".git/config", "ask"),
        ("write_file(src/**)", "write_file", "write", "src/deep/a", "allow"),
        ("write_file(src/)", "write_file", "write", "src/deep/a", "allow"),
        ("write_file(./src/*.py)", "write_file", "write", "src/a.py", "allow"),
        ("write_file(src/**)", "write_file", "write", "srcx/a", "ask"),
        ("write_file(**)", "write_file", "write", ".git/config", "ask"),
        ("write_file(.git/config)", "write_file", "write", ".git/config", "allow"),
        ("write_file(**)", "write_file", "write", "/tmp/a", "ask"),
        ("write_file(/tmp/**)", "write_file", "write", "/tmp/a", "allow"),
        ("write_file(/tmp/**)", "write_file", "write", "/tmp/.ssh/a", "ask"),
        ("write_file([[]a].py)", "write_file", "write", "[a].py", "allow"),
        ("read_file(/etc/hosts)", "read_file", "read", "/etc/hosts", "allow"),
        ("read_file(~/notes/**)", "read_file", "read", "/homes/me/notes/a", "allow"),
        ("read_file(~/notes/**)", "read_file", "read", "/homes/you/notes/a", "ask"),
        ("read_file(~/**)", "read_file", "read", "/homes/me/.ssh/id_rsa", "ask"),
        ("read_file(~/.ssh/config)", "read_file", "read", "/homes/me/.ssh/config", "allow"),
        ("grep(/usr/**)", "grep", "search", "/usr/include", "allow"),
        ("Edit(/src/**)", "edit_file", "write", "src/a", "allow"),
        ("Edit(/src/**)", "write_file", "write", "src/a", "allow"),
        ("Write(src/**)", "edit_file", "write", "src/a", "ask"),
        ("Read(//etc/**)", "list_dir", "read", "/etc/apt", "allow"),
        ("Read(/etc/**)", "read_file", "read", "/etc/hosts", "ask"),
        ("shell", "shell", "run", "anything at all", "allow"),
        ("shell", "shell", "run", "for i in 1 2; do make $i; done", "allow"),
        ("shell(pytest -q)", "shell", "run", "pytest -q", "allow"),
        ("shell(pytest -q)", "shell", "run", "pytest -q; rm x", "ask"),
        ("shell(pytest -q)", "shell", "run", "cd src && pytest -q", "allow"),
        ("shell(pytest -q)", "shell", "run", "pytest  -q", "ask"),
        ("shell(f(x) (y))", "shell", "run", "f(x) (y)", "allow"),
        ("shell(ls *)", "shell", "run", "make a", "ask"),
        ("shell(make:*)", "shell", "run", "make", "allow"),
        ("shell(make:*)", "shell", "run", "make test", "allow"),
        ("shell(make:*)", "shell", "run", "make test && make docs | tail -3", "allow"),
        ("shell(make:*)", "shell", "run", "make 'te'st", "allow"),
        ("shell(make test:*)", "shell", "run", "make 'test it'", "ask"),
        ("shell(make:*)", "shell", "run", "makefile", "ask"),
        ("shell(make:*)", "shell", "run", "./make", "ask"),
        ("shell(make:*)", "shell", "run", "/usr/bin/make", "ask"),
        ("shell(make:*)", "shell", "run", "make; rm a", "ask"),
        ("shell(make:*)", "shell", "run", "make > a", "ask"),
        ("shell(make:*)", "shell", "run", "make $(rm a)", "ask"),
        ("shell(make:*)", "shell", "run", "FLAG=1 make", "ask"),
        ("shell(make:*)", "shell", "run", "make -C .git", "allow"),
        ("shell(cp:*)", "shell", "run", "cp .ssh/id_rsa a", "ask"),
        ("shell(cp:*)", "shell", "run", "cp --from=.ssh/id_rsa a", "ask"),
        ("shell(cp .ssh/id_rsa a)", "shell", "run", "cp .ssh/id_rsa a", "allow"),
        ("shell(cat:*)", "shell", "run", "cat /etc/hosts", "allow"),
        ("shell(sort:*)", "shell", "run", "sort -o a b", "ask"),
        ("shell(git log:*)", "shell", "run", "git log --output=a", "ask"),
        ("shell(sed:*)", "shell", "run", "sed -n '1e rm a' b", "ask"),
        ("Bash(npm run test:*)", "shell", "run", "npm run test -- --watch", "allow"),
        ("Bash(npm run *)", "shell", "run", "npm run build", "allow"),
        ("Bash(npm run *)", "shell", "run", "npm install x", "ask"),
    ],
)
def test_a_rule_allows_what_it_names_and_nothing_else(rule: str, tool: str, kind: str, subject: str, decision: str) -> None:
    written = parse_rule(rule)
    granted = Rule(written.tool, written.spec, origin=Origin("session"))
    found = [judged(reach(kind, subject), tool, given=(one,)) for one in (written, granted)]
    assert [verdict.decision for verdict in found] == [decision] * 2
    if decision == "allow":
        assert found == [Verdict("allow", "rule", written), Verdict("allow", "session", granted)]


@pytest.mark.parametrize(
    ("rule", "tool", "kind", "subject"),
    [
        ("read_file", "read_file", "read", "a"),
        ("read_file(a)", "read_file", "read", "a"),
        ("read_file(secrets)", "read_file", "read", "secrets/a/b"),
        ("read_file(secrets/**)", "read_file", "read", "Secrets/a"),
        ("read_file(secrets/**)", "grep", "search", "secrets"),
        ("read_file(secrets/**)", "shell", "run", "cat secrets/a"),
        ("read_file(secrets/**)", "shell", "run", "ls && cat ./src/../secrets/a"),
        ("read_file(~/notes/**)", "read_file", "read", "/homes/me/notes/a"),
        ("Read(.env)", "read_file", "read", "sub/.env"),
        ("Read(.env)", "read_file", "read", "/other/.env"),
        ("Read(./.env)", "glob", "search", ".env"),
        ("Edit(docs/**)", "write_file", "write", "docs/a"),
        ("edit_file(docs/**)", "write_file", "write", "docs/a"),
        ("shell", "shell", "run", "ls"),
        ("shell(rm:*)", "shell", "run", "rm -rf a"),
        ("shell(rm -rf /)", "shell", "run", "rm  -rf '/'"),
        ("shell(rm:*)", "shell", "run", "ls; /bin/rm a"),
        ("shell(rm:*)", "shell", "run", "r''m a"),
        ("shell(rm:*)", "shell", "run", "env A=1 nice rm a"),
        ("shell(rm:*)", "shell", "run", "sudo -n rm a"),
        ("shell(rm:*)", "shell", "run", "bash -c 'ls; rm a'"),
        ("shell(rm:*)", "shell", "run", "echo $(rm a)"),
        ("shell(rm:*)", "shell", "run", "for f in *; do rm $f; done"),
        ("shell(rm:*)", "shell", "run", "find . -exec rm {} +"),
        ("shell(rm *)", "shell", "run", "rm a"),
        ("Bash(rm *)", "shell", "run", "rm a"),
        ("shell(* --force)", "shell", "run", "git push --force"),
        ("shell(git push:*)", "shell", "run", "git push origin main"),
        ("shell(git push:*)", "shell", "run", "git -C sub -c a.b=c push"),
        ("shell(git push:*)", "shell", "run", "git --no-pager push"),
    ],
)
def test_what_a_rule_denies_no_rule_and_no_mode_allows(rule: str, tool: str, kind: str, subject: str) -> None:
    denying = parse_rule(rule, "deny", Origin("user", "permissions.toml", 3))
    exact = Rule(tool, subject, literal=True)
    for mode in MODES:
        verdict = judged(reach(kind, subject), tool, mode, (Rule(tool), exact, denying), trusted=True, confined=True)
        assert verdict == Verdict("deny", "rule", denying, f"denied by the rule {rule} (permissions.toml:3)")
        asking = parse_rule(rule, "ask")
        assert judged(reach(kind, subject), tool, mode, (Rule(tool), exact, asking)).decision in ("ask", "deny")


@pytest.mark.parametrize(
    ("rule", "kind", "subject"),
    [
        ("shell(git push:*)", "run", "git commit -m push"),
        ("shell(rm:*)", "run", "echo rm"),
        ("shell(rm -rf /)", "run", "rm -rf /tmp/a"),
        ("read_file(secrets/**)", "read", "secretsx/a"),
        ("read_file(secrets/**)", "write", "secrets/a"),
        ("read_file(a)", "read", "sub/a"),
    ],
)
def test_a_rule_denies_no_more_than_it_names(rule: str, kind: str, subject: str) -> None:
    asked = reach(kind, subject)
    assert judged(asked, of(kind), given=rules(deny=rule)) == judged(asked, of(kind))


@pytest.mark.parametrize(
    "command", ["X=touch; $X a", "$(echo touch) a", "/???/???/touc[h] a", "echo touch a | bash", "busybox touch a"]
)
def test_what_cannot_be_seen_is_asked_about_where_a_rule_denies_something(command: str) -> None:
    for mode in ("default", "bypass"):
        verdict = judged(reach("run", command), "shell", mode, rules("shell", deny="shell(touch:*)"))
        assert verdict.decision in ("ask", "deny")
    assert judged(reach("run", command), "shell", "bypass").decision == "allow"


def test_a_general_rule_does_not_free_what_may_use_a_forbidden_path() -> None:
    given = rules("shell(cp:*)\nshell", deny="read_file(secrets/**)")
    verdict = judged(reach("run", "cp secrets/a b"), "shell", given=given)
    assert (verdict.decision, verdict.reason) == (
        "ask",
        "it may use what the rule read_file(secrets/**) (the command line) is about",
    )


def test_no_mode_frees_what_may_use_a_forbidden_path() -> None:
    given = rules(deny="read_file(secrets/**)")
    for command in ("cp secrets/a b", "cat < secrets/a", "python -c 'print(open(\"x\"))' secrets/a > b"):
        found = [judged(reach("run", command), "shell", mode, given, confined=True) for mode in ("auto", "bypass")]
        assert [(verdict.decision, verdict.reviewable) for verdict in found] == [("ask", False)] * 2, command
    assert judged(reach("run", "cat secrets/a"), "shell", "bypass", given).decision == "deny"
    assert judged(reach("run", "cat .ssh/id_rsa > a"), "shell", "auto", confined=True).decision == "ask"
    assert judged(reach("run", "cp a b > c"), "shell", "auto", given, confined=True).decision == "allow"


def test_a_program_that_lies_in_the_workspace_is_not_known_by_its_name(tmp_path: Path) -> None:
    """It may be a file that was worked on: PATH names a folder of the workspace, as that of a virtual environment."""
    folder = tmp_path / "ws"
    (folder / "bin").mkdir(parents=True)
    for name in ("ls", "echo", "python"):
        (folder / "bin" / name).symlink_to("/bin/true")
    law = Law("default", Ground(folder), trusted=True)
    for path, decision in ((f"{folder}/bin:/bin:/usr/bin", "ask"), ("/bin:/usr/bin", "allow")):
        seen = [touched(judge_command(one), folder, environ={"PATH": path}) for one in ("ls", "echo x", "python --version")]
        assert [one.unclear for one in seen] == [
            ("ls is a file of this folder, by PATH" if decision == "ask" else "",),
            ("",),
            ("",),
        ]
        assert judge(reach("run", "ls"), "shell", law, Line(judge_command("ls"), seen[0])).decision == decision


def test_a_command_of_very_many_words_is_freed_only_to_the_letter() -> None:
    long = f"make {' '.join(map(str, range(1_100)))}"
    found = [judged(reach("run", long), "shell", given=given) for given in (rules("shell(make:*)"), rules(f"shell({long})"))]
    assert [(verdict.decision, verdict.reason) for verdict in found] == [("ask", "it has more than 1,000 words"), ("allow", "")]


@pytest.mark.parametrize(
    ("spec", "argv", "covers"),
    [
        ("rm:*", ("/bin/rm", "a"), True),
        ("rm:*", ("RM",), True),
        ("/bin/rm:*", ("rm", "a"), True),
        ("rm a", ("./rm", "a"), True),
        ("rm a", ("rm", "a", "b"), False),
        ("git push:*", ("git", "-C", "x", "--bare", "push"), True),
        ("git push:*", ("git", "log", "push"), False),
        ("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*c", ("cat", "a" * 200), False),
        ("c*t *x*:*", ("/bin/cat", "axb"), True),
        ("a*a", ("a",), False),
        ("* --force", ("/usr/bin/git", "push", "--force"), True),
        ("git *:*", ("git", "push"), True),
        ("rm:*", (), False),
    ],
)
def test_a_program_is_forbidden_by_its_name_wherever_it_lies(spec: str, argv: tuple[str, ...], covers: bool) -> None:
    assert forbids(parse_rule(f"shell({spec})", "deny"), argv) is covers


@pytest.mark.parametrize(
    ("tool", "rule", "covers"),
    [
        ("mcp__git__push", "mcp__git", True),
        ("mcp__git__push", "mcp__git__*", True),
        ("mcp__git__push", "mcp__git__push", True),
        ("mcp__git__push", "mcp__gi", False),
        ("mcp__git__push", "mcp__git__pull", False),
    ],
)
def test_a_rule_for_a_server_holds_for_all_its_tools(tool: str, rule: str, covers: bool) -> None:
    asked = Reach("run")
    assert judged(asked, tool, given=rules(rule)).decision == ("allow" if covers else "ask")
    assert judged(asked, tool, given=(*rules(deny=rule), Rule(tool))).decision == ("deny" if covers else "allow")


@pytest.mark.parametrize(
    ("host", "rule", "covers"),
    [
        ("docs.python.org", "web_fetch(domain:docs.python.org)", True),
        ("DOCS.python.org.", "WebFetch(domain:docs.python.org)", True),
        ("python.org", "web_fetch(domain:docs.python.org)", False),
        ("xdocs.python.org", "web_fetch(domain:docs.python.org)", False),
        ("docs.python.org", "web_fetch(domain:*.python.org)", True),
        ("python.org", "web_fetch(domain:*.python.org)", False),
        ("docs.python.org.evil.example", "web_fetch(domain:*.python.org)", False),
    ],
)
def test_a_rule_for_a_host_holds_for_exactly_that_host(host: str, rule: str, covers: bool) -> None:
    asked = Reach("read", host=host)
    assert judged(asked, "web_fetch", given=rules(rule)).decision == ("allow" if covers else "ask")


# --- precedence ------------------------------------------------------------------------------------------------------
SCOPES = ("user", "project", "local", "flag", "session")


@pytest.mark.parametrize("of_deny", SCOPES)
@pytest.mark.parametrize("of_ask", SCOPES)
@pytest.mark.parametrize("of_allow", SCOPES)
def test_deny_before_ask_before_allow_whatever_the_scopes_and_the_order(of_deny: str, of_ask: str, of_allow: str) -> None:
    written = [
        Rule("shell", "make:*", effect, Origin(scope)) for effect, scope in zip(EFFECTS, (of_deny, of_ask, of_allow), strict=True)
    ]
    make = reach("run", "make")
    for left, decision in ((written, "deny"), (written[1:], "ask"), (written[2:], "allow")):
        for order in (left, left[::-1]):
            assert judged(make, "shell", given=tuple(order)).decision == decision


SPECS = {
    "shell": ("make", "make:*", "rm:*", "git push:*", "ls:*", "cat a", "* x", "rm -rf *", "make && rm a"),
    "path": ("**", "src/**", "a", "*.py", ".git/**", "/etc/**", "~/notes/**", "/ws/src/a"),
}
A_RULE = some.one_of(
    some.builds(Rule, some.just("shell"), some.one_of(some.none(), some.sampled_from(SPECS["shell"]))),
    some.builds(
        Rule,
        some.sampled_from(["read_file", "write_file", "grep", "Read", "Edit"]),
        some.one_of(some.none(), some.sampled_from(SPECS["path"])),
    ),
)
A_CALL = some.one_of(
    some.tuples(
        some.just("run"),
        some.sampled_from(
            ["make", "make x", "rm a", "ls; rm -rf a", "cat a", "echo $(rm a)", "git push", "cp src/a b", "cat /etc/hosts"]
        ),
    ),
    some.tuples(
        some.sampled_from(["read", "write", "search"]),
        some.sampled_from(["a", "src/a", ".git/config", "/etc/hosts", "/homes/me/notes/a"]),
    ),
)
LOOSENESS = {"deny": 0, "ask": 1, "allow": 2}


def with_effect(rule: Rule, effect: Effect) -> Rule:
    return Rule(rule.tool, rule.spec, effect)


@settings(deadline=None)
@given(
    some.lists(some.tuples(A_RULE, some.sampled_from(EFFECTS)), max_size=4),
    A_RULE,
    some.sampled_from(["deny", "ask"]),
    A_CALL,
    some.sampled_from(MODES),
)
def test_one_more_rule_that_forbids_never_loosens(
    held: list[tuple[Rule, Effect]], more: Rule, effect: Effect, call: tuple[str, str], mode: Mode
) -> None:
    before = tuple(with_effect(rule, what) for rule, what in held)
    asked = reach(*call)
    found = [judged(asked, of(call[0]), mode, given).decision for given in (before, (*before, with_effect(more, effect)))]
    assert LOOSENESS[found[1]] <= LOOSENESS[found[0]]


# --- reading and writing rules ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no tool ''"),
        ("rm", "there is no tool 'rm'"),
        ("Shell(ls)", "there is no tool 'Shell'; did you mean shell?"),
        ("Task(x)", "there is no tool 'Task'"),
        ("shell(", "write shell(exact command) or shell(program words:*)"),
        ("shell()", "write shell(exact command) or shell(program words:*)"),
        ("shell(ls", "write shell(exact command) or shell(program words:*)"),
        ("shell(:*)", "name the program, as in shell(git status:*); shell alone is every command"),
        ("read_file(a", "write read_file(path glob)"),
        ("write_file(~x/y)", "only ~/ is understood, your own home folder"),
        ("write_file(../x)", "a path glob does not lead out of the workspace with ..; write it from / or from ~/"),
        ("write_file(" + "*" * 11 + ")", "is too long or has too many stars"),
        ("web_fetch(docs.python.org)", "write web_fetch(domain:HOST), as in domain:docs.python.org or domain:*.python.org"),
        ("web_fetch(domain:a b)", "write web_fetch(domain:HOST), as in domain:docs.python.org or domain:*.python.org"),
        ("mcp__", "write mcp__SERVER or mcp__SERVER__TOOL"),
        ("mcp__git(x)", "write mcp__git without brackets"),
        ("job_kill(1)", "write job_kill without brackets"),
        ("recall(x)", "write recall without brackets"),
    ],
)
def test_a_rule_nobody_understands_is_refused_with_the_rule_in_the_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rule(text)
    assert repr(text) in str(refused.value)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "text", ["read_file", "edit_file(src/**)", "shell(pytest -q)", "write_file(/tmp/*)", "Bash(make:*)", "mcp__a__b"]
)
def test_a_rule_reads_as_it_is_written(text: str) -> None:
    assert str(parse_rule(text)) == text


@pytest.mark.parametrize(
    ("tool", "kind", "subject", "rule", "reads"),
    [
        ("edit_file", "write", "a", Rule("edit_file"), "edit_file in this workspace"),
        ("edit_file", "write", ".envrc", Rule("edit_file", "/ws/.envrc", literal=True), "edit_file for /ws/.envrc"),
        ("read_file", "read", "/etc/hosts", Rule("read_file", "/etc/hosts", literal=True), "read_file for /etc/hosts"),
        ("read_file", "read", "/etc/{a}*", Rule("read_file", "/etc/{a}*", literal=True), "read_file for /etc/{a}*"),
        ("shell", "run", "make", Rule("shell", "make", literal=True), "this exact command"),
        ("shell", "run", "make:*", Rule("shell", "make:*", literal=True), "this exact command"),
        ("shell", "run", "make > a; x=1", Rule("shell", "make > a; x=1", literal=True), "this exact command"),
    ],
)
def test_a_grant_is_the_narrowest_of_use_and_holds_from_then_on(
    tool: str, kind: str, subject: str, rule: Rule, reads: str
) -> None:
    asked = reach(kind, subject)
    assert grant_for(asked, tool, GROUND) == (rule, reads)
    assert judged(asked, tool).decision == "ask"
    assert judged(asked, tool, given=(rule,)).decision == "allow"
    assert judged(reach(kind, f"{subject} x"), tool, given=(rule,)).decision == ("allow" if rule.spec is None else "ask")


@pytest.mark.parametrize(
    ("tool", "kind", "subject", "written"),
    [
        ("edit_file", "write", "src/a.py", ["edit_file(src/a.py)"]),
        ("edit_file", "write", "[a]*.py", ["edit_file([[]a][*].py)"]),
        ("write_file", "write", ".envrc", ["write_file(.envrc)"]),
        ("read_file", "read", "/etc/hosts", ["read_file(/etc/hosts)"]),
        ("read_file", "read", "/homes/me/notes/a", ["read_file(~/notes/a)"]),
        ("grep", "search", "/usr/include", ["grep(/usr/include/**)"]),
        ("shell", "run", "make test", ["shell(make test)"]),
        ("shell", "run", "cd src && make 'a b' | tail -3", ["shell(make 'a b')"]),
        ("shell", "run", "make && npm test && make", ["shell(make)", "shell(npm test)"]),
        ("shell", "run", "git add . && git commit -m 'a b'", ["shell(git add:*)", "shell(git commit:*)"]),
        ("shell", "run", "git push origin main", ["shell(git push origin main)"]),
        ("shell", "run", "git commit --template=a", ["shell(git commit --template=a)"]),
        ("shell", "run", "make > log", ["shell(make > log)"]),
        ("shell", "run", "cat /etc/hosts", ["shell(cat /etc/hosts)"]),
        ("shell", "run", "make x:*", []),
        ("shell", "run", "echo $X *", []),
    ],
)
def test_always_writes_what_allows_this_call_and_little_else(tool: str, kind: str, subject: str, written: list[str]) -> None:
    asked, law = reach(kind, subject), Law("default", GROUND)
    found = rules_for(asked, tool, law, line_of(asked, law))
    assert list(map(str, found)) == written
    if written:
        read = tuple(map(parse_rule, written))
        assert (judged(asked, tool).decision, judged(asked, tool, given=read).decision) == ("ask", "allow")


@pytest.mark.parametrize(
    ("host", "spec", "written"),
    [
        ("docs.python.org", "domain:docs.python.org", ["web_fetch(domain:docs.python.org)"]),
        ("DOCS.Python.org.", "domain:docs.python.org", ["web_fetch(domain:docs.python.org)"]),
        ("a_b.python.org", "domain:a_b.python.org", []),
        ("[::1]", "domain:[::1]", []),
    ],
)
def test_what_is_granted_for_a_host_is_that_host_and_says_that_commands_reach_it(
    host: str, spec: str, written: list[str]
) -> None:
    asked, law = Reach("read", host=host), Law("default", GROUND)
    rule, reads = grant_for(asked, "web_fetch", GROUND)
    assert (rule, reads) == (Rule("web_fetch", spec), f"web_fetch of {host}, which commands in the full sandbox reach then, too")
    assert judged(asked, "web_fetch", given=(rule,)).decision == "allow"
    assert judged(Reach("read", host=f"x.{host}"), "web_fetch", given=(rule,)).decision == "ask"
    assert list(map(str, rules_for(asked, "web_fetch", law))) == written
    assert [domains_of([given]).is_allowed(host) for given in (rule, Rule("web_fetch"))] == [True, False]


def test_no_rule_is_offered_where_another_asks_all_the_same() -> None:
    asked, law = reach("run", "make"), Law("default", GROUND, rules(ask="shell(make:*)"))
    assert rules_for(asked, "shell", law, line_of(asked, law)) == ()


def test_flowchats_own_files_are_freed_only_by_name() -> None:
    asked = reach("read", ".local/share/flowchat/log")
    rule, _ = grant_for(asked, "read_file", GROUND)
    assert rule == Rule("read_file", "/ws/.local/share/flowchat/log", literal=True)
    found = [judged(asked, "read_file", given=(given,)).decision for given in (rule, Rule("read_file"))]
    assert found == ["allow", "ask"]


def test_further_folders_count_as_in_the_workspace() -> None:
    law = Law("accept-edits", Ground(WS, (Path("/libs"),)))
    found = [judge(reach("write", path), "write_file", law).decision for path in ("/libs/a", "/libs/.git/config", "/libsx/a")]
    assert found == ["allow", "ask", "ask"]
    listed = reach("run", "cat /libs/a")
    assert judge(listed, "shell", law, line_of(listed, law)).decision == "allow"


def test_where_the_rules_cannot_be_read_nothing_is_allowed() -> None:
    law = Law("bypass", GROUND, rules("read_file\nshell"), blind="permissions.toml cannot be read")
    for kind in ("read", "write", "run"):
        asked = reach(kind, "a")
        verdict = judge(asked, of(kind), law, line_of(asked, law))
        assert verdict == Verdict("ask", "rule", reason="permissions.toml cannot be read")


def test_where_nobody_can_be_asked_the_refusal_names_the_rule_that_would_allow_it() -> None:
    asked = reach("run", "make")
    law = Law("default", GROUND)
    denied = unasked(judged(asked, "shell"), "shell", asked, law, line_of(asked, law))
    reason = "it runs a command, and there is no one to ask here; --allow 'shell(make)' would allow it"
    assert denied == Verdict("deny", "headless", reason=reason)
    allowed = Verdict("allow", "mode", reason="default mode")
    assert unasked(allowed, "read_file", reach("read", "a"), law) == allowed
    odd = unasked(judged(reach("read", "/etc/{a}*"), "read_file"), "read_file", reach("read", "/etc/{a}*"), law)
    assert "; --allow 'read_file(/etc/[{]a[}][*])' would allow it" in odd.reason
    law = Law("default", GROUND, rules(ask="shell(make)"))
    told = unasked(judged(asked, "shell", given=law.rules), "shell", asked, law, line_of(asked, law))
    assert told.reason == "the rule shell(make) (the command line) asks, and there is no one to ask here"


def test_each_part_of_a_command_has_its_own_reason() -> None:
    asked = reach("run", "ls; make; rm a; git push")
    law = Law("default", GROUND, rules("shell(make:*)", "shell(git push:*)", "shell(rm:*)"))
    line = line_of(asked, law)
    assert line is not None
    assert [(part.text, part.decision, part.reason) for part in parts_of(line, "shell", law)] == [
        ("ls", "allow", "it only reads"),
        ("make", "allow", "the rule shell(make:*) (the command line)"),
        ("rm a", "deny", "the rule shell(rm:*) (the command line)"),
        ("git push", "ask", "the rule shell(git push:*) (the command line)"),
    ]


def test_rules_know_all_tools() -> None:
    assert sorted((*PATH_TOOLS, *RUN_TOOLS, "todo")) == sorted(standard_tools().names())
    every = standard_tools(jobs=Jobs(lambda: 0), look=lambda: pytest.fail("nothing is looked at")).names()
    assert {*every, "web_fetch"} == set(TOOLS)
