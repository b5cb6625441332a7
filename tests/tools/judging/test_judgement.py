"""What a judgement tells besides yes and no: the files a command may name, where a `cd` leads, which rules may free it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.tools.command import judge_command
from flowchat.tools.only_reading import variables_for
from flowchat.tools.tables import read_table

SIGNS = st.sampled_from(
    [*"ls cat git -o \\'\"$`(){}[]<>|&;#~*?!=\n\t\0é\u202e\ud800", "$(", "<<", "&&", "||", "touch PWNED", "EOF"]
)


def named_files(command: str, workspace: str = "") -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(part.paths, part.patterns) for part in judge_command(command, workspace).parts]


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("cat a.txt ../b /etc/passwd", ("a.txt", "../b", "/etc/passwd")),
        ("cat ~/.ssh/id_rsa", ("~/.ssh/id_rsa",)),
        ("cat ~root/x", ("~root/x",)),
        ("cat '~/x' \\~/y", ("./~/x", "./~/y")),
        ("grep -rn /api/users src", ("src",)),
        ("grep -f words -e x src", ("words", "src")),
        ("grep --file=/etc/passwd x src", ("/etc/passwd", "x", "src")),
        ("rg -f/etc/passwd x", ("/etc/passwd", "x")),
        ("find /etc src -name /x -newer ~/y", ("~/y", "/etc", "src")),
        ("git diff -- /etc/passwd", ("/etc/passwd",)),
        ("date -r /etc/passwd", ("/etc/passwd",)),
        ("test -f /etc/passwd", ("/etc/passwd",)),
        ("sed -n 5p /etc/passwd", ("/etc/passwd",)),
        ("echo /etc/passwd ~", ()),
        ("cat - /dev/null", ()),
        ("realpath --relative-to=/etc a", ("/etc", "a")),
    ],
)
def test_every_word_that_may_name_a_file_is_told(command: str, paths: tuple[str, ...]) -> None:
    assert named_files(command) == [(paths, ())]


@pytest.mark.parametrize(
    ("command", "patterns"),
    [
        ("ls src/*.py", ("src/*.py",)),
        ("cat 'a*b'*.py", ("a[*]b*.py",)),
        ("cat ~/.ss?/*", ("~/.ss?/*",)),
        ("grep x /e*c/passw?", ("/e*c/passw?",)),
        ("echo /etc/*", ("/etc/*",)),
    ],
)
def test_patterns_are_told_as_patterns(command: str, patterns: tuple[str, ...]) -> None:
    judged = judge_command(command)
    assert judged.read_only
    assert judged.parts[0].patterns == patterns


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("cd src && cat a", ("src/a",)),
        ("cd src && cat ../a", ("src/../a",)),
        ("cd src; cat a", ("a", "src/a")),
        ("cd src || cat a", ("a", "src/a")),
        ("cd /etc && cat passwd", ("/etc/passwd",)),
        ("cd ~ && cat .netrc", ("~/.netrc",)),
        ("cd src && cd lib && cat a", ("src/lib/a",)),
        ("cd src && cat ~/a /b", ("~/a", "/b")),
        ("cd . && cat a", ("a",)),
        ("cd /w && cat a", ("a",)),
        ("cd /w/ && cat a", ("a",)),
        ("cd src | cat a", ("a", "src/a")),
        ("cd link && cd .. && cat a", ("a",)),
        ("cd link && cd ../.. && cat a", ("../a",)),
        ("cd link/ && cat ../a", ("link/../a",)),
        ("cd ../x && cat a", ("../x/a",)),
    ],
)
def test_files_behind_a_cd_are_told_where_it_leads(command: str, paths: tuple[str, ...]) -> None:
    assert judge_command(command, "/w").parts[-1].paths == paths


@pytest.mark.parametrize(
    ("command", "read_only"),
    [
        ("cd /w && git status", True),
        ("cd . && git status", True),
        ("cd src && git status", False),
        ("cd src; git status", False),
        ("cd src && cd /w && git status", False),
        ("git status && cd src", True),
        ("cd src && cd .. && git status", True),
        ("cd link/.. && ls", False),
        ("cd link/../.. && ls", False),
        ("cd /w/link/.. && ls", False),
        ("cd ~/.. && ls", False),
        ("cd src && cd ../x && ls", False),
        ("cd ../../x && ls", True),
        ("git -C link/.. status", False),
        ("git -C /w/link/.. status", False),
        ("git -C /w status", True),
        ("git -C . log -3", True),
        ("git -C /w/ --no-pager diff", True),
        ("git -C src status", False),
        ("git -C /w -C src status", False),
        ("git -C /w* status", False),
        ("git -C ~ status", False),
        ("git -C", False),
        ("git -C /w", False),
        ("git -C /w commit -m x", False),
        ("cd src && git -C . status", False),
        ("cd src; git -C . status", False),
        ("git -C /w log --output=x", False),
        ("cd src && ls", True),
        ("cd && ls", False),
        ("pushd /etc && ls", False),
        ("cd a; cd b; cd c; cd d; cd e; ls", False),
        ("ls | cd src", False),
    ],
)
def test_git_reads_only_where_the_session_is(command: str, read_only: bool) -> None:
    assert judge_command(command, "/w").read_only == read_only


@pytest.mark.parametrize(
    ("command", "named", "strict"),
    [
        ("find . -delete", ("find",), True),
        ("git branch new", ("git", "branch"), True),
        ("git commit -m x", ("git", "commit"), False),
        ("git commit --template=x", ("git", "commit"), True),
        ("git add -A", ("git", "add"), False),
        ("git ls-remote origin", ("git", "ls-remote"), False),
        ("git ls-remote --upload-pack=./x .", ("git", "ls-remote"), True),
        ("git ls-remote ext::./x", ("git", "ls-remote"), True),
        ("git fetch --prune origin", ("git",), False),
        ("git fetch --upload-p ./x .", ("git",), True),
        ("git push -u origin main", ("git",), False),
        ("git push --exec=./x .", ("git",), True),
        ("git clone -qu ./x . y", ("git",), True),
        ("git rebase -i -x ./x HEAD~1", ("git",), True),
        ("git rebase --continue", ("git",), False),
        ("git bisect run ./x", ("git",), True),
        ("cd evil && git commit -m x", ("git", "commit"), True),
        ("cd evil && git push", ("git",), True),
        ("git stash pop", ("git", "stash"), False),
        ("git -c a=b status", ("git",), True),
        ("git remote add a b", ("git", "remote"), False),
        ("python x.py", ("python",), False),
        ("pip install x", ("pip",), False),
        ("sed -i s/a/b/ x", ("sed",), True),
        ("man ls", (), True),
        ("xargs rm", (), True),
        ("npm test", (), False),
        ("ls -la", ("ls",), False),
    ],
)
def test_a_rule_by_first_words_frees_only_what_no_table_knows_better(command: str, named: tuple[str, ...], strict: bool) -> None:
    part = judge_command(command).parts[-1]
    assert (part.named, part.strict) == (named, strict)


@pytest.mark.parametrize("command", ["python --version", "cargo --version", "pip list"])
def test_what_obeys_the_settings_of_its_folder_says_so(command: str) -> None:
    assert [part.obeys for part in judge_command(f"{command} && ls").parts] == [True, False]


@pytest.mark.parametrize(
    ("command", "platform", "obeys"),
    [
        ("git status && git diff | head", "linux", False),
        ("git status && mkdir x", "linux", True),
        ("make; git log", "linux", True),
        ("git status && mine", "linux", True),
        ("git status", "darwin", True),
    ],
)
def test_git_obeys_its_settings_wherever_they_are_not_answered_from_outside(command: str, platform: str, obeys: bool) -> None:
    mine = read_table("mine", "match = ['mine']\nnot_match = ['mine -x']\n")
    judged = judge_command(command, more={"mine": mine}, platform=platform)
    assert next(part.obeys for part in judged.parts if part.argv[0] == "git") == obeys
    assert bool(variables_for(judge_command(command))) == (not obeys or platform == "darwin")


@pytest.mark.parametrize(
    ("command", "murky"),
    [
        ("echo x | bash", True),
        ("bash x.sh", True),
        ("source x.sh", True),
        ("$x", True),
        ("perl -e 1", True),
        ("bash -c 'ls'", False),
        ("ls > x", False),
        ("npm test", False),
        ("python x.py", False),
    ],
)
def test_what_runs_more_than_its_words_show_is_murky(command: str, murky: bool) -> None:
    assert bool(judge_command(command).murky) == murky


def test_a_wrapped_command_is_not_denied_for_its_arguments() -> None:
    said = judge_command("timeout 5 nice -n 3 grep touch a.txt").said
    assert said == (
        ("timeout", "5", "nice", "-n", "3", "grep", "touch", "a.txt"),
        ("nice", "-n", "3", "grep", "touch", "a.txt"),
        ("grep", "touch", "a.txt"),
    )


@pytest.mark.parametrize("command", ["cd && cat a", "cd -; cat a", "pushd /etc && cat a", "cd a | cat; cd - && cat a"])
def test_where_the_folder_does_not_show_nothing_is_known_to_only_read(command: str) -> None:
    """Even if a rule frees the part that moves."""
    assert judge_command(command).parts[-1].why == "the folder it runs in does not show"


def test_no_number_of_parts_is_too_many() -> None:
    many = judge_command("\n".join(["ls"] * 3_000))
    assert (len(many.parts), many.read_only) == (3_000, True)
    assert not judge_command("\n".join([*["ls"] * 3_000, "touch x"])).read_only


@pytest.mark.parametrize(
    "knot",
    [
        "(",
        "{",
        "$(",
        "`",
        '"',
        "$((",
        "[[ ",
        "if ",
        "<<A ",
        "env ",
        "find . -exec ",
        "npx ",
        "flock x ",
        "cd a\n",
        "cd a;",
        "bash -c ",
        "sh -",
        "git -c a.b=!",
        "sudo -x ",
        "bash -c '",
        "${a:-",
        "|",
        "\\\n",
    ],
)
def test_a_knot_of_any_depth_is_judged(knot: str) -> None:
    judged = judge_command((knot * 9_000)[:9_900] + " touch PWNED")
    assert not judged.read_only


@pytest.mark.parametrize("start", ["bash ", "env ", "su ", "flock x "])
def test_an_option_said_thousands_of_times_is_judged(start: str) -> None:
    judged = judge_command(start + "-c " * 3_000 + "'touch PWNED'")
    assert not judged.read_only


@given(st.lists(SIGNS | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_is_judged(command: str) -> None:
    judged = judge_command(command)
    assert judged.command == command
    assert judged.read_only == (judged.plain and all(part.read_only for part in judged.parts))
    assert judged.plain or not judged.parts
