"""The sandbox: what gets out of it, what works in it, and what it says where it cannot be had."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flowchat.store.temporary import PREFIX, TemporaryFolders
from flowchat.tools import landlock
from flowchat.tools.bubblewrap import PLACES
from flowchat.tools.process import Ended, run
from flowchat.tools.sandbox import Confinement
from flowchat.tools.shell import Shell
from flowchat.tools.tool import Desk, NotDone, Unprotectable, Walled
from flowchat.transcript.entries import BlobRef
from tests.sandboxes import need_a_sandbox
from tests.tools.escaping import BRIDGED, CASES, KINDS, cases_for


class Nothing:
    """A store that is not needed."""

    @staticmethod
    async def keep(content: bytes, media: str) -> BlobRef:
        raise AssertionError(media)

    @staticmethod
    async def blob(sha256: str) -> bytes | None:
        return None


SOMEBODY = 54321
"""A user with no account and no rights."""
TIMES_AND_MODES = ("SBX-014", "OWN-05")
IS_ROOT = os.geteuid() == 0


def inside(case: dict[str, str]) -> bool:
    """Whether a case aims at something in the workspace itself."""
    return case["check"].partition(":")[0] in ("made", "kept", "new", "hook", "flowcfg", "envrc")


def attempts(kind: str, user: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.escaping", kind, str(user)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_honest(found: dict[str, Any]) -> bool:
    """No sandbox of this kind can be had here: nothing was run, and it is said why."""
    return found["tier"] == "none" and found["tried"] == 0 and bool(found["why"])


@pytest.mark.parametrize(
    ("kind", "user"),
    [
        ("full", os.geteuid()),
        *([("full", SOMEBODY), ("full-without-user-namespaces", 0)] if IS_ROOT else []),
        ("bridge", SOMEBODY if IS_ROOT else os.geteuid()),
    ],
)
def test_nothing_gets_out_of_the_full_sandbox(kind: str, user: int) -> None:
    found = attempts(kind, user)
    if is_honest(found):
        return
    expected = {"tier": "full", "user": user, "tried": len(cases_for(kind)), "escaped": [], "refused": {}}
    assert {name: found[name] for name in expected} == expected


def test_what_gets_out_of_the_partial_sandbox_is_what_is_said_of_it() -> None:
    found = attempts("partial", SOMEBODY if IS_ROOT else os.geteuid())
    if is_honest(found):
        return
    known = {case["id"] for case in (*CASES["cases"], *CASES["own"]) if inside(case)} | set(TIMES_AND_MODES)
    if landlock.version() < landlock.SCOPES_SINCE:
        known |= {case["id"] for case in CASES["own"] if case["check"] == "app"}
    assert (found["tier"], set(found["escaped"]) - known, found["refused"]) == ("partial", set(), {})


# --- what works ------------------------------------------------------------------------------------------------------
@pytest.fixture
def base() -> Iterator[Path]:
    """Not in /tmp, which a sandbox has one of its own of."""
    folder = Path(tempfile.mkdtemp(prefix="fc", dir="/var/tmp")).resolve()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def work(base: Path) -> Path:
    folder = base / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main", "--template=")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.org")
    (folder / "a.txt").write_text("a\n")
    git(folder, "add", "a.txt")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
async def confinement(base: Path) -> AsyncIterator[Confinement]:
    """The full one."""
    ours = Path(sys.prefix)  # what the tests run with is seen from within even where it lies in /tmp
    more = [ours] if ours.is_relative_to("/tmp") else []
    made = Confinement({**os.environ, "HOME": str(base / "person")}, [base / "ours"], more)
    await need_a_sandbox(made, "full")
    yield made
    await made.close()


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


async def bash(confinement: Confinement, work: Path, command: str, network: bool = False) -> Ended:
    async with confinement.around(["/bin/bash", "--noprofile", "--norc", "-c", command], work, network) as (spawn, _):
        ended = await run(spawn, work, 60)
    await confinement.settled()
    ended.recording.close()
    return ended


WORKS = [
    ("echo n > new && git add -A && git commit -qm two && git log --oneline | wc -l", "2\n"),
    ("git checkout -qb other && echo b > b && git add b && git stash -q && git stash pop -q && git status --short", "A  b\n"),
    ("git rebase -q HEAD && git gc -q && git fsck --no-progress && echo sound", "sound\n"),
    ("git status --short; ls -A | grep -v '^[.]'", "a.txt\n"),
    ("python3 -c 'import socket, tempfile; socket.socketpair(); print(len(tempfile.mkdtemp()) > 0)'", "True\n"),
    ("echo 'x = 1' > mod.py && python3 -c 'import mod; print(mod.x)'", "1\n"),
    ("echo kept > /tmp/note; echo kept > $TMPDIR/other; cat /tmp/other", "kept\n"),
    ("(echo a; sleep 0.1; echo b) | cat; (exit 3) || echo $?", "a\nb\n3\n"),
    ("head -c 3 /dev/zero | wc -c; echo x > /dev/null; test -r /dev/urandom && echo devices", "3\ndevices\n"),
    ("umask 022; mkdir -p d/e && touch d/e/f && chmod 755 d && mv d g && rm -r g && echo moved", "moved\n"),
    (
        "python3 -c \"import http.server as h, threading, urllib.request as u; s = h.HTTPServer(('127.0.0.1', 0),"
        " h.SimpleHTTPRequestHandler); threading.Thread(target=s.serve_forever, daemon=True).start();"
        " print(u.urlopen(f'http://127.0.0.1:{s.server_port}/a.txt').status)\" 2>/dev/null",
        "200\n",
    ),
]


@pytest.mark.parametrize(("command", "printed"), WORKS)
async def test_work_in_the_workspace_goes_on_as_ever(confinement: Confinement, work: Path, command: str, printed: str) -> None:
    ended = await bash(confinement, work, command)
    assert (ended.status, ended.recording.head) == (0, printed)


@pytest.mark.parametrize(
    ("program", "files", "command", "ends_with"),
    [
        ("npm", {"package.json": '{"scripts": {"test": "node -e \\"console.log(6*7)\\""}}'}, "npm test --silent", "42\n"),
        (
            "cargo",
            {
                "Cargo.toml": '[package]\nname = "t"\nversion = "0.1.0"\nedition = "2021"\n',
                "src/main.rs": 'fn main(){println!("ran")}',
            },
            "cargo run -q --offline",
            "ran\n",
        ),
        (
            "pytest",
            {"test_it.py": "def test_it(tmp_path):\n    assert tmp_path.exists()\n"},
            "{python} -m pytest -q test_it.py",
            " passed",
        ),
    ],
)
async def test_the_tools_of_a_project_work_in_it(
    confinement: Confinement, work: Path, program: str, files: dict[str, str], command: str, ends_with: str
) -> None:
    if shutil.which(program) is None and program != "pytest":
        pytest.skip(f"{program} is not installed here")
    for name, text in files.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(text)
    real = Path.home() / ".cargo", Path.home() / ".rustup"
    homes = f"export CARGO_HOME='{real[0]}' RUSTUP_HOME='{real[1]}'; " if program == "cargo" else ""
    ended = await bash(confinement, work, homes + command.format(python=sys.executable))
    assert ended.status == 0, ended.recording.head
    assert ends_with in ended.recording.head


async def test_a_worktree_commits_to_its_repository_and_cannot_touch_its_hooks(
    confinement: Confinement, base: Path, work: Path
) -> None:
    git(work, "worktree", "add", "-q", "-b", "side", str(base / "tree"))
    command = f"echo c > c && git add c && git commit -qm side; echo x > '{work}/.git/hooks/pre-commit'; echo x > '{work}/out'"
    ended = await bash(confinement, base / "tree", command)
    assert (ended.status, git(work, "log", "--format=%s", "side")) == (1, "side\nfirst\n")
    assert not (work / ".git/hooks/pre-commit").exists()
    assert not (work / "out").exists()


async def test_a_git_file_that_points_at_what_is_not_its_own_opens_nothing(confinement: Confinement, base: Path) -> None:
    (victim := base / "victim").mkdir()
    git(victim, "init", "-q")
    (folder := base / "lured").mkdir()
    (folder / ".git").write_text(f"gitdir: {victim}/.git\n")
    await bash(confinement, folder, f"echo x > '{victim}/.git/planted'")
    assert not (victim / ".git/planted").exists()


async def test_other_folders_can_be_given_and_hold_no_less(confinement: Confinement, base: Path, work: Path) -> None:
    (more := base / "more").mkdir()
    wider = Confinement({**os.environ, "HOME": str(base / "person")}, more=[more])
    await bash(wider, work, f"echo x > '{more}/f'; mkdir '{more}/.vscode'; echo x > '{more}/.vscode/t'")
    await wider.close()
    assert sorted(os.listdir(more)) == ["f"]


async def test_the_places_that_are_kept_taken_are_free_again_and_a_crash_leaves_none_for_long(
    confinement: Confinement, work: Path
) -> None:
    before = sorted(os.listdir(work)), sorted(os.listdir(work / ".git"))
    async with confinement.around(["true"], work) as (_, guard):
        assert sorted(path.name for path, _ in guard.masked if path.parent == work and path.is_dir()) == [
            *(".agents", ".claude", ".cursor", ".envrc", ".flowchat", ".gitmodules", ".idea", ".mcp.json", ".vscode")
        ]
        assert git(work, "status", "--short") == ""
        crashed = Confinement({"HOME": "/nonexistent"})
        await bash(crashed, work, "true")  # it finds the masks of another, and takes away what it finds unused
        await crashed.close()
    await confinement.settled()
    assert (sorted(os.listdir(work)), sorted(os.listdir(work / ".git"))) == before


async def test_a_branch_changed_over_protected_files_is_told_and_mended_by_the_command_that_is_named(
    confinement: Confinement, work: Path
) -> None:
    (work / ".vscode").mkdir()
    for name in ("changed", "gone", "kept"):
        (work / ".vscode" / name).write_text("one\n")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "settings")
    git(work, "checkout", "-qb", "other")
    (work / ".vscode/changed").write_text("two\n")
    (work / ".vscode/made").write_text("two\n")
    (work / ".vscode/gone").unlink()
    git(work, "add", "-A")
    git(work, "commit", "-qm", "other settings")
    git(work, "checkout", "-q", "main")
    (work / ".vscode/kept").write_text("the person's own\n")
    desk = Desk(work, {}, lambda text: None, Nothing.keep, Nothing.blob)
    shell = Shell(confinement=confinement)
    changed = await shell.run({"command": "git checkout other"}, desk)
    assert (changed.summary.rpartition(", ")[2], changed.walled) == ("protected files left as they were", None)
    named = changed.content.partition(" run `")[2].partition("` alone")[0]
    tried = await shell.run({"command": named}, desk)
    assert tried.walled == Walled("outside", f"{work}/.vscode is protected")
    await confinement.settled()
    mended = await shell.run({"command": named}, replace(desk, beyond="outside"))
    assert (mended.summary, git(work, "status", "--short")) == ("exit 0", " M .vscode/kept\n")


async def test_a_trial_begins_with_clearing_away_what_killed_programs_left_and_goes_on_beside_that(base: Path) -> None:
    (left := base / f"{PREFIX}00000000").mkdir(mode=0o700)
    (left / "file").write_text("x")
    theirs = (living := TemporaryFolders(base)).make()
    made = Confinement({"HOME": str(base / "person")}, folders=TemporaryFolders(base))
    await made.probe()
    await made.close()
    assert (left.exists(), os.listdir(base)) == (False, [theirs.name])
    living.remove(theirs)


async def test_what_a_command_makes_is_guarded_from_the_next_on(confinement: Confinement, work: Path) -> None:
    await bash(confinement, work, "git init -q fresh")
    ended = await bash(confinement, work, "echo x > fresh/.git/hooks/pre-commit")
    assert (ended.status, (work / "fresh/.git/hooks/pre-commit").exists()) == (1, False)


async def test_a_command_that_is_ended_may_still_tidy_up_and_leaves_nothing_running(confinement: Confinement, work: Path) -> None:
    command = "trap 'echo tidied > tidied; exit 1' TERM; (setsid sleep 61 &); echo begun > begun; sleep 62 & wait"
    async with confinement.around(["/bin/bash", "-c", command], work) as (spawn, _):
        ended = await run(spawn, work, 1.0)
    ended.recording.close()
    await confinement.settled()
    assert (ended.timed_out, (work / "begun").exists(), (work / "tidied").exists()) == (True, True, True)
    assert [words for words in command_lines() if words in (["sleep", "61"], ["sleep", "62"])] == []


async def test_what_is_cancelled_keeps_its_places_taken_until_it_has_ended(confinement: Confinement, work: Path) -> None:
    begun = asyncio.Event()
    command = "trap '' TERM; echo begun; while :; do sleep 0.05; echo x > .envrc/x; done 2>/dev/null"

    async def stubborn() -> None:
        async with confinement.around(["/bin/bash", "-c", command], work) as (spawn, _):
            await run(spawn, work, 60, lambda text: begun.set())

    running = asyncio.create_task(stubborn())
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    assert (work / ".envrc").is_dir()
    await confinement.settled()
    assert sorted(os.listdir(work)) == [".git", "a.txt"]


def command_lines() -> list[list[str]]:
    found: list[list[str]] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_text().split("\0")[:-1])
    return found


async def test_a_repository_that_became_a_link_leads_nowhere(confinement: Confinement, base: Path, work: Path) -> None:
    (victim := base / "victim").mkdir()
    git(work, "init", "-q", "nested")
    await bash(confinement, work, "true")
    shutil.rmtree(work / "nested")
    (work / "nested").symlink_to("../victim")
    await bash(confinement, work, "echo x > nested/f; mkdir nested/.vscode; echo x > ../victim/f")
    assert os.listdir(victim) == []


async def test_what_a_running_command_could_move_is_not_built_upon(confinement: Confinement, work: Path) -> None:
    async with confinement.around(["true"], work):
        git(work, "init", "-q", "fresh")
        await bash(confinement, work, "true")  # after it there is another search
        async with confinement.around(["true"], work) as (_, guard):
            assert [path for path in guard.pinned if path.is_relative_to(work / "fresh")] == []
    await confinement.settled()
    async with confinement.around(["true"], work) as (_, guard):
        assert work / "fresh" / ".git" in guard.pinned


async def test_programs_that_git_starts_from_the_workspace_stay_as_they_are(confinement: Confinement, work: Path) -> None:
    for name in ("tools/clean.sh", "tools/other.sh"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("cat\n")
    git(work, "config", "filter.tidy.clean", "sh ./tools/clean.sh --fast")
    await bash(confinement, work, "echo evil > tools/clean.sh; echo fine > tools/other.sh")
    assert [(work / f"tools/{name}.sh").read_text() for name in ("clean", "other")] == ["cat\n", "fine\n"]


@pytest.mark.skipif(not IS_ROOT, reason="only root works in the folders of others")
@pytest.mark.parametrize("places", [None, ()])
async def test_root_works_in_a_folder_of_somebody_else_and_no_further(base: Path, work: Path, places: Any) -> None:
    subprocess.run(["chown", "-R", str(SOMEBODY), str(work)], check=True)
    (victim := base / "victim").mkdir(mode=0o700)
    os.chown(victim, SOMEBODY, SOMEBODY)
    made = Confinement({**os.environ, "HOME": str(base / "person")}, places=places)
    await need_a_sandbox(made, "partial", "full")
    command = f"echo b >> a.txt; echo x > '{victim}/f'; mkdir -p .git/hooks; echo x > .git/hooks/x; mount -t proc p ."
    await bash(made, work, command)
    await made.close()
    assert ((work / "a.txt").read_text(), os.listdir(victim), (work / ".git/hooks/x").exists()) == (
        "a\nb\n",
        [],
        places is not None,
    )


async def test_the_network_is_off_and_can_be_on(confinement: Confinement, work: Path) -> None:
    command = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | tr '\\n' ' '"
    off, on = [(await bash(confinement, work, command, network)).recording.head for network in (False, True)]
    names = sorted(line.partition(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:])
    assert (off.split(), sorted(on.split())) == (["lo"], names)


async def test_no_key_of_ours_reaches_a_command(confinement: Confinement, work: Path) -> None:
    os.environ.update(OPENAI_API_KEY="planted-1", SSH_AUTH_SOCK="/planted-2", LD_PRELOAD="", MY_TOKEN="planted-3")
    printed = (await bash(confinement, work, "env; ls /proc | grep -c '^[0-9]'; cat /proc/*/environ")).recording.head
    assert "planted" not in printed


# --- where it cannot be had ------------------------------------------------------------------------------------------
async def test_without_bubblewrap_there_is_less_and_it_is_said(tmp_path: Path) -> None:
    own = tmp_path / "bwrap"
    own.write_text("#!/bin/sh\nexit 0\n")
    own.chmod(0o777)  # anybody's to change: not the system's
    confinement = Confinement(os.environ, places=[str(own), str(tmp_path / "missing")], landlock=False)
    sandbox = await confinement.probe()
    assert (sandbox.tier, sandbox.why, sandbox.advice.partition(" (")[0]) == (
        *("none", "bubblewrap is not installed"),
        "install bubblewrap",
    )
    with pytest.raises(NotDone, match="there is no sandbox here: bubblewrap is not installed"):
        await bash(confinement, tmp_path, "true")
    await confinement.close()


@pytest.mark.skipif(not IS_ROOT, reason="only root can put a program where it counts as the system's")
@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("echo 'bwrap: No permissions to create new namespace' >&2\nexit 1", "No permissions to create new namespace"),
        ('while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"', "a file outside of it could be written"),
    ],
    ids=["it fails", "it holds nothing"],
)
async def test_a_bubblewrap_that_does_not_work_is_found_out(tmp_path: Path, program: str, why: str) -> None:
    own = tmp_path / "bwrap"
    own.write_text(f"#!/bin/sh\n{program}\n")
    own.chmod(0o755)
    confinement = Confinement(os.environ, places=[str(own)], landlock=False)
    sandbox = await confinement.probe()
    assert (sandbox.tier, sandbox.why) == ("none", f"bubblewrap does not work here ({why})")
    await confinement.close()


@pytest.mark.parametrize(
    ("lay", "why"),
    [
        (lambda work: (work / ".vscode").symlink_to("elsewhere"), r"\.vscode is a symbolic link"),
        (lambda work: (work / ".git").rename(work / "g") and (work / ".git").symlink_to("g"), r"\.git is a symbolic link"),
        (
            lambda work: shutil.rmtree(work / ".git/hooks", True) or (work / ".git/hooks").symlink_to("../h"),
            r"hooks is a symbolic link",
        ),
    ],
)
async def test_what_cannot_be_guarded_is_not_run(confinement: Confinement, work: Path, lay: Any, why: str) -> None:
    lay(work)
    with pytest.raises(Unprotectable, match=why):
        await bash(confinement, work, "echo x > ran")
    assert not (work / "ran").exists()


@pytest.mark.parametrize("folder", ["/", "/usr/.."])
async def test_the_whole_machine_is_no_workspace(confinement: Confinement, folder: str) -> None:
    with pytest.raises(Unprotectable, match="holds everything else"):
        await bash(confinement, Path(folder).resolve(), "true")


def test_bubblewrap_is_sought_where_the_system_has_it_alone() -> None:
    assert all(place.startswith("/") for place in PLACES)
    assert set(KINDS) == {"full", "full-without-user-namespaces", "partial", *BRIDGED}
