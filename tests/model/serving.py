"""Model servers of one's own machine on loopback, port 0: each answers the questions that the real one answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

OLLAMA: dict[str, Any] = {
    "/api/tags": {
        "models": [
            {"name": "qwen3:8b", "size": 5_200_000_000},
            {"name": "llama2:latest", "size": 3_800_000_000},
            {"name": "nomic-embed-text:latest", "size": 274_000_000},
            {"name": "gpt-oss:120b-cloud", "size": 384, "remote_host": "https://ollama.example"},
        ]
    },
    "/api/ps": {"models": [{"name": "qwen3:8b", "context_length": 16_384}]},
    "/api/show qwen3:8b": {"capabilities": ["completion", "tools"], "model_info": {"qwen3.context_length": 40_960}},
    "/api/show llama2:latest": {"capabilities": ["completion"], "model_info": {"llama.context_length": 4_096}},
    "/api/show nomic-embed-text:latest": {"capabilities": ["embedding"]},
    "/api/show gpt-oss:120b-cloud": {"capabilities": ["completion", "tools"], "model_info": {"x.context_length": 131_072}},
}
LM_STUDIO: dict[str, Any] = {
    "/api/v0/models": {
        "data": [
            {
                "id": "qwen2.5-7b",
                "type": "llm",
                "state": "loaded",
                "loaded_context_length": 4_096,
                "max_context_length": 32_768,
                "capabilities": ["tool_use"],
            },
            {"id": "phi-3", "type": "llm", "state": "not-loaded", "max_context_length": 131_072},
            {"id": "nomic", "type": "embeddings", "state": "not-loaded", "max_context_length": 2_048},
        ]
    },
    "/v1/models": {"data": [{"id": "qwen2.5-7b", "owned_by": "organization_owner"}]},
}
LLAMA_CPP: dict[str, Any] = {
    "/v1/models": {
        "data": [{"id": "gemma.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131_072, "size": 2_500_000_000}}]
    },
    "/props": {
        "default_generation_settings": {"n_ctx": 8_192},
        "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
    },
}
VLLM: dict[str, Any] = {"/v1/models": {"data": [{"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "max_model_len": 40_960}]}}
MUTE: dict[str, Any] = {}
"""Takes every question and answers none."""


@asynccontextmanager
async def serving(pages: Mapping[str, Any], key: str = "") -> AsyncIterator[str]:
    """The address of a server that answers with these pages (the name of a body's model behind the path), else with 404.

    With a `key` it answers only those who bring it.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length) or b"{}")
        if pages is MUTE:
            await reader.read()
            return
        page = pages.get(" ".join(filter(None, [head.split(" ")[1], body.get("model")])))
        if page is None or (key and f"Authorization: Bearer {key}\r\n" not in head):
            writer.write(b"HTTP/1.1 404 no\r\ncontent-length: 2\r\n\r\n{}")
        else:
            answer = json.dumps(page).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens."""
ELSEWHERE = {
    "OLLAMA_API_BASE": NOWHERE,
    "LM_STUDIO_API_BASE": f"{NOWHERE}/v1",
    "LLAMAFILE_API_BASE": f"{NOWHERE}/v1",
    "HOSTED_VLLM_API_BASE": f"{NOWHERE}/v1",
}
"""An environment in which none of the usual ports is looked at: what runs on this machine is not the test's."""
