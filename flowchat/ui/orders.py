"""Keys whose effect depends on the session's state: decided when the session is asked."""

from typing import TYPE_CHECKING

from flowchat.transcript.entries import Mode

if TYPE_CHECKING:
    from flowchat.runtime.session import Session

_MODES: tuple[Mode, ...] = ("default", "accept-edits", "plan", "auto")


async def go_on(session: "Session") -> None:
    """Enter alone: the next attempt is made now, or the head of the queue has its turn."""
    if not session.retry_now() and session.queue:
        await session.waiting.release()


async def retry(session: "Session") -> None:
    """Do not wait for the next attempt, or try again what failed. Raises Busy, NotFound."""
    if not session.retry_now():
        await session.retry()


async def next_mode(session: "Session", confined: bool) -> None:
    """The mode after the present one; any mode outside the cycle is followed by the first. auto is in it where a full sandbox
    holds commands: without one it asks all the same."""
    modes = _MODES if confined else _MODES[:-1]
    index = modes.index(session.mode) + 1 if session.mode in modes else 0
    await session.set_mode(modes[index % len(modes)])
