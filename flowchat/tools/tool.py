"""What a tool is: a schema for the model, a preview for the person, one bounded outcome for both.

ToolError
├── BadArguments   the model's arguments do not fit the schema: said back to it in one sentence
├── Refused        the tool will not do that (unread file, changed since, protected path)
├── Unprotectable  something must not change, and a sandbox cannot keep it from that
└── NotDone        the operating system refused (missing, unreadable, no such program)
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from flowchat.errors import ToolError
from flowchat.transcript.entries import AnswerStatus, BlobRef, FileTouched, TodoItem, ToolSchema
from flowchat.transcript.events import Preview

INLINE_LIMIT_BYTES = 16 * 1024
"""Tool output in the conversation, UTF-8; what is longer goes whole into a blob the answer names."""
SUMMARY_LIMIT_CHARS = 200
"""The one line that says what a call came to."""


class BadArguments(ToolError):
    code = "bad_arguments"


class Refused(ToolError):
    code = "refused"


class Unprotectable(ToolError):
    code = "unprotectable"


class NotDone(ToolError):
    code = "not_done"


Keep: TypeAlias = Callable[[bytes, str], Awaitable[BlobRef]]
"""Stores bytes of a MIME type as a blob and gives its reference."""


Beyond: TypeAlias = Literal["network", "outside"]
"""What a call may have that a sandbox denies: the network, or everything."""
WIDER: dict[Beyond, str] = {"network": "with the network on", "outside": "outside the sandbox"}
"""How a call runs that has it, in words."""


class Walled(Struct, frozen=True):
    """A sandbox made a call fail: `beyond` is what would have let it, `reason` a sentence part."""

    beyond: Beyond
    reason: str


class Outcome(Struct, frozen=True):
    """What came of a call.

    `content` is the whole output, not yet cut; or, where `blob` is set, already cut by the tool, which has kept the whole
    (or as much of it as it keeps) there itself. `summary` is one line for the folded panel. `walled`: a sandbox is in the way.
    `todo`: the whole todo list from now on.
    """

    summary: str
    content: str
    status: AnswerStatus = "ok"
    diff: str | None = None
    files: tuple[FileTouched, ...] = ()
    blob: BlobRef | None = None
    walled: Walled | None = None
    todo: tuple[TodoItem, ...] | None = None


class Reach(Struct, frozen=True):
    """What a call would touch, for the policy: `kind`, and absolute resolved paths or the exact command.

    `below`: everything under the paths too (a search), not only what they name. `host`: the machine it would connect to.
    """

    kind: Literal["read", "write", "run"]
    paths: tuple[Path, ...] = ()
    command: str | None = None
    below: bool = False
    host: str | None = None


class Desk(Struct, frozen=True):
    """What a tool works with.

    `seen` maps a resolved path to the sha256 of the bytes the branch last saw there; `output` takes live text;
    `keep` stores bytes as a blob (file snapshots before a write); `blob` reads one by its sha256. `reach` is what was judged:
    a call whose path leads somewhere else by the time it runs is refused. None: not judged. `beyond` is what the call was allowed
    that its sandbox would deny. `hides` says which files a search gives nothing of.
    """

    workspace: Path
    seen: Mapping[str, str]
    output: Callable[[str], None]
    keep: Keep
    blob: Callable[[str], Awaitable[bytes | None]]
    reach: Reach | None = None
    beyond: Beyond | None = None
    hides: Callable[[Path], bool] = lambda path: False


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
        """Do it. Raises ToolError.

        Cancelled, it raises CancelledError with nothing half done, or, where what it does can no longer be taken back, returns
        the Outcome all the same: whoever cancels runs it in a task of its own and looks. Programs it started have been told to
        end; `process.settled()` says when the last of them has.
        """
        ...
