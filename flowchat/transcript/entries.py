"""The entry table: every durable fact a session's log can hold, and their fields.

A line of the log is `{"v":1,"seq":n,"t":ms,"type":...,["parent":seq,]fields,"crc":N}`. An entry is its fields; `Record`
adds the place in the log. Nodes form the conversation's tree, facts stand beside it. Decoding is in two phases:
`Header` first, the entry only when it is asked for; an unknown type is kept as `Unknown`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

# pyright: reportUnusedImport=false
from flowchat.transcript.parts import (  # noqa: F401  # the vocabulary is one page to whoever uses it
    UNREADABLE,
    AssistantPart,
    Blob,
    BlobRef,
    Call,
    CallCut,
    CallId,
    Deliver,
    FileCopy,
    FileTouched,
    ForkPoint,
    ItemRef,
    Part,
    QueueItem,
    Seq,
    Text,
    Thinking,
    TodoItem,
    ToolSchema,
    Usage,
    UserPart,
    Value,
    snake_case,
    sound,
    sound_value,
    text_of,
)
from flowchat.transcript.record import Record  # noqa: F401

VERSION = 1
"""The `v` this program writes; a log with a higher one opens read-only."""

Mode = Literal["default", "accept-edits", "plan", "auto", "bypass"]
Delivery = Literal["send", "queue", "steer", "edit"]
Outcome = Literal["completed", "interrupted", "failed", "limit", "crashed"]
Trigger = Literal["send", "queue", "steer", "edit", "retry", "promote"]
Finish = Literal["stop", "calls", "length", "filtered", "interrupted", "failed"]
AnswerStatus = Literal["ok", "error", "denied", "interrupted", "not_run", "unknown"]
Purpose = Literal["run", "title", "compact", "review", "worker"]
Level = Literal["info", "warning", "error"]
Counted = Literal["all", "part", "cut"]
TitleOrigin = Literal["first_words", "generated", "user"]
ContextSource = Literal["instructions", "environment", "mode", "skill", "file", "job", "hook", "command"]
SKILL_LIST = "skills"
"""The origin of the list of skills; that of a skill is its path."""


# --- entries ---------------------------------------------------------------------------------------------------------
class Entry(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type", tag=snake_case):
    """A durable fact. `synced`: its append returns only after an fsync."""

    synced: ClassVar[bool] = False


class Node(Entry, frozen=True, tag=snake_case):
    """An entry in the conversation's tree; appending one moves the head to it."""


class Fact(Entry, frozen=True, tag=snake_case):
    """An entry about the session, outside the tree; it belongs to the head as replayed at its line."""


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
    """Something we show to the model: `origin` is the path or rule it came from."""

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
        return tuple([part for part in self.parts if isinstance(part, Call)])


class ToolStarted(Node, frozen=True):
    synced: ClassVar[bool] = True
    call: CallId


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
    todo: tuple[TodoItem, ...] | None = None
    """The whole todo list from here on, where the call gave one."""


class Edited(Node, frozen=True):
    """An overlay: on this branch the user message `target` reads `parts`."""

    synced: ClassVar[bool] = True
    target: Seq
    parts: tuple[UserPart, ...]


COMMAND_END = "\n---\n"
"""In a notice of source `command` between the command the user ran and what it printed."""


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


class QueueSet(Fact, frozen=True):
    """The whole queue; an item whose client_id has a user_said is out of it whatever this says."""

    synced: ClassVar[bool] = True
    items: tuple[QueueItem, ...]
    held: bool = False


class ApprovalDecided(Fact, frozen=True):
    """History, never a rule: session grants live in one opening's memory."""

    call: CallId
    decision: Literal["allow", "deny"]
    by: Literal["user", "session", "rule", "mode", "review", "headless", "interrupt"]
    rule: str | None = None
    reason: str | None = None


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
    sent_bytes: int = 0
    """The canonical bytes of a run's request; 0: not known."""
    counted: Counted = "all"
    """What `usage.input` is of that: all, a part (what no cache held), or what was left when the server had cut it."""
    room: int = 0
    """Of one that was refused as too long for a window of `window` tokens: the tokens there is room for at most; 0: not known."""


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
    pinned: tuple[str, ...] = ()
    """Lines of a summary that the user wants in every later one, word for word."""


class CompactionUndone(Fact, frozen=True):
    checkpoint: Seq
    undone: bool = True


class ItemsSet(Fact, frozen=True):
    items: tuple[ItemRef, ...]
    state: Literal["pruned", "pinned", "excluded", "restored"]
    with_checkpoint: Seq | None = msgspec.field(default=None, name="with")
    undoes: Seq | None = None
    """The line it takes back."""


class LabelSet(Fact, frozen=True):
    node: Seq
    label: str


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
    todo: object = None
    """What stands where an answer has its todo list; None: it has none."""


TYPES: dict[str, type[Entry]] = {str(kind.__struct_config__.tag): kind for kind in (*get_args(NodeEntry), *get_args(FactEntry))}
"""Entry classes by the `type` on their lines."""
_header = msgspec.json.Decoder(Header)
_entry: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)
_encoder = msgspec.json.Encoder()
_UNWRITTEN = (Unknown, Damaged)


def decode_header(line: bytes) -> Header:
    """The place of a line; raises one of UNREADABLE."""
    return _header.decode(line)


def decode_entry(line: bytes, type_: str) -> AnyEntry:
    """The entry on a line whose header said `type_`; what cannot be understood comes back as Unknown or Damaged."""
    known = TYPES.get(type_)
    if known is None or known in _UNWRITTEN:
        return Unknown(type_)
    try:
        return _entry.decode(line)
    except UNREADABLE as error:
        return Damaged(f"a {type_} line that does not follow its form: {error}")


def encode_fields(entry: Entry) -> bytes:
    """The JSON object of an entry, its `type` first."""
    return _encoder.encode(entry)


def type_name(entry: Entry) -> str:
    """The `type` an entry is written under."""
    return str(type(entry).__struct_config__.tag)


def sound_entry(entry: AnyEntry) -> AnyEntry:
    """The entry with all its text sound."""
    return msgspec.convert(sound_value(msgspec.to_builtins(entry)), AnyEntry)


def moved_up(entry: AnyEntry, moved: Mapping[Seq, Seq]) -> AnyEntry:
    """The entry where lines written together with it stand elsewhere now: only items_set names one of those."""
    line = moved.get(entry.with_checkpoint or 0) if isinstance(entry, ItemsSet) else None
    return msgspec.structs.replace(entry, with_checkpoint=line) if line is not None else entry
