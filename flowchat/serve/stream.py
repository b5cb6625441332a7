"""What leaves the program as JSON: events in their envelope, the result of a headless run, and the escaping of both."""

import json
import re
from typing import Literal

import msgspec
from msgspec import Struct

from flowchat.transcript.entries import Outcome, Record
from flowchat.transcript.events import Event

OutputFormat = Literal["text", "json", "stream-json"]


class Spent(Struct, frozen=True):
    """Tokens of all requests of this invocation; `input` includes `cached` and `cache_write`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class Result(Struct, frozen=True, tag_field="type", tag="result"):
    """The end of a headless run. `result` is the answer, or the sentence that says what went wrong where there is none."""

    session_id: str
    result: str
    is_error: bool
    outcome: Outcome
    num_steps: int
    duration_ms: int
    usage: Spent
    total_cost_usd: float | None


class Envelope(Struct, frozen=True):
    """Around each line of a stream: `i` is strictly +1 within an `opening` of the `session`, `t` epoch milliseconds."""

    i: int
    opening: str
    session: str
    t: int
    type: str


def event_line(i: int, opening: str, session: str, at_ms: int, event: Event | Result) -> str:
    """One line: the envelope, then the event's own fields; an entry's also has `seq`, and a node's `parent`."""
    body: Struct = event.entry if isinstance(event, Record) else event
    fields = msgspec.to_builtins(body)
    line = {"i": i, "opening": opening, "session": session, "t": at_ms, "type": fields["type"]}
    if isinstance(event, Record):
        line |= _place(event)
    return json_line(line | fields)


def record_line(record: Record) -> str:
    """A line of a session as it is kept: place, time and fields of one record."""
    return json_line(record_fields(record))


def record_fields(record: Record) -> dict[str, object]:
    return {**_place(record), "t": record.at_ms, **msgspec.to_builtins(record.entry)}


def _place(record: Record) -> dict[str, object]:
    return {"seq": record.seq} if record.parent is None else {"seq": record.seq, "parent": record.parent}


def json_line(fields: dict[str, object]) -> str:
    """The object as one line, safe on any terminal: characters that are not plain are escaped; JSON readers see no difference."""
    return _NOT_PLAIN.sub(_escaped, json.dumps(fields, ensure_ascii=False, separators=(",", ":"))) + "\n"


_NOT_PLAIN = re.compile(
    r"[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
"""DEL, C1, format characters (bidi, zero width, tags), line separators, lone surrogates."""


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
