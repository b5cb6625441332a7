"""Commands the user runs: at once and beside any run; what they print joins the conversation, for the model or without it."""

import asyncio
from collections.abc import Callable

from flowchat.errors import Busy, CommandRefused
from flowchat.runtime.beginning import Beginning
from flowchat.runtime.boundary import Boundary
from flowchat.tools.bounds import bound
from flowchat.tools.shell import Shell
from flowchat.tools.tool import INLINE_LIMIT_BYTES, Desk, Outcome
from flowchat.transcript.entries import COMMAND_END, ContextAdded, Noticed, Text
from flowchat.transcript.transcript import Transcript

LONGEST_SECONDS = 24 * 3600.0
"""A forgotten command is ended after a day."""
SOURCE = "command"


class UserCommands:
    """At most one command at a time. What it printed has its place at once while nothing runs, else before the next step."""

    def __init__(self, transcript: Transcript, beginning: Beginning, boundary: Boundary, may_write: Callable[[], None]) -> None:
        """`may_write` raises ReadOnly."""
        self._transcript, self._beginning = transcript, beginning
        self._boundary, self._may_write = boundary, may_write
        self._shell = Shell(LONGEST_SECONDS)
        self._program: asyncio.Task[Outcome] | None = None
        self._job: asyncio.Task[None] | None = None

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

    async def _run(self, command: str, output: Callable[[str], None], for_model: bool) -> None:
        printed = _End(output)
        desk = Desk(self._beginning.workspace, {}, printed.add, self._transcript.blobs.put, self._transcript.blobs.get)
        self._program = asyncio.create_task(self._shell.run({"command": command}, desk))
        await asyncio.wait({self._program})
        content = await self._content(self._program, printed)
        told = ContextAdded(SOURCE, command, (Text(content),))
        noticed = Noticed("info", SOURCE, f"{command}{COMMAND_END}{content}")
        self._boundary.add(told if for_model else noticed, lambda: self._beginning.entries(f"!{command}"))

    async def _content(self, ran: "asyncio.Task[Outcome]", printed: "_End") -> str:
        """What it printed, cut in the middle where it was long, and in the last line how it ended."""
        if ran.cancelled():
            return "\n".join(part for part in (printed.told(), "[stopped]") if part)
        outcome = ran.result()
        content, _ = await bound(outcome, self._transcript.blobs.put)
        return content if outcome.status != "ok" else f"{content}\n[exit 0]"


class _End:
    """The end of what was printed, at most INLINE_LIMIT_BYTES characters of it."""

    def __init__(self, output: Callable[[str], None]) -> None:
        self._text, self._count = "", 0
        self._output = output

    def add(self, text: str) -> None:
        self._text = (self._text + text)[-INLINE_LIMIT_BYTES:]
        self._count += len(text)
        self._output(text)

    def told(self) -> str:
        """The end, from the beginning of a line where that is near; where something is missing it says so."""
        if self._count == len(self._text):
            return self._text.strip("\n")
        begin = self._text.find("\n", 0, INLINE_LIMIT_BYTES // 2) + 1
        kept = self._text[begin:]
        return f"[{self._count - len(kept):,} characters before this were not kept]\n{kept}".rstrip("\n")
