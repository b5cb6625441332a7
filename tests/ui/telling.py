"""Makes the events of a session by hand, for what shows them."""

from flowchat.transcript.entries import (
    AnyEntry,
    AssistantSaid,
    Call,
    CallCut,
    Entry,
    Record,
    Text,
    Thinking,
    UserSaid,
    type_name,
)
from flowchat.transcript.events import Event

FACTS = ("title_set", "attempt_used", "compacted", "compaction_undone")


def numbered(*items: AnyEntry | Event) -> list[Event]:
    """Entries as records in file order, their seqs from 1; deltas between them stay."""
    events: list[Event] = []
    seq = 0
    for item in items:
        if isinstance(item, Entry):
            seq += 1
            kind = type_name(item)
            parent = None if kind in FACTS else seq - 1
            events.append(Record(seq, 1000 * seq, parent, kind, item))
        else:
            events.append(item)
    return events


def said(text: str, delivery: str = "send") -> UserSaid:
    return UserSaid(f"id of {text}", (Text(text),), delivery)


def answer(
    *parts: str | Thinking | Call | CallCut, run: int = 2, step: int = 1, finish: str = "stop", ms: int = 0
) -> AssistantSaid:
    made = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    return AssistantSaid(run, step, 1, "m", made, finish, ms)
