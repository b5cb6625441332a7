"""A workbench: a workspace, the standard tools, and a conversation that remembers what it has seen."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flowchat.errors import StorageFailed
from flowchat.runtime.permits import line_of
from flowchat.tools.jobs import Jobs
from flowchat.tools.policy import Law, Verdict, judge
from flowchat.tools.registry import standard_tools
from flowchat.tools.rules import Ground
from flowchat.tools.tool import Desk, Outcome, Reach, Tool
from flowchat.transcript.entries import BlobRef, Mode
from flowchat.transcript.events import Preview


class Bench:
    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.jobs = Jobs(lambda: 0)
        self.tools = standard_tools(jobs=self.jobs)
        self.seen: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.heard: list[str] = []
        self.on_output: Callable[[str], None] = self.heard.append
        self.full = ""
        """Why nothing can be kept; empty: it can."""

    async def call(self, name: str, **args: object) -> Outcome:
        """Parse, reach and run, as a session does; what the call saw is seen from then on."""
        tool, given = self.parsed(name, args)
        return await self.run(tool, given, tool.reach(given, self.workspace))

    async def run(self, tool: Tool, args: Mapping[str, object], reach: Reach) -> Outcome:
        outcome = await tool.run(args, self.desk(reach))
        self.seen.update((touched.path, touched.sha256) for touched in outcome.files)
        return outcome

    def judged(self, name: str, mode: Mode = "default", **args: object) -> Verdict:
        tool, given = self.parsed(name, args)
        law, reach = Law(mode, Ground(self.workspace)), tool.reach(given, self.workspace)
        return judge(reach, name, law, line_of(reach, law))

    def preview(self, name: str, **args: object) -> Preview:
        tool, given = self.parsed(name, args)
        return tool.preview(given, self.desk(tool.reach(given, self.workspace)))

    def parsed(self, name: str, args: Mapping[str, object]) -> tuple[Tool, dict[str, object]]:
        tool = self.tools.find(name)
        assert tool is not None
        return tool, self.tools.arguments(tool, json.dumps(args))

    def desk(self, reach: Reach | None = None) -> Desk:
        return Desk(self.workspace, self.seen, lambda text: self.on_output(text), self.keep, self.blob, reach)

    async def keep(self, content: bytes, media: str) -> BlobRef:
        if self.full:
            raise StorageFailed(self.full)
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs[sha256] = content
        return BlobRef(sha256, len(content), media)

    async def blob(self, sha256: str) -> bytes | None:
        return self.blobs.get(sha256)

    def file(self, name: str, content: str | bytes = "one\ntwo\nthree\n") -> Path:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    workspace = (tmp_path / "ws").resolve()
    workspace.mkdir()
    return Bench(workspace)
