"""What a run needs, all passed in: the model, the tools, the rules, the limits and the ways to look around."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from flowchat.agent.clock import Clock
from flowchat.agent.projection import Projection
from flowchat.agent.reading import Known
from flowchat.agent.review import Reviewer
from flowchat.errors import ModelError
from flowchat.model.model import EmptyResponse, Model, WireError
from flowchat.tools.policy import Verdict
from flowchat.tools.registry import Registry
from flowchat.tools.rules import Rule
from flowchat.tools.tool import Beyond, Reach, Walled
from flowchat.transcript.entries import ContextAdded, Mode, Noticed, Record
from flowchat.transcript.events import AnyDelta, Lasting

Emit: TypeAlias = Callable[[AnyDelta], None]


class Limits(Struct, frozen=True):
    """Bounds of a run. `soft` and `hard`: up to 100 percent of the usable window (100: never), above that tokens.

    A server that asks for a wait over `longest_wait_seconds` ends the run; None: someone is there who can end the wait.
    """

    steps: int = 200
    soft: int = 70
    hard: int = 90
    attempts: int = 5
    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 60.0
    longest_wait_seconds: float | None = None
    compact_seconds: float = 90.0
    """What drawing up a compaction may take."""
    titles: bool = True
    """Whether a finished run may ask for a title."""

    def soft_at(self, usable: int) -> int | None:
        """Over how many tokens the conversation is folded after a run; None: never."""
        return _tokens_at(self.soft, usable)

    def hard_at(self, usable: int) -> int | None:
        """Over how many tokens it is folded before a request; None: never."""
        return _tokens_at(self.hard, usable)

    def delay_seconds(self, attempt: int, error: ModelError) -> float | None:
        """How long to wait after failed attempt number `attempt` (from 1), or None to give up."""
        if not isinstance(error, WireError) or error.permanent:
            return None
        if attempt >= (2 if isinstance(error, EmptyResponse) else self.attempts):
            return None
        asked = error.retry_after_seconds or 0.0
        if self.longest_wait_seconds is not None and asked > self.longest_wait_seconds:
            return None
        delay = min(self.first_delay_seconds * 2 ** (attempt - 1), self.longest_delay_seconds)
        return max(delay, asked)


def _tokens_at(limit: int, usable: int) -> int | None:
    if limit > 100:
        return min(limit, usable)
    return None if limit == 100 else usable * limit // 100


class Permits(Protocol):
    """Who may do what in this session."""

    @property
    def mode(self) -> Mode: ...

    def judge(self, tool: str, args: Mapping[str, object], reach: Reach) -> Verdict: ...

    def hides(self, path: Path) -> bool:
        """Whether searches leave a file out of what they give."""
        ...

    def frees(self, tool: str, reach: Reach) -> str:
        """What `grant` would allow, as the decision bar words it; empty where it would not help."""
        ...

    def grant(self, tool: str, reach: Reach) -> Rule:
        """Allow this and its like until the session is closed; gives the rule that says so."""
        ...

    def beyond(self, reach: Reach, walled: Walled) -> Verdict:
        """Whether a call that its sandbox made fail may run with less of it."""
        ...

    def let_out(self, reach: Reach, beyond: Beyond) -> None:
        """Let this very call, and no other, have that until the session is closed."""
        ...

    def lasting(self, tool: str, reach: Reach) -> Lasting | None:
        """What `keep` would write down, and where it could; None where no rule would allow this call."""
        ...

    async def keep(self, lasting: Lasting, scope: Literal["local", "user"]) -> str:
        """Write those rules down; gives them as they read. Raises UsageError, StorageFailed."""
        ...


News: TypeAlias = Callable[[Sequence[Record], bool], Awaitable[Sequence[ContextAdded | Noticed]]]
"""What the model should be told before a step: (branch, whether it is a run's first step) -> entries to append."""


class Agent(Struct, frozen=True):
    """One run's means. `compact_model` summarises; `news` reads instruction files, environment, mode and @files.

    `missed` tells of what requests named and did not get, again and again. `projection` and `known` are the session's: what
    one run has read of the branch the next need not read again.
    """

    model: Model
    compact_model: Model
    tools: Registry
    permits: Permits
    limits: Limits
    news: News
    workspace: Path
    clock: Clock
    effort: str | None = None
    projection: Projection = field(default_factory=Projection)
    known: Known = field(default_factory=Known)
    missed: Callable[[], Sequence[Noticed]] = tuple
    reviewer: Reviewer | None = None
    """Who answers in mode auto; None: what would be reviewed is denied."""
