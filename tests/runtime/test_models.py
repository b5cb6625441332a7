"""The models of a workspace: each known better once it has been looked up, whenever it came into use."""

import asyncio
import gc
import json
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flowchat.config import Compact, Folders, ModelSettings, Settings, start_log
from flowchat.errors import NoModel
from flowchat.model.model import ModelFacts
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import AttemptUsed, Usage
from flowchat.transcript.events import ContextUsed
from tests.desk import Ear, project_folder
from tests.model.playing import playing, streamed
from tests.model.serving import ELSEWHERE, VLLM, serving

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


async def test_a_summary_is_written_by_the_model_that_is_set_for_it_and_counts_as_its(tmp_path: Path) -> None:
    summary = says("## Done\nread things", usage=Usage(100, 0, 10))
    models = {"small": ScriptedModel(others={"compact": [summary]}, facts=ModelFacts("small", "scripted", 9_000, "config"))}
    models["large"] = ScriptedModel(says("a1"), facts=ModelFacts("large", "scripted", 90_000, "config"))
    settings = Settings(compact=Compact(model="small"))
    workspace = Workspace(project_folder(tmp_path), settings, None, environ={}, make_model=models.__getitem__)
    session = await workspace.new(model="large")
    await session.send("look")
    await session.idle()
    await session.compact()
    attempts = [record.entry for record in session.transcript.records() if isinstance(record.entry, AttemptUsed)]
    spent = [(used.purpose, used.model, used.usage) for used in attempts if used.purpose == "compact"]
    assert (spent, models["large"].asked("compact")) == ([("compact", "small", Usage(100, 0, 10))], [])
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


async def test_what_is_found_is_offered_tried_and_kept_with_its_address(tmp_path: Path) -> None:
    async with serving(VLLM) as base:
        folders = Folders(*(tmp_path / "home" / name for name in ("data", "config", "cache", "state")))
        environ = ELSEWHERE | {"MY_OWN_BASE_URL": f"{base}/v1"}
        workspace = Workspace(project_folder(tmp_path), Settings(), folders, environ=environ)
        session = await workspace.new()
        [offer, *_] = workspace.choosing.offers(await workspace.choosing.look_around())
        assert (offer.model, offer.api_base) == ("openai/Qwen/Qwen3-8B", f"{base}/v1")
        probed = await workspace.choosing.probe(offer.model, offer.api_base)
        assert (probed.window, probed.window_source, probed.latency_ms) == (40_960, "server", None)
        assert f"{base.removeprefix('http://')} does not serve" in probed.error
        await workspace.keep_setting("model", offer.model)
        await workspace.keep_setting(f"models.{offer.model}.api_base", offer.api_base)
        assert (await workspace.new()).model == offer.model
        ear = Ear(session.watch)
        workspace.warm()
        await session.set_model(offer.model)
        await ear.until(tells(40_960))
        await workspace.close()


async def test_a_server_that_wants_a_key_tells_its_window_to_who_brings_it(tmp_path: Path) -> None:
    async with serving(VLLM, key="sk-of-the-server") as base:
        environ = ELSEWHERE | {"OPENAI_API_BASE": f"{base}/v1", "OPENAI_API_KEY": " sk-of-the-server "}
        workspace = Workspace(project_folder(tmp_path), Settings(), None, environ=environ)
        assert (await workspace.choosing.probe("openai/Qwen/Qwen3-8B")).window == 40_960
        await workspace.close()


async def test_a_kept_key_is_sent_and_is_not_in_the_log(tmp_path: Path) -> None:
    async with playing(streamed({"content": "yes"})) as server:
        folders = Folders(*(tmp_path / "home" / name for name in ("data", "config", "cache", "state")))
        settings = Settings(models={"xai/grok": ModelSettings(9_000, api_base=f"{server.base}/v1")})
        workspace = Workspace(project_folder(tmp_path), settings, folders, environ={})
        await workspace.choosing.keep_key("xai", "xai-kept-1234567890")
        root = logging.getLogger()
        before = root.handlers[:], root.level, logging.raiseExceptions
        start_log(folders.log_file, {})
        try:
            assert (await workspace.choosing.probe("xai/grok")).error == ""
            logging.getLogger("a").warning("xai-kept-1234567890")
        finally:
            root.handlers[:], logging.raiseExceptions = before[0], before[2]
            root.setLevel(before[1])
        [(_, headers, _)] = server.asked
        assert headers["authorization"] == "Bearer xai-kept-1234567890"
        assert "1234567890" not in folders.log_file.read_text()
        await workspace.close()


async def test_the_demo_can_be_tried_and_no_model_cannot(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, "")
    assert (await workspace.choosing.probe("demo")).error == ""
    with pytest.raises(NoModel):
        await workspace.choosing.probe("")
