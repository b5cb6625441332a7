"""A clock that stands still while this thread could go on and others have the processors: what is measured is ours alone."""

import time
from pathlib import Path

_SCHEDULED = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, and waiting for one (Linux, Documentation/scheduler/sched-stats.rst)."""


def now() -> float:
    """In seconds."""
    waited_ns = int(_SCHEDULED.read_text().split()[1]) if _SCHEDULED.exists() else 0
    return time.monotonic() - waited_ns / 1e9
