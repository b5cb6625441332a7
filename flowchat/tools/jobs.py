"""Programs that go on in the background of a session: started, listened to, given input, ended; none outlives the session."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from msgspec import Struct

from flowchat.tools.process import start
from flowchat.tools.program import PIPE_GRACE_SECONDS, Program
from flowchat.tools.recording import Recording
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import WIDER, Beyond, Refused, Walled

RUNNING_LIMIT = 8
"""Jobs that run at a time."""
REMEMBERED_LIMIT = 32
"""Ended jobs whose output can still be looked at."""
LINE_CHARS = 200
"""Of the last line a job printed, as lists show it."""
PEEK_BYTES = 64 * 1024
"""Of a job's output, to look at."""
_LINE_BYTES = 4 * LINE_CHARS
Why: TypeAlias = Callable[[int | None, Recording], Walled | None]
"""Whether a sandbox made a program fail, by its exit status and what it printed."""


class JobShown(Struct, frozen=True):
    """A job as it stands. `end` says how it ended; empty while it runs."""

    number: int
    command: str
    began_ms: int
    ended_ms: int | None = None
    end: str = ""
    failed: bool = False
    lines: int = 0
    total_bytes: int = 0
    last_line: str = ""

    @property
    def runs(self) -> bool:
        return self.ended_ms is None


class Printed(Struct, frozen=True):
    """What a job printed since it was last asked; of what came before it, `skipped` bytes are in no memory any more."""

    text: str
    skipped: int
    binary: bool


class Shelf(Protocol):
    """Where the output of jobs lies until it has its place in the conversation, so that it outlives us."""

    def open(self, number: int) -> IO[bytes] | None:
        """A file to write its output to and read it from; None where there is none to be had."""
        ...

    def note(self, number: int, command: str, began_ms: int, mark: str) -> None:
        """The job runs; its processes carry this mark."""
        ...

    def forget(self, number: int) -> None:
        """What it printed has its place."""
        ...


class Job:
    """One job. `over` is done when it has ended with all it started."""

    def __init__(
        self, number: int, command: str, program: Program, recording: Recording, clock_ms: Callable[[], int], why: Why
    ) -> None:
        self.number, self.command = number, command
        self.recording, self._why = recording, why
        self.walled: Walled | None = None
        """Set once it has ended: its sandbox made it fail."""
        self._program, self._clock_ms = program, clock_ms
        self._began_ms, self._ended_ms = clock_ms(), None
        self._end, self._failed, self._stopped = "", False, ""
        self._read_bytes = self._seen_bytes = 0
        self._news = asyncio.Event()
        self._left: tuple[str, ...] = ()
        self.over = asyncio.create_task(self._watch())

    @property
    def runs(self) -> bool:
        return self._ended_ms is None

    @property
    def left(self) -> tuple[str, ...]:
        """What it had left running when it ended."""
        return self._left

    def shown(self) -> JobShown:
        recording = self.recording
        return JobShown(
            self.number,
            self.command,
            self._began_ms,
            self._ended_ms,
            self._end,
            self._failed,
            recording.lines,
            recording.total_bytes,
            "[binary output]" if recording.binary else _last_line(recording),
        )

    def heard(self) -> None:
        """It printed something."""
        self._news.set()

    async def news(self, seconds: float) -> None:
        """Until it has printed something that was not read, or ended, or the time is over."""
        if self.runs and self.recording.total_bytes <= self._seen_bytes:
            self._news.clear()
            waiting = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait({waiting, self.over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()

    def read(self) -> Printed:
        """What it printed since the last time."""
        self._seen_bytes = self.recording.total_bytes  # of which a character's beginning may be left for the next time
        text, skipped, self._read_bytes = self.recording.since(self._read_bytes, whole=not self.runs)
        return Printed(text, skipped, self.recording.binary)

    def put_in(self, text: str, ends: bool) -> None:
        """Raises Refused where it takes no input (any more), or has not read what it was given."""
        if not self.runs:
            raise Refused(f"job {self.number} has ended: {self._end}")
        if not self._program.reads:
            raise Refused(f"job {self.number} takes no more input: its stdin is closed")
        if not self._program.put_in(text.encode("utf-8", "replace"), ends):
            raise Refused(f"job {self.number} has not read what it was given before; look at its output first")

    async def stop(self, why: str) -> None:
        """End it with all it started: SIGTERM, and SIGKILL for what is left two seconds later. Done when it has ended."""
        if self.runs:
            self._stopped = self._stopped or why
            ending = asyncio.ensure_future(self._program.end(wait_for_all=True))
            await asyncio.wait({ending, self.over})

    async def _watch(self) -> None:
        program = self._program
        try:
            await program.leader_over(None)
            await asyncio.wait({program.pipe_closed}, timeout=PIPE_GRACE_SECONDS)
            status = program.status()
            left = await program.end(wait_for_all=True)
        finally:
            program.close_output()
            self._ended_ms = self._clock_ms()
        self._left = () if self._stopped else left
        self._failed = bool(status) and not self._stopped
        self._end = self._stopped or _how(status, program.crowded)
        self.walled = None if self._stopped else self._why(status, self.recording)


class Jobs:
    """The jobs of one session, numbered in the order they were started.

    `first` gives the number of the first one, asked when it is started; `changed` is called when one starts or ends, `ended`
    once with each that has. `clock_ms` gives epoch milliseconds.
    """

    def __init__(self, clock_ms: Callable[[], int], shelf: Shelf | None = None, first: Callable[[], int] = lambda: 1) -> None:
        self.now_ms, self._shelf, self._first = clock_ms, shelf, first
        self._jobs: dict[int, Job] = {}
        self._walls: dict[str, Walled] = {}
        self._asked: set[str] = set()
        self._next = 0
        self._closed = False
        self._watching: set[asyncio.Task[None]] = set()
        self.changed: Callable[[], None] = lambda: None
        self.ended: Callable[[Job], None] = lambda job: None

    @property
    def running(self) -> int:
        return sum(job.runs for job in self._jobs.values())

    def shown(self) -> list[JobShown]:
        """All that are remembered, in their order."""
        return [job.shown() for job in self._jobs.values()]

    def find(self, number: int) -> Job:
        """Raises Refused, naming those there are."""
        job = self._jobs.get(number)
        if job is None:
            numbers = ", ".join(map(str, self._jobs))
            there = f"there are {numbers}" if numbers else "none was started since this session was opened"
            raise Refused(f"there is no job {number}; {there}. Jobs end with their session")
        return job

    def peek(self, number: int) -> str:
        """The end of what a job printed, read or not; empty where there is no such job."""
        job = self._jobs.get(number)
        if job is None:
            return ""
        return "[binary output: not shown]" if job.recording.binary else job.recording.end(PEEK_BYTES)

    def wall(self, command: str, beyond: Beyond | None) -> Walled | None:
        """What is to be asked before this very command is started: its sandbox made it fail as a job before. None: nothing.

        `beyond` is what it may have by now. One that comes again without it was not allowed it, and is not asked about twice.
        """
        walled = self._walls.get(command)
        if walled is None or beyond in (walled.beyond, "outside"):
            self._asked.discard(command)
            return None
        if command in self._asked:
            self._asked.discard(command)
            del self._walls[command]
            return None
        self._asked.add(command)
        return walled

    async def start(
        self, command: str, around: AbstractAsyncContextManager[Spawn], cwd: Path, why: Why = lambda status, recording: None
    ) -> Job:
        """Start one; `command` is how it is shown, `around` gives how it is started and is left once it has ended.

        Raises NotDone, BadArguments, Refused, and what `around` does.
        """
        if self.running >= RUNNING_LIMIT:
            raise Refused(f"{RUNNING_LIMIT} jobs are running already; end one with job_kill first")
        async with AsyncExitStack() as stack:
            job = self._start(command, await stack.enter_async_context(around), cwd, why)
            watching = asyncio.create_task(self._watch(job, stack.pop_all()))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        self.changed()
        return job

    def forget(self, number: int) -> None:
        """What this job printed has its place in the conversation: nothing needs to outlive us."""
        if self._shelf:
            self._shelf.forget(number)

    async def close(self) -> None:
        """End all; done when `ended` has been called for each."""
        self._closed = True
        stopping = [job.stop("the session was closed") for job in self._jobs.values()]
        await asyncio.gather(*stopping)
        while self._watching:
            await asyncio.wait(set(self._watching))

    def _start(self, command: str, spawn: Spawn, cwd: Path, why: Why) -> Job:
        if self._closed:
            spawn.let_go()
            raise Refused("the session is being closed; nothing is started any more")
        number = self._next = max(self._next + 1, 1 if self._next else self._first())
        recording = Recording(self._shelf.open(number) if self._shelf else None)

        def walled(status: int | None, recording: Recording) -> Walled | None:
            if (found := why(status, recording)) is not None:
                self._remember(command, found)
            return found

        try:
            program = start(spawn, cwd, recording, lambda text: self._jobs[number].heard())
        except Exception:
            recording.close()
            self.forget(number)
            raise
        if self._shelf:
            self._shelf.note(number, command, self.now_ms(), program.mark)
        job = self._jobs[number] = Job(number, command, program, recording, self.now_ms, walled)
        return job

    async def _watch(self, job: Job, around: AsyncExitStack) -> None:
        async with around:
            await asyncio.wait({job.over})
        ended = [number for number, one in self._jobs.items() if not one.runs]
        for number in ended[:-REMEMBERED_LIMIT]:
            self._jobs.pop(number).recording.close()
        self.ended(job)
        self.changed()

    def _remember(self, command: str, walled: Walled) -> None:
        self._asked.discard(command)
        self._walls.pop(command, None)
        self._walls[command] = walled
        for earliest in list(self._walls)[:-REMEMBERED_LIMIT]:
            del self._walls[earliest]
            self._asked.discard(earliest)


def because(walled: Walled) -> str:
    """Why a job failed."""
    return f"the sandbox made this fail: {walled.reason}"


def start_again(walled: Walled) -> str:
    """What the model can do about it."""
    return f"Start exactly this command as a job again, and it is asked whether it may run {WIDER[walled.beyond]}"


def _how(status: int | None, crowded: bool) -> str:
    if crowded:
        return "it had too many processes"
    if status is None:
        return "ended"
    return f"signal {-status}" if status < 0 else f"exit {status}"


def _last_line(recording: Recording) -> str:
    lines = recording.end(_LINE_BYTES).rstrip().rpartition("\n")
    return lines[2][-LINE_CHARS:]
