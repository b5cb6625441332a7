"""The tools of a session: by name, in a fixed order, and what becomes of a call's raw text."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowchat.tools.arguments import parse
from flowchat.tools.bounds import bound as bound
from flowchat.tools.edit_file import EDIT_FILE
from flowchat.tools.glob import Glob
from flowchat.tools.grep import Grep
from flowchat.tools.job_tools import JobInput, JobKill, JobOutput
from flowchat.tools.jobs import Jobs
from flowchat.tools.list_dir import ListDir
from flowchat.tools.passages import Look
from flowchat.tools.read_file import ReadFile
from flowchat.tools.recall import Recall
from flowchat.tools.sandbox import Confinement
from flowchat.tools.shell import TIMEOUT_SECONDS, Shell
from flowchat.tools.todo import Todo
from flowchat.tools.tool import Tool
from flowchat.tools.write_file import WRITE_FILE
from flowchat.transcript.entries import ToolSchema

if TYPE_CHECKING:
    from flowchat.tools.outward import Outward


class Registry:
    """Tools in the order in which the model is shown them; names are unique."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.schema.name: tool for tool in tools}

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def schemas(self) -> tuple[ToolSchema, ...]:
        return tuple(tool.schema for tool in self)

    def find(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def arguments(self, tool: Tool, raw: str) -> dict[str, object]:
        """The arguments in a call's raw text, fitting the tool's schema; raises BadArguments."""
        return parse(tool.schema, raw)


def standard_tools(
    shell_timeout_seconds: float = TIMEOUT_SECONDS,
    confinement: Confinement | None = None,
    jobs: Jobs | None = None,
    look: Look | None = None,
    outward: "Outward | None" = None,
) -> Registry:
    """The tools every session has; commands run within `confinement`. With `jobs`, its own, they can go on in the background.

    `look` gives what of the session its model does not see: recall finds and reads that.
    `outward` says which domains commands reach.
    """
    reading: list[Tool] = [ReadFile(), ListDir(), Glob(), Grep(), *([Recall(look)] if look is not None else []), Todo()]
    working: list[Tool] = [WRITE_FILE, EDIT_FILE, Shell(shell_timeout_seconds, confinement, jobs, outward)]
    return Registry([*reading, *working, *((JobOutput(jobs), JobInput(jobs), JobKill(jobs)) if jobs is not None else ())])
