"""The draft of the step in flight: what is streamed reaches the disk at most every 250 ms, so that kill -9 loses no more."""

from typing import assert_never

from flowchat.agent.clock import Clock, Timer
from flowchat.transcript.draft import AnyDraft, CallFragment, DraftLine, DraftOutput, encode_draft
from flowchat.transcript.entries import AssistantSaid, CallId, Record, ToolAnswered
from flowchat.transcript.events import (
    AnyDelta,
    ApprovalAsked,
    AttemptWithdrawn,
    CallDelta,
    CompactionDelta,
    ContextUsed,
    JobsChanged,
    OutputDelta,
    QueueChanged,
    RetryScheduled,
    StateDelta,
    TextDelta,
    ThinkingDelta,
    Toast,
)
from flowchat.transcript.transcript import Transcript

DRAFT_SECONDS = 0.25
OUTPUT_LIMIT_CHARS = 64 * 1024
"""Of each call's output between two writes the draft keeps the end."""


class Drafting:
    """What has been streamed since the last write, and the timer of the next."""

    def __init__(self, transcript: Transcript, clock: Clock) -> None:
        self._transcript, self._clock = transcript, clock
        self._streamed: list[tuple[TextDelta | ThinkingDelta | CallDelta, list[str]]] = []
        self._outputs: dict[CallId, list[str]] = {}
        self._timer: Timer | None = None

    def take(self, delta: AnyDelta) -> None:
        """Remember what is streamed, until it is written or settled."""
        match delta:
            case TextDelta() | ThinkingDelta():
                self._stream(delta, delta.text)
            case CallDelta():
                self._stream(delta, delta.args)
            case OutputDelta():
                self._outputs.setdefault(delta.call, []).append(delta.text)
            case AttemptWithdrawn():  # what is on disk of it the loop itself clears
                self._streamed.clear()
                return
            case StateDelta() | RetryScheduled() | ApprovalAsked() | CompactionDelta() | ContextUsed():
                return
            case QueueChanged() | JobsChanged() | Toast():
                return
            case _:
                assert_never(delta)
        if self._timer is None:
            self._timer = self._clock.call_later(DRAFT_SECONDS, self.flush)

    def settle(self, record: Record) -> None:
        """What is in an entry needs no draft."""
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid):
            self._streamed.clear()
        elif record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
            self._outputs.pop(record.entry.call, None)

    def flush(self) -> None:
        """Write what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines: list[AnyDraft] = [_line(delta, "".join(pieces)) for delta, pieces in self._streamed]
        for call, pieces in self._outputs.items():
            lines.append(DraftOutput(call, "".join(pieces)[-OUTPUT_LIMIT_CHARS:]))
        self._streamed.clear()
        self._outputs.clear()
        if lines:
            self._transcript.draft(encode_draft(lines))

    def _stream(self, delta: TextDelta | ThinkingDelta | CallDelta, piece: str) -> None:
        last = self._streamed[-1][0] if self._streamed else None
        if last is not None and _same(last, delta):
            self._streamed[-1][1].append(piece)
        else:
            self._streamed.append((delta, [piece]))


def _same(one: TextDelta | ThinkingDelta | CallDelta, other: TextDelta | ThinkingDelta | CallDelta) -> bool:
    if type(one) is not type(other) or (one.run, one.step, one.attempt) != (other.run, other.step, other.attempt):
        return False
    return not (isinstance(one, CallDelta) and isinstance(other, CallDelta)) or one.index == other.index


def _line(delta: TextDelta | ThinkingDelta | CallDelta, words: str) -> DraftLine:
    place = (delta.run, delta.step, delta.attempt)
    match delta:
        case TextDelta():
            return DraftLine(*place, text=words)
        case ThinkingDelta():
            return DraftLine(*place, thinking=words)
        case CallDelta():
            return DraftLine(*place, fragment=CallFragment(delta.index, delta.name, words))
