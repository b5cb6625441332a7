"""The entry table: every durable fact a session's log can hold, and the parts they are made of.

A line of the log is `{"v":1,"seq":n,"t":ms,"type":...,["parent":seq,]fields,"crc":N}`. An entry is its fields; `Record`
adds the place in the log. Nodes form the conversation's tree, facts stand beside it. Decoding is in two phases:
`Header` first, the entry only when somebody looks; an unknown type is kept as `Unknown`.
"""

import re
from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

VERSION = 1
"""The `v` this program writes; a log with a higher one opens read-only."""

Seq: TypeAlias = int
"""A line's number in its file, from 1; an entry's id. 0 is the root's parent."""
CallId: TypeAlias = str
"""`<seq of assistant_said>.<index of the call among its calls, from 0>`."""

Mode = Literal["default", "accept-edits", "plan", "auto", "bypass"]
Delivery = Literal["send", "queue", "steer", "edit"]
Deliver = Literal["queue", "steer"]
Outcome = Literal["completed", "interrupted", "failed", "limit", "crashed"]
Trigger = Literal["send", "queue", "steer", "edit", "retry", "promote"]
Finish = Literal["stop", "calls", "length", "filtered", "interrupted", "failed"]
AnswerStatus = Literal["ok", "error", "denied", "interrupted", "not_run", "unknown"]
Purpose = Literal["run", "title", "compact", "review", "worker"]
Level = Literal["info", "warning", "error"]
TitleOrigin = Literal["first_words", "generated", "user"]
ContextSource = Literal["instructions", "environment", "mode", "skill", "file", "job", "hook", "command"]


def snake_case(name: str) -> str:
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


# --- entries ---------------------------------------------------------------------------------------------------------
class Entry(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type", tag=snake_case):
    """A durable fact. `synced`: its append returns only after an fsync."""

    synced: ClassVar[bool] = False


class Node(Entry, frozen=True, tag=snake_case):
    """An entry in the conversation's tree; appending one moves the head to it."""


class Fact(Entry, frozen=True, tag=snake_case):
    """An entry about the session, outside the tree; it belongs to the head as replayed at its line."""


class ToolSchema(Value, frozen=True):
    """What the model is told of a tool; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, object]


class SessionStarted(Node, frozen=True):
    session: str
    cwd: str
    app_version: str
    model: str
    mode: Mode
    system: str
    """The system prompt as rendered: it is sent as it stands here, for ever."""
    tools: tuple[ToolSchema, ...]
    parent_session: str | None = None


class UserSaid(Node, frozen=True):
    synced: ClassVar[bool] = True
    client_id: str
    parts: tuple[UserPart, ...]
    delivery: Delivery = "send"
    edits: Seq | None = None


class ContextAdded(Node, frozen=True):
    """Something put in front of the model by us: `origin` is the path or rule it came from."""

    source: ContextSource
    origin: str
    parts: tuple[UserPart, ...]
    sha256: str | None = None


class PromptSet(Node, frozen=True):
    system: str
    tools: tuple[ToolSchema, ...]
    reason: Literal["upgrade", "agent", "mcp", "settings"]


class RunStarted(Node, frozen=True):
    """Opens a run; the run's id is this entry's seq."""

    trigger: Trigger
    model: str


class RunEnded(Node, frozen=True):
    """Closes a run: exactly one per RunStarted."""

    synced: ClassVar[bool] = True
    run: Seq
    outcome: Outcome
    steps: int = 0
    duration_ms: int = 0
    code: str | None = None
    message: str | None = None


class AssistantSaid(Node, frozen=True):
    """One step's answer, whole or as far as it came (`finish` interrupted or failed)."""

    synced: ClassVar[bool] = True
    run: Seq
    step: int
    attempt: int
    model: str
    parts: tuple[AssistantPart, ...]
    finish: Finish
    thinking_ms: int = 0

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that need an answer, in order; call number i of entry n has the id `n.i`."""
        return tuple(part for part in self.parts if isinstance(part, Call))


class ToolStarted(Node, frozen=True):
    synced: ClassVar[bool] = True
    call: CallId


class FileTouched(Value, frozen=True):
    """A file as a tool left it: `sha256` of its bytes (empty string: gone), `before` of those it replaced."""

    path: str
    sha256: str
    access: Literal["read", "write"]
    before: BlobRef | None = None


class ToolAnswered(Node, frozen=True):
    """One call's answer, exactly one per call on any branch."""

    synced: ClassVar[bool] = True
    call: CallId
    status: AnswerStatus
    summary: str
    """One line, at most 200 characters: what the pane shows folded and what the model keeps after pruning."""
    content: str = ""
    """What the model is sent, at most 16 KiB of UTF-8; `blob` holds the whole when it was longer."""
    blob: BlobRef | None = None
    diff: str | None = None
    files: tuple[FileTouched, ...] = ()
    duration_ms: int = 0


class Edited(Node, frozen=True):
    """An overlay: on this branch the user message `target` reads `parts`."""

    synced: ClassVar[bool] = True
    target: Seq
    parts: tuple[UserPart, ...]


class Noticed(Node, frozen=True):
    level: Level
    source: str
    text: str


class Unknown(Node, frozen=True):
    """A type this program does not know (a node if its line has a parent); its raw line stays in the log."""

    name: str


class Damaged(Node, frozen=True):
    """A line that could not be read: an empty node, so that references to it stay valid. Never written."""

    reason: str


class HeadMoved(Fact, frozen=True):
    to: Seq


class TitleSet(Fact, frozen=True):
    title: str
    origin: TitleOrigin


class ModelSet(Fact, frozen=True):
    model: str
    effort: str | None = None


class ModeSet(Fact, frozen=True):
    mode: Mode


class QueueItem(Value, frozen=True):
    client_id: str
    parts: tuple[UserPart, ...]
    deliver: Deliver = "queue"


class QueueSet(Fact, frozen=True):
    """The whole queue; an item whose client_id has a user_said is out of it whatever this says."""

    synced: ClassVar[bool] = True
    items: tuple[QueueItem, ...]
    held: bool = False


class ApprovalDecided(Fact, frozen=True):
    """History, never a rule: session grants live in one opening's memory."""

    call: CallId
    decision: Literal["allow", "deny"]
    by: Literal["user", "session", "rule", "mode", "headless", "interrupt"]
    rule: str | None = None
    reason: str | None = None


class Usage(Value, frozen=True):
    """Tokens as the provider reported them; `input` includes `cached` and `cache_write`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class AttemptUsed(Fact, frozen=True):
    """What one attempt cost; `usage` None where the provider reported nothing usable, `cost` (USD) None where unknown."""

    run: Seq
    step: int
    attempt: int
    purpose: Purpose
    model: str = ""
    usage: Usage | None = None
    cost: float | None = None
    window: int = 0
    error: str | None = None


class FileCopy(Value, frozen=True):
    path: str
    first_line: int
    text: str


class Compacted(Fact, frozen=True):
    """A checkpoint: `upto` is the last node folded; the kept tail is whatever follows it on the branch in question."""

    synced: ClassVar[bool] = True
    upto: Seq
    summary: str
    tokens_before: int
    tokens_after: int
    trigger: Literal["soft", "hard", "overflow", "user"]
    method: Literal["summary"]
    directives: tuple[str, ...] = ()
    verbatim: tuple[Seq, ...] = ()
    """User messages at or before `upto` that have no final answer yet."""
    files: tuple[FileCopy, ...] = ()
    references: tuple[str, ...] = ()


class CompactionUndone(Fact, frozen=True):
    checkpoint: Seq
    undone: bool = True


class ItemRef(Value, frozen=True):
    node: Seq
    part: int | None = None


class ItemsSet(Fact, frozen=True):
    items: tuple[ItemRef, ...]
    state: Literal["pruned", "pinned", "excluded", "restored"]
    with_checkpoint: Seq | None = msgspec.field(default=None, name="with")


class LabelSet(Fact, frozen=True):
    node: Seq
    label: str


class ForkPoint(Value, frozen=True):
    session: str
    seq: Seq


class Forked(Fact, frozen=True):
    session: str
    cwd: str
    app_version: str
    from_: ForkPoint = msgspec.field(name="from")


class Recovered(Fact, frozen=True):
    """An opening that had to put something right: runs it closed, the file torn bytes went to, lines it could not read."""

    runs: tuple[Seq, ...] = ()
    torn: str | None = None
    damaged: tuple[Seq, ...] = ()


NodeEntry: TypeAlias = (
    SessionStarted
    | UserSaid
    | ContextAdded
    | PromptSet
    | RunStarted
    | RunEnded
    | AssistantSaid
    | ToolStarted
    | ToolAnswered
    | Edited
    | Noticed
    | Unknown
    | Damaged
)
FactEntry: TypeAlias = (
    HeadMoved
    | TitleSet
    | ModelSet
    | ModeSet
    | QueueSet
    | ApprovalDecided
    | AttemptUsed
    | Compacted
    | CompactionUndone
    | ItemsSet
    | LabelSet
    | Forked
    | Recovered
)
AnyEntry: TypeAlias = NodeEntry | FactEntry


class Header(Struct, frozen=True, gc=False):
    """The first phase of decoding: a line's place in the log."""

    v: int
    seq: Seq
    t: int
    type: str
    parent: Seq | None = None


TYPES: dict[str, type[Entry]] = {str(kind.__struct_config__.tag): kind for kind in (*get_args(NodeEntry), *get_args(FactEntry))}
"""Entry classes by the `type` on their lines."""
_header = msgspec.json.Decoder(Header)
_entry: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)
_encoder = msgspec.json.Encoder()
_UNWRITTEN = (Unknown, Damaged)


def decode_header(line: bytes) -> Header:
    """The place of a line; raises msgspec.DecodeError or ValidationError."""
    return _header.decode(line)


def decode_entry(line: bytes, type_: str) -> AnyEntry:
    """The entry on a line whose header said `type_`; what cannot be understood comes back as Unknown or Damaged."""
    known = TYPES.get(type_)
    if known is None or known in _UNWRITTEN:
        return Unknown(type_)
    try:
        return _entry.decode(line)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        return Damaged(f"a {type_} line that does not follow its form: {error}")


def encode_fields(entry: Entry) -> bytes:
    """The JSON object of an entry, its `type` first."""
    return _encoder.encode(entry)


class Record:
    """An entry at its place: `seq`, `at_ms` (epoch), `parent` (None for a fact) and, decoded on first look, `entry`.

    `size` is the length in bytes of its line, known without decoding: the pane's first guess of a height.
    """

    __slots__ = ("_entry", "_read", "at_ms", "parent", "seq", "size", "type")

    def __init__(
        self,
        seq: Seq,
        at_ms: int,
        parent: Seq | None,
        type_: str,
        entry: AnyEntry | None = None,
        read: "Callable[[Record], AnyEntry] | None" = None,
        size: int = 0,
    ) -> None:
        self.seq, self.at_ms, self.parent, self.type, self.size = seq, at_ms, parent, type_, size
        self._entry, self._read = entry, read

    @property
    def entry(self) -> AnyEntry:
        if self._entry is None:
            assert self._read is not None
            self._entry = self._read(self)
        return self._entry

    @property
    def is_node(self) -> bool:
        return self.parent is not None

    def __repr__(self) -> str:
        return f"Record({self.seq}, parent={self.parent}, {self.type})"


def type_name(entry: Entry) -> str:
    """The `type` an entry is written under."""
    return str(type(entry).__struct_config__.tag)


def text_of(parts: "tuple[UserPart, ...] | tuple[AssistantPart, ...]") -> str:
    """The visible text of a message, its text parts joined."""
    return "".join(part.text for part in parts if isinstance(part, Text))


_SURROGATE = re.compile("[\ud800-\udfff]")


def sound(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate becomes U+FFFD. For every place where text enters."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
