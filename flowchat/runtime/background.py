"""The jobs of a session as its people hear of them: what becomes of the output of one that has ended, and when they all end."""

import asyncio
import re
from collections.abc import Sequence

from flowchat.agent.agent import Emit
from flowchat.errors import StorageFailed
from flowchat.runtime.boundary import Boundary
from flowchat.tools.bounds import unkept
from flowchat.tools.jobs import Job, Jobs, JobShown, because, start_again
from flowchat.tools.recording import WHOLE_LIMIT_BYTES
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import ContextAdded, Noticed, Record, Text, ToolAnswered
from flowchat.transcript.events import JobsChanged
from flowchat.transcript.transcript import Blobs, Transcript

SOURCE = "job"
END_LIMIT_BYTES = 4 * 1024
"""Of what a job printed last, in the conversation once it has ended; what is longer is in a blob."""
COMMAND_CHARS = 80
"""Of a job's command, in a sentence."""
_NUMBERED = re.compile(r"job (\d{1,9})\b")


class Background:
    """`jobs` None: the session has none, and can have none."""

    def __init__(self, jobs: Jobs | None, transcript: Transcript, boundary: Boundary, emit: Emit) -> None:
        self._jobs, self._transcript, self._boundary, self._emit = jobs, transcript, boundary, emit
        self._told: dict[int, ContextAdded] = {}
        self._telling: set[asyncio.Task[None]] = set()
        if jobs is not None:
            jobs.changed = lambda: emit(JobsChanged(jobs.running))
            jobs.ended = self._ended

    @property
    def running(self) -> list[JobShown]:
        """Those that run."""
        return [job for job in self.shown() if job.runs]

    def shown(self) -> list[JobShown]:
        """All of this opening, in the order they were started."""
        return [] if self._jobs is None else self._jobs.shown()

    def now_ms(self) -> int:
        """By the clock that says when a job began; 0 where there are none."""
        return 0 if self._jobs is None else self._jobs.now_ms()

    def output(self, number: int) -> str:
        """The end of what a job printed, however much of it the model has read; empty where there is no such job."""
        return "" if self._jobs is None else self._jobs.peek(number)

    async def end(self, number: int) -> None:
        """End a job with all it started; nothing happens where it has ended. Raises Refused where there is none."""
        if self._jobs is not None:
            await self._jobs.find(number).stop("stopped by the user")

    async def close(self) -> None:
        """End them all; done when what they printed has its place."""
        if self._jobs is not None:
            await self._jobs.close()
        while self._telling:
            await asyncio.wait(set(self._telling))

    def published(self, entry: object) -> None:
        """An entry is in the log."""
        number = next((number for number, told in self._told.items() if told is entry), None)
        if number is not None and self._jobs is not None:
            del self._told[number]
            self._jobs.forget(number)

    def _ended(self, job: Job) -> None:
        telling = asyncio.create_task(self._tell(job))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell(self, job: Job) -> None:
        shown, unread = job.shown(), job.read()
        whole = job.recording.whole()
        job.recording.close()
        how, again = shown.end, ""
        if job.walled is not None:
            how, again = f"{how}; {because(job.walled)}", f" {start_again(job.walled)}."
        head = sentence(shown.number, shown.command, _span(shown), how)
        left = f" It had left {', '.join(job.left)} running, which ended with it." if job.left else ""
        text = "[binary output: not shown and not kept]" if unread.binary else unread.text
        content = await ending(f"{head}{again}{left}", text, "you last looked", whole, shown.total_bytes, self._transcript.blobs)
        told = self._told[shown.number] = ContextAdded(SOURCE, f"job {shown.number}", (Text(content),))
        self._boundary.add(Noticed("warning" if shown.failed else "info", SOURCE, head))
        self._boundary.add(told)
        if self._boundary.holds(SOURCE):
            self._emit(JobsChanged(len(self.running), head))


async def ending(head: str, unread: str, since: str, whole: bytes | None, total_bytes: int, blobs: Blobs) -> str:
    """What the model is told of an ended job: the end of what it has not read, and where the whole lies if that is long."""
    lines = [head]
    printed = unread.strip("\n")
    if printed:
        shown = printed.encode()[-END_LIMIT_BYTES:].decode("utf-8", "ignore")
        cut = len(shown) < len(printed)
        shown = shown[shown.find("\n", 0, END_LIMIT_BYTES // 2) + 1 :] if cut else shown
        lines += [f"The end of what it printed since {since}:" if cut else f"What it printed since {since}:", shown]
    if whole is not None and len(whole) > END_LIMIT_BYTES:
        try:
            blob = await blobs.put(whole, "text/plain")
        except StorageFailed as error:
            lines.append(f"[{unkept(error)}]")
        else:
            part = "" if total_bytes <= len(whole) else f" (its first {WHOLE_LIMIT_BYTES >> 20} MiB)"
            lines.append(f"[all it printed{part} is blob:{blob.sha256}, which read_file reads by lines]")
    return "\n".join(lines)


def next_number(records: Sequence[Record]) -> int:
    """The number of a session's next job: one more than any its log speaks of."""
    last = 0
    for record in records:
        entry = record.entry if record.type in ("context_added", "tool_answered") else None
        words = entry.origin if isinstance(entry, ContextAdded) and entry.source == SOURCE else ""
        words = entry.summary if isinstance(entry, ToolAnswered) else words
        if found := _NUMBERED.match(words):
            last = max(last, int(found[1]))
    return last + 1


def sentence(number: int, command: str, span: str, how: str) -> str:
    """How a job ended, in a sentence."""
    words = " ".join(clean(command).split())
    words = words if len(words) <= COMMAND_CHARS else f"{words[: COMMAND_CHARS - 1]}…"
    return f"Job {number} ({words}) ended{span}: {how}."


def _span(shown: JobShown) -> str:
    seconds = max(0, (shown.ended_ms or shown.began_ms) - shown.began_ms) / 1000
    if seconds < 60:
        return f" after {seconds:.0f} s"
    minutes = round(seconds / 60)
    return f" after {minutes} min" if minutes < 60 else f" after {minutes // 60} h {minutes % 60} min"
