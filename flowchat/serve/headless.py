"""`-p`: one message in, one answer on stdout, notices on stderr, an exit code that says how it went."""

import asyncio
import os
import secrets
import select
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import assert_never

import msgspec

from flowchat.errors import FlowchatError, NotRunning, UsageError
from flowchat.runtime.session import Session
from flowchat.serve.pipe import BEHIND_LIMIT_BYTES, Outlet, Pipe
from flowchat.serve.stream import OutputFormat, Result, Spent, event_line, json_line
from flowchat.transcript import entries, events
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import (
    AnyEntry,
    AssistantSaid,
    AttemptUsed,
    Noticed,
    Outcome,
    Record,
    RunEnded,
    Usage,
    text_of,
)
from flowchat.transcript.events import AnyDelta, ApprovalAsked, Heard, RetryScheduled, Toast

STDIN_WAIT_SECONDS = 1.0
"""How long a prompt waits for a first byte on a stdin that is not a terminal and may never say anything."""
STDIN_LIMIT_BYTES = 8 * 1024 * 1024
EXIT_CODES: dict[Outcome, int] = {"completed": 0, "interrupted": 1, "failed": 1, "crashed": 1, "limit": 53}
DENIED = "there is no one to ask: run flowchat with --allow or another --permission-mode"
LAST_WORDS_SECONDS = 1.0
"""How long a reader that stalls may still take something once a signal has come."""
FAR_BEHIND = (
    f"the output is not being read: the run was stopped when {BEHIND_LIMIT_BYTES >> 20} MiB of it waited; the rest is lost"
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def read_prompt(prompt: str, stdin: int | None, wait_seconds: float = STDIN_WAIT_SECONDS) -> str:
    """The prompt with stdin appended; `stdin` is its descriptor, None for a terminal or none at all.

    Without a prompt stdin is read to its end; with one, not if no byte comes within `wait_seconds`. Raises UsageError
    when there is nothing to say, or more than STDIN_LIMIT_BYTES.
    """
    piped = "" if stdin is None else _read(stdin, wait_seconds if prompt.strip() else None)
    said = "\n\n".join(text for text in (prompt, piped) if text.strip())
    if not said:
        raise UsageError("there is nothing to send: give a prompt, as in `flowchat -p 'what does this do?'`, or text on stdin")
    return said


def _read(stdin: int, wait_seconds: float | None) -> str:
    content = bytearray()
    try:
        if not select.select([stdin], [], [], wait_seconds)[0]:
            return ""
        while piece := os.read(stdin, 1 << 16):
            content += piece
            if len(content) > STDIN_LIMIT_BYTES:
                raise UsageError(f"stdin has more than {STDIN_LIMIT_BYTES:,} bytes: put it in a file and name that in the prompt")
    except OSError:
        return ""
    return content.decode("utf-8", "replace")


async def answer(session: Session, prompt: str, output_format: OutputFormat, out: int, warn: Callable[[str], None]) -> int:
    """Send the prompt, print what comes of it to the descriptor `out`, close the session; gives the exit code.

    A signal, or a reader that has gone, interrupts the run: what came so far is kept. `warn` takes sentences for stderr.
    """
    stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    outlet = Outlet(out, partial(_settle, stop, 0))
    printer = _Printer(session, output_format, outlet, warn)
    refusal: FlowchatError | None = None
    unwatch = session.watch(printer.hear)
    with _signals_into(stop):
        try:
            await session.send(prompt)
            await _idle_or_stopped(session, stop)
        except FlowchatError as error:
            refusal = error
        finally:
            await session.close()
            unwatch()
        printer.finish(refusal)
        await _written_or_stopped(outlet, stop)
    if outlet.behind:
        warn(FAR_BEHIND)
    if stop.done() and stop.result():
        return 128 + stop.result()
    if outlet.failure is not None:
        warn(f"stdout cannot be written: {outlet.failure.strerror}")
        return 1
    return EXIT_CODES[printer.outcome]


def refuse(error: FlowchatError, output_format: OutputFormat, out: int) -> None:
    """Print, in the JSON formats, the result of a run that could not even begin."""
    result = Result(
        "", str(error), is_error=True, outcome="failed", num_steps=0, duration_ms=0, usage=Spent(), total_cost_usd=None
    )
    if output_format != "text":
        Pipe(out).write(_result_line(result, output_format, 1, secrets.token_hex(4)))


def _result_line(result: Result, output_format: OutputFormat, i: int, opening: str) -> str:
    if output_format == "json":
        return json_line(msgspec.to_builtins(result))
    return event_line(i, opening, result.session_id, time.time_ns() // 1_000_000, result)


@contextmanager
def _signals_into(stop: "asyncio.Future[int]") -> Generator[None]:
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, _settle, stop, number)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _settle(stop: "asyncio.Future[int]", value: int) -> None:
    if not stop.done():
        stop.set_result(value)


async def _idle_or_stopped(session: Session, stop: "asyncio.Future[int]") -> None:
    idle = asyncio.create_task(session.idle())
    try:
        await asyncio.wait((idle, stop), return_when=asyncio.FIRST_COMPLETED)
        if not idle.done():
            with suppress(NotRunning):
                await session.interrupt()
        await idle
    finally:
        idle.cancel()


async def _written_or_stopped(outlet: Outlet, stop: "asyncio.Future[int]") -> None:
    written = asyncio.create_task(outlet.written())
    try:
        await asyncio.wait((written, stop), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((written,), timeout=LAST_WORDS_SECONDS)
    finally:
        written.cancel()
        outlet.close()


class _Printer:
    """Hears a session and prints; remembers what the result is made of."""

    def __init__(self, session: Session, output_format: OutputFormat, outlet: Outlet, warn: Callable[[str], None]) -> None:
        self._session = session
        self._format: OutputFormat = output_format
        self._outlet = outlet
        self._warn = warn
        self._opening = secrets.token_hex(4)
        self._i = 0
        self._text = ""
        self._ended: list[RunEnded] = []
        self._spent = Usage()
        self._cost: float | None = None

    @property
    def outcome(self) -> Outcome:
        return self._ended[-1].outcome if self._ended else "failed"

    def hear(self, heard: Heard) -> None:
        self._i = heard.i
        if self._format == "stream-json":
            self._outlet.write(event_line(heard.i, self._opening, self._session.sid, heard.at_ms, heard.event))
        self._note(heard.event.entry if isinstance(heard.event, Record) else heard.event)

    def finish(self, refusal: FlowchatError | None) -> None:
        """Print the answer, or the last line, and on stderr why there is none."""
        result = self._result(refusal)
        if self._format != "text":
            self._outlet.write(_result_line(result, self._format, self._i + 1, self._opening))
        elif self._text:
            self._outlet.write(clean(self._text).rstrip("\n") + "\n")
        if result.is_error and result.outcome != "interrupted":
            self._warn(self._reason(refusal))

    def _note(self, event: AnyEntry | AnyDelta) -> None:
        match event:
            case AssistantSaid():
                self._text = text_of(event.parts) or self._text
            case AttemptUsed():
                self._spend(event)
            case RunEnded():
                self._ended.append(event)
            case Noticed() | Toast():
                self._warn(event.text)
            case RetryScheduled():
                self._warn(f"{event.reason}; trying again in {event.delay_ms / 1000:.0f} s")
            case ApprovalAsked():
                self._session.decide(event.call, "deny", DENIED)
            case (
                entries.SessionStarted()
                | entries.UserSaid()
                | entries.ContextAdded()
                | entries.PromptSet()
                | entries.RunStarted()
                | entries.ToolStarted()
                | entries.ToolAnswered()
                | entries.Edited()
                | entries.Unknown()
                | entries.Damaged()
                | entries.HeadMoved()
                | entries.TitleSet()
                | entries.ModelSet()
                | entries.ModeSet()
                | entries.QueueSet()
                | entries.ApprovalDecided()
                | entries.Compacted()
                | entries.CompactionUndone()
                | entries.ItemsSet()
                | entries.LabelSet()
                | entries.Forked()
                | entries.Recovered()
                | events.StateDelta()
                | events.TextDelta()
                | events.ThinkingDelta()
                | events.CallDelta()
                | events.OutputDelta()
                | events.AttemptWithdrawn()
                | events.CompactionDelta()
                | events.ContextUsed()
                | events.QueueChanged()
                | events.JobsChanged()
            ):
                pass  # only in the stream
            case _:
                assert_never(event)

    def _spend(self, used: AttemptUsed) -> None:
        if used.usage is not None:
            self._spent += used.usage
        if used.cost is not None:
            self._cost = (self._cost or 0.0) + used.cost

    def _result(self, refusal: FlowchatError | None) -> Result:
        is_error = self.outcome != "completed"
        failed = self.outcome in ("failed", "crashed")
        return Result(
            session_id=self._session.sid,
            result=self._reason(refusal) if failed else self._text,
            is_error=is_error,
            outcome=self.outcome,
            num_steps=sum(ended.steps for ended in self._ended),
            duration_ms=sum(ended.duration_ms for ended in self._ended),
            usage=Spent(*msgspec.structs.astuple(self._spent)),
            total_cost_usd=self._cost,
        )

    def _reason(self, refusal: FlowchatError | None) -> str:
        if refusal is not None:
            return str(refusal)
        ended = self._ended[-1] if self._ended else None
        if ended is not None and ended.outcome == "limit":
            steps = f"{ended.steps} step{'' if ended.steps == 1 else 's'}"
            return f"stopped after {steps}: --max-steps N allows more"
        return (ended and ended.message) or "the run ended without an answer"
