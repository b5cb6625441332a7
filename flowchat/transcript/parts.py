"""What entries are made of: the names of places in a log, immutable values, and the parts of a message."""

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias, cast, final

import msgspec
from msgspec import Struct

Seq: TypeAlias = int
"""A line's number in its file, from 1; an entry's id. 0 is the root's parent."""
CallId: TypeAlias = str
"""`<seq of assistant_said>.<index of the call among its calls, from 0>`."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that are not what they should be."""


def snake_case(name: str) -> str:
    """A class's name as lines of the log have it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Value(Struct, frozen=True, omit_defaults=True, gc=False):
    """An immutable value inside an entry."""


class BlobRef(Value, frozen=True):
    """Bytes kept beside the log; `media` is a MIME type, `size` (width, height) of an image in pixels."""

    sha256: str
    bytes: int
    media: str
    size: tuple[int, int] | None = None


# --- parts -----------------------------------------------------------------------------------------------------------
class Part(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="kind"):
    """A piece of a message."""


@final
class Text(Part, frozen=True, tag="text"):
    text: str


class Blob(Part, frozen=True, tag="blob"):
    """A long text or an image; projection and measure use the reference only."""

    blob: BlobRef
    name: str = ""


class Thinking(Part, frozen=True, tag="thinking"):
    """The model's reasoning; `data` is what its provider wants back, unchanged, and only that provider gets it."""

    text: str
    provider: str = ""
    data: object = None


class Call(Part, frozen=True, tag="call"):
    """A tool call as the model wrote it: `id` is the provider's, `args` its raw JSON text."""

    id: str
    name: str
    args: str


class CallCut(Part, frozen=True, tag="call_cut"):
    """A call whose arguments never ended: shown, never sent, needs no answer."""

    name: str
    raw: str


UserPart: TypeAlias = Text | Blob
AssistantPart: TypeAlias = Text | Thinking | Call | CallCut


# --- values -----------------------------------------------------------------------------------------------------------
Deliver = Literal["queue", "steer"]


class ToolSchema(Value, frozen=True):
    """What the model is told of a tool; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, object]


class FileTouched(Value, frozen=True):
    """A file as a tool left it: `sha256` of its bytes (empty string: gone), `before` of those it replaced."""

    path: str
    sha256: str
    access: Literal["read", "write"]
    before: BlobRef | None = None


class TodoItem(Value, frozen=True):
    text: str
    status: Literal["pending", "in_progress", "done"]


class QueueItem(Value, frozen=True):
    client_id: str
    parts: tuple[UserPart, ...]
    deliver: Deliver = "queue"


class Usage(Value, frozen=True):
    """Tokens as the provider reported them; `input` includes `cached` and `cache_write`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )


class FileCopy(Value, frozen=True):
    path: str
    first_line: int
    text: str


class ItemRef(Value, frozen=True):
    node: Seq
    part: int | None = None


class ForkPoint(Value, frozen=True):
    session: str
    seq: Seq


# --- text -------------------------------------------------------------------------------------------------------------
def text_of(parts: "tuple[UserPart, ...] | tuple[AssistantPart, ...]") -> str:
    """The visible text of a message, its text parts joined."""
    return "".join([part.text for part in parts if type(part) is Text])


_SURROGATE = re.compile("[\ud800-\udfff]")


def sound(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate becomes U+FFFD. For every place where text enters."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def sound_value(value: object) -> object:
    """A JSON value with all its text sound."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, dict):
        known = cast("dict[object, object]", value)
        return {sound_value(key): sound_value(item) for key, item in known.items()}
    if isinstance(value, list | tuple):
        return [sound_value(item) for item in cast("Sequence[object]", value)]
    return value
