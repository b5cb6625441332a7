"""What a tool is: a schema for the model, a preview for the person, one bounded outcome for both.

ToolError
├── BadArguments   the model's arguments do not fit the schema: said back to it in one sentence
├── Refused        the tool will not do that (unread file, changed since, protected path)
└── NotDone        the machine would not (missing, unreadable, no such program)
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from flowchat.errors import ToolError
from flowchat.transcript.entries import AnswerStatus, BlobRef, FileTouched, ToolSchema
from flowchat.transcript.events import Preview

INLINE_LIMIT_BYTES = 16 * 1024
"""Tool output in the conversation, UTF-8; what is longer goes whole into a blob the answer names."""
SUMMARY_LIMIT_CHARS = 200


class BadArguments(ToolError):
    code = "bad_arguments"


class Refused(ToolError):
    code = "refused"


class NotDone(ToolError):
    code = "not_done"


class Outcome(Struct, frozen=True):
    """What came of a call. `content` is the whole output, not yet cut; `summary` one line for the folded panel."""

    summary: str
    content: str
    status: AnswerStatus = "ok"
    diff: str | None = None
    files: tuple[FileTouched, ...] = ()


class Reach(Struct, frozen=True):
    """What a call would touch, for the policy: `kind`, and absolute resolved paths or the exact command."""

    kind: Literal["read", "write", "run"]
    paths: tuple[Path, ...] = ()
    command: str | None = None


class Desk(Struct, frozen=True):
    """What a tool works with.

    `seen` maps a resolved path to the sha256 of the bytes the branch last saw there; `output` takes live text;
    `keep` stores bytes as a blob and gives its reference (file snapshots before a write).
    """

    workspace: Path
    seen: Mapping[str, str]
    output: Callable[[str], None]
    keep: Callable[[bytes, str], Awaitable[BlobRef]]


class Tool(Protocol):
    """One tool. `read_only` calls of a step run together."""

    @property
    def schema(self) -> ToolSchema: ...

    @property
    def read_only(self) -> bool: ...

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        """What the call would touch; raises BadArguments."""
        ...

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        """All that is about to happen, for the decision bar. Raises ToolError; changes nothing."""
        ...

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        """Do it. Raises ToolError; on CancelledError everything it started has ended before it returns."""
        ...
