"""The rules of one workspace: where they stand, which count, and what is said of those that do not."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from flowchat.errors import UsageError
from flowchat.runtime.permits import SessionPermits, line_of
from flowchat.runtime.rulebook import RuleBook, Standing
from flowchat.tools.policy import Law, judge
from flowchat.tools.rules import EFFECTS, Ground, parse_rule
from flowchat.tools.tool import Reach
from tests.tools.scarce import descriptors_left

USER, PROJECT, LOCAL = "~/config/permissions.toml", ".flowchat/permissions.toml", ".flowchat/permissions.local.toml"


class Shelf:
    """A home, a workspace, and the three files."""

    def __init__(self, root: Path) -> None:
        self.home, self.workspace = root.resolve() / "home", root.resolve() / "work"
        self.files = {
            "user": self.home / "config" / "permissions.toml",
            "project": self.workspace / ".flowchat" / "permissions.toml",
            "local": self.workspace / ".flowchat" / "permissions.local.toml",
        }
        for file in self.files.values():
            file.parent.mkdir(parents=True, exist_ok=True)
        self.trusted = False
        self.ground = Ground(self.workspace, home=self.home)

    def write(self, scope: str, text: str) -> None:
        """At another time than before, however coarse the clock of the file system."""
        file = self.files[scope]
        before = file.stat().st_mtime_ns if file.exists() else 0
        file.write_text(text)
        os.utime(file, ns=(before + 10**9, before + 10**9))

    def book(self, *allow: str) -> RuleBook:
        return RuleBook(self.ground, self.files["user"], [parse_rule(text) for text in allow], lambda: self.trusted)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def told(standing: Standing) -> list[str]:
    return [f"{rule.effect} {rule} {rule.origin}" for rule in standing.rules]


def test_rules_of_all_scopes_hold_with_their_lines_the_strictest_first(shelf: Shelf) -> None:
    shelf.trusted = True
    shelf.write("user", 'allow = ["shell(make:*)"]\ndeny = ["shell(rm:*)"]\n')
    shelf.write("project", '# ours\nask = [\n  "shell(git push:*)",\n]\n')
    shelf.write("local", 'allow = ["shell(npm test)"]\n')
    assert told(shelf.book("grep").standing()) == [
        f"deny shell(rm:*) {USER}:2",
        f"ask shell(git push:*) {PROJECT}:3",
        "allow grep the command line",
        f"allow shell(make:*) {USER}:1",
        f"allow shell(npm test) {LOCAL}:1",
    ]


def test_what_a_project_allows_waits_for_trust_and_what_it_forbids_does_not(shelf: Shelf) -> None:
    for scope in ("project", "local"):
        shelf.write(scope, 'allow = ["shell"]\nask = ["shell(make:*)"]\ndeny = ["shell(rm:*)"]\n')
    book = shelf.book()
    assert [rule.effect for rule in book.standing().rules] == ["deny", "deny", "ask", "ask"]
    assert [str(rule.origin) for rule in book.standing().waiting] == [f"{PROJECT}:1", f"{LOCAL}:1"]
    shelf.trusted = True
    assert [rule.effect for rule in book.standing().rules] == ["deny", "deny", "ask", "ask", "allow", "allow"]
    assert book.standing().waiting == ()


def test_a_change_of_a_file_counts_for_the_next_call(shelf: Shelf) -> None:
    book = shelf.book()
    assert told(book.standing()) == []
    shelf.write("user", 'deny = ["shell(rm:*)"]')
    assert told(book.standing()) == [f"deny shell(rm:*) {USER}:1"]
    shelf.write("user", 'deny = ["shell(mv:*)"]')
    assert told(book.standing()) == [f"deny shell(mv:*) {USER}:1"]
    shelf.files["user"].unlink()
    assert told(book.standing()) == []


COVERED = "it never allows anything:"
IDLE = [
    (
        'allow = ["teleport"]',
        "1: 'teleport': there is no tool 'teleport'; the tools are read_file, list_dir, glob, grep, write_file, edit_file, shell,"
        " web_fetch, job_output, job_input, job_kill, recall, todo, mcp__SERVER__TOOL",
    ),
    ('\nallow = ["shell(make"]', "2: 'shell(make': write shell(exact command) or shell(program words:*)"),
    (
        'deny = [\n "shell(rm:*"]',
        "2: 'shell(rm:*': write shell(exact command) or shell(program words:*); until it is corrected every shell call asks",
    ),
    (
        'allow = ["edit_file(../a)"]',
        "1: 'edit_file(../a)': a path glob does not lead out of the workspace with ..; write it from / or from ~/",
    ),
    (
        'allow = ["shell(git status *)"]',
        "1: shell(git status *): it never matches: `*` is a plain character in an exact command; write shell(git status:*)",
    ),
    ('allow = ["shell(git *:*)"]', "1: shell(git *:*): it never matches: `*` is a plain character in the words before :*"),
    (
        'allow = ["shell(a | b:*)"]',
        "1: shell(a | b:*): it never matches: before :* stand the words of one program, without variables, operators and"
        " redirections",
    ),
    (
        'allow = ["shell(make test)"]\ndeny = ["shell(make:*)"]',
        f"1: shell(make test): {COVERED} deny shell(make:*) ({USER}:2) covers all of it",
    ),
    (
        'allow = ["shell(make test:*)"]\nask = ["shell"]',
        f"1: shell(make test:*): {COVERED} ask shell ({USER}:2) covers all of it",
    ),
    (
        'allow = ["edit_file(src/a/**)"]\ndeny = ["Edit(src/**)"]',
        f"1: edit_file(src/a/**): {COVERED} deny Edit(src/**) ({USER}:2) covers all of it",
    ),
    ('allow = ["mcp__git__log"]\ndeny = ["mcp__git"]', f"1: mcp__git__log: {COVERED} deny mcp__git ({USER}:2) covers all of it"),
    (
        'allow = ["shell(make:*)", "edit_file(**)", "web_fetch(domain:*.a.org)"]\n'
        'deny = ["shell(make test)", "edit_file(src/**)", "web_fetch(domain:a.org)"]',
        "",
    ),
    ('alow = ["shell"]', "1: 'alow' is not known: rules are in lists named allow, ask and deny, at the top"),
]


@pytest.mark.parametrize(("text", "problem"), IDLE)
def test_what_is_no_rule_or_does_nothing_is_told_with_its_file_and_line(shelf: Shelf, text: str, problem: str) -> None:
    shelf.write("user", text)
    assert list(map(str, shelf.book().standing().problems)) == ([f"{USER}:{problem}"] if problem else [])


def test_several_problems_are_one_notice(shelf: Shelf) -> None:
    assert shelf.book().notice() == ()
    shelf.write("user", 'allow = ["shell(a *)"]\nx = 1\ny = 2')
    [notice] = shelf.book().notice()
    assert (
        notice
        == f"{USER}:2: 'x' is not known: rules are in lists named allow, ask and deny, at the top (and 2 more: /permissions)"
    )


def decision(book: RuleBook, command: str) -> str:
    law = Law("default", book.ground, book.standing().rules, book.standing().blind, trusted=True)
    asked = Reach("run", command=command)
    return judge(asked, "shell", law, line_of(asked, law)).decision


def test_a_rule_to_deny_that_cannot_be_read_makes_its_tool_ask(shelf: Shelf) -> None:
    shelf.write("user", 'allow = ["shell"]\ndeny = ["shell(rm:*"]')
    assert [decision(shelf.book(), command) for command in ("ls", "make")] == ["ask", "ask"]


def test_while_a_file_cannot_be_read_every_call_asks(shelf: Shelf) -> None:
    shelf.write("user", 'allow = ["shell"]')
    shelf.files["project"].mkdir()
    book = shelf.book()
    assert book.standing().blind == f"{PROJECT} cannot be read (it is not a file), so nothing is allowed without asking"
    assert [str(problem) for problem in book.standing().problems] == [
        f"{PROJECT}: cannot be read (it is not a file); every call asks"
    ]
    assert decision(book, "ls") == "ask"
    shelf.files["project"].rmdir()
    assert decision(book, "ls") == "allow"


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again_though_it_did_not_change(shelf: Shelf) -> None:
    shelf.write("user", 'deny = ["shell(rm:*)"]\n')
    book = shelf.book()
    with descriptors_left(0):
        first = book.standing()
    second = book.standing()
    assert ("too many open files" in first.blind, second.blind) == (True, "")
    assert told(second) == [f"deny shell(rm:*) {USER}:1"]
    assert book.standing() is second


def test_a_rule_is_checked_before_it_is_written_and_holds_at_once(shelf: Shelf) -> None:
    book = shelf.book()
    shelf.write("user", '# mine\ndeny = ["shell(rm:*)"]\n')
    for text, sentence in (("shell(rm a)", "covers all of it"), ("shell(ls *)", "never matches"), ("x", "there is no tool")):
        with pytest.raises(UsageError, match=sentence):
            book.checked(text, "allow", "user")
    assert decision(book, "make") == "ask"
    rule = book.add("shell(make:*)", "allow", "user")
    assert (str(rule), str(rule.origin), decision(book, "make")) == ("shell(make:*)", f"{USER}:4", "allow")
    assert shelf.files["user"].read_text() == '# mine\ndeny = ["shell(rm:*)"]\nallow = [\n    "shell(make:*)",\n]\n'
    assert book.remove(rule) is True
    assert decision(book, "make") == "ask"
    assert book.remove(rule) is False


def test_without_a_folder_of_settings_there_is_no_place_for_rules_of_the_user(shelf: Shelf) -> None:
    book = RuleBook(shelf.ground)
    assert book.scopes() == ("project", "local")
    with pytest.raises(UsageError, match="no rule can be kept here"):
        book.add("grep", "allow", "user")


RULES = (
    "shell",
    "shell(make:*)",
    "shell(ls:*)",
    "shell(rm a)",
    "read_file(**)",
    "read_file(/etc/**)",
    "edit_file",
    "Edit(src/**)",
    "nonsense",
    "shell(rm:*",
)
CALLS = (
    ("shell", Reach("run", command="make x")),
    ("shell", Reach("run", command="rm a")),
    ("shell", Reach("run", command="ls; cat a > b")),
)
LOOSENESS = {"deny": 0, "ask": 1, "allow": 2}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    some.lists(some.tuples(some.sampled_from(EFFECTS), some.sampled_from(RULES)), max_size=3),
    some.lists(some.tuples(some.sampled_from(EFFECTS), some.sampled_from(RULES)), min_size=1, max_size=3),
    some.sampled_from(["project", "local"]),
)
def test_no_rule_of_a_project_that_is_not_trusted_loosens_anything(
    shelf: Shelf, own: list[tuple[str, str]], theirs: list[tuple[str, str]], scope: str
) -> None:
    def lists(rules: list[tuple[str, str]]) -> str:
        return "\n".join(f"{effect} = {[text for one, text in rules if one == effect]}" for effect in EFFECTS)

    for file in shelf.files.values():
        file.unlink(missing_ok=True)
    shelf.write("user", lists(own))
    before = shelf.book().standing()
    shelf.write(scope, lists(theirs))
    after = shelf.book().standing()
    for tool, asked in (
        *CALLS,
        ("read_file", Reach("read", (Path("/etc/hosts"),))),
        ("edit_file", Reach("write", (shelf.workspace / "src/a",))),
    ):
        found: list[int] = []
        for standing in (before, after):
            law = Law("default", shelf.ground, standing.rules, standing.blind)
            found.append(LOOSENESS[judge(asked, tool, law, line_of(asked, law)).decision])
        assert found[1] <= found[0]


TABLE = """# Counts lines of code.
flags = ['-v']
match = ['cloc -v src']
not_match = ['cloc -x src']
"""


def test_a_table_of_the_users_says_how_a_program_only_reads_and_a_bad_one_is_a_problem(shelf: Shelf) -> None:
    book = shelf.book()
    assert (book.standing().tables, book.standing().problems) == ({}, ())
    folder = shelf.files["user"].parent / "programs"
    folder.mkdir()
    (folder / "cloc.toml").write_text(TABLE)
    (folder / "tokei.toml").write_text(TABLE.replace("cloc -x", "cloc -v"))
    (folder / "git.toml").write_text(TABLE)
    standing = book.standing()
    law = Law("default", shelf.ground, standing.rules, standing.blind, False, False, standing.tables)
    reach = Reach("run", command="cloc -v . | head")
    assert judge(reach, "shell", law, line_of(reach, law)).decision == "allow"
    assert [str(problem) for problem in standing.problems] == [
        "~/config/programs/git.toml: flowchat has a table for git itself; it is not used",
        "~/config/programs/tokei.toml:3: the example 'cloc -v src' is of another program than tokei; it is not used",
    ]


def test_a_table_that_lies_in_the_project_is_not_looked_at(shelf: Shelf) -> None:
    shelf.trusted = True
    folder = shelf.workspace / ".flowchat" / "programs"
    folder.mkdir(parents=True)
    (folder / "cloc.toml").write_text(TABLE)
    assert shelf.book().standing() == Standing()


def test_what_is_denied_below_a_link_is_denied_where_it_leads(shelf: Shelf) -> None:
    (shelf.workspace / "data").mkdir()
    (shelf.workspace / "data" / "key").write_text("secret")
    (shelf.workspace / "secrets").symlink_to("data")
    (shelf.workspace / ".env").symlink_to(shelf.home / "env")
    shelf.write("user", 'deny = ["Read(secrets/**)", "read_file(.env)"]')
    standing = shelf.book().standing()
    assert [str(rule) for rule in standing.led] == [f"read_file({shelf.workspace}/data/**)", f"read_file({shelf.home}/env)"]
    permits = SessionPermits(lambda: "bypass", shelf.book(), attended=True)
    for path in (shelf.workspace / "data" / "key", shelf.home / "env"):
        assert permits.judge("read_file", {}, Reach("read", (path,))).decision == "deny"
        assert permits.hides(path)
    assert permits.judge("shell", {}, Reach("run", command="cat secrets/key")).decision == "deny"


def test_domains_are_those_of_the_user_the_flags_and_a_trusted_project(shelf: Shelf) -> None:
    shelf.write("user", 'allow = ["web_fetch(domain:a.org)"]\ndeny = ["web_fetch(domain:x.b.org)"]')
    shelf.write("project", 'allow = ["web_fetch(domain:*.b.org)"]')
    permits = SessionPermits(lambda: "default", shelf.book("web_fetch(domain:c.org)"), attended=True)
    hosts = ("a.org", "y.b.org", "x.b.org", "c.org", "d.org")
    assert [host for host in hosts if permits.domains().is_allowed(host)] == ["a.org", "c.org"]
    shelf.trusted = True
    assert [host for host in hosts if permits.domains().is_allowed(host)] == ["a.org", "y.b.org", "c.org"]
    shelf.files["user"].unlink()
    shelf.files["user"].mkdir()
    assert (permits.law().blind != "", permits.domains().names) == (True, ())


def test_a_domain_granted_for_the_session_is_open_to_commands_until_it_is_taken_back(shelf: Shelf) -> None:
    shelf.write("user", 'deny = ["web_fetch(domain:b.org)"]\nask = ["web_fetch(domain:c.org)"]')
    permits = SessionPermits(lambda: "default", shelf.book(), attended=True)
    for host, frees in (("a.org", True), ("b.org", False), ("c.org", False)):
        asked = Reach("read", host=host)
        assert permits.frees("web_fetch", asked).endswith("which commands in the full sandbox reach then, too") == frees
        rule = permits.grant("web_fetch", asked)
        assert permits.domains().is_allowed(host) == frees
        assert permits.withdraw(permits.grants[-1])
        assert (rule.spec, permits.domains().is_allowed(host)) == (f"domain:{host}", False)
