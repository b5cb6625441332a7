"""The files that travel with a checkpoint: which may be read, which were asked for, and what stands in them when it is made."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

from flowchat.agent.agent import Agent
from flowchat.agent.tokens import text_tokens
from flowchat.errors import ToolError
from flowchat.tools.paths import refuse_unseen_characters, shown
from flowchat.tools.tool import BadArguments, Desk, NotDone, Outcome, Refused
from flowchat.transcript.entries import BlobRef, FileCopy, Record, ToolAnswered

FILE_TOKENS = 8_000
FILE_PERCENT = 15
"""Of usable: what the copies may take beside summary and tail."""
OFFERED_FILES = 5
RECENT_NODES = 2_000
RECENT_FILES = 20
"""Among so many touched last those that are offered are looked for."""
REFERENCES_LIMIT = 20
_log = logging.getLogger(__name__)
_LINE = re.compile(r"(\d+)\t")
_ALL_LINES = 1_000_000_000
_CUT_TOKENS = 32
"""What is kept for the word on a cut."""


class Passage(NamedTuple):
    """Lines of a file: `limit` of them from number `offset` on, all where it is None."""

    path: str
    offset: int = 1
    limit: int | None = None


class Reading:
    """Reads as the session's own read_file does: what that may not read is refused here, too."""

    def __init__(self, agent: Agent, blob: Callable[[str], Awaitable[bytes | None]]) -> None:
        self._agent, self._blob = agent, blob

    def judged(self, path: str) -> Desk:
        """What a read of it works with. Raises ToolError where it is not allowed."""
        tool, args = self._agent.tools.find("read_file"), {"path": path}
        if tool is None:
            raise Refused("this session has no read_file")
        reach = tool.reach(args, self._agent.workspace)
        verdict = self._agent.permits.judge("read_file", args, reach)
        if verdict.decision != "allow" or any(map(self._agent.permits.hides, reach.paths)):
            raise Refused(f"{path} may not be read here: {verdict.reason or 'a rule hides it'}")
        return Desk(self._agent.workspace, {}, _unheard, _kept_nowhere, self._blob, reach, hides=self._agent.permits.hides)

    def name(self, path: str) -> str:
        """How a file is called in a checkpoint, on one line. Raises ToolError as `judged`, and for what is no file."""
        paths = self.judged(path).reach
        if paths is None or not paths.paths:
            raise BadArguments(f"{path} is not the path of a file")
        refuse_unseen_characters(paths.paths[0])
        return shown(paths.paths[0], self._agent.workspace)

    async def is_there(self, path: str) -> bool:
        """Whether a file has this name now. Raises ToolError as `judged`."""
        paths = self.judged(path).reach
        return paths is not None and await asyncio.to_thread(lambda: all(map(Path.is_file, paths.paths)))

    async def window(self, args: Mapping[str, object]) -> Outcome:
        """One answer of read_file. Raises ToolError."""
        desk = self.judged(str(args.get("path", "")))
        tool = self._agent.tools.find("read_file")
        assert tool is not None
        try:
            return await tool.run(args, desk)
        except ToolError:
            raise
        except Exception as error:  # a bug in a tool ends the call, not the compaction
            _log.exception("read_file for a summary")
            raise NotDone(f"read_file failed: {type(error).__name__}: {error}") from error

    async def text(self, wanted: Passage, tokens: int) -> str:
        """The lines as they stand in the file, without their numbers. Raises ToolError, also where they are over `tokens`."""
        lines: list[str] = []
        weight, at, left = 0, wanted.offset, wanted.limit or _ALL_LINES
        while left > 0:
            outcome = await self.window({"path": wanted.path, "offset": at, "limit": left})
            found = _lines(outcome.content)
            lines += found
            weight = text_tokens("\n".join(lines))
            if weight > tokens:
                raise TooLong(weight, lines)
            at, left = at + len(found), left - len(found)
            if not found or not outcome.content.endswith(f"continue with offset {at}]"):
                break
        return "\n".join(lines)


class TooLong(NotDone):
    """More than there is room for. `lines`: those that were read until that was seen, `tokens` of them."""

    def __init__(self, tokens: int, lines: Sequence[str]) -> None:
        super().__init__(f"over {tokens:,} tokens")
        self.tokens, self.lines = tokens, lines


class KeptFiles:
    """What was marked for a checkpoint so far, within its budget of tokens."""

    def __init__(self, reading: Reading, budget: int) -> None:
        self._reading, self._budget = reading, budget
        self._marked: dict[Passage, int] = {}
        self._references: dict[str, None] = {}

    @property
    def marked(self) -> bool:
        return bool(self._marked or self._references)

    @property
    def references(self) -> tuple[str, ...]:
        return tuple(self._references)

    async def mark(self, path: str, offset: int, limit: int | None) -> str:
        """Have these lines copied; gives what there is to say. Raises ToolError with nothing recorded."""
        if offset < 1 or limit == 0:
            raise BadArguments("offset and limit count from 1")
        wanted = Passage(self._reading.name(path), offset, limit)
        others = sum(tokens for passage, tokens in self._marked.items() if passage != wanted)
        left = self._budget - others
        try:
            tokens = text_tokens(await self._reading.text(wanted, left))
        except TooLong as error:
            raise Refused(
                f"not recorded: this takes {error.tokens:,} tokens or more, and {left:,} of {self._budget:,} are left;"
                " mark fewer lines (offset, limit), or add_reference"
            ) from None
        self._marked[wanted] = tokens
        left -= tokens
        hint = "; only what is really needed should take the rest" if left * 2 < self._budget else ""
        return f"recorded: {tokens:,} tokens, {left:,} of {self._budget:,} left{hint}"

    async def refer(self, path: str) -> str:
        """Name a file that is worth reading again; gives what there is to say. Raises ToolError."""
        name = self._reading.name(path)
        if not await self._reading.is_there(path):
            raise NotDone(f"there is no file {path}")
        if name not in self._references and len(self._references) >= REFERENCES_LIMIT:
            raise Refused(f"not recorded: there are {REFERENCES_LIMIT} references already")
        self._references[name] = None
        return f"recorded: {name}"

    async def copies(self) -> tuple[FileCopy, ...]:
        """What was marked, as it stands now: a line in its place for what cannot be read any more, cut where it has grown."""
        copies: list[FileCopy] = []
        left = self._budget
        for wanted in self._marked:
            text = await self._copy(wanted, left)
            left = max(0, left - text_tokens(text))
            copies.append(FileCopy(wanted.path, wanted.offset, text))
        return tuple(copies)

    async def _copy(self, wanted: Passage, left: int) -> str:
        try:
            return await self._reading.text(wanted, left)
        except TooLong as error:
            return _beginning(error.lines, wanted.offset, left)
        except ToolError as error:
            return f"[could not be read: {error}]"


def touched_last(branch: Sequence[Record], reading: Reading) -> tuple[str, ...]:
    """The files that were read or written in the last RECENT_NODES, the last one first, as far as they may be read."""
    recent: dict[str, None] = {}
    for record in islice(reversed(branch), RECENT_NODES):
        if record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
            recent.update((file.path, None) for file in reversed(record.entry.files))
        if len(recent) >= RECENT_FILES:
            break
    return tuple(islice(_named(recent, reading), OFFERED_FILES))


def _named(paths: Iterable[str], reading: Reading) -> Iterator[str]:
    for path in paths:
        try:
            yield reading.name(path)
        except ToolError:
            continue


def _beginning(lines: Sequence[str], first: int, tokens: int) -> str:
    """As many of these lines, which are more than `tokens`, as fit together with a word on what is missing."""
    weights = accumulate(text_tokens(line) + 1 for line in lines)
    kept = sum(weight <= tokens - _CUT_TOKENS for weight in weights)
    note = f"[cut here: the file has grown, and there is no room for line {first + kept} and what follows]"
    return "\n".join([*lines[:kept], note])


def _lines(content: str) -> list[str]:
    """The lines in an answer of read_file, without their numbers."""
    return [line[match.end() :] for line in content.split("\n") if (match := _LINE.match(line))]


def _unheard(text: str) -> None:
    """Reading prints nothing."""


async def _kept_nowhere(content: bytes, media: str) -> BlobRef:
    raise AssertionError("reading keeps nothing")
