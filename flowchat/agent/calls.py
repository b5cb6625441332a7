"""One step's calls: policy, approval, run, answer; every call gets exactly one answer."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Literal

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.inbox import Decision, Inbox
from flowchat.agent.step import StepInFlight
from flowchat.agent.widening import Widening
from flowchat.errors import StorageFailed, ToolError, UsageError
from flowchat.tools.policy import Verdict
from flowchat.tools.registry import bound
from flowchat.tools.tool import SUMMARY_LIMIT_CHARS, Desk, Outcome, Reach, Tool
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import (
    AnswerStatus,
    ApprovalDecided,
    AssistantSaid,
    BlobRef,
    Call,
    CallId,
    ToolAnswered,
    ToolStarted,
    sound,
)
from flowchat.transcript.events import AnyDelta, ApprovalAsked, Lasting, OutputDelta, StateDelta, Toast
from flowchat.transcript.transcript import Transcript

_log = logging.getLogger(__name__)
UNSAVED = "not run: the session cannot be saved, and until it can nothing may be changed"
SENTENCE_LIMIT_CHARS = 4_000
"""Of an error or a refusal, which may quote the model or the user: whatever its characters, under 16 KiB."""
NAME_SHOWN_CHARS = 100
"""How much an error repeats of the name of a tool there is not."""
STOPPED_FIRST = "not run: the run was stopped first"


async def answer_calls(agent: Agent, transcript: Transcript, inbox: Inbox, flight: StepInFlight, emit: Emit) -> None:
    """Answer the calls of the answer at the head.

    Consecutive read-only calls run together; a call that is not read-only waits for all before it and holds all after it.
    However this ends, the calls that were running have ended; what they really did is in `flight.answers`.
    """
    said = _said(transcript)
    emit(StateDelta("running", "tools", flight.run, flight.step))
    for group in _groups(agent, said):
        bench = _Bench(agent, transcript, inbox, flight, emit)
        try:
            async with asyncio.TaskGroup() as together:
                for call_id, call in group:
                    together.create_task(bench.answer(call_id, call))
        except ExceptionGroup as failed:  # the log itself failed, in a way it never should
            raise failed.exceptions[0] from failed


def _said(transcript: Transcript) -> list[tuple[CallId, Call]]:
    for record in reversed(transcript.branch()):
        if isinstance(record.entry, AssistantSaid):
            return [(f"{record.seq}.{index}", call) for index, call in enumerate(record.entry.calls)]
    return []


def _groups(agent: Agent, calls: Sequence[tuple[CallId, Call]]) -> Iterator[list[tuple[CallId, Call]]]:
    def read_only(item: tuple[CallId, Call]) -> bool:
        tool = agent.tools.find(item[1].name)
        return tool is None or tool.read_only

    for together, group in groupby(calls, read_only):
        if together:
            yield list(group)
        else:
            yield from ([call] for call in group)


class _Bench:
    """What the calls of one group share."""

    def __init__(self, agent: Agent, transcript: Transcript, inbox: Inbox, flight: StepInFlight, emit: Emit) -> None:
        self._agent, self._transcript, self._inbox = agent, transcript, inbox
        self._flight, self._emit = flight, emit
        agent.known.follow(transcript.branch())
        self._seen = agent.known.files

    async def answer(self, call_id: CallId, call: Call) -> None:
        """From the model's words to one durable answer."""
        try:
            answered = await self._answer(call_id, call)
        except ToolError as error:
            answered = _plain(call_id, "error", sound(str(error)))
        except Exception as error:  # a bug ends the call, not the run
            _log.exception("call %s of %s", call_id, call.name)
            answered = _plain(call_id, "error", sound(f"the call failed: {type(error).__name__}: {error}"))
        if _being_stopped():
            self._flight.answers[call_id] = answered
            raise asyncio.CancelledError
        await self._transcript.append(answered)
        self._flight.outputs.pop(call_id, None)

    async def _answer(self, call_id: CallId, call: Call) -> ToolAnswered:
        tool = self._agent.tools.find(call.name)
        if tool is None:
            name = call.name if len(call.name) <= NAME_SHOWN_CHARS else f"{call.name[:NAME_SHOWN_CHARS]}…"
            raise ToolError(f"there is no tool {name!r}; the tools are {', '.join(self._agent.tools.names())}")
        args = self._agent.tools.arguments(tool, call.args)
        desk = self._desk(call_id, tool.reach(args, self._agent.workspace))
        refusal = await self._refusal(call_id, call, tool, args, desk)
        if refusal is not None:
            return _plain(call_id, "denied", refusal)
        if not tool.read_only and self._transcript.unsaved is not None:
            return _plain(call_id, "not_run", UNSAVED)
        self._flight.answers[call_id] = _plain(call_id, "not_run", STOPPED_FIRST)
        await self._transcript.append(ToolStarted(call_id))
        if not tool.read_only and self._transcript.unsaved is not None:
            return _plain(call_id, "not_run", UNSAVED)
        del self._flight.answers[call_id]
        return await self._run(call_id, call, tool, args, desk)

    async def _run(self, call_id: CallId, call: Call, tool: Tool, args: Mapping[str, object], desk: Desk) -> ToolAnswered:
        started = self._agent.clock.seconds()
        try:
            widening = Widening(self._agent.permits, self._ask, partial(self._reviewed, call), self._transcript.append)
            outcome = await widening.run(call_id, tool, args, desk)
        except ToolError as error:
            outcome = Outcome(_line(str(error)), str(error), "error")
        except asyncio.CancelledError:
            if _being_stopped():
                raise
            outcome = Outcome("stopped", "the tool was cancelled; it may have done part of its work", "error")
        except Exception as error:  # a bug in a tool ends the call, not the run
            _log.exception("tool %s", tool.schema.name)
            outcome = Outcome(f"{type(error).__name__}", f"the tool failed: {type(error).__name__}: {error}", "error")
        duration_ms = round((self._agent.clock.seconds() - started) * 1000)
        content, blob = await bound(outcome, self._keep)
        return ToolAnswered(
            call_id, outcome.status, _line(outcome.summary), content, blob, outcome.diff, outcome.files, duration_ms, outcome.todo
        )  # fmt: skip

    async def _refusal(self, call_id: CallId, call: Call, tool: Tool, args: Mapping[str, object], desk: Desk) -> str | None:
        """Why the call may not run, or None; a question is asked where the rules leave it to the user."""
        name, reach = tool.schema.name, desk.reach
        assert reach is not None
        verdict = await self._reviewed(call, self._agent.permits.judge(name, args, reach))
        if verdict.decision == "ask":
            preview = await asyncio.to_thread(tool.preview, args, desk)
            frees, lasting = self._agent.permits.frees(name, reach), self._agent.permits.lasting(name, reach)
            asked = ApprovalAsked(call_id, preview, verdict.reason or "", frees, lasting)
            return await self._decided(asked, name, reach, await self._ask(asked))
        denied = verdict.decision == "deny"
        if denied or verdict.rule is not None or verdict.by == "review":
            await self._transcript.append(_by_policy(call_id, verdict))
        return verdict.reason or "this call is not allowed" if denied else None

    async def _reviewed(self, call: Call, verdict: Verdict) -> Verdict:
        """What becomes of a call that is to be reviewed before anyone is asked; any other verdict as it is."""
        if verdict.decision != "ask" or not verdict.reviewable:
            return verdict
        if self._agent.reviewer is None:
            return Verdict("deny", "review", reason="auto mode denied this call: there is no reviewer")
        flight = self._flight
        branch = self._transcript.branch()
        self._emit(StateDelta("running", "reviewing", flight.run, flight.step))
        chosen = self._agent.projection.chosen
        review = await self._agent.reviewer.review(branch, call, verdict.reason, flight.run, flight.step, chosen)
        self._emit(StateDelta("running", "tools", flight.run, flight.step))
        if review.used is not None:
            await self._transcript.append(review.used)
        if review.outcome == "ask":
            return Verdict("ask", "review", reason=f"{verdict.reason}; the reviewer denied the last calls: {review.reason}")
        if review.outcome == "allow":
            self._emit(Toast("info", f"Auto mode allowed {call.name}: {review.reason}"))
            return Verdict("allow", "review", reason=review.reason)
        self._emit(Toast("warning", f"Auto mode denied {call.name}: {review.reason}"))
        return Verdict("deny", "review", reason=f"auto mode denied this call: {review.reason}")

    async def _decided(self, asked: ApprovalAsked, name: str, reach: Reach, decision: Decision) -> str | None:
        call_id, rule = asked.call, None
        if decision.choice == "deny":
            await self._transcript.append(ApprovalDecided(call_id, "deny", "user", reason=decision.reason or None))
            because = f": {decision.reason}" if decision.reason else ""
            return f"the user denied this call{because}"
        if decision.choice == "session":
            rule = str(self._agent.permits.grant(name, reach))
        elif decision.choice != "once":
            rule = await self._kept(asked.lasting, decision.choice)
        await self._transcript.append(ApprovalDecided(call_id, "allow", "user", rule=rule))
        return None

    async def _ask(self, asked: ApprovalAsked) -> Decision:
        decision = await self._inbox.decision(asked, self._announce)
        self._emit(StateDelta("running", "tools", self._flight.run, self._flight.step))
        return decision

    async def _kept(self, lasting: Lasting | None, scope: Literal["local", "user"]) -> str | None:
        """The rule as it was written down; where that failed the call runs this once, and the user hears why."""
        if lasting is None:
            return None
        try:
            return await self._agent.permits.keep(lasting, scope)
        except (UsageError, StorageFailed) as error:
            self._emit(Toast("error", f"Allowed this once: {error}"))
            return None

    def _announce(self, asked: AnyDelta) -> None:
        self._emit(StateDelta("running", "awaiting_approval", self._flight.run, self._flight.step))
        self._emit(asked)

    def _desk(self, call_id: CallId, reach: Reach) -> Desk:
        def output(text: str) -> None:
            self._flight.printed(call_id, text)
            self._emit(OutputDelta(call_id, text))

        return Desk(
            self._agent.workspace,
            self._seen,
            output,
            self._keep,
            self._transcript.blobs.get,
            reach,
            hides=self._agent.permits.hides,
        )

    async def _keep(self, content: bytes, media: str) -> BlobRef:
        return await self._transcript.blobs.put(content, media)


def _being_stopped() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _by_policy(call_id: CallId, verdict: Verdict) -> ApprovalDecided:
    rule = str(verdict.rule) if verdict.rule is not None else None
    return ApprovalDecided(call_id, "deny" if verdict.decision == "deny" else "allow", verdict.by, rule, verdict.reason)


def _plain(call_id: CallId, status: AnswerStatus, sentence: str) -> ToolAnswered:
    cut = f"{sentence[:SENTENCE_LIMIT_CHARS]}… (cut at {SENTENCE_LIMIT_CHARS:,} characters)"
    return ToolAnswered(call_id, status, _line(sentence), sentence if len(sentence) <= SENTENCE_LIMIT_CHARS else cut)


def _line(text: str) -> str:
    """One line of at most SUMMARY_LIMIT_CHARS."""
    line = " ".join(clean(text).split())
    return line if len(line) <= SUMMARY_LIMIT_CHARS else line[: SUMMARY_LIMIT_CHARS - 1] + "…"
