"""What surrounds a command that only reads: its git runs none of the programs that a repository's settings name."""

import os
import subprocess
from pathlib import Path

import pytest

from flowchat.tools.command import judge_command
from flowchat.tools.only_reading import variables_for
from flowchat.tools.shell import Shell
from flowchat.tools.tool import Desk
from flowchat.transcript.entries import BlobRef
from tests.tools.judging.watching import git

LOOKS = (
    *("git status", "git diff", "git diff --cached", "git diff HEAD~1", "git log -p", "git log --oneline -5", "git show HEAD"),
    *("git show --stat", "git stash list", "git stash show", "git stash show -p", "git blame a.txt", "git grep -n hello"),
    *("git -C . diff HEAD~1", "git -C . --no-pager log -p -3", "git -C . -P stash show -p"),
    *("git branch -a", "git tag -l", "git describe --always --tags", "git reflog", "git ls-files -m", "git --no-pager log -p"),
    *(
        "git log -1 --format='%h %s'",
        "git -P diff | cat",
        "git status && git diff --stat; git log -p -- a.txt",
        "git shortlog -sn HEAD",
    ),
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with changes, a stash and settings that name a program wherever git lets them."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("hello\n")
    (folder / ".gitattributes").write_text("*.txt diff=evil\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    (folder / "a.txt").write_text("hello\nthere\n")
    git(folder, "stash")
    (folder / "a.txt").write_text("hello\nyou\n")
    git(folder, "commit", "-qam", "two")
    (folder / "a.txt").write_text("hello\nall\n")
    evil = tmp_path / "evil.sh"
    evil.write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/PWNED\ncat "$1" 2>/dev/null\n')
    evil.chmod(0o755)
    hooks = folder / ".git" / "hooks"
    for name in ("post-index-change", "fsmonitor-watchman", "query-watchman", "pre-auto-gc"):
        (hooks / name).write_text(evil.read_text())
        (hooks / name).chmod(0o755)
    for name in (
        *("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "diff.evil.command", "diff.evil.textconv"),
        *("gpg.program", "gpg.ssh.program", "pager.log", "pager.diff", "pager.status", "core.editor", "credential.helper"),
    ):
        git(folder, "config", name, str(evil))
    git(folder, "config", "log.showSignature", "true")
    os.utime(folder / ".gitattributes", (1, 1))
    return folder


def run(command: str, folder: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **variables}
    return subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", LOOKS)
def test_a_look_with_git_runs_nothing_that_the_repository_names(command: str, repository: Path) -> None:
    judged = judge_command(command)
    assert judged.read_only, judged.reason
    index = (repository / ".git" / "index").read_bytes()
    done = run(command, repository, dict(variables_for(judged)))
    assert not (repository.parent / "PWNED").exists(), (repository.parent / "PWNED").read_text()
    assert (done.returncode, done.stderr) == (0, "")
    assert (repository / ".git" / "index").read_bytes() == index


def test_without_the_variables_the_same_repository_does_run_them(repository: Path) -> None:
    run("git diff", repository, {})
    assert (repository.parent / "PWNED").exists()


def test_a_diff_shows_the_lines_themselves(repository: Path) -> None:
    command = "git diff -U0"
    done = run(command, repository, dict(variables_for(judge_command(command))))
    assert done.stdout.splitlines()[-2:] == ["-you", "+all"]


@pytest.mark.parametrize("command", ["ls", "git commit -m x", "git status && touch x", "git -c a.b=c status"])
def test_a_command_that_is_no_look_with_git_runs_as_the_user_would_run_it(command: str) -> None:
    assert variables_for(judge_command(command)) == {}


@pytest.mark.parametrize("kind", ["clean", "process"])
@pytest.mark.parametrize("command", ["git status", "git diff", "git blame a.txt", "git ls-files -m", "git -P diff --stat"])
def test_a_filter_that_the_repository_names_is_not_run(command: str, kind: str, repository: Path) -> None:
    """By its own settings, by those of its worktree and by a file that they include."""
    evil, pwned = repository.parent / "evil.sh", repository.parent / "PWNED"
    (repository / ".gitattributes").write_text("*.txt filter=e=v.il\n")
    included = repository.parent / "included"
    included.write_text(f'[filter "e=v.il"]\n{kind} = {evil}\nrequired = true\n')
    git(repository, "config", "include.path", str(included))
    for name in ("core.fsmonitor", "diff.external"):
        git(repository, "config", "--unset", name)
    (repository / "a.txt").write_text("hello\nalt\n")
    pwned.unlink(missing_ok=True)
    run(command, repository, dict(variables_for(judge_command(command))))
    assert not pwned.exists()
    run(command, repository, {})
    assert pwned.exists()


def test_a_filter_of_the_users_own_settings_runs(repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.txt filter=mine\n")
    (repository.parent / ".gitconfig").write_text('[filter "mine"]\nclean = tr a-z A-Z\n')
    (repository / "a.txt").write_text("quiet\n")
    done = run("git diff -U0", repository, dict(variables_for(judge_command("git diff -U0"))))
    assert done.stdout.splitlines()[-1] == "+QUIET"


@pytest.mark.parametrize("command", ["git status", "git diff", "git grep x", "git blame id"])
@pytest.mark.parametrize("elsewhere", ["../keys", "..", "/"])
def test_files_that_the_settings_say_are_elsewhere_are_not_looked_at(command: str, elsewhere: str, repository: Path) -> None:
    keys = repository.parent / "keys"
    keys.mkdir()
    (keys / "id").write_text("secret\n")
    git(repository, "config", "core.worktree", str((repository / elsewhere).resolve()))
    done = run(command, repository, dict(variables_for(judge_command(command))))
    assert (done.returncode, done.stdout) == (128, "")


def test_a_linked_worktree_and_a_folder_below_are_looked_at(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "../linked")
    for folder in (repository.parent / "linked", repository / "src"):
        folder.mkdir(exist_ok=True)
        done = run("git status -s && git diff --stat", folder, dict(variables_for(judge_command("git status"))))
        assert (done.returncode, done.stderr) == (0, "")


def test_a_list_of_packages_leaves_no_compiled_ones_behind() -> None:
    assert variables_for(judge_command("pip list | head")) == {"PYTHONDONTWRITEBYTECODE": "1"}
    assert variables_for(judge_command("pip install x")) == {}


@pytest.mark.parametrize("command", ["git log -p -m", "git show -m --stat HEAD"])
def test_a_merge_is_not_made_anew_to_be_shown(command: str, tmp_path: Path) -> None:
    """What `log.diffMerges = remerge` asks for is written to the repository first."""
    git(tmp_path, "init", "-q", "-b", "main", "made")
    made = tmp_path / "made"
    for branch, text in (("main", "a\n"), ("side", "b\n"), ("main", "c\n")):
        if branch == "side" or text == "c\n":
            git(made, "checkout", "-q", *(["-b"] if branch == "side" else []), branch)
        (made / branch).write_text(text)
        git(made, "add", ".")
        git(made, "commit", "-qm", text)
    git(made, "merge", "-q", "--no-edit", "side")
    git(made, "config", "log.diffMerges", "remerge")
    objects = made / ".git" / "objects"
    before = objects.stat().st_mtime_ns
    assert run(command, made, dict(variables_for(judge_command(command)))).returncode == 0
    assert objects.stat().st_mtime_ns == before
    run(command, made, {})
    assert objects.stat().st_mtime_ns != before


def test_a_repository_without_a_folder_of_its_own_is_not_taken_for_one(tmp_path: Path) -> None:
    """Files laid out like the inside of `.git` in the workspace itself would bring their own settings."""
    git(tmp_path, "init", "-q", "--bare", "planted")
    command = "git log --oneline"
    done = run(command, tmp_path / "planted", dict(variables_for(judge_command(command))))
    assert done.returncode == 128
    assert "safe.bareRepository" in done.stderr


@pytest.mark.parametrize("command", ["git status", "git diff", "git status --porcelain", "git log -p -1"])
def test_a_repository_within_the_repository_is_not_entered(command: str, repository: Path) -> None:
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    (inner / "a.txt").write_text("a\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "one")
    git(repository, "add", "inner")
    git(repository, "commit", "-qm", "three")
    (inner / "a.txt").write_text("b\n")
    git(inner, "commit", "-qam", "two")
    git(repository, "add", "inner")
    git(repository, "commit", "-qm", "four")
    (inner / "a.txt").write_text("c\n")
    for name in ("core.fsmonitor", "diff.external"):
        git(inner, "config", name, str(repository.parent / "evil.sh"))
    git(repository, "config", "diff.submodule", "diff")
    git(repository, "config", "status.submoduleSummary", "true")
    (repository / ".gitmodules").write_text('[submodule "inner"]\n\tpath = inner\n\turl = x\n\tignore = none\n')
    pwned = repository.parent / "PWNED"
    pwned.unlink(missing_ok=True)  # what set it up has run it
    run(command, repository, dict(variables_for(judge_command(command))))
    assert not pwned.exists()
    run(command, repository, {})
    assert pwned.exists()


async def test_the_shell_tool_gives_it_to_git_where_it_only_reads(repository: Path) -> None:
    desk = Desk(repository, {}, lambda _: None, no_blob, lambda _: b"", None)
    outcome = await Shell().run({"command": "git diff -U0"}, desk)
    assert outcome.content.splitlines()[-2:] == ["-you", "+all"]
    assert not (repository.parent / "PWNED").exists()
    await Shell().run({"command": "git diff -U0 > shown"}, desk)
    assert (repository.parent / "PWNED").exists()


async def no_blob(content: bytes, media: str) -> BlobRef:
    raise AssertionError((content, media))
