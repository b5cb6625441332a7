"""A call that failed because of its sandbox: asked about a second time, run again with less of it, or answered with why not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from flowchat.agent.agent import Permits
from flowchat.agent.inbox import Decision
from flowchat.tools.policy import Verdict
from flowchat.tools.tool import WIDER as WIDER
from flowchat.tools.tool import Desk, Outcome, Tool, Walled
from flowchat.transcript.entries import ApprovalDecided, CallId
from flowchat.transcript.events import ApprovalAsked

KEPT_IN = "kept in the sandbox"
"""Ends the summary of a call that would have had to leave it."""


class Widening:
    """Runs a call. `ask` puts a question to the user, `review` one to mode auto's reviewer, `keep` a decision into the log."""

    def __init__(
        self,
        permits: Permits,
        ask: Callable[[ApprovalAsked], Awaitable[Decision]],
        review: Callable[[Verdict], Awaitable[Verdict]],
        keep: Callable[[ApprovalDecided], Awaitable[object]],
    ) -> None:
        self._permits, self._ask, self._review, self._keep = permits, ask, review, keep

    async def run(self, call_id: CallId, tool: Tool, args: Mapping[str, object], desk: Desk) -> Outcome:
        """What came of the call, or of its last run where it was allowed more. Raises ToolError."""
        if self._permits.mode == "bypass":
            desk = replace(desk, beyond="outside")
        outcome = await tool.run(args, desk)
        while (walled := outcome.walled) is not None:
            wider = replace(desk, beyond=walled.beyond)
            refusal = await self._refusal(call_id, tool, args, wider, walled)
            if refusal is not None:
                summary, content = f"{outcome.summary}; {KEPT_IN}", f"{outcome.content}\n[{refusal}]"
                return replace(outcome, summary=summary, content=content, walled=None)
            desk = wider
            desk.output(f"\n[again, {WIDER[walled.beyond]}]\n")
            outcome = await tool.run(args, desk)
            outcome = replace(outcome, content=f"{outcome.content}\n[run {WIDER[walled.beyond]}, as was allowed]")
        return outcome

    async def _refusal(self, call_id: CallId, tool: Tool, args: Mapping[str, object], wider: Desk, walled: Walled) -> str | None:
        """Why the call may not have more, or None; a question is asked where the user has not said."""
        assert wider.reach is not None
        how = WIDER[walled.beyond]
        verdict = self._permits.beyond(wider.reach, walled)
        if verdict.reviewable:
            verdict = await self._review(replace(verdict, reason=f"{verdict.reason}; it would run again {how}"))
        if verdict.by == "review" and verdict.decision != "ask":
            await self._keep(ApprovalDecided(call_id, verdict.decision, "review", reason=verdict.reason))
        if verdict.decision != "ask":
            return verdict.reason if verdict.decision == "deny" else None
        preview = await asyncio.to_thread(tool.preview, args, wider)
        decision = await self._ask(ApprovalAsked(call_id, preview, verdict.reason, f"this exact command {how}"))
        if decision.choice == "deny":
            await self._keep(ApprovalDecided(call_id, "deny", "user", reason=decision.reason or None))
            because = f": {decision.reason}" if decision.reason else ""
            return f"the sandbox made this fail: {walled.reason}. The user does not let it run {how}{because}"
        if decision.choice == "session":
            self._permits.let_out(wider.reach, walled.beyond)
        await self._keep(ApprovalDecided(call_id, "allow", "user", reason=how))
        return None
