"""The draft of a step in flight: one JSON object a line, read only where its step never became entries."""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

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


OUTPUT_LIMIT_CHARS = 64 * 1024
"""Of a call's output the draft keeps the end."""
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


def shortened(lines: Iterable[AnyDraft]) -> list[AnyDraft]:
    """The same draft in fewer lines: neighbours of one kind joined, each call's output cut to its last OUTPUT_LIMIT_CHARS."""
    kept: list[AnyDraft] = []
    outputs: dict[CallId, str] = {}
    for line in lines:
        if isinstance(line, DraftOutput):
            outputs[line.call] = (outputs.get(line.call, "") + line.output)[-OUTPUT_LIMIT_CHARS:]
        elif (joined := _joined(kept[-1], line) if kept else None) is not None:
            kept[-1] = joined
        else:
            kept.append(line)
    return [*kept, *(DraftOutput(call, output) for call, output in outputs.items())]


def _joined(one: AnyDraft, other: DraftLine) -> DraftLine | None:
    if not isinstance(one, DraftLine) or (one.run, one.step, one.attempt) != (other.run, other.step, other.attempt):
        return None
    if one.text is not None and other.text is not None:
        return replace(one, text=one.text + other.text)
    if one.thinking is not None and other.thinking is not None:
        return replace(one, thinking=one.thinking + other.thinking)
    if one.fragment is not None and other.fragment is not None and one.fragment.index == other.fragment.index:
        args = one.fragment.args + other.fragment.args
        return replace(one, fragment=CallFragment(one.fragment.index, one.fragment.name or other.fragment.name, args))
    return None
