"""Who may do what in one session: its mode, the rules of all scopes, and what the user granted since."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from flowchat.runtime.rulebook import RuleBook
from flowchat.store.aside import aside
from flowchat.tools.domains import Domains, domains_of
from flowchat.tools.policy import Law, Line, Verdict, grant_for, judge, rules_for, unasked
from flowchat.tools.rules import Origin, Rule, covers_path, names
from flowchat.tools.tool import Beyond, Reach, Walled
from flowchat.transcript.entries import Mode
from flowchat.transcript.events import Lasting

NOT_CONFINED = "auto mode asks, since no full sandbox holds commands here"


class SessionPermits:
    """Grants live as long as the opening. `attended`: someone can be asked; without, what would be asked is denied.

    `confined`: whether commands run in a sandbox that holds; `lent`: folders elsewhere that may be read, resolved.
    """

    def __init__(
        self,
        mode: Callable[[], Mode],
        book: RuleBook,
        attended: bool,
        confined: Callable[[], bool] = lambda: False,
        lent: Callable[[], tuple[Path, ...]] = tuple,
    ) -> None:
        self._mode, self.book, self._attended, self._confined, self._lent = mode, book, attended, confined, lent
        self._grants: tuple[Rule, ...] = ()
        self._let_out: set[tuple[str | None, Beyond]] = set()

    @property
    def mode(self) -> Mode:
        return self._mode()

    @property
    def grants(self) -> tuple[Rule, ...]:
        """What was allowed for this session, the earliest first."""
        return self._grants

    def law(self) -> Law:
        """What holds at this moment; the files of rules are looked at."""
        standing = self.book.standing()
        rules = (*standing.rules, *standing.led, *self._grants)
        trusted, confined = self.book.trusted, self._confined()
        ground = replace(self.book.ground, lent=self._lent())
        return Law(self.mode, ground, rules, standing.blind, trusted, confined, standing.tables)

    def judge(self, tool: str, args: Mapping[str, object], reach: Reach) -> Verdict:
        """What becomes of a call: all of it that counts is in its reach."""
        law = self.law()
        line = line_of(reach, law)
        verdict = judge(reach, tool, law, line)
        if verdict.reviewable and not law.confined:
            verdict = replace(verdict, reviewable=False, reason=f"{verdict.reason}; {NOT_CONFINED}")
        return verdict if self._attended or verdict.reviewable else unasked(verdict, tool, reach, law, line)

    def hides(self, path: Path) -> bool:
        """Whether a rule keeps a file out of what searches give."""
        standing = self.book.standing()
        rules = (rule for rule in (*standing.rules, *standing.led) if rule.effect == "deny" and rule.spec is not None)
        return any(names(rule, "read_file") and covers_path(rule, path, self.book.ground) for rule in rules)

    def domains(self) -> Domains:
        """The hosts that commands may reach from their sandbox at this moment."""
        standing = self.book.standing()
        return Domains() if standing.blind else domains_of((*standing.rules, *self._grants))

    def frees(self, tool: str, reach: Reach) -> str:
        """What `grant` would allow, in words; empty where a rule asks all the same."""
        law = self.law()
        rule, words = grant_for(reach, tool, law.ground)
        later = replace(law, rules=(*law.rules, rule))
        return words if judge(reach, tool, later, line_of(reach, law)).decision == "allow" else ""

    def grant(self, tool: str, reach: Reach) -> Rule:
        """Allow this and its like until the session is closed."""
        rule, _ = grant_for(reach, tool, self.book.ground)
        self._grants = (*self._grants, replace(rule, origin=Origin("session")))
        return rule

    def beyond(self, reach: Reach, walled: Walled) -> Verdict:
        """Whether a call that its sandbox made fail may run with less of it: no rule says so, only the user."""
        if (reach.command, walled.beyond) in self._let_out:
            return Verdict("allow", "session")
        if self.mode == "auto" and self._confined():
            return Verdict("ask", "mode", reason=walled.reason, reviewable=True)
        if self._attended:
            return Verdict("ask", "mode", reason=walled.reason)
        return Verdict("deny", "headless", reason=f"the sandbox made this fail: {walled.reason}; there is no one here to ask")

    def let_out(self, reach: Reach, beyond: Beyond) -> None:
        """Let this very command have that until the session is closed."""
        self._let_out.add((reach.command, beyond))

    def withdraw(self, rule: Rule) -> bool:
        """Take a grant back; False where there is none like it."""
        before = len(self._grants)
        self._grants = tuple(granted for granted in self._grants if granted != rule)
        return len(self._grants) < before

    def lasting(self, tool: str, reach: Reach) -> Lasting | None:
        """What `keep` would write down, and where it could; None where no rule would allow this call for good."""
        law = self.law()
        rules = rules_for(reach, tool, law, line_of(reach, law))
        places: list[tuple[Literal["local", "user"], str]] = []
        if self.book.trusted:
            places.append(("local", self.book.place("local")))
        if user := self.book.place("user"):
            places.append(("user", user))
        return Lasting(tuple(map(str, rules)), tuple(places)) if rules and places else None

    async def keep(self, lasting: Lasting, scope: Literal["local", "user"]) -> str:
        """Write those rules down; gives them as they are shown. Raises UsageError, StorageFailed."""
        for rule in lasting.rules:
            await aside(lambda rule=rule: self.book.add(rule, "allow", scope))
        return ", ".join(lasting.rules)


def line_of(reach: Reach, law: Law) -> Line | None:
    """A command as it is to be judged; None where it is none. What it costs is paid when the first is."""
    if reach.command is None:
        return None
    from flowchat.tools.command import judge_command
    from flowchat.tools.touching import touched

    judged = judge_command(reach.command, str(law.ground.workspace), law.tables)
    return Line(judged, touched(judged, law.ground.workspace, law.ground.folders))
