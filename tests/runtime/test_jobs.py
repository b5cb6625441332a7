"""Jobs in real sessions: what the conversation gets of one that has ended, when, and what becomes of them when it all ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flowchat.config import Folders, Settings
from flowchat.model.scripted import ScriptedModel, says, waits
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import ContextAdded, Noticed, Record, ToolAnswered, text_of
from flowchat.transcript.events import JobsChanged
from tests.desk import Desk, Ear, Sitting, project_folder
from tests.growing import texts
from tests.tools.test_process import has_ended


def begins(command: str) -> Any:
    return says("", calls=[("shell", {"command": command, "background": True})])


def job_told(entry: object) -> bool:
    return isinstance(entry, ContextAdded) and entry.source == "job"


def told(sitting: Sitting | Session) -> list[tuple[str, str]]:
    """What the conversation holds of jobs: notices and what the model is told, in order."""
    session = sitting.session if isinstance(sitting, Sitting) else sitting
    entries = [record.entry for record in session.transcript.branch()]
    found = [("notice", entry.text) for entry in entries if isinstance(entry, Noticed) and entry.source == "job"]
    return found + [(entry.origin, text_of(entry.parts)) for entry in entries if job_told(entry)]


def open_with_jobs(desk: Desk, *script: Any, **given: Any) -> Sitting:
    return desk.open(*script, mode="bypass", jobs=True, **given)


async def test_a_job_that_ends_while_nothing_runs_is_told_at_once_and_starts_no_run(desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    sitting = open_with_jobs(desk, begins(f"read x < {gate}; echo $x; exit 3"), says("Started."), says("I see."))
    await sitting.session.send("go")
    await sitting.session.idle()
    assert [job.runs for job in sitting.session.background.shown()] == [True]
    await asyncio.to_thread(gate.write_text, "built\n")
    await sitting.ear.until(job_told)
    head = f"Job 1 (read x < {gate}; echo $x; exit 3) ended after 0 s: exit 3."
    short = f"{head[: len('Job 1 (') + 79]}…) ended after 0 s: exit 3." if len(f"read x < {gate}; echo $x; exit 3") > 80 else head
    assert told(sitting) == [
        ("notice", short),
        ("job 1", f"{short}\nWhat it printed since you last looked:\nbuilt"),
    ]
    assert (sitting.types()[-3:], sitting.session.state.state) == (["run_ended", "noticed", "context_added"], "idle")
    assert [event.running for event in sitting.ear.entries(JobsChanged)] == [1, 0]
    await sitting.session.send("and?")
    await sitting.session.idle()
    assert "built" in "".join(texts(sitting.model.asked()[-1].messages))


async def test_one_that_ends_during_a_step_waits_for_the_next_and_is_said_in_passing(desk: Desk) -> None:
    os.mkfifo(desk.folder / "gate")
    hold = waits("Let me look.", says("", calls=[("read_file", {"path": "a.txt"})]))
    sitting = open_with_jobs(desk, begins("cat gate"), hold, says("Done."))
    await sitting.session.send("go")
    await hold.reached.wait()
    await asyncio.to_thread((desk.folder / "gate").write_text, "quick\n")
    passing = await sitting.ear.until(lambda event: isinstance(event, JobsChanged) and bool(event.told))
    assert (passing, told(sitting)) == (JobsChanged(0, "Job 1 (cat gate) ended after 0 s: exit 0."), [])
    hold.gate.set()
    await sitting.session.idle()
    assert sitting.types()[-5:] == ["tool_answered", "noticed", "context_added", "assistant_said", "run_ended"]
    assert "quick" in "".join(texts(sitting.model.asked()[-1].messages))


async def test_what_the_model_has_read_of_a_job_is_not_told_again(desk: Desk) -> None:
    looks = says("", calls=[("job_output", {"job": 1, "wait_seconds": 10})])
    inputs = says("", calls=[("job_input", {"job": 1, "text": "on\n"})])
    sitting = open_with_jobs(desk, begins("echo read; read x"), looks, inputs, says("Done."))
    await sitting.session.send("go")
    await sitting.session.idle()
    await sitting.ear.until(job_told)
    assert [answer.content for answer in sitting.branch(ToolAnswered)][1] == "read\n[job 1 is running]"
    assert told(sitting)[-1] == ("job 1", "Job 1 (echo read; read x) ended after 0 s: exit 0.")


async def test_of_a_long_output_the_end_is_told_and_the_whole_is_in_a_blob(desk: Desk) -> None:
    sitting = open_with_jobs(desk, begins("seq 20000; exit 1"), says("Started."))
    await sitting.session.send("go")
    await sitting.ear.until(job_told)
    text = told(sitting)[-1][1]
    *_, last, where = text.splitlines()
    sha256 = where.partition("blob:")[2][:64]
    whole = await sitting.session.transcript.blobs.get(sha256)
    assert (last, whole) == ("20000", "".join(f"{number}\n" for number in range(1, 20_001)).encode())
    assert where == f"[all it printed is blob:{sha256}, which read_file reads by lines]"
    assert len(text) < 5_000


async def test_binary_output_of_a_job_is_named_and_not_shown(desk: Desk) -> None:
    sitting = open_with_jobs(desk, begins("head -c 100000 /dev/urandom"), says("Started."))
    await sitting.session.send("go")
    await sitting.ear.until(job_told)
    assert told(sitting)[-1][1].splitlines()[2:] == ["[binary output: not shown and not kept]"]


async def test_the_user_ends_a_job_and_looks_at_what_it_printed(desk: Desk) -> None:
    sitting = open_with_jobs(desk, begins("echo up; sleep 60"), says("Started."))
    await sitting.session.send("go")
    await sitting.session.idle()
    async with asyncio.timeout(10):
        while not sitting.session.background.output(1):
            await asyncio.sleep(0)
    assert (sitting.session.background.output(1), sitting.session.background.output(2)) == ("up\n", "")
    await sitting.session.background.end(1)
    await sitting.ear.until(job_told)
    assert told(sitting)[0] == ("notice", "Job 1 (echo up; sleep 60) ended after 0 s: stopped by the user.")


async def test_an_interrupted_run_leaves_its_jobs_running(desk: Desk) -> None:
    hold = waits("Hel", says("lo"))
    sitting = open_with_jobs(desk, begins("sleep 60"), hold)
    await sitting.session.send("go")
    await hold.reached.wait()
    await sitting.session.interrupt()
    assert [job.end for job in sitting.session.background.running] == [""]


async def test_closing_the_session_ends_its_jobs_and_says_so(desk: Desk) -> None:
    sitting = open_with_jobs(desk, begins("echo $$; setsid sleep 60 & sleep 60"), says("Started."))
    await sitting.session.send("go")
    await sitting.session.idle()
    async with asyncio.timeout(10):
        while not (printed := sitting.session.background.output(1)):
            await asyncio.sleep(0)
    await sitting.session.close()
    sentence = "Job 1 (echo $$; setsid sleep 60 & sleep 60) ended after 0 s: the session was closed."
    assert told(sitting) == [
        ("notice", sentence),
        ("job 1", f"{sentence}\nWhat it printed since you last looked:\n{printed.strip()}"),
    ]
    assert has_ended(int(printed), 0)


async def test_a_session_without_jobs_refuses_to_start_one(desk: Desk) -> None:
    sitting = desk.open(begins("sleep 60"), says("Well."), mode="bypass")
    await sitting.session.send("go")
    await sitting.session.idle()
    assert [answer.content for answer in sitting.branch(ToolAnswered)] == ["nothing can be started in the background here"]
    assert (sitting.session.background.shown(), sitting.session.background.output(1)) == ([], "")


# --- on disk ---------------------------------------------------------------------------------------------------------
def workspace_in(tmp_path: Path, *script: Any) -> Workspace:
    folders = Folders(*(tmp_path / "user" / name for name in ("data", "config", "cache", "state")))
    model, settings = ScriptedModel(*script), Settings(permission_mode="bypass")
    return Workspace(project_folder(tmp_path), settings, folders, environ={}, make_model=lambda name: model)


async def test_what_lies_beside_the_log_while_a_job_runs_is_gone_once_it_is_in_the_log(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, begins("echo up; read x"), says("Started."))
    session = await workspace.new(model="m")
    ear = Ear(session.watch)
    await session.send("go")
    await session.idle()
    folder = tmp_path / "user" / "data" / "sessions" / session.sid
    assert sorted(path.name for path in (folder / "jobs").iterdir()) == ["1.json", "1.out"]
    assert {path.stat().st_mode & 0o777 for path in (folder / "jobs").iterdir()} == {0o600}
    await session.background.end(1)
    await ear.until(job_told)
    assert not (folder / "jobs").exists()
    await workspace.close()


async def test_the_numbers_of_jobs_go_on_when_the_session_is_opened_again(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, begins("true"), says("One."), begins("true"), says("Two."))
    session = await workspace.new(model="m")
    await session.send("go")
    await session.idle()
    sid = session.sid
    await session.close()
    again = await workspace.open(sid, mode="bypass")
    await again.send("go on")
    await again.idle()
    assert [job.number for job in again.background.shown()] == [2]
    await workspace.close()


async def test_a_session_opened_again_replays_what_it_showed_of_its_jobs(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, begins("seq 3; sleep 60"), says("Started."))
    session = await workspace.new(model="m")
    await session.send("go")
    await session.idle()
    await session.close()
    again = await workspace.open(session.sid, mode="bypass")
    assert told(again) == told(session)
    assert [record.entry for record in again.replay()] == [record.entry for record in session.replay()]
    await workspace.close()


COMMAND = "setsid sleep 60 & echo $$ $!; echo end 9; exec sleep 60"
KILLED = f"""
import asyncio, os, pathlib, sys
from tests.runtime.test_jobs import begins, workspace_in
from flowchat.model.scripted import says
async def main():
    workspace = workspace_in(pathlib.Path(sys.argv[1]), begins({COMMAND!r}), says("Started."))
    session = await workspace.new(model="m")
    await session.send("go")
    await session.idle()
    while "end 9" not in session.background.output(1):
        await asyncio.sleep(0.01)
    print(session.sid, *session.background.output(1).split()[:2], flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_after_kill_9_no_job_survives_and_the_next_opening_tells_of_it_with_its_output(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as flowchat:
        assert flowchat.stdout is not None
        sid, *pids = flowchat.stdout.readline().split()
        flowchat.kill()
        flowchat.wait()
    assert [has_ended(int(pid)) for pid in pids] == [True, True]
    workspace = workspace_in(tmp_path)
    session = await workspace.open(sid, mode="bypass")
    sentence = f"Job 1 ({COMMAND}) ended: flowchat was ended while it ran."
    assert told(session) == [
        ("notice", sentence),
        ("job 1", f"{sentence}\nWhat it printed since it was started:\n{' '.join(pids)}\nend 9"),
    ]
    assert not (tmp_path / "user" / "data" / "sessions" / sid / "jobs").exists()
    shown: list[Record] = session.replay()
    await session.close()
    again = await workspace.open(sid, mode="bypass")
    assert [record.entry for record in again.replay()] == [record.entry for record in shown]
    await workspace.close()


@pytest.mark.parametrize("note", [b"", b"{}", b'{"number": 1, "command": "x", "began_ms": 0}', b"\xff\x00"])
async def test_a_note_that_cannot_be_read_keeps_no_session_from_opening(tmp_path: Path, note: bytes) -> None:
    workspace = workspace_in(tmp_path, says("Hello."))
    session = await workspace.new(model="m")
    await session.send("hi")
    await session.idle()
    await session.close()
    jobs = tmp_path / "user" / "data" / "sessions" / session.sid / "jobs"
    jobs.mkdir()
    (jobs / "1.json").write_bytes(note)
    again = await workspace.open(session.sid, mode="bypass")
    assert told(again) == []
    await workspace.close()
