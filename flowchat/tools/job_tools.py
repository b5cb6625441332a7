"""job_output, job_input and job_kill: what the model can do with the jobs of its session."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import boolean, fill, integer, schema, string
from flowchat.tools.jobs import Job, Jobs, because, start_again
from flowchat.tools.tool import BadArguments, Desk, Outcome, Reach
from flowchat.transcript.events import Preview

LONGEST_WAIT_SECONDS = 60
_JOB = {"job": integer()}


class _Which(Struct):
    job: int


class _Output(Struct):
    job: int
    wait_seconds: int = 0


class _Input(Struct):
    job: int
    text: str
    end: bool = False


class JobOutput:
    read_only = True
    schema = schema(
        "job_output",
        "What a job printed since you last looked, and whether it runs.",
        _JOB,
        {"wait_seconds": integer(f"Wait for news so long, at most {LONGEST_WAIT_SECONDS}")},
    )

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        self._given(args)
        return Reach("read")

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return _preview("Look at what this job printed?", self._jobs.find(self._given(args).job))

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        given = self._given(args)
        job = self._jobs.find(given.job)
        await job.news(given.wait_seconds)
        return _told(job)

    def _given(self, args: Mapping[str, object]) -> _Output:
        given = fill(_Output, args)
        if given.wait_seconds > LONGEST_WAIT_SECONDS:
            raise BadArguments(f"wait_seconds may be at most {LONGEST_WAIT_SECONDS}, not {given.wait_seconds}")
        return given


class JobInput:
    read_only = False
    schema = schema(
        "job_input",
        "Write to a job's stdin, as it stands: end a line with \\n.",
        {**_JOB, "text": string()},
        {"end": boolean("Close its stdin afterwards")},
    )

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        """To run: what reads it may be a shell."""
        self._given(args)
        return Reach("run")

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        given = self._given(args)
        return _preview("Give this input to the job?", self._jobs.find(given.job), given.text)

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        given = self._given(args)
        self._jobs.find(given.job).put_in(given.text, given.end)
        size = len(given.text.encode("utf-8", "replace"))
        ends = ", and its stdin is closed" if given.end else ""
        said = f"{size:,} {'byte' if size == 1 else 'bytes'} given to job {given.job}{ends}"
        return Outcome(said, f"{said}; job_output gives what it prints")

    def _given(self, args: Mapping[str, object]) -> _Input:
        given = fill(_Input, args)
        if not given.text and not given.end:
            raise BadArguments("there is no text to give, and `end` is not set")
        return given


class JobKill:
    read_only = False
    schema = schema("job_kill", "End a job with all it started.", _JOB, {})

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        """Nothing but what the session itself has started."""
        fill(_Which, args)
        return Reach("read")

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return _preview("End this job?", self._jobs.find(fill(_Which, args).job))

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        job = self._jobs.find(fill(_Which, args).job)
        await job.stop("job_kill")
        return _told(job)


def _preview(title: str, job: Job, body: str = "") -> Preview:
    return Preview(title, (("job", str(job.number)), ("runs", job.command)), body)


def _told(job: Job) -> Outcome:
    """What it printed since the last time, and in the last line how it stands."""
    printed, shown = job.read(), job.shown()
    stands = f"job {job.number} is running" if shown.runs else f"job {job.number} has ended: {shown.end}"
    text = printed.text.removesuffix("\n")
    parts = [text]
    if printed.binary:
        parts = ["[binary output: not shown and not kept]"]
    elif printed.skipped:
        parts = [f"[{printed.skipped:,} bytes before this are no longer in memory]", text]
    elif not text:
        parts = ["[nothing new]"]
    lines = printed.text.count("\n") + (1 if text and not printed.text.endswith("\n") else 0)
    new = f", {lines:,} new {'line' if lines == 1 else 'lines'}" if lines else ""
    walled = (f"[{because(job.walled)}. {start_again(job.walled)}]",) if job.walled is not None else ()
    return Outcome(f"{stands}{new}", "\n".join([*filter(None, parts), f"[{stands}]", *walled]))
