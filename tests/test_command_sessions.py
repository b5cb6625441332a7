"""`flowchat sessions` and `flowchat trash` as a shell runs them: what comes out where, with which exit code."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.config import open_folders
from flowchat.store.sessions import Sessions
from tests.store.books import user, written

ROOT = Path(__file__).parents[1]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "flowchat", *words]


def environ() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def flowchat(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=cwd, env=environ(), input="", capture_output=True, text=True, timeout=60)


def on_terminal(*words: str, cwd: Path, answer: bytes) -> tuple[int, str]:
    """The exit code and all that came out, with an answer typed once there is a question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(*words), cwd=cwd, env=environ(), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said, answered = b"", False
    try:
        while piece := os.read(ours, 4096):
            said += piece
            if not answered and b"[y/N] " in said:
                answered = os.write(ours, answer) > 0
    except OSError:
        pass  # the other side is closed
    os.close(ours)
    return process.wait(), said.decode()


@pytest.fixture
def store() -> Sessions:
    folders = open_folders(os.environ)
    return Sessions(folders.data, folders.state)


async def test_a_session_goes_to_the_trash_is_listed_there_and_comes_back(store: Sessions, tmp_path: Path) -> None:
    sid = await written(store, user("the total is off"))
    done = flowchat("sessions", "delete", sid, cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (
        0,
        "",
        f"{sid} (the total is off) is in the trash; `flowchat trash restore {sid}` puts it back\n",
    )
    assert flowchat("sessions", "list", cwd=tmp_path).stdout == ""
    [row] = flowchat("trash", "list", cwd=tmp_path).stdout.splitlines()
    assert (row.split()[0], "the total is off" in row, row.endswith("/w")) == (sid, True, True)
    told = json.loads(flowchat("trash", "list", "--json", cwd=tmp_path).stdout)
    assert (told["sid"], told["card"]["first_message"], told["size"]["blobs"]) == (sid, "the total is off", 0)
    back = flowchat("trash", "restore", sid[:-1], cwd=tmp_path)
    assert (back.returncode, back.stdout) == (0, f"{sid} is back; `flowchat -r {sid}` resumes it\n")
    assert [card.sid for card in store.cards()] == [sid]


async def test_emptying_asks_on_a_terminal_and_needs_yes_without_one(store: Sessions, tmp_path: Path) -> None:
    store.trash(await written(store, user("one")))
    done = flowchat("trash", "empty", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "flowchat: `trash empty` deletes 1 session for good and stdin is not a terminal to ask on: add --yes\n",
    )
    code, said = on_terminal("trash", "empty", cwd=tmp_path, answer=b"\n")
    assert (code, "Delete 1 session for good? This frees " in said, "nothing was deleted" in said) == (1, True, True)
    assert len(store.trashed.contents()) == 1
    code, said = on_terminal("trash", "empty", cwd=tmp_path, answer=b"y\n")
    assert (code, "1 session deleted, " in said, store.trashed.contents()) == (0, True, [])
    for _ in range(2):
        store.trash(await written(store, user("one")))
    frees = store.trashed.frees(store.trashed.contents())
    assert json.loads(flowchat("trash", "empty", "--yes", "--json", cwd=tmp_path).stdout) == {"deleted": 2, "bytes": frees}
    assert flowchat("trash", "empty", cwd=tmp_path).stdout == "The trash is empty.\n"


async def test_sizes_are_listed_the_largest_first(store: Sessions, tmp_path: Path) -> None:
    small, large = await written(store, user("small")), await written(store, user("large " * 5000))
    rows = [json.loads(line) for line in flowchat("sessions", "list", "--size", "--json", cwd=tmp_path).stdout.splitlines()]
    assert [(row["sid"], row["bytes"]["log"], row["bytes"]["blobs"]) for row in rows] == [
        (sid, (store.path(sid) / "log.jsonl").stat().st_size, 0) for sid in (large, small)
    ]
    lines = flowchat("sessions", "list", "--size", cwd=tmp_path).stdout.splitlines()
    assert [small in lines[1], lines[0].split()[:2], lines[2].split()[2:]] == [True, ["61", "kB"], ["in", "all"]]


async def test_an_export_goes_to_stdout_or_into_a_file_that_is_not_replaced_unasked(store: Sessions, tmp_path: Path) -> None:
    sid = await written(store, user("the total is off"))
    shown = flowchat("sessions", "export", sid, cwd=tmp_path).stdout
    assert (shown.startswith("# A conversation\n"), "> the total is off\n" in shown) == (True, True)
    done = flowchat("sessions", "export", sid, "-o", "talk.md", cwd=tmp_path)
    file = tmp_path / "talk.md"
    assert (done.returncode, done.stdout, file.read_text()) == (0, f"{file}\n", shown)
    file.write_text("mine")
    again = flowchat("sessions", "export", sid, "-o", "talk.md", cwd=tmp_path)
    assert (again.returncode, again.stdout, file.read_text()) == (1, "", "mine")
    assert again.stderr == (
        f"flowchat: {file} is there already; nothing was written: add --force to replace it, or name another file\n"
    )
    assert flowchat("sessions", "export", sid, "-o", "talk.md", "--force", "--format", "json", cwd=tmp_path).returncode == 0
    told = json.loads(file.read_text())
    assert (told["schema"], told["session"], [entry["type"] for entry in told["entries"]]) == (
        1,
        sid,
        ["session_started", "user_said"],
    )
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["talk.md"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["trash", "restore", "k3f9"], 1, "there is no session 'k3f9' in the trash"),
        (["sessions", "delete", "k3f9"], 1, "there is no session 'k3f9'"),
        (["sessions", "export", "k3f9"], 1, "there is no session 'k3f9'"),
        (["trash"], 2, "`flowchat trash` takes list, restore ID or empty, not nothing"),
        (["trash", "list", "--yes"], 2, "--yes goes with `trash empty`"),
        (["sessions", "export", "k3f9", "--format", "pdf"], 2, "'pdf' is not an export format: use markdown or json"),
    ],
)
def test_what_is_not_there_or_not_understood_is_one_sentence(tmp_path: Path, words: list[str], code: int, sentence: str) -> None:
    done = flowchat(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n"), sentence in done.stderr) == (code, "", 1, True)


@pytest.mark.parametrize("target", [".", "pipe", "nowhere/talk.md"])
async def test_an_export_replaces_nothing_that_is_not_a_file(store: Sessions, tmp_path: Path, target: str) -> None:
    sid = await written(store, user("one"))
    os.mkfifo(tmp_path / "pipe")
    done = flowchat("sessions", "export", sid, "--force", "-o", target, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n"), (tmp_path / "pipe").is_fifo()) == (1, "", 1, True)
