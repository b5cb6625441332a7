"""What is guarded in a workspace, however its repositories are laid out, and that the places kept taken are free again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from flowchat.tools.guard import find_repositories
from flowchat.tools.sandbox import Confinement
from flowchat.tools.shell import Shell
from flowchat.tools.tool import Unprotectable
from tests.tools.conftest import Bench
from tests.tools.scarce import descriptors_left
from tests.tools.test_process_cases import dead_children
from tests.tools.test_sandbox import base as base
from tests.tools.test_sandbox import bash, git
from tests.tools.test_sandbox import confinement as confinement
from tests.tools.test_sandbox import work as work


def many_repositories(work: Path) -> str:
    return "for i in $(seq 80); do mkdir -p 0a$i/.git a$i/.git z$i/.git; done"


def what_looks_bare(work: Path) -> str:
    return "mkdir -p deep/objects deep/refs; echo > deep/HEAD"


@pytest.mark.parametrize("blind", [many_repositories, what_looks_bare])
async def test_what_was_guarded_once_is_not_lost_among_what_a_command_makes(
    confinement: Confinement, work: Path, blind: Callable[[Path], str]
) -> None:
    (work / "deep/down").mkdir(parents=True)
    git(work / "deep/down", "init", "-q")
    await bash(confinement, work, blind(work))
    await bash(confinement, work, "echo x > deep/down/.git/hooks/pre-commit; git -C deep/down config core.fsmonitor evil")
    assert not (work / "deep/down/.git/hooks/pre-commit").exists()
    assert "evil" not in (work / "deep/down/.git/config").read_text()


@pytest.mark.parametrize(
    ("config", "command", "made"),
    [
        ("[core]\n hooksPath = .gh/_\n", "mkdir -p .gh/_; echo x > .gh/_/pre-commit", ".gh/_/pre-commit"),
        ("[core] hooksPath = .gh # ours\n", "mkdir -p .gh; echo x > .gh/pre-commit", ".gh/pre-commit"),
        ("[core]\n fsmonitor = ./tools/watch --all\n", "mkdir tools; echo x > tools/watch", "tools/watch"),
        ('[filter "x"]\n clean = tools/clean\n', "mkdir tools; echo x > tools/clean", "tools/clean"),
    ],
)
async def test_what_git_is_told_to_run_is_not_made_where_it_is_missing(
    confinement: Confinement, work: Path, config: str, command: str, made: str
) -> None:
    with (work / ".git/config").open("a") as file:
        file.write(config)
    await bash(confinement, work, command)
    assert (work / made).exists() is False
    assert sorted(os.listdir(work)) == [".git", "a.txt"]


async def test_hooks_that_the_user_has_in_every_repository_are_not_made_either(base: Path, work: Path) -> None:
    (base / "person").mkdir()
    (base / "person/.gitconfig").write_text("[core]\n\thooksPath = .gh\n")
    made = Confinement({**os.environ, "HOME": str(base / "person")})
    if (await made.probe()).tier == "full":
        await bash(made, work, "mkdir -p .gh; echo x > .gh/pre-commit")
        assert not (work / ".gh").exists()
    await made.close()


async def test_what_a_config_includes_stays_as_it_is_however_deep(confinement: Confinement, work: Path) -> None:
    git(work, "config", "include.path", "../first.inc")
    (work / "first.inc").write_text("[include]\n path = more/second.inc\n")
    (work / "more").mkdir()
    (work / "more/second.inc").write_text("[a]\n b = c\n")
    await bash(confinement, work, "echo x > first.inc; mv more m; mkdir more; echo x > more/second.inc; echo fine > other")
    assert (work / "first.inc").read_text() == "[include]\n path = more/second.inc\n"
    assert (work / "more/second.inc").read_text() == "[a]\n b = c\n"
    assert (work / "other").read_text() == "fine\n"


async def test_a_config_that_includes_what_is_missing_is_said(confinement: Confinement, work: Path) -> None:
    git(work, "config", "include.path", "../ours.inc")
    with pytest.raises(Unprotectable, match=r"config includes .*ours\.inc, which is not there"):
        await bash(confinement, work, "true")


async def test_in_a_home_folder_what_other_programs_read_is_neither_changed_nor_made(base: Path) -> None:
    (home := base / "person").mkdir()
    (home / ".config").mkdir()
    (home / ".toolrc").write_text("mine\n")
    made = Confinement({**os.environ, "HOME": str(home)})
    if (await made.probe()).tier == "full":
        names = ".gitconfig .bashrc .ssh/authorized_keys .config/x .local/bin/ls .npmrc .vimrc bin/ls .toolrc .cargo/config.toml"
        await bash(made, home, f"for f in {names}; do mkdir -p $(dirname $f); echo x > $f; done; echo fine > notes")
        assert sorted(os.listdir(home)) == [".config", ".toolrc", "notes"]
        assert ((home / ".toolrc").read_text(), os.listdir(home / ".config")) == ("mine\n", [])
    await made.close()


@pytest.mark.parametrize("name", [b"plain", b"a\ttab", b"back\\slash", b"new\nline", b"\xff\xfe"])
async def test_places_that_another_flowchat_needs_stay_taken_whatever_the_folder_is_called(
    confinement: Confinement, base: Path, name: bytes
) -> None:
    folder = Path(os.fsdecode(os.fsencode(base) + b"/" + name))
    folder.mkdir()
    command = "echo x > begun; until [ -e go ]; do :; done; echo x > .envrc; mkdir -p .vscode/x; rm begun go"
    waiting = asyncio.create_task(bash(confinement, folder, command))
    other = Confinement({**os.environ, "HOME": str(base / "person")})
    await other.probe()
    async with asyncio.timeout(20):
        while not (folder / "begun").exists():
            await asyncio.wait({waiting}, timeout=0.01)
        await bash(other, folder, "true")
        (folder / "go").touch()
        await waiting
    await other.close()
    assert os.listdir(folder) == []


async def test_where_a_place_cannot_be_kept_taken_nothing_runs(confinement: Confinement, base: Path) -> None:
    """A path so long that nothing below it can be named whole: a command in it could make what it likes."""
    longest = os.pathconf("/", "PC_PATH_MAX")
    folder = base
    while len(str(folder)) < longest - 250:
        folder /= "d" * 200
    folder /= "e" * (longest - 11 - len(str(folder)))
    folder.mkdir(parents=True)
    try:
        with pytest.raises(Unprotectable, match="its place cannot be kept taken"):
            await bash(confinement, folder, "mkdir .flowchat; echo x > .flowchat/config.toml")
        await confinement.settled()
    finally:
        subprocess.run(["rm", "-rf", str(base / ("d" * 200))], check=True)


async def test_git_neither_adds_nor_cleans_away_nor_stashes_what_only_keeps_a_place(confinement: Confinement, work: Path) -> None:
    (work / ".git/info").mkdir()
    (work / ".git/info/exclude").write_text("*.log")
    for name in ("a.txt", "new", "seen.log"):
        (work / name).write_text("changed\n")
    command = "git stash -qu && git stash pop -q && git clean -qfd && git add -A && git status --short; cat a.txt; ls *.log"
    ended = await bash(confinement, work, command)
    assert (ended.status, ended.recording.head) == (0, "M  a.txt\nchanged\nseen.log\n")
    assert (work / ".git/info/exclude").read_text() == "*.log"


async def test_who_finds_no_network_says_so_soon_and_tries_as_ever_where_there_is_one(
    confinement: Confinement, work: Path
) -> None:
    command = "echo ${PIP_RETRIES-ever} ${npm_config_fetch_retries-ever} ${CARGO_NET_RETRY-ever}"
    printed = [(await bash(confinement, work, command, network)).recording.head for network in (False, True)]
    assert printed == ["1 0 0\n", "ever ever ever\n"]


async def test_the_model_hears_of_what_a_change_of_branch_could_not_bring(
    confinement: Confinement, bench: Bench, work: Path
) -> None:
    git(work, "checkout", "-qb", "other")
    (work / ".vscode").mkdir()
    (work / ".vscode/tasks.json").write_text("{}")
    git(work, "add", ".vscode")
    git(work, "commit", "-qm", "second")
    git(work, "checkout", "-q", "main")
    bench.workspace = work
    outcome = await Shell(confinement=confinement).run({"command": "git checkout -q other"}, bench.desk())
    said = outcome.content.splitlines()[-1]
    assert (outcome.status, said.partition(":")[0]) == ("ok", "[protected files left as they were")
    assert f"git could not change {work}/.vscode/tasks.json and went on" in said
    assert f"`git -C {work} restore -- .vscode/tasks.json`" in said


async def test_what_a_killed_flowchat_has_left_standing_is_gone_before_the_next_command(
    confinement: Confinement, base: Path, work: Path
) -> None:
    (work / "sub").mkdir()
    git(work / "sub", "init", "-q", "--template=")
    before = sorted(map(str, work.rglob("*")))
    script = (
        "import asyncio, os, pathlib, signal\nfrom flowchat.tools.sandbox import Confinement\n"
        "async def die():\n"
        f"  async with Confinement(os.environ).around(['true'], pathlib.Path({str(work)!r})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(die())"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False
    )
    assert (killed.returncode, (work / ".vscode").is_dir(), (work / "sub/.envrc").is_dir()) == (-9, True, True)
    assert git(work, "status", "--short").split() == ["??", "sub/"]
    next_one = Confinement({**os.environ, "HOME": str(base / "person")})
    next_one.tidy(work)
    await next_one.close()
    assert sorted(map(str, work.rglob("*"))) == before


async def test_the_first_process_of_a_sandbox_is_buried_though_it_ends_last(confinement: Confinement, work: Path) -> None:
    before = dead_children()
    for _ in range(8):
        await bash(confinement, work, "(setsid sleep 60 &) >/dev/null 2>&1; sleep 60 & exit 0")
    async with asyncio.timeout(5):
        while dead_children() - before:
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.05)


async def test_what_there_is_no_room_to_look_for_is_not_taken_for_missing(confinement: Confinement, work: Path) -> None:
    git(work, "init", "-q", "deep")
    with descriptors_left(0):
        with pytest.raises(OSError, match="Too many open files"):
            find_repositories(work)
        with pytest.raises(OSError, match="Too many open files"):
            async with confinement.around(["true"], work):
                pass
    await bash(confinement, work, "echo x > deep/.git/hooks/pre-commit")
    assert not (work / "deep/.git/hooks/pre-commit").exists()


async def test_while_there_is_no_room_to_see_who_needs_a_place_it_stays_taken(confinement: Confinement, work: Path) -> None:
    before = {*os.listdir(work)}
    async with AsyncExitStack() as within:
        spawn, _ = await within.enter_async_context(confinement.around(["true"], work))
        spawn.let_go()
        taken = {*os.listdir(work)}
        with descriptors_left(0):
            await within.aclose()
            await confinement.settled()
    assert before < taken == {*os.listdir(work)}
    await bash(confinement, work, "true")
    await confinement.settled()
    assert {*os.listdir(work)} == before
