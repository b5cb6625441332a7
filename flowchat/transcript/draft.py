"""The draft of a step in flight: one JSON object a line, read only where its step never became entries."""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import Struct

from flowchat.transcript.entries import CallId, Seq


class CallFragment(Struct, frozen=True, gc=False):
    """The next piece of call number `index`: `name` in the first one, `args` raw text."""

    index: int
    name: str
    args: str


class DraftLine(Struct, frozen=True, omit_defaults=True, gc=False):
    """What was streamed of one attempt: one of text, thinking, fragment."""

    run: Seq
    step: int
    attempt: int
    text: str | None = None
    thinking: str | None = None
    fragment: CallFragment | None = msgspec.field(default=None, name="call")


class DraftOutput(Struct, frozen=True, gc=False):
    """The next piece of a running call's output."""

    call: CallId
    output: str


AnyDraft: TypeAlias = DraftLine | DraftOutput
_encoder = msgspec.json.Encoder()
_line = msgspec.json.Decoder(DraftLine)
_output = msgspec.json.Decoder(DraftOutput)


def encode_draft(lines: Iterable[AnyDraft]) -> bytes:
    """Whole lines, each with its newline."""
    return b"".join(_encoder.encode(line) + b"\n" for line in lines)


def decode_draft(raw: bytes) -> list[AnyDraft]:
    """The lines that can be read; a torn or damaged one is left out."""
    lines: list[AnyDraft] = []
    for line in raw.split(b"\n"):
        for decoder in (_line, _output):
            try:
                lines.append(decoder.decode(line))
                break
            except (msgspec.DecodeError, msgspec.ValidationError):
                continue
    return lines
