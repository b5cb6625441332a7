"""The models of a workspace: each known better once it has been looked up, whenever it came into use."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from flowchat.config import Folders, Settings
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.events import ContextUsed
from tests.desk import Ear, project_folder

WINDOWS = {"small": 16_384, "large": 65_536}


@asynccontextmanager
async def a_server() -> AsyncIterator[str]:
    """The address of a server on this machine that tells the windows of its models."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"data": [{"id": name, "max_model_len": window} for name, window in WINDOWS.items()]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def workspace_at(tmp_path: Path, address: str) -> Workspace:
    folders = Folders(*(tmp_path / "home" / name for name in ("data", "config", "cache", "state")))
    environ = {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": address}
    return Workspace(project_folder(tmp_path), Settings(), folders, environ=environ)


def tells(window: int) -> Callable[[object], bool]:
    return lambda event: isinstance(event, ContextUsed) and (event.window, event.window_source) == (window, "server")


async def test_a_model_chosen_later_is_looked_up_as_the_first_was(tmp_path: Path) -> None:
    async with a_server() as address:
        workspace = workspace_at(tmp_path, address)
        session = await workspace.new(model="openai/small")
        ear = Ear(session.watch)
        workspace.warm()
        await ear.until(tells(16_384))
        await session.set_model("openai/large")
        await ear.until(tells(65_536))
        await workspace.close()


async def test_a_closed_session_is_let_go_when_another_is_opened(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, "")
    session = await workspace.new(model="demo")
    gone = weakref.ref(session)
    await session.close()
    del session
    await workspace.new(model="demo")
    gc.collect()
    assert gone() is None
    await workspace.close()
