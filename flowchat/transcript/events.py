"""What watchers hear: entries once they are on disk, and deltas, which only make a block appear sooner."""

from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from flowchat.transcript.entries import CallId, QueueItem, Record, Seq, snake_case

State = Literal["idle", "running", "interrupting", "compacting", "closed"]
Phase = Literal["preparing", "compacting", "requesting", "streaming", "tools", "reviewing", "awaiting_approval", "retry_wait"]
Measurement = Literal["measured", "interpolated", "extrapolated", "no_data"]


class Delta(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type", tag=snake_case):
    """Passing news: never stored; whatever it says is later in an entry, or was only a toast."""


class StateDelta(Delta, frozen=True, tag="state"):
    """What the session is doing; `unsaved` while the log cannot be written.

    `compaction_off`: it failed so often that none begins by itself until a /compact succeeds.
    """

    state: State
    phase: Phase | None = None
    run: Seq | None = None
    step: int = 0
    unsaved: bool = False
    compaction_off: bool = False


class TextDelta(Delta, frozen=True, tag="text"):
    run: Seq
    step: int
    attempt: int
    text: str


class ThinkingDelta(Delta, frozen=True, tag="thinking"):
    run: Seq
    step: int
    attempt: int
    text: str


class CallDelta(Delta, frozen=True, tag="call"):
    """A call being written: `name` comes with the first fragment, `args` is the next piece of raw JSON text."""

    run: Seq
    step: int
    attempt: int
    index: int
    name: str
    args: str


class OutputDelta(Delta, frozen=True, tag="output"):
    """The next piece of a running call's output."""

    call: CallId
    text: str


class AttemptWithdrawn(Delta, frozen=True):
    """Everything heard of this attempt did not happen: watchers drop its blocks."""

    run: Seq
    step: int
    attempt: int
    reason: str


class RetryScheduled(Delta, frozen=True):
    run: Seq
    step: int
    attempt: int
    delay_ms: int
    reason: str


class Preview(Struct, frozen=True, gc=False):
    """All that is about to happen: `title` asks, `lines` are (label, value) rows, `body` is a command or a unified diff."""

    title: str
    lines: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_kind: Literal["text", "diff"] = "text"


class Lasting(Struct, frozen=True, gc=False):
    """The rules that would allow a call and its like from now on, and where they can be kept: (scope, file) each."""

    rules: tuple[str, ...]
    places: tuple[tuple[Literal["local", "user"], str], ...]


class ApprovalAsked(Delta, frozen=True):
    call: CallId
    preview: Preview
    reason: str
    grant: str
    """What allowing it for the session would free, as it reads on the decision bar; empty: it would free nothing."""
    lasting: Lasting | None = None
    """What allowing it always would write down; None: no rule would do."""


class CompactionDelta(Delta, frozen=True, tag="compaction"):
    """`drafted`: there is a proposal, which is not written yet."""

    phase: Literal["started", "drafted", "done", "failed", "cancelled"]
    trigger: Literal["soft", "hard", "overflow", "user"]
    reason: str = ""


class ContextUsed(Delta, frozen=True):
    """What the next request would weigh. `tokens` and `usable` in tokens, `window_source` as the meter words it."""

    tokens: int
    usable: int
    window: int
    window_source: Literal["config", "server", "table", "assumed", "refused"]
    source: Measurement
    cost: float | None = None
    """USD spent in this session so far; None as long as nothing priced was used."""
    cut_to: int | None = None
    """The server cut the last request down to so many tokens; None: it read all of it, as far as can be told."""
    resting: bool = False
    """A compaction was undone: none follows a run by itself until one is made."""


class QueueChanged(Delta, frozen=True):
    """The queue as it now stands, with items already said taken out."""

    items: tuple[QueueItem, ...]
    held: bool


class JobsChanged(Delta, frozen=True, tag="jobs"):
    """A job of the session was started or has ended; so many run now. `told`: a sentence that has no notice yet."""

    running: int
    told: str = ""


class Toast(Delta, frozen=True):
    level: Literal["info", "warning", "error"]
    text: str


AnyDelta: TypeAlias = (
    StateDelta
    | TextDelta
    | ThinkingDelta
    | CallDelta
    | OutputDelta
    | AttemptWithdrawn
    | RetryScheduled
    | ApprovalAsked
    | CompactionDelta
    | ContextUsed
    | QueueChanged
    | JobsChanged
    | Toast
)
Event: TypeAlias = Record | AnyDelta
DELTAS: dict[str, type[Delta]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyDelta)}


class Heard(Struct, frozen=True, gc=False):
    """One event as published: `i` is strictly +1 within an opening, `at_ms` its time (epoch)."""

    i: int
    at_ms: int
    event: Event
