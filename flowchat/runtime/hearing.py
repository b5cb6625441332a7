"""Event delivery: deltas merged by one timer, flushed before any entry, everything numbered."""

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import structs

from flowchat.agent.clock import Clock, Timer
from flowchat.transcript.entries import Record
from flowchat.transcript.events import AnyDelta, CallDelta, Event, Heard, OutputDelta, TextDelta, ThinkingDelta

FLUSH_SECONDS = 1 / 16
"""Deltas are heard at most this often; the first after a rest at once."""
OUTPUT_LIMIT_CHARS = 64 * 1024
"""Of a call's output between two flushes watchers hear the end; the whole is in the answer."""

Hear: TypeAlias = Callable[[Heard], None]
_Stream: TypeAlias = TextDelta | ThinkingDelta | CallDelta | OutputDelta
_log = logging.getLogger(__name__)


class Hearing:
    """The events of one opening. `i` starts at 1 and is strictly +1."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watchers: list[Hear] = []
        self._pending: dict[tuple[Any, ...], tuple[_Stream, list[str]]] = {}
        self._timer: Timer | None = None
        self._flushed_at = float("-inf")
        self._i = 0

    def watch(self, hear: Hear) -> Callable[[], None]:
        """Hear everything from now on; gives the way to stop."""
        self._watchers.append(hear)

        def stop() -> None:
            if hear in self._watchers:
                self._watchers.remove(hear)

        return stop

    def emit(self, delta: AnyDelta) -> None:
        """Pieces of a stream are merged and heard with the next flush, other news at once and in order."""
        if not isinstance(delta, TextDelta | ThinkingDelta | CallDelta | OutputDelta):
            self.flush()
            self._tell(delta)
            return
        key = _key(delta)
        known = self._pending.get(key)
        if known is None:
            if not isinstance(delta, OutputDelta) and any(other[0] != "output" for other in self._pending):
                self.flush()
            known = self._pending[key] = (delta, list[str]())
        known[1].append(delta.args if isinstance(delta, CallDelta) else delta.text)
        if self._timer is None:
            rest = self._flushed_at + FLUSH_SECONDS - self._clock.seconds()
            self._timer = self._clock.call_later(max(0.0, rest), self.flush)

    def publish(self, record: Record) -> None:
        """An entry, now that it is on disk."""
        self.flush()
        self._tell(record)

    def flush(self) -> None:
        """Tell what has been held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        self._flushed_at = self._clock.seconds()
        for delta, pieces in pending.values():
            text = "".join(pieces)
            if isinstance(delta, CallDelta):
                self._tell(structs.replace(delta, args=text))
            else:
                self._tell(structs.replace(delta, text=_bounded(text) if isinstance(delta, OutputDelta) else text))

    def _tell(self, event: Event) -> None:
        self._i += 1
        heard = Heard(self._i, self._clock.now_ms(), event)
        for hear in tuple(self._watchers):
            try:
                hear(heard)
            except Exception:  # a watcher's bug is its own: the session goes on, the others hear
                _log.exception("a watcher failed on event %d", self._i)


def _key(delta: _Stream) -> tuple[Any, ...]:
    match delta:
        case OutputDelta():
            return ("output", delta.call)
        case CallDelta():
            return ("call", delta.run, delta.step, delta.attempt, delta.index)
        case TextDelta():
            return ("text", delta.run, delta.step, delta.attempt)
        case ThinkingDelta():
            return ("thinking", delta.run, delta.step, delta.attempt)


def _bounded(text: str) -> str:
    return text if len(text) <= OUTPUT_LIMIT_CHARS else text[-OUTPUT_LIMIT_CHARS:]
