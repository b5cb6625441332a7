"""Who may do what in one session: its mode, the rules it was opened with, and what the user granted since."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flowchat.tools.policy import Rule, Verdict, grant_for, judge, unasked
from flowchat.tools.tool import Beyond, Reach, Walled
from flowchat.transcript.entries import Mode


class SessionPermits:
    """Grants live as long as the opening.

    `private`: folders not read without asking. `attended`: someone can be asked; without, what would be asked is denied.
    """

    def __init__(
        self,
        mode: Callable[[], Mode],
        rules: Sequence[Rule],
        workspace: Path,
        attended: bool,
        private: Sequence[Path] = (),
    ) -> None:
        self._mode, self._rules, self._workspace = mode, tuple(rules), workspace
        self._attended, self._private = attended, tuple(private)
        self._grants: tuple[Rule, ...] = ()
        self._let_out: set[tuple[str | None, Beyond]] = set()

    @property
    def mode(self) -> Mode:
        return self._mode()

    def judge(self, tool: str, args: Mapping[str, object], reach: Reach) -> Verdict:
        """What becomes of a call: all of it that counts is in its reach."""
        verdict = judge(reach, tool, self.mode, self._grants, self._rules, self._workspace, self._private)
        return verdict if self._attended else unasked(verdict, tool, reach, self._workspace, self._private)

    def frees(self, tool: str, reach: Reach) -> str:
        """What `grant` would allow, in words."""
        _, words = grant_for(reach, tool, self._workspace, self._private)
        return words

    def grant(self, tool: str, reach: Reach) -> Rule:
        """Allow this and its like until the session is closed."""
        rule, _ = grant_for(reach, tool, self._workspace, self._private)
        self._grants = (*self._grants, rule)
        return rule

    def beyond(self, reach: Reach, walled: Walled) -> Verdict:
        """Whether a call that its sandbox made fail may run with less of it: no rule says so, only the user."""
        if (reach.command, walled.beyond) in self._let_out:
            return Verdict("allow", "session")
        if self._attended:
            return Verdict("ask", "mode", reason=walled.reason)
        return Verdict("deny", "headless", reason=f"the sandbox made this fail: {walled.reason}; there is no one here to ask")

    def let_out(self, reach: Reach, beyond: Beyond) -> None:
        """Let this very command have that until the session is closed."""
        self._let_out.add((reach.command, beyond))
