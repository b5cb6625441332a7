"""Commands the user runs beside the conversation: where what they print goes, and when."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.errors import Busy, CommandRefused, ReadOnly
from flowchat.model.model import ConnectionLost
from flowchat.model.scripted import fails, says, waits
from flowchat.store.disk import Disk
from flowchat.store.jobs import JobFiles
from flowchat.transcript.entries import ContextAdded, Noticed, RunEnded, Text, TitleSet, text_of
from tests.desk import Desk, Sitting
from tests.growing import texts
from tests.runtime.test_jobs import workspace_in


def printed(sitting: Sitting) -> list[tuple[str, str]]:
    """What commands added for the model: command and text."""
    return [(added.origin, text_of(added.parts)) for added in sitting.branch(ContextAdded) if added.source == "command"]


def ignore(text: str) -> None:
    """Nobody looks at the live output."""


async def test_what_a_command_prints_joins_the_conversation_and_the_next_request(desk: Desk) -> None:
    sitting = desk.open(says("Hello."), says("I see."))
    await sitting.session.send("hi")
    await sitting.session.idle()
    live: list[str] = []
    await sitting.session.commands.run("echo one; echo two >&2; exit 3", live.append)
    assert printed(sitting) == [("echo one; echo two >&2; exit 3", "one\ntwo\n[exit 3]")]
    assert "".join(live) == "one\ntwo\n"
    await sitting.session.send("look")
    await sitting.session.idle()
    [line] = [line for line in texts(sitting.model.asked()[-1].messages) if "exit 3" in line]
    assert line.startswith('user: <context source="command" origin="echo one; echo two >&amp;2; exit 3">\n|one\ntwo\n[exit 3]')


async def test_a_command_that_is_kept_from_the_model_is_only_noticed(desk: Desk) -> None:
    sitting = desk.open(says("Hello."))
    await sitting.session.commands.run("echo secret", ignore, for_model=False)
    assert [(notice.source, notice.text) for notice in sitting.branch(Noticed)] == [
        ("command", "echo secret\n---\nsecret\n[exit 0]")
    ]
    await sitting.session.send("hi")
    await sitting.session.idle()
    assert "secret" not in "".join(texts(sitting.model.asked()[-1].messages))


async def test_a_command_can_be_the_first_thing_in_a_session(desk: Desk) -> None:
    sitting = desk.open(says("Hello."))
    await sitting.session.commands.run("echo early", ignore)
    assert sitting.types() == ["session_started", "context_added"]
    assert sitting.session.title == "!echo early"
    await sitting.session.send("hi")
    await sitting.session.idle()
    assert sitting.types()[:4] == ["session_started", "context_added", "user_said", "run_started"]
    titles = [record.entry for record in sitting.session.transcript.records() if isinstance(record.entry, TitleSet)]
    assert [title.title for title in titles if title.origin == "first_words"] == ["!echo early"]
    assert sitting.branch(RunEnded)[-1].outcome == "completed"


async def test_during_a_run_it_waits_for_the_next_step(desk: Desk) -> None:
    hold = waits("Let me look.", says("", calls=[("read_file", {"path": "a.txt"})]))
    sitting = desk.open(hold, says("Done."))
    await sitting.session.send("go")
    await hold.reached.wait()
    await sitting.session.commands.run("echo meanwhile", ignore)
    assert printed(sitting) == []
    hold.gate.set()
    await sitting.session.idle()
    assert sitting.types()[-4:] == ["tool_answered", "context_added", "assistant_said", "run_ended"]
    assert printed(sitting) == [("echo meanwhile", "meanwhile\n[exit 0]")]


async def test_after_the_last_step_it_stands_behind_the_run(desk: Desk) -> None:
    hold = waits("Hel", says("lo"))
    sitting = desk.open(hold, says("Again."))
    await sitting.session.send("go")
    await hold.reached.wait()
    await sitting.session.commands.run("echo late", ignore)
    hold.gate.set()
    await sitting.session.idle()
    assert sitting.types()[-2:] == ["run_ended", "context_added"]
    assert printed(sitting) == [("echo late", "late\n[exit 0]")]


async def test_it_survives_an_interrupt_and_a_retry_goes_on_from_it(desk: Desk) -> None:
    hold = waits("", says("never"))
    sitting = desk.open(hold, says("Now."))
    await sitting.session.send("go")
    await hold.reached.wait()
    await sitting.session.commands.run("echo kept", ignore)
    await sitting.session.interrupt()
    await sitting.session.idle()
    assert printed(sitting) == [("echo kept", "kept\n[exit 0]")]
    assert not sitting.session.can_take_back
    await sitting.session.retry()
    await sitting.session.idle()
    assert printed(sitting) == [("echo kept", "kept\n[exit 0]")]
    assert "kept" in "".join(texts(sitting.model.asked()[-1].messages))


async def test_a_failed_step_is_gone_on_from_with_what_was_added_since(desk: Desk) -> None:
    sitting = desk.open(*[fails(ConnectionLost("gone"))] * 6, says("Now."))
    await sitting.session.send("go")
    await desk.clock.hurry(sitting.session.idle())
    await sitting.session.commands.run("echo since", ignore)
    await sitting.session.retry()
    await desk.clock.hurry(sitting.session.idle())
    assert printed(sitting) == [("echo since", "since\n[exit 0]")]
    assert sitting.branch(RunEnded)[-1].outcome == "completed"


async def test_a_stopped_command_keeps_what_it_printed(desk: Desk) -> None:
    sitting = desk.open()
    begun = asyncio.Event()
    job = asyncio.create_task(sitting.session.commands.run("echo begun; sleep 600", lambda text: begun.set()))
    await begun.wait()
    with pytest.raises(Busy, match="still running"):
        await sitting.session.commands.run("echo second", ignore)
    assert sitting.session.commands.stop()
    await job
    assert printed(sitting) == [("echo begun; sleep 600", "begun\n[stopped]")]
    assert not sitting.session.commands.stop()


async def test_a_stopped_command_that_printed_much_says_what_was_not_kept(desk: Desk) -> None:
    sitting = desk.open()
    ended = asyncio.Event()
    job = asyncio.create_task(
        sitting.session.commands.run("seq 10000; echo end; sleep 600", lambda text: ended.set() if "end" in text else None)
    )
    await ended.wait()
    assert sitting.session.commands.stop()
    await job
    [(_, text)] = printed(sitting)
    first, second, *_ = text.split("\n")
    missing = len("".join(f"{number}\n" for number in range(1, int(second))))
    assert first == f"[{missing:,} characters before this were not kept]"
    assert text.endswith("\n10000\nend\n[stopped]")


async def test_closing_ends_it_and_keeps_what_it_printed(desk: Desk) -> None:
    sitting = desk.open()
    begun = asyncio.Event()
    job = asyncio.create_task(sitting.session.commands.run("echo begun; sleep 600", lambda text: begun.set()))
    await begun.wait()
    await sitting.session.close()
    await job
    assert printed(sitting) == [("echo begun; sleep 600", "begun\n[stopped]")]
    with pytest.raises(ReadOnly):
        await sitting.session.commands.run("echo after", ignore)


async def test_long_output_is_cut_in_the_middle_and_kept_whole(desk: Desk) -> None:
    sitting = desk.open()
    await sitting.session.commands.run("seq 100000", ignore)
    [(_, text)] = printed(sitting)
    assert text.startswith("1\n2\n")
    assert text.endswith("\n99999\n100000\n[exit 0]")
    assert len(text) < 20_000
    assert "which read_file reads by lines" in text


@pytest.mark.parametrize("command", ["", "  \n", "echo \0"])
async def test_what_is_no_command_is_refused(desk: Desk, command: str) -> None:
    sitting = desk.open()
    with pytest.raises(CommandRefused, match="no command to run"):
        await sitting.session.commands.run(command, ignore)
    assert sitting.types() == []


# --- what a kill leaves ----------------------------------------------------------------------------------------------
KILLED = """
import asyncio, os, pathlib, sys
from tests.runtime.test_jobs import workspace_in
from flowchat.model.scripted import says
async def main():
    workspace = workspace_in(pathlib.Path(sys.argv[1]), says("Hello."))
    session = await workspace.new(model="m")
    await session.send("hi")
    await session.idle()
    shown = asyncio.Event()
    command, told = "echo one; exec sleep 60", sys.argv[2] == "told"
    running = asyncio.create_task(session.commands.run(command, lambda text: shown.set(), told))
    await shown.wait()
    print(session.sid, flush=True)
    await running
asyncio.run(main())
"""


@pytest.mark.parametrize("own", ["told", "kept"])
async def test_after_kill_9_the_next_opening_has_what_a_command_had_printed(tmp_path: Path, own: str) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), own]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as flowchat:
        assert flowchat.stdout is not None
        sid = flowchat.stdout.readline().strip()
        flowchat.kill()
        flowchat.wait()
    workspace = workspace_in(tmp_path)
    session = await workspace.open(sid, mode="bypass")
    content = "[flowchat was ended while it ran]\nWhat it printed since it was started:\none"
    [found] = [record.entry for record in session.replay() if isinstance(record.entry, ContextAdded | Noticed)][-1:]
    line = "echo one; exec sleep 60"
    assert found == (
        ContextAdded("command", line, (Text(content),))
        if own == "told"
        else Noticed("info", "command", f"{line}\n---\n{content}")
    )
    assert not (tmp_path / "user" / "data" / "sessions" / sid / "jobs").exists()
    await workspace.close()


async def test_what_waits_for_the_next_step_lies_beside_the_log_until_it_has_its_place(tmp_path: Path) -> None:
    hold = waits("Hel", says("lo"))
    workspace = workspace_in(tmp_path, says("Hello."), hold)
    session = await workspace.new(model="m")
    await session.send("hi")
    await session.idle()
    await session.send("go on")
    await hold.reached.wait()
    jobs = tmp_path / "user" / "data" / "sessions" / session.sid / "jobs"
    for word in ("one", "two"):
        await session.commands.run(f"echo {word}", ignore)
    left = JobFiles(jobs.parent, Disk()).left()
    assert [(found.command, found.content) for found in left] == [("echo one", "one\n[exit 0]"), ("echo two", "two\n[exit 0]")]
    hold.gate.set()
    await session.idle()
    added = [record.entry for record in session.transcript.branch() if record.type == "context_added"]
    assert [entry.origin for entry in added if isinstance(entry, ContextAdded)][-2:] == ["echo one", "echo two"]
    async with asyncio.timeout(10):
        while jobs.exists():  # until they are durable
            await asyncio.sleep(0)
    await workspace.close()
