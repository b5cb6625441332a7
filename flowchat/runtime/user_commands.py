"""Commands the user runs: at once and beside any run; what they print joins the conversation, for the model or without it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TypeVar

from msgspec import structs

from flowchat.errors import Busy, CommandRefused
from flowchat.runtime.beginning import Beginning
from flowchat.runtime.boundary import Boundary
from flowchat.store.aside import aside
from flowchat.store.jobs import OUTPUT_LIMIT_BYTES, JobFiles, JobLeft
from flowchat.tools.bounds import bound
from flowchat.tools.shell import Shell
from flowchat.tools.tool import INLINE_LIMIT_BYTES, Desk, Outcome
from flowchat.transcript.entries import COMMAND_END, ContextAdded, Noticed, Text
from flowchat.transcript.transcript import Transcript

LONGEST_SECONDS = 24 * 3600.0
"""A forgotten command is ended after a day."""
KEEP_SECONDS = 1.0
"""Longer no command waits for its output to be kept."""
SOURCE = "command"
T = TypeVar("T")


class UserCommands:
    """At most one command at a time. What it printed has its place at once while nothing runs, else before the next step.

    Until then it lies beside the log, if that has begun: a kill loses none of it.
    """

    def __init__(
        self,
        transcript: Transcript,
        beginning: Beginning,
        boundary: Boundary,
        may_write: Callable[[], None],
        files: JobFiles | None = None,
    ) -> None:
        """`may_write` raises ReadOnly."""
        self._transcript, self._beginning = transcript, beginning
        self._boundary, self._may_write = boundary, may_write
        self._shell = Shell(LONGEST_SECONDS)
        self._program: asyncio.Task[Outcome] | None = None
        self._job: asyncio.Task[None] | None = None
        self._files, self._begun = files, 0
        self._kept: dict[int, ContextAdded | Noticed] = {}
        """What has no place in the log yet, by the number of its files."""

    @property
    def running(self) -> bool:
        return self._job is not None and not self._job.done()

    @property
    def waiting(self) -> bool:
        """Whether something that was printed has no place in the conversation yet."""
        return self._boundary.holds(SOURCE)

    async def run(self, command: str, output: Callable[[str], None], for_model: bool = True) -> None:
        """Run a command line with bash; `output` gets what it prints as it comes. Done when it has ended.

        Then a context_added of source `command` holds what it printed, or, not `for_model`, a notice. Raises ReadOnly, Busy,
        CommandRefused where there is nothing to run, and NotDone without bash.
        """
        self._may_write()
        if not command.strip() or "\0" in command:
            raise CommandRefused("there is no command to run; write it after the !")
        if self.running:
            raise Busy("your last command is still running; stop it first")
        self._job = asyncio.create_task(self._run(command, output, for_model))
        await asyncio.shield(self._job)

    def stop(self) -> bool:
        """End the command that runs, keeping what it printed; False where none does."""
        return self.running and self._program is not None and self._program.cancel()

    async def close(self) -> None:
        """End the command that runs; done when what it printed has its place."""
        self.stop()
        if self._job is not None:
            await asyncio.wait({self._job})

    def published(self, entry: object) -> None:
        """An entry is in the log."""
        number = next((number for number, told in self._kept.items() if told is entry), None)
        if number is not None and self._files is not None:
            del self._kept[number]
            self._files.forget(number)

    async def _run(self, command: str, output: Callable[[str], None], for_model: bool) -> None:
        last = self._transcript.record(self._transcript.last_seq)
        left = JobLeft(-self._begun, command, last.at_ms if last else 0, "", own="told" if for_model else "kept")
        self._begun += 1
        files = self._files if self._transcript.head else None
        file = await _soon(lambda: _begun(files, left)) if files is not None else None
        printed = _End(output, file)
        desk = Desk(self._beginning.workspace, {}, printed.add, self._transcript.blobs.put, self._transcript.blobs.get)
        self._program = asyncio.create_task(self._shell.run({"command": command}, desk))
        await asyncio.wait({self._program})
        printed.close()
        content = await self._content(self._program, printed)
        told = told_of(command, content, for_model)
        if files is not None:
            await _soon(lambda: files.keep(structs.replace(left, content=content)))
            self._kept[left.number] = told
        self._boundary.add(told, lambda: self._beginning.entries(f"!{command}"))

    async def _content(self, ran: "asyncio.Task[Outcome]", printed: "_End") -> str:
        """What it printed, cut in the middle where it was long, and in the last line how it ended."""
        if ran.cancelled():
            return "\n".join(part for part in (printed.told(), "[stopped]") if part)
        outcome = ran.result()
        content, _ = await bound(outcome, self._transcript.blobs.put)
        return content if outcome.status != "ok" else f"{content}\n[exit 0]"


def told_of(command: str, content: str, for_model: bool) -> ContextAdded | Noticed:
    """What the conversation holds of a command that has ended."""
    if for_model:
        return ContextAdded(SOURCE, command, (Text(content),))
    return Noticed("info", SOURCE, f"{command}{COMMAND_END}{content}")


async def _soon(act: Callable[[], T]) -> T | None:
    """What `act` gives; None where the disk takes too long over it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_SECONDS):
            return await aside(act)
    return None


def _begun(files: JobFiles, left: JobLeft) -> IO[bytes] | None:
    file = files.open(left.number)
    files.keep(left)
    return file


class _End:
    """The end of what was printed, at most INLINE_LIMIT_BYTES characters of it; `file` takes the beginning, and is closed."""

    def __init__(self, output: Callable[[str], None], file: IO[bytes] | None) -> None:
        self._text, self._count = "", 0
        self._output, self._file = output, file

    def add(self, text: str) -> None:
        self._text = (self._text + text)[-INLINE_LIMIT_BYTES:]
        self._count += len(text)
        if self._file is not None and self._count <= OUTPUT_LIMIT_BYTES:
            with suppress(OSError):
                self._file.write(text.encode("utf-8", "replace"))
        self._output(text)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def told(self) -> str:
        """The end, from the beginning of a line where that is near; where something is missing it says so."""
        if self._count == len(self._text):
            return self._text.strip("\n")
        begin = self._text.find("\n", 0, INLINE_LIMIT_BYTES // 2) + 1
        kept = self._text[begin:]
        return f"[{self._count - len(kept):,} characters before this were not kept]\n{kept}".rstrip("\n")
