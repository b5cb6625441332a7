"""Recorded streams of both shapes, played through the real litellm: what comes out piece by piece and as a whole."""

import asyncio
from contextlib import aclosing
from itertools import groupby

import pytest

from flowchat.model.model import CallPiece, ModelPiece, Reply, TextPiece, ThinkingPiece
from flowchat.model.provider import Patience
from flowchat.transcript.entries import Call, Text, Thinking, Usage
from tests.model.asking import ANTHROPIC, HELLO, OPENAI, OVER_THE_WIRE, VLLM, heard, model_at, reply_of
from tests.model.playing import Answer, playing, recorded, streamed

pytestmark = OVER_THE_WIRE

GREETING: list[ModelPiece] = [
    TextPiece("Grüße"),
    TextPiece(", 世界 "),
    TextPiece("🌍."),
    Reply((Text("Grüße, 世界 🌍."),), "stop", Usage(input=12, cached=8, output=5)),
]
LOOKS = (
    CallPiece(0, "read_file", ""),
    CallPiece(0, "", '{"pa'),
    CallPiece(0, "", 'th": "a.py"}'),
    CallPiece(1, "grep", ""),
    CallPiece(1, "", '{"pattern":'),
    CallPiece(1, "", ' "x"}'),
)
READ, GREP = Call("call_a", "read_file", '{"path": "a.py"}'), Call("call_b", "grep", '{"pattern": "x"}')

STREAMS: list[tuple[str, str, list[ModelPiece]]] = [
    ("openai-text", OPENAI, GREETING),
    ("openai-text", VLLM, GREETING),
    ("openai-crlf", OPENAI, GREETING),
    ("openai-crlf", VLLM, GREETING),
    ("openai-comments", OPENAI, [TextPiece("One"), TextPiece(" two"), Reply((Text("One two"),), "stop")]),
    (
        "openai-thinking",
        OPENAI,
        [
            ThinkingPiece("First "),
            ThinkingPiece("this."),
            TextPiece("Then "),
            TextPiece("that."),
            Reply((Thinking("First this.", "openai"), Text("Then that.")), "stop", Usage(input=20, output=9, reasoning=4)),
        ],
    ),
    (
        "openai-calls",
        OPENAI,
        [TextPiece("Looking."), *LOOKS, Reply((Text("Looking."), READ, GREP), "calls", Usage(input=30, output=20))],
    ),
    (
        "openai-calls-interleaved",
        VLLM,
        [
            CallPiece(0, "read_file", ""),
            CallPiece(1, "grep", ""),
            CallPiece(1, "", '{"pattern":'),
            CallPiece(0, "", '{"path": "a.py"}'),
            CallPiece(1, "", ' "x"}'),
            Reply((READ, GREP), "calls"),
        ],
    ),
    (
        "responses-call",
        "openai/gpt-5-codex",
        [
            TextPiece("Look"),
            TextPiece("ing."),
            CallPiece(0, "read_file", ""),
            CallPiece(0, "", '{"path":'),
            CallPiece(0, "", ' "a.py"}'),
            Reply((Text("Looking."), READ), "calls", Usage(input=30, cached=10, output=20, reasoning=8), 0.00022625),
        ],
    ),
    (
        "anthropic-text",
        ANTHROPIC,
        [
            TextPiece("Grüße, "),
            TextPiece("世界."),
            Reply((Text("Grüße, 世界."),), "stop", Usage(input=105, cached=90, cache_write=5, output=7), 0.00018075),
        ],
    ),
    (
        "anthropic-thinking-calls",
        ANTHROPIC,
        [
            ThinkingPiece("Let me "),
            ThinkingPiece("look."),
            TextPiece("Looking."),
            CallPiece(0, "read_file", ""),
            CallPiece(0, "", '{"path":'),
            CallPiece(0, "", ' "a.py"}'),
            CallPiece(1, "list_dir", ""),
            CallPiece(1, "", '{"path": "."}'),
            Reply(
                (
                    Thinking("Let me look.", "anthropic", {"signature": "c2lnbmF0dXJl"}),
                    Thinking("", "anthropic", {"redacted": "cmVkYWN0ZWQ="}),
                    Text("Looking."),
                    Call("toolu_1", "read_file", '{"path": "a.py"}'),
                    Call("toolu_2", "list_dir", '{"path": "."}'),
                ),
                "calls",
                Usage(input=10, output=40),
                0.00063,
            ),
        ],
    ),
]


@pytest.mark.parametrize(("name", "model", "expected"), STREAMS, ids=[f"{name}-{model}" for name, model, _ in STREAMS])
async def test_a_recorded_stream_becomes_these_pieces(name: str, model: str, expected: list[ModelPiece]) -> None:
    async with playing(recorded(name)) as server:
        assert rounded(await heard(model_at(server, model))) == expected


@pytest.mark.parametrize(("name", "model", "expected"), STREAMS, ids=[f"{name}-{model}" for name, model, _ in STREAMS])
async def test_bytes_that_come_one_by_one_make_the_same_pieces(name: str, model: str, expected: list[ModelPiece]) -> None:
    async with playing(recorded(name, piece=1)) as server:
        assert rounded(await heard(model_at(server, model))) == expected


REPLIES = [
    ("openai-no-done", Reply((Text("Hi."),), "stop")),
    ("openai-no-usage", Reply((Text("Hi."),), "stop")),
    ("openai-zero-usage", Reply((Text("Hi."),), "stop")),
    ("openai-negative-usage", Reply((Text("Hi."),), "stop")),
    ("openai-length", Reply((Text("As far as"),), "length", Usage(input=9, output=3))),
    ("openai-filtered", Reply((Text("I"),), "filtered")),
    ("openai-calls-stop", Reply((Call("call_a", "read_file", '{"path": "a"}'),), "calls")),
    ("openai-calls-invalid", Reply((Call("call_a", "read_file", '{"path": nope'),), "calls")),
    ("openai-calls-cut", Reply((Text("Writing."), Call("call_a", "write_file", '{"path": "a", "con')), "length")),
    (
        "openai-calls-same-index",
        Reply((Call("call_a", "read_file", '{"path": "a"}'), Call("call_b", "read_file", '{"path": "b"}')), "calls"),
    ),
    (
        "openai-calls-illegal-ids",
        Reply(
            (
                Call("call_0", "read_file", '{"path": "a"}'),
                Call("x" * 64, "read_file", '{"path": "b"}'),
                Call("_nd_so_weiter", "read_file", '{"path": "c"}'),
                Call("x" * 56 + "_3", "read_file", '{"path": "d"}'),
            ),
            "calls",
        ),
    ),
    ("openai-calls-no-arguments", Reply((Call("call_a", "list_dir", "{}"),), "calls")),
]


@pytest.mark.parametrize(("name", "expected"), REPLIES, ids=[name for name, _ in REPLIES])
async def test_a_recorded_stream_ends_with_this_reply(name: str, expected: Reply) -> None:
    async with playing(recorded(name)) as server:
        assert await reply_of(model_at(server)) == expected


async def test_a_hundred_and_fifty_equal_chunks_are_an_answer_like_any_other() -> None:
    chunk = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,%b}]}\n\n'
    body = chunk % b'"delta":{"content":"ab----"},"finish_reason":null' * 150 + chunk % b'"delta":{},"finish_reason":"stop"'
    async with playing(Answer(body)) as server:
        assert await reply_of(model_at(server)) == Reply((Text("ab----" * 150),), "stop")


@pytest.mark.parametrize("model", [OPENAI, VLLM, "openrouter/some/model", "deepseek/some-model"])
async def test_the_sign_for_the_end_is_a_word_like_any_other_inside_an_answer(model: str) -> None:
    start = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "write_file", "arguments": '{"content": "'}}
    rest = {"index": 0, "function": {"arguments": 'data: [DONE]"}'}}
    answer = streamed(
        {"content": "It ends with "}, {"content": "[DONE]"}, {"content": "."}, {"tool_calls": [start]}, {"tool_calls": [rest]},
        finish="tool_calls", after=b"data: [DONE]\n\n",
    )  # fmt: skip
    async with playing(answer) as server:
        reply = await reply_of(model_at(server, model))
    assert reply == Reply((Text("It ends with [DONE]."), Call("call_a", "write_file", '{"content": "data: [DONE]"}')), "calls")


NONSENSE = b'data: {"choices": [], "usage": {"prompt_tokens": "many", "completion_tokens": 1, "total_tokens": 1}}\n\n'


@pytest.mark.parametrize("model", [OPENAI, VLLM])
@pytest.mark.parametrize(
    "answer",
    [
        streamed({"content": "Hi."}, held=True),
        streamed({"content": "Hi."}, beat=b": keep-alive\n\n"),
        streamed({"content": "Hi."}, drop=True),
        streamed({"content": "Hi."}, after=NONSENSE),
    ],
    ids=["held open", "kept alive", "cut off", "a usage that is none"],
)
async def test_what_goes_wrong_behind_a_finished_answer_costs_only_its_usage(model: str, answer: Answer) -> None:
    async with playing(answer) as server:
        assert await reply_of(model_at(server, model, Patience(usage_seconds=0.1))) == Reply((Text("Hi."),), "stop")


def rounded(pieces: list[ModelPiece]) -> list[ModelPiece]:
    """Costs to a hundred-millionth of a dollar."""
    return [
        Reply(piece.parts, piece.finish, piece.usage, piece.cost and round(piece.cost, 8)) if isinstance(piece, Reply) else piece
        for piece in pieces
    ]


async def test_a_stream_at_full_speed_lets_others_have_their_turn() -> None:
    body = (b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,%b}]}\n\n') % (
        b'"delta":{"content":"word "},"finish_reason":null'
    ) * 2_000 + recorded("openai-no-usage").body
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with playing(Answer(body)) as server:
        model = model_at(server)
        others = asyncio.ensure_future(count())
        async with aclosing(model.stream(HELLO)) as stream:
            seen = [turns async for _ in stream]
        others.cancel()
    longest = max(len(list(pieces)) for _, pieces in groupby(seen))
    assert longest < 100, "so many pieces came in a row while nobody else had a turn"
