"""The draft of a step in flight: one JSON object a line, read only where its step never became entries."""

from collections.abc import Iterable
from itertools import groupby
from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from flowchat.transcript.parts import UNREADABLE, CallId, Seq


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
            except UNREADABLE:
                continue
    return lines


def shortened(lines: Iterable[AnyDraft]) -> list[AnyDraft]:
    """The same draft in fewer lines: neighbours of one kind joined, each call's output cut to its last OUTPUT_LIMIT_CHARS."""
    kept: list[AnyDraft] = []
    outputs: dict[CallId, list[str]] = {}
    said: list[DraftLine] = []
    for line in lines:
        if isinstance(line, DraftOutput):
            outputs.setdefault(line.call, []).append(line.output)
        else:
            said.append(line)
    for _, same in groupby(said, _kind):
        kept.append(_joined(list(same)))
    return [*kept, *(DraftOutput(call, "".join(pieces)[-OUTPUT_LIMIT_CHARS:]) for call, pieces in outputs.items())]


def _kind(line: DraftLine) -> tuple[object, ...]:
    index = None if line.fragment is None else line.fragment.index
    return line.run, line.step, line.attempt, line.text is None, line.thinking is None, index


def _joined(lines: list[DraftLine]) -> DraftLine:
    first = lines[0]
    if first.fragment is not None:
        fragments = [line.fragment for line in lines if line.fragment is not None]
        name = next((fragment.name for fragment in fragments if fragment.name), "")
        args = "".join(fragment.args for fragment in fragments)
        return replace(first, fragment=CallFragment(first.fragment.index, name, args))
    if first.text is not None:
        return replace(first, text="".join(line.text or "" for line in lines))
    return replace(first, thinking="".join(line.thinking or "" for line in lines))
