"""`flowchat trash`: what was deleted, put back by name or gone for good once someone says so."""

import os
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from flowchat.errors import CommandRefused, UsageError
from flowchat.serve.listing import TITLE_CHARS, titled
from flowchat.serve.stream import json_line
from flowchat.store.sessions import Sessions
from flowchat.store.sizes import byte_size
from flowchat.store.trash import Trashed
from flowchat.transcript.clean import clean
from flowchat.transcript.times import minute

ANSWER_BYTES = 1024


def list_trash(store: Sessions, as_json: bool) -> Iterator[str]:
    """A line for each trashed session, trashed last first."""
    for trashed in store.trashed.contents():
        yield json_line(msgspec.to_builtins(trashed)) if as_json else _line(trashed)


def restore_session(store: Sessions, wanted: str, as_json: bool) -> Iterator[str]:
    """Put one back. Raises NotFound, StorageFailed."""
    restored = store.restore(wanted)
    if as_json:
        yield json_line({"sid": restored.sid, "was": restored.was})
        return
    known = f" as {restored.sid}, since there is another {restored.was} by now" if restored.sid != restored.was else ""
    yield f"{restored.was} is back{known}; `flowchat -r {restored.sid}` resumes it\n"


def empty_trash(store: Sessions, as_json: bool, sure: bool, stdin: int, stderr: int) -> Iterator[str]:
    """Delete all of it for good; asks on a terminal unless `sure`. Raises UsageError without one, CommandRefused for a no."""
    trashed = store.trashed.contents()
    frees = store.trashed.frees(trashed)
    what = f"{len(trashed):,} session{'' if len(trashed) == 1 else 's'}"
    if trashed and not sure:
        if not (os.isatty(stdin) and os.isatty(stderr)):
            raise UsageError(f"`trash empty` deletes {what} for good and stdin is not a terminal to ask on: add --yes")
        if not agreed(f"Delete {what} for good? This frees {byte_size(frees)}. [y/N] ", stdin, stderr):
            raise CommandRefused(f"nothing was deleted; {what} stay in the trash" if len(trashed) > 1 else "nothing was deleted")
    gone = store.trashed.empty(trashed)
    if as_json:
        yield json_line({"deleted": gone, "bytes": frees})
    elif not gone:
        yield "The trash is empty.\n"
    else:
        yield f"{gone:,} session{'' if gone == 1 else 's'} deleted, {byte_size(frees)} freed\n"


def agreed(question: str, stdin: int, stderr: int) -> bool:
    """Whether the person at the terminal says yes."""
    with suppress(OSError):
        os.write(stderr, question.encode())
        return os.read(stdin, ANSWER_BYTES).strip().lower() in (b"y", b"yes")
    return False


def _line(trashed: Trashed) -> str:
    title = titled(trashed.card) if trashed.card is not None else "(its log cannot be read)"
    cwd = clean(" ".join(trashed.card.cwd.split())) if trashed.card is not None else ""
    size = byte_size(trashed.size.total)
    return f"{clean(trashed.sid)}  deleted {minute(trashed.trashed_ms)}  {size:>9}  {title:<{TITLE_CHARS}}  {cwd}\n"
