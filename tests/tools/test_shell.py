"""shell: what the model is told of a command, and what the person is asked."""

import asyncio

import pytest

from flowchat.tools.bounds import bound
from flowchat.tools.process import settled
from flowchat.tools.shell import Shell
from flowchat.tools.tool import INLINE_LIMIT_BYTES, BadArguments, Outcome, Reach
from flowchat.transcript.events import Preview

from .conftest import Bench


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("echo hi", Outcome("exit 0, 1 line", "hi")),
        ("true", Outcome("exit 0", "[no output]")),
        ("printf no-newline", Outcome("exit 0", "no-newline")),
        ("echo a; echo b >&2; exit 3", Outcome("exit 3, 2 lines", "a\nb\n[exit 3]", "error")),
        ("exit 1", Outcome("exit 1", "[exit 1]", "error")),
        ("kill -15 $$", Outcome("signal 15", "[ended by signal 15]", "error")),
        ("sleep 60 & echo done", Outcome("exit 0, 1 line", "done\n[left running and ended: sleep]")),
        ("cat; echo $TERM $PAGER", Outcome("exit 0, 1 line", "dumb cat")),
        ("head -c 3000 /dev/urandom", Outcome("exit 0, binary", "[binary output, 3,000 bytes: not shown and not kept]")),
        ("alias", Outcome("exit 0", "[no output]")),
    ],
)
async def test_a_command_is_told_by_its_exit_and_output(bench: Bench, command: str, outcome: Outcome) -> None:
    assert await bench.call("shell", command=command) == outcome


async def test_a_command_runs_in_the_workspace(bench: Bench) -> None:
    assert (await bench.call("shell", command="pwd")).content == str(bench.workspace)


async def test_a_command_over_its_time_is_ended_and_keeps_its_output(bench: Bench) -> None:
    tool = Shell(timeout_seconds=0.5)
    outcome = await bench.run(tool, {"command": "echo begun; sleep 60"}, Reach("run"))
    assert outcome == Outcome("timeout after 0.5 s, 1 line", "begun\n[not finished after 0.5 s: ended]", "error")


async def test_output_longer_than_memory_is_cut_and_whole_in_its_blob(bench: Bench) -> None:
    outcome = await bench.call("shell", command="seq 1 400000; exit 2")
    whole = "".join(f"{number}\n" for number in range(1, 400_001)).encode()
    assert outcome.blob is not None
    assert bench.blobs[outcome.blob.sha256] == whole
    content, blob = await bound(outcome, bench.keep)
    lines = content.splitlines()
    middle = next(index for index, line in enumerate(lines) if "left out" in line)
    assert blob == outcome.blob
    assert len(content.encode()) <= INLINE_LIMIT_BYTES
    assert lines[middle].endswith(f"the full text is blob:{blob.sha256}, which read_file reads by lines]")
    assert (lines[0], lines[-2:]) == ("1", ["400000", "[exit 2]"])
    assert lines[middle].startswith(f"[{400_000 - len(lines) + 2:,} lines, ")


async def test_a_command_that_ran_is_told_whole_in_its_exit_and_ends_where_the_disk_takes_no_blob(bench: Bench) -> None:
    bench.full = "the disk is full"
    outcome = await bench.call("shell", command="seq 1 400000; exit 2")
    lines = outcome.content.splitlines()
    assert (outcome.status, outcome.summary, outcome.blob) == ("error", "exit 2, 400,000 lines", None)
    assert (lines[0], lines[-2:]) == ("1", ["400000", "[exit 2]"])
    assert [line for line in lines if line.endswith("the full text could not be kept: the disk is full]")]


async def test_output_is_heard_live(bench: Bench) -> None:
    await bench.call("shell", command="echo one; echo two")
    assert "".join(bench.heard) == "one\ntwo\n"


async def test_a_cancelled_command_is_heard_no_more(bench: Bench) -> None:
    begun = asyncio.Event()

    def hear(text: str) -> None:
        bench.heard.append(text)
        begun.set()

    bench.on_output = hear
    task = asyncio.create_task(bench.call("shell", command="trap 'echo late' TERM; echo begun; sleep 60; sleep 60"))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    heard = list(bench.heard)
    await settled()
    assert bench.heard == heard


@pytest.mark.parametrize(
    "args", [{"command": ""}, {"command": " \n"}, {"command": "a\0b"}, {"command": "true", "timeout_seconds": 601}]
)
async def test_what_is_no_command_is_refused(bench: Bench, args: dict[str, object]) -> None:
    with pytest.raises(BadArguments):
        await bench.call("shell", **args)


def test_the_person_is_shown_all_of_the_command_and_where_it_runs(bench: Bench) -> None:
    command = "x" * 5000 + "\nrm -rf /"
    assert bench.preview("shell", command=command, timeout_seconds=5) == Preview(
        "Run this command?", (("in", str(bench.workspace)), ("for at most", "5 s")), command
    )
