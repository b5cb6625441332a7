"""What reaches the server: the body as it was sent by the real litellm, and the connection's end."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from msgspec.structs import replace

from flowchat.model.model import (
    AssistantCall,
    AssistantMessage,
    Piece,
    Reasoning,
    Request,
    TextPiece,
    ToolMessage,
    UserMessage,
)
from flowchat.model.provider import ProviderModel
from flowchat.transcript.entries import BlobRef
from tests.model.asking import ANTHROPIC, HELLO, OPENAI, OVER_THE_WIRE, READ_FILE, VLLM, heard, model_at
from tests.model.playing import Answer, playing, recorded

pytestmark = OVER_THE_WIRE

STEP = replace(
    HELLO,
    messages=(
        UserMessage((Piece("Look at a."), Piece("<context>\n"), Piece("b is new"), Piece("\n</context>"))),
        AssistantMessage(
            "Looking.", (AssistantCall("call_3_0", "read_file", '{"path": "a"}'), AssistantCall("call_3_1", "read_file", "{}"))
        ),
        ToolMessage("call_3_0", "read_file", "aaa"),
        ToolMessage("call_3_1", "read_file", "path is missing"),
        UserMessage((Piece("Go on."),)),
    ),
    marks=(-1, 3, 4),
)


async def body_of(request: Request, model: str = OPENAI, **blobs: bytes) -> dict[str, Any]:
    async with playing(recorded("anthropic-text" if model == ANTHROPIC else "openai-text")) as server:
        await heard(model_at(server, model, **blobs), request)
        return server.asked[0][2]


async def test_an_openai_request_is_this() -> None:
    assert await body_of(STEP) == {
        "model": "bench-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look at a.\n<context>\nb is new\n</context>"},
            {
                "role": "assistant",
                "content": "Looking.",
                "tool_calls": [
                    {"id": "call_3_0", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a"}'}},
                    {"id": "call_3_1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_3_0", "name": "read_file", "content": "aaa"},
            {"role": "tool", "tool_call_id": "call_3_1", "name": "read_file", "content": "path is missing"},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "read_file", "description": "Read a file.", "parameters": READ_FILE.parameters},
            }
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_an_anthropic_request_marks_where_its_cache_ends() -> None:
    body = await body_of(STEP, ANTHROPIC)
    mark = {"type": "ephemeral"}
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Look at a.\n<context>\nb is new\n</context>"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "call_3_0", "name": "read_file", "input": {"path": "a"}},
                {"type": "tool_use", "id": "call_3_1", "name": "read_file", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_3_0", "content": "aaa"},
                {"type": "tool_result", "tool_use_id": "call_3_1", "content": "path is missing", "cache_control": mark},
                {"type": "text", "text": "Go on.", "cache_control": mark},
            ],
        },
    ]


async def test_a_mark_may_lie_on_a_call() -> None:
    body = await body_of(replace(STEP, marks=(1,)), ANTHROPIC)
    assert [block.get("cache_control") for block in body["messages"][1]["content"]] == [None, None, {"type": "ephemeral"}]


@pytest.mark.parametrize("model", [OPENAI, VLLM, ANTHROPIC])
async def test_the_same_request_is_the_same_bytes(model: str) -> None:
    name = "anthropic-text" if model == ANTHROPIC else "openai-text"
    async with playing(recorded(name), recorded(name)) as server:
        await heard(model_at(server, model), STEP)
        await heard(model_at(server, model), STEP)
        assert server.raw[0] == server.raw[1]


@pytest.mark.parametrize("model", [OPENAI, VLLM])
async def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter(model: str) -> None:
    longer = replace(
        STEP, messages=(*STEP.messages, AssistantMessage("Done."), UserMessage((Piece("Thanks."),))), marks=(-1, 5, 6)
    )
    async with playing(recorded("openai-text"), recorded("openai-text")) as server:
        await heard(model_at(server, model), STEP)
        await heard(model_at(server, model), longer)
        short, long = server.raw
        end = short.index(b"Go on.") + len(b"Go on.")
        assert long[:end] == short[:end]


async def test_limits_and_effort_are_sent_only_where_they_are_set() -> None:
    body = await body_of(replace(HELLO, max_output_tokens=64, effort="low"), VLLM)
    plain = await body_of(HELLO, VLLM)
    assert (body["max_tokens"], body["reasoning_effort"]) == (64, "low")
    assert {"max_tokens", "max_completion_tokens", "reasoning_effort"} & plain.keys() == set()


async def test_effort_makes_anthropic_think_within_a_budget() -> None:
    body = await body_of(replace(HELLO, effort="low"), ANTHROPIC)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 1024}


async def test_signed_thinking_goes_back_unchanged_before_what_followed_it() -> None:
    thought = (
        Reasoning("Let me look.", "anthropic", {"signature": "c2lnbmF0dXJl"}),
        Reasoning("", "anthropic", {"redacted": "cmVkYWN0ZWQ="}),
    )
    said = AssistantMessage("Looking.", (AssistantCall("call_3_0", "read_file", "{}"),), thought)
    messages = (UserMessage((Piece("Look."),)), said, ToolMessage("call_3_0", "read_file", "a"))
    body = await body_of(replace(HELLO, messages=messages), ANTHROPIC)
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Let me look.", "signature": "c2lnbmF0dXJl"},
        {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "call_3_0", "name": "read_file", "input": {}},
    ]


async def test_blobs_are_inlined_shown_or_said_to_be_missing() -> None:
    text, image, gone = BlobRef("aa", 5, "text/plain"), BlobRef("bb", 4, "image/png", (1, 1)), BlobRef("cc", 9, "image/png")
    pieces = (Piece("See "), Piece(blob=text), Piece(blob=image), Piece(blob=gone))
    body = await body_of(replace(HELLO, messages=(UserMessage(pieces),)), aa=b"hello", bb=b"\x89PNG")
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "See \nhello"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {"type": "text", "text": "[blob cc missing]"},
    ]


HALVES = [
    (OPENAI, "openai-text", b'{"content": ", '),
    (VLLM, "openai-text", b'{"content": ", '),
    (ANTHROPIC, "anthropic-text", b"event: content_block_stop"),
    ("openai/gpt-5-codex", "responses-call", b"event: response.output_text.done"),
]


def half_of(name: str, until: bytes) -> Answer:
    """The events of a recording before the one that holds `until`, and then nothing, the connection open."""
    head = recorded(name).body.partition(until)[0]
    return Answer(head[: head.rfind(b"\n\n") + 2], held=True)


@pytest.mark.parametrize(("model", "name", "until"), HALVES, ids=[half[0] for half in HALVES])
async def test_cancelling_closes_the_connection(model: str, name: str, until: bytes) -> None:
    async with playing(half_of(name, until)) as server:
        first = asyncio.Event()
        task = asyncio.ensure_future(listen(model_at(server, model), first))
        await asyncio.wait([task, asyncio.ensure_future(first.wait())], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await server.hung_up()


@pytest.mark.parametrize(("model", "name", "until"), HALVES, ids=[half[0] for half in HALVES])
async def test_leaving_a_stream_closes_the_connection(model: str, name: str, until: bytes) -> None:
    async with playing(half_of(name, until)) as server:
        async with aclosing(model_at(server, model).stream(HELLO)) as stream:
            assert isinstance(await anext(stream), TextPiece)
        await server.hung_up()


OLLAMA_SAYS_HI = Answer(
    b'{"model": "m", "message": {"role": "assistant", "content": "Hi."}, "done": false}\n'
    b'{"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop"}\n',
    media="application/x-ndjson",
)


@pytest.mark.parametrize("name", ["ollama_chat/m", "ollama/m"])
@pytest.mark.parametrize(("source", "options"), [("config", {"num_ctx": 9_000}), ("server", {}), ("assumed", {})])
async def test_ollama_is_told_the_window_the_user_set_and_no_other(name: str, source: Any, options: dict[str, int]) -> None:
    async with playing(OLLAMA_SAYS_HI) as server:
        model = model_at(server.base, name)
        model.learn(replace(model.facts, window=9_000, window_source=source))
        await heard(model)
        assert server.asked[0][2].get("options", {}) == options


async def test_ollama_is_asked_where_it_knows_tools() -> None:
    async with playing(OLLAMA_SAYS_HI) as server:
        assert (await heard(model_at(server.base, "ollama/m")))[0] == TextPiece("Hi.")
        path, _, asked = server.asked[0]
        assert (path, asked["tools"][0]["function"]["name"]) == ("/api/chat", "read_file")


async def test_cancelling_before_the_first_byte_closes_the_connection() -> None:
    async with playing(Answer(b"", mute=True)) as server:
        task = asyncio.ensure_future(heard(model_at(server)))
        while not server.asked:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await server.hung_up()


async def listen(model: ProviderModel, first: asyncio.Event) -> None:
    async with aclosing(model.stream(HELLO)) as stream:
        async for _ in stream:
            first.set()
