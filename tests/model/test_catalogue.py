"""Whose word counts for a model's window, and how servers of this machine say theirs."""

import asyncio

import pytest

from flowchat.config import ModelSettings
from flowchat.model import provider
from flowchat.model.catalogue import TableRow, facts_of, refine
from flowchat.model.model import ModelFacts
from flowchat.model.servers import ServerSays, ask_server
from tests.model.playing import Answer, failing, playing
from tests.model.serving import VLLM, serving

HERE = "http://127.0.0.1:8000/v1"
ROW = TableRow(200_000, 64_000, True, 3e-6, 3e-7, 1.5e-5)


@pytest.mark.parametrize(
    ("model", "settings", "base", "row", "server", "expected"),
    [
        ("anthropic/x", ModelSettings(), None, None, None, ModelFacts("anthropic/x", "anthropic", 128_000, "assumed")),
        ("openai/x", ModelSettings(), HERE, None, None, ModelFacts("openai/x", "openai", 32_768, "assumed")),
        (
            "anthropic/x",
            ModelSettings(),
            None,
            ROW,
            None,
            ModelFacts("anthropic/x", "anthropic", 200_000, "table", 64_000, True, 3e-6, 3e-7, 1.5e-5),
        ),
        (
            "openai/x",
            ModelSettings(),
            HERE,
            ROW,
            ServerSays(8_192),
            ModelFacts("openai/x", "openai", 8_192, "server", 64_000, True, 3e-6, 3e-7, 1.5e-5),
        ),
        (
            "openai/x",
            ModelSettings(4_096, 512),
            HERE,
            None,
            ServerSays(8_192),
            ModelFacts("openai/x", "openai", 4_096, "config", 512),
        ),
        ("ollama/x", ModelSettings(), HERE, ROW, None, ModelFacts("ollama/x", "ollama", 32_768, "assumed")),
        (
            "ollama_chat/x",
            ModelSettings(),
            HERE,
            ROW,
            ServerSays(4_096, False),
            ModelFacts("ollama_chat/x", "ollama_chat", 4_096, "server", None, False),
        ),
        (
            "anthropic/x",
            ModelSettings(),
            None,
            TableRow(200_000, 64_000, True, 0, None, 0),
            None,
            ModelFacts("anthropic/x", "anthropic", 200_000, "table", 64_000),
        ),
    ],
)
def test_the_user_is_believed_before_the_server_before_the_table(
    model: str, settings: ModelSettings, base: str | None, row: TableRow | None, server: ServerSays | None, expected: ModelFacts
) -> None:
    assert facts_of(model, settings, base, row, server) == expected


WIDER = "`flowchat config set models.ollama_chat/qwen3.window 32768` asks for more"
NOT_FOUND = failing(404, {"error": "no such page"})
SERVERS: list[tuple[str, str, list[Answer], ServerSays, list[str]]] = [
    (
        "vLLM",
        "hosted_vllm/Qwen/Qwen3-8B",
        [failing(200, {"data": [{"id": "other", "max_model_len": 1}, {"id": "Qwen/Qwen3-8B", "max_model_len": 40_960}]})],
        ServerSays(40_960),
        ["/v1/models"],
    ),
    (
        "one model under another name",
        "openai/local",
        [failing(200, {"data": [{"id": "model.gguf", "context_length": 16_384}]})],
        ServerSays(16_384),
        ["/v1/models"],
    ),
    (
        "llama.cpp",
        "openai/local",
        [
            failing(200, {"data": [{"id": "model.gguf", "meta": {"n_ctx_train": 131_072}}]}),
            failing(200, {"default_generation_settings": {"n_ctx": 8_192}}),
        ],
        ServerSays(8_192),
        ["/v1/models", "/props"],
    ),
    (
        "Ollama with a num_ctx that is none",
        "ollama_chat/qwen3",
        [failing(200, {"parameters": "num_ctx " + "1" * 5000}), NOT_FOUND],
        ServerSays(),
        ["/api/show", "/api/ps"],
    ),
    (
        "Ollama with num_ctx",
        "ollama_chat/qwen3",
        [
            failing(
                200, {"parameters": 'stop "<|im_end|>"\nnum_ctx                        16384', "capabilities": ["completion"]}
            ),
            NOT_FOUND,
        ],
        ServerSays(16_384, False, None, f"Ollama runs qwen3 with 16,384 tokens and drops what is longer; {WIDER}"),
        ["/api/show", "/api/ps"],
    ),
    (
        "Ollama with a model loaded",
        "ollama_chat/qwen3",
        [
            failing(200, {"model_info": {"qwen3.context_length": 262_144}, "capabilities": ["completion", "tools"]}),
            failing(200, {"models": [{"name": "qwen3:latest", "context_length": 4_096}]}),
        ],
        ServerSays(
            4_096,
            True,
            262_144,
            f"Ollama runs qwen3 with 4,096 of 262,144 tokens and drops what is longer; {WIDER}",
        ),
        ["/api/show", "/api/ps"],
    ),
    (
        "Ollama that says only what the model could do",
        "ollama_chat/qwen3",
        [failing(200, {"model_info": {"qwen3.context_length": 262_144}}), failing(200, {"models": []})],
        ServerSays(
            None,
            None,
            262_144,
            f"Ollama may run qwen3 with no more than 4,096 of 262,144 tokens and drops what is longer; {WIDER}",
        ),
        ["/api/show", "/api/ps"],
    ),
    (
        "LM Studio",
        "lm_studio/qwen",
        [failing(200, {"data": [{"id": "qwen", "loaded_context_length": 40_000, "max_context_length": 131_072}]})],
        ServerSays(40_000, None, 131_072),
        ["/api/v0/models"],
    ),
    (
        "an older LM Studio",
        "lm_studio/qwen",
        [NOT_FOUND, failing(200, {"data": [{"id": "qwen", "context_length": 9_000}]})],
        ServerSays(9_000),
        ["/api/v0/models", "/v1/models"],
    ),
    ("neither", "openai/local", [NOT_FOUND, NOT_FOUND], ServerSays(), ["/v1/models", "/props"]),
    ("a page", "openai/local", [Answer(b"<html>", 200, "text/html"), NOT_FOUND], ServerSays(), ["/v1/models", "/props"]),
]


@pytest.mark.parametrize(
    ("model", "answers", "expected", "paths"), [case[1:] for case in SERVERS], ids=[name for name, *_ in SERVERS]
)
async def test_a_server_of_this_machine_says_its_window(
    model: str, answers: list[Answer], expected: ServerSays, paths: list[str]
) -> None:
    async with playing(*answers) as server:
        base = server.base + ("" if model.startswith("ollama") else "/v1")
        assert await ask_server(model, base) == expected
        assert [path for path, _, _ in server.asked] == paths


@pytest.mark.parametrize("base", ["http://127.0.0.1:9/v1", "http://me:word@127.0.0.1:9/v1"])
async def test_no_server_is_no_answer(base: str) -> None:
    assert await ask_server("openai/x", base) == ServerSays()


@pytest.mark.parametrize(
    "body",
    [b'{"model_info": [1], "parameters": 7, "models": 3}', b"[" * 100_000, b"7"],
    ids=["other kinds", "deep", "a number"],
)
async def test_a_server_that_says_something_else_says_nothing(body: bytes) -> None:
    async with playing(*[Answer(body, 200, "application/json")] * 4) as server:
        assert await ask_server("ollama/x", server.base) == ServerSays()
        assert await ask_server("openai/x", server.base) == ServerSays()


async def test_what_speaks_no_http_says_nothing() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\0nonsense\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as listening:
        base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        assert await ask_server("openai/x", base) == ServerSays()


async def test_refining_asks_only_servers_of_this_machine_that_the_user_does_not_overrule() -> None:
    async with playing() as server:
        there = facts_of("openai/x", ModelSettings(9_000), server.base)
        assert await refine(there, ModelSettings(9_000), server.base, lambda _: None) == there
        away = facts_of("anthropic/x", ModelSettings())
        assert (await refine(away, ModelSettings(), None, lambda _: ROW)).window == 200_000
        assert server.asked == []


async def test_a_server_that_wants_a_key_is_asked_with_it() -> None:
    async with serving(VLLM, key="sk-of-the-server") as base:
        known = facts_of("openai/Qwen/Qwen3-8B", ModelSettings(), f"{base}/v1")
        refined = await refine(known, ModelSettings(), f"{base}/v1", lambda _: None, "sk-of-the-server")
        assert (refined.window, refined.window_source) == (40_960, "server")
        assert (await refine(known, ModelSettings(), f"{base}/v1", lambda _: None)).window_source == "assumed"


@pytest.mark.usefixtures("wire")
async def test_the_table_is_litellms() -> None:
    known = provider.table_row("anthropic/claude-sonnet-4-5")
    assert known is not None
    assert (known.window, known.max_output, known.calls_tools, known.input_price) == (200_000, 64_000, True, 3e-6)
    assert provider.table_row("openai/bench-model") is None
