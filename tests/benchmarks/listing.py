"""What ten thousand sessions cost: to list them, and to narrow them with each key."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flowchat.store.cards import SessionCard, write_card
from flowchat.store.disk import Disk
from flowchat.store.sessions import Sessions
from flowchat.transcript.entries import Node, Record, SessionStarted, Text, UserSaid, type_name
from flowchat.transcript.transcript import encode_line
from flowchat.ui.found_sessions import FoundSessions
from tests.benchmarks.figures import Figure, spread

COUNT = 10_000
SOUGHT = "rounding in invoices 99"


def many_sessions(times: int) -> list[Figure]:
    """Listing is asked of a thread; narrowing happens on the loop, once a key."""
    with TemporaryDirectory() as folder:
        store = Sessions(Path(folder) / "data", Path(folder) / "state")
        _write_all(store)
        listed = [_seconds(lambda: FoundSessions(store.cards())) for _ in range(times)]
        found = FoundSessions(store.cards())
        sids = [card.sid for card in found.cards]
        held = [_seconds(lambda: store.held(sids)) for _ in range(times)]
    typed = [SOUGHT[:end] for end in range(1, len(SOUGHT) + 1)] * times
    keys = [_seconds(partial(found.narrowed, sought)) for sought in typed]
    made = f"of {len(found.cards):,} sessions"
    return [
        Figure("sessions: listed", median(listed) * 1000, 1000, "ms", f"{made}, {spread(listed)}"),
        Figure("sessions: which are open elsewhere", median(held) * 1000, 1000, "ms", f"{made}, {spread(held)}"),
        Figure("sessions: a key of the search", max(keys) * 1000, 30, "ms", f"{made}, the slowest; {spread(keys)}"),
    ]


def _write_all(store: Sessions) -> None:
    disk = Disk()
    for number in range(COUNT):
        sid = f"20260101-000000-{number:05d}"
        started = SessionStarted(sid, "/work", "1", "demo", "default", "", ())
        said = UserSaid(sid, (Text(f"Find out about rounding in invoices {number}"),))
        lines = b"".join(encode_line(_record(seq, entry)) for seq, entry in enumerate((started, said), 1))
        folder = store.path(sid)
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_bytes(lines)
        (folder / "lock").write_bytes(b'{"pid":4194305}\n')
        write_card(
            folder,
            SessionCard(sid, f"Invoices {number}", "/work", "demo", number, 2, 100, f"rounding in invoices {number}", len(lines)),
            disk,
        )


def _record(seq: int, entry: SessionStarted | UserSaid) -> Record:
    return Record(seq, 0, seq - 1 if isinstance(entry, Node) else None, type_name(entry), entry)


def _seconds(act: Callable[[], object]) -> float:
    since = time.perf_counter()
    act()
    return time.perf_counter() - since
