"""Jobs: what the model is told of them, what it can do with them, and how they end."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest

from flowchat.tools.descent import end_marked
from flowchat.tools.jobs import REMEMBERED_LIMIT, RUNNING_LIMIT, Job, Jobs, JobShown
from flowchat.tools.process import settled
from flowchat.tools.recording import Recording
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import BadArguments, NotDone, Outcome, Reach, Refused, Walled
from flowchat.transcript.events import Preview

from .conftest import Bench
from .scarce import descriptors, descriptors_left
from .test_process import has_ended, marked


@pytest.fixture
async def jobs() -> AsyncIterator[Jobs]:
    """A job takes no time here but what its clock says: a second more each time it is asked."""
    ticks = iter(range(0, 1_000_000, 1000))
    jobs = Jobs(lambda: next(ticks))
    yield jobs
    await jobs.close()
    await settled()
    assert marked() == []


@pytest.fixture
async def working(bench: Bench) -> AsyncIterator[Bench]:
    yield bench
    await bench.jobs.close()


async def begin(jobs: Jobs, command: str) -> Job:
    return await jobs.start(command, nullcontext(Spawn(("bash", "-c", command))), Path("/"))


async def until_printed(job: Job, words: str) -> str:
    """All that is printed up to these words."""
    text = ""
    async with asyncio.timeout(10):
        while words not in text:
            assert job.runs, f"it ended with {text!r}"
            await job.news(10)
            text += job.read().text
    return text


# --- the tools -------------------------------------------------------------------------------------------------------
async def test_a_command_in_the_background_answers_at_once_and_is_talked_to(working: Bench) -> None:
    started = await working.call("shell", command="echo ready; read x; echo got $x; exit 3", background=True)
    assert (started.status, started.summary) == ("ok", "job 1 started")
    assert await working.call("job_output", job=1, wait_seconds=10) == Outcome(
        "job 1 is running, 1 new line", "ready\n[job 1 is running]"
    )
    assert (await working.call("job_output", job=1)).content == "[nothing new]\n[job 1 is running]"
    assert (await working.call("job_input", job=1, text="it\n")).summary == "3 bytes given to job 1"
    async with asyncio.timeout(10):
        await working.jobs.find(1).over
    assert await working.call("job_output", job=1, wait_seconds=60) == Outcome(
        "job 1 has ended: exit 3, 1 new line", "got it\n[job 1 has ended: exit 3]"
    )


async def test_the_end_of_its_stdin_can_be_given_too(working: Bench) -> None:
    await working.call("shell", command="cat; echo over", background=True)
    given = await working.call("job_input", job=1, text="last words", end=True)
    assert given.summary == "10 bytes given to job 1, and its stdin is closed"
    async with asyncio.timeout(10):
        await working.jobs.find(1).over
    assert (await working.call("job_output", job=1)).content == "last wordsover\n[job 1 has ended: exit 0]"
    with pytest.raises(Refused, match="job 1 has ended: exit 0"):
        await working.call("job_input", job=1, text="more")


async def test_a_job_is_killed_with_what_it_had_started(working: Bench) -> None:
    await working.call("shell", command="setsid sleep 60 & echo $!; sleep 60", background=True)
    pid = int((await working.call("job_output", job=1, wait_seconds=10)).content.partition("\n")[0])
    killed = await working.call("job_kill", job=1)
    assert killed == Outcome("job 1 has ended: job_kill", "[nothing new]\n[job 1 has ended: job_kill]")
    assert has_ended(pid, 0)
    assert await working.call("job_kill", job=1) == killed


@pytest.mark.parametrize(
    ("tool", "args", "said"),
    [
        ("job_output", {"job": 1}, "there is no job 1; none was started since this session was opened"),
        ("job_input", {"job": 7, "text": "a"}, "there is no job 7"),
        ("job_kill", {"job": 0}, "there is no job 0"),
        ("job_output", {"job": 1, "wait_seconds": 61}, "wait_seconds may be at most 60"),
        ("job_input", {"job": 1, "text": ""}, "no text to give"),
        ("shell", {"command": "true", "background": True, "timeout_seconds": 5}, "has no timeout_seconds"),
    ],
)
async def test_what_cannot_be_done_with_jobs_is_said_in_a_sentence(
    working: Bench, tool: str, args: dict[str, object], said: str
) -> None:
    with pytest.raises((Refused, BadArguments), match=said):
        await working.call(tool, **args)


async def test_looking_and_ending_are_free_input_is_judged_as_what_runs(working: Bench) -> None:
    assert [(working.judged(name, mode, **args).decision) for name, mode, args in JUDGED] == [
        *("allow", "allow", "allow", "allow"),
        *("ask", "deny", "allow", "ask", "deny"),
    ]


JUDGED = [
    ("job_output", "default", {"job": 1}),
    ("job_output", "plan", {"job": 1}),
    ("job_kill", "default", {"job": 1}),
    ("job_kill", "plan", {"job": 1}),
    ("job_input", "default", {"job": 1, "text": "rm -rf ~\n"}),
    ("job_input", "plan", {"job": 1, "text": "ls\n"}),
    ("job_input", "bypass", {"job": 1, "text": "ls\n"}),
    ("shell", "default", {"command": "make serve", "background": True}),
    ("shell", "plan", {"command": "make serve", "background": True}),
]


async def test_a_background_command_reaches_as_any_and_the_person_sees_that_it_goes_on(working: Bench) -> None:
    tool, args = working.parsed("shell", {"command": "make serve", "background": True})
    assert tool.reach(args, working.workspace) == Reach("run", command="make serve")
    where = ("in", str(working.workspace))
    lasts = ("in the background", "until it ends or the session does")
    assert working.preview("shell", command="make serve", background=True) == Preview(
        "Run this command?", (where, lasts), "make serve"
    )


async def test_the_person_is_shown_which_job_gets_which_input(working: Bench) -> None:
    await working.call("shell", command="python3 -i", background=True)
    assert working.preview("job_input", job=1, text="import os\n") == Preview(
        "Give this input to the job?", (("job", "1"), ("runs", "python3 -i")), "import os\n"
    )


# --- the jobs --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "end", "failed"),
    [("exit 0", "exit 0", False), ("exit 4", "exit 4", True), ("kill -9 $$", "signal 9", True)],
)
async def test_a_job_tells_how_it_ended(jobs: Jobs, command: str, end: str, failed: bool) -> None:
    ended: list[Job] = []
    jobs.ended = ended.append
    job = await begin(jobs, f"echo one; echo two; {command}")
    async with asyncio.timeout(10):
        await job.over
    assert job.shown() == JobShown(1, job.command, 0, 1000, end, failed, 2, 8, "two")
    await jobs.close()
    assert ended == [job]


async def test_only_what_is_new_is_read_and_a_character_is_never_cut(jobs: Jobs) -> None:
    job = await begin(jobs, r"printf 'a\xc3'; read x; printf '\xa9b'; read x; printf '\xc3'")
    assert await until_printed(job, "a") == "a"
    job.put_in("\n", ends=False)
    assert await until_printed(job, "b") == "éb"
    job.put_in("\n", ends=False)
    async with asyncio.timeout(10):
        await job.over
    assert job.read().text == "\ufffd"


async def test_of_a_flood_the_newest_is_read_and_what_is_missing_is_counted(jobs: Jobs) -> None:
    job = await begin(jobs, "seq 1000000; echo last")
    async with asyncio.timeout(20):
        await job.over
    printed = job.read()
    assert printed.text.endswith("1000000\nlast\n")
    assert printed.skipped + len(printed.text) == job.shown().total_bytes == 6_888_896 + 5
    assert len(printed.text) <= 1024 * 1024


async def test_input_that_nobody_reads_is_refused_before_it_piles_up(jobs: Jobs) -> None:
    job = await begin(jobs, "sleep 60")
    job.put_in("x" * 600_000, ends=False)
    with pytest.raises(Refused, match="has not read"):
        job.put_in("x" * 600_000, ends=False)


async def test_a_job_that_closed_its_stdin_ends_nobody(jobs: Jobs) -> None:
    job = await begin(jobs, "exec 0<&-; echo closed; sleep 60")
    await until_printed(job, "closed")
    job.put_in("nobody reads this", ends=False)
    with pytest.raises(Refused, match="stdin is closed"):
        job.put_in("nor this", ends=False)


async def test_a_wait_ends_with_its_time(jobs: Jobs) -> None:
    job = await begin(jobs, "sleep 60")
    async with asyncio.timeout(5):
        await job.news(0.05)
    assert job.read().text == ""


async def test_there_are_no_more_than_a_few_at_a_time_and_each_has_a_number_of_its_own(jobs: Jobs) -> None:
    running = [await begin(jobs, "sleep 60") for _ in range(RUNNING_LIMIT)]
    with pytest.raises(Refused, match=f"{RUNNING_LIMIT} jobs are running"):
        await begin(jobs, "true")
    await running[0].stop("test")
    assert (await begin(jobs, "true")).number == RUNNING_LIMIT + 1
    assert [job.number for job in jobs.shown()] == list(range(1, RUNNING_LIMIT + 2))


async def test_one_that_ignores_terminate_is_killed_two_seconds_later(jobs: Jobs) -> None:
    job = await begin(jobs, "trap '' TERM; echo $$; sleep 60; sleep 60")
    pid = int(await until_printed(job, "\n"))
    async with asyncio.timeout(10):
        await job.stop("test")
    assert (has_ended(pid, 0), job.shown().end) == (True, "test")


async def test_what_surrounds_a_job_stays_until_it_has_ended(jobs: Jobs) -> None:
    there: list[str] = []

    @asynccontextmanager
    async def walls() -> AsyncIterator[Spawn]:
        there.append("up")
        yield Spawn(("sleep", "60"))
        there.append("down")

    job = await jobs.start("sleep 60", walls(), Path("/"))
    assert there == ["up"]
    await job.stop("test")
    await jobs.close()
    assert there == ["up", "down"]


def denied(status: int | None, recording: Recording) -> Walled | None:
    """A sandbox that has made everything fail that failed and says it was denied something."""
    return Walled("network", "wall 1") if status and "denied" in recording.head else None


async def fail(jobs: Jobs, command: str) -> Job:
    job = await jobs.start(command, nullcontext(Spawn(("bash", "-c", command))), Path("/"), denied)
    async with asyncio.timeout(10):
        await job.over
    return job


async def test_a_job_that_its_sandbox_made_fail_is_known_as_such_and_one_that_was_ended_is_not(jobs: Jobs) -> None:
    wall = Walled("network", "wall 1")
    failed = [await fail(jobs, command) for command in ("echo denied; exit 1", "echo denied", "exit 1")]
    stopped = await jobs.start(
        "sleep 60", nullcontext(Spawn(("bash", "-c", "echo denied; sleep 60"))), Path("/"), denied
    )  # fmt: skip
    await until_printed(stopped, "denied")
    await stopped.stop("test")
    assert [job.walled for job in (*failed, stopped)] == [wall, None, None, None]


async def test_before_it_is_started_again_it_is_asked_about_and_only_that_very_command(jobs: Jobs) -> None:
    command, wall = "echo denied; exit 1", Walled("network", "wall 1")
    await fail(jobs, command)
    assert (jobs.wall(f"{command} ", None), jobs.wall(command, None)) == (None, wall)
    assert jobs.wall(command, "network") is None  # it was allowed, and may be asked about anew the next time
    assert (jobs.wall(command, "outside"), jobs.wall(command, None)) == (None, wall)


async def test_one_that_was_not_allowed_more_runs_within_its_sandbox_the_next_time(jobs: Jobs) -> None:
    command, wall = "echo denied; exit 1", Walled("network", "wall 1")
    await fail(jobs, command)
    assert [jobs.wall(command, None) for _ in range(3)] == [wall, None, None]
    await fail(jobs, command)
    assert jobs.wall(command, None) == wall


async def test_what_is_to_be_asked_is_remembered_of_a_few_commands(jobs: Jobs) -> None:
    commands = [f"echo denied; exit {number}" for number in range(1, REMEMBERED_LIMIT + 2)]
    for command in commands:
        await fail(jobs, command)
    assert [jobs.wall(command, None) is None for command in commands] == [True, *([False] * REMEMBERED_LIMIT)]


async def test_one_that_cannot_be_started_leaves_nothing(jobs: Jobs) -> None:
    with pytest.raises(NotDone):
        await jobs.start("x", nullcontext(Spawn(("no-such-program",))), Path("/"))
    assert (jobs.shown(), jobs.running) == ([], 0)


async def test_closing_ends_all_and_nothing_is_started_any_more(jobs: Jobs) -> None:
    told: list[tuple[int, str]] = []
    jobs.ended = lambda job: told.append((job.number, job.shown().end))
    for _ in range(3):
        await begin(jobs, "setsid sleep 60 & sleep 60")
    await jobs.close()
    assert sorted(told) == [(number, "the session was closed") for number in (1, 2, 3)]
    with pytest.raises(Refused, match="being closed"):
        await begin(jobs, "true")


@pytest.fixture
def stray() -> Iterator[tuple[str, int]]:
    """A process with the mark of a flowchat that is no more, and one below it."""
    import subprocess

    mark = f"{os.getpid()}-feedfeedfeedfeed.1"  # nobody else's: the whole machine is searched
    command = "sleep 60 & echo $!; wait"
    with subprocess.Popen(["bash", "-c", command], env={"FLOWCHAT_CALL": mark}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":  # until then it is still the shell
            os.sched_yield()
        yield mark, pid
        process.kill()


async def test_what_an_earlier_flowchat_left_is_ended_by_its_mark(stray: tuple[str, int]) -> None:
    mark, pid = stray
    assert end_marked(f"{mark}2") == []
    assert sorted(end_marked(mark)) == ["bash", "sleep"]
    assert has_ended(pid)


@pytest.mark.parametrize("left", range(8))
async def test_where_descriptors_run_out_a_job_does_not_start_and_nothing_stays_open(jobs: Jobs, left: int) -> None:
    await (await begin(jobs, "true")).over
    before = descriptors()
    with descriptors_left(left):
        try:
            await (await begin(jobs, "true")).over
            said = "started"
        except NotDone as error:
            said = str(error)
    assert said in ("started", "bash could not be started in /: Too many open files")
    assert (said == "started" or left < 7, said != "started" or left > 0, descriptors()) == (True, True, before)
    assert marked() == []


async def test_what_a_job_would_inherit_is_let_go_of_where_the_session_is_closed_meanwhile(jobs: Jobs) -> None:
    before = descriptors()
    spawn = Spawn(("true",), pass_fds=(os.dup(0),))
    await jobs.close()
    with pytest.raises(Refused, match="the session is being closed"):
        await jobs.start("true", nullcontext(spawn), Path("/"))
    assert descriptors() == before
