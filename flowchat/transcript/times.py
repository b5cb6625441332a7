"""When something was, in the reader's zone; a log, a card or a folder's name may say a time that no calendar has."""

from datetime import datetime

UNKNOWN = "at unknown time "
"""As long as a time is."""


def local(at_ms: int) -> datetime | None:
    """Of milliseconds since the epoch; None for what no calendar has."""
    try:
        return datetime.fromtimestamp(at_ms / 1000)
    except (OverflowError, OSError, ValueError):
        return None


def midnight(now_ms: int) -> int:
    """When the reader's day began, in milliseconds since the epoch."""
    at = local(now_ms)
    return now_ms if at is None else round(at.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def minute(at_ms: int) -> str:
    """`2026-11-21 12:55`, or UNKNOWN."""
    at = local(at_ms)
    return UNKNOWN if at is None else at.strftime("%Y-%m-%d %H:%M")
