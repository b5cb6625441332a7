"""When something was, as a person reads it."""

from datetime import datetime

UNKNOWN = "at unknown time "
"""As long as a time is."""


def minute(at_ms: int) -> str:
    """`2026-11-21 12:55` here, of milliseconds since the epoch; UNKNOWN for what no calendar has."""
    try:
        return datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):  # a log, a card or a folder's name may say anything
        return UNKNOWN
