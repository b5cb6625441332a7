"""What servers and networks do wrong, through the real litellm: the branch of the tree, the sentence, the wait."""

import asyncio
import os
import socket
from typing import Any

import pytest

from flowchat.model.model import (
    AuthFailed,
    ConnectionLost,
    ContextOverflow,
    EmptyResponse,
    Malformed,
    Overloaded,
    RateLimited,
    Refused,
    UnknownModel,
    WireError,
)
from flowchat.model.provider import Patience
from flowchat.transcript.entries import Usage
from tests.model.asking import ANTHROPIC, KEY, OPENAI, OVER_THE_WIRE, VLLM, heard, model_at
from tests.model.playing import Answer, failing, playing, recorded, streamed

pytestmark = OVER_THE_WIRE

OLLAMA_SAYS = (
    b'{"model": "m", "created_at": "2025-11-21T00:00:00Z", "message": {"role": "assistant", "content": "Hi"}, "done": false}\n'
)
HTML = b"<!doctype html><html><body>Welcome to the portal</body></html>"


def openai(status: int, message: str, kind: str = "invalid_request_error", code: Any = None, *headers: tuple[str, str]) -> Answer:
    return failing(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, *headers)


def anthropic(status: int, kind: str, message: str, *headers: tuple[str, str]) -> Answer:
    return failing(status, {"type": "error", "error": {"type": kind, "message": message}}, *headers)


FAILURES: list[tuple[str, str, Answer, type[WireError], str]] = [
    (
        "401",
        OPENAI,
        openai(401, f"Incorrect API key provided: {KEY}. You can find yours elsewhere."),
        AuthFailed,
        "SERVER refused the key in OPENAI_API_KEY (Incorrect API key provided: [redacted]. You can find yours elsewhere):"
        " set a valid one, or choose another model with /model",
    ),
    (
        "401 masked",
        OPENAI,
        openai(401, "Incorrect API key provided: sk-12345*****ghij."),
        AuthFailed,
        "SERVER refused the key in OPENAI_API_KEY (Incorrect API key provided: [redacted]): set a valid one,"
        " or choose another model with /model",
    ),
    (
        "401",
        ANTHROPIC,
        anthropic(401, "authentication_error", "invalid x-api-key"),
        AuthFailed,
        "SERVER refused the key in ANTHROPIC_API_KEY (invalid x-api-key): set a valid one, or choose another model with /model",
    ),
    (
        "403",
        OPENAI,
        openai(403, "Project does not have access to model x", code="model_not_found"),
        UnknownModel,
        "SERVER does not serve 'openai/bench-model' to this key (Project does not have access to model x):"
        " choose another with /model",
    ),
    (
        "404",
        OPENAI,
        openai(404, "The model `bench-model` does not exist", code="model_not_found"),
        UnknownModel,
        "SERVER does not serve 'openai/bench-model' to this key (The model `bench-model` does not exist):"
        " choose another with /model",
    ),
    (
        "404",
        ANTHROPIC,
        anthropic(404, "not_found_error", "model: claude-x"),
        UnknownModel,
        "SERVER does not serve 'anthropic/claude-sonnet-4-5' to this key (model: claude-x): choose another with /model",
    ),
    (
        "404 page",
        VLLM,
        Answer(HTML, 404, "text/html"),
        UnknownModel,
        "SERVER does not serve 'hosted_vllm/bench-model' to this key (an HTML page): choose another with /model",
    ),
    (
        "400",
        OPENAI,
        openai(400, "Invalid 'messages[1].content'"),
        Refused,
        "SERVER refused the request with HTTP 400 (Invalid 'messages[1].content')",
    ),
    (
        "quota",
        OPENAI,
        openai(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        Refused,
        "SERVER says this account is out of credit or quota (You exceeded your current quota); top it up, or change the model"
        " with /model",
    ),
    (
        "credit",
        ANTHROPIC,
        anthropic(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        Refused,
        "SERVER says this account is out of credit or quota (Your credit balance is too low to access the Anthropic"
        " API); top it up, or change the model with /model",
    ),
    (
        "429",
        OPENAI,
        openai(429, "Rate limit reached", "requests", "rate_limit_exceeded"),
        RateLimited,
        "SERVER limits the rate of requests to openai/bench-model (Rate limit reached)",
    ),
    (
        "500",
        OPENAI,
        openai(500, "The server had an error", "server_error"),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (The server had an error)",
    ),
    ("502", OPENAI, Answer(HTML, 502, "text/html"), Overloaded, "SERVER is overloaded or failing with HTTP 502 (an HTML page)"),
    ("503", OPENAI, openai(503, "busy"), Overloaded, "SERVER is overloaded or failing with HTTP 503 (busy)"),
    ("529", OPENAI, openai(529, "busy"), Overloaded, "SERVER is overloaded or failing with HTTP 529 (busy)"),
    (
        "529",
        ANTHROPIC,
        anthropic(529, "overloaded_error", "Overloaded"),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 529 (Overloaded)",
    ),
    (
        "error inside 200",
        OPENAI,
        recorded("openai-error-inside"),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 503 (The server is overloaded, try again later)",
    ),
    (
        "error inside 200",
        VLLM,
        recorded("openai-error-inside"),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 503 (The server is overloaded, try again later)",
    ),
    (
        "error inside 200",
        ANTHROPIC,
        recorded("anthropic-overloaded-inside"),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (Overloaded)",
    ),
    (
        "error inside 200, the socket left open",
        OPENAI,
        recorded("openai-error-inside", held=True),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 503 (The server is overloaded, try again later)",
    ),
    (
        "error inside 200, the socket left open",
        ANTHROPIC,
        recorded("anthropic-overloaded-inside", held=True),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (Overloaded)",
    ),
    (
        "response.failed, the socket left open",
        "openai/gpt-5-codex",
        recorded("responses-failed", held=True),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (The model is busy)",
    ),
    (
        "malformed",
        OPENAI,
        recorded("openai-malformed"),
        Malformed,
        "SERVER sent something that is not a model's answer (Expecting ':' delimiter: line 1 column 42 (char 41))",
    ),
    (
        "a page with 200",
        OPENAI,
        Answer(HTML, 200, "text/html; charset=utf-8"),
        Malformed,
        "SERVER sent no answer but text/html, 62 bytes: check that its address is that of a model's API",
    ),
    (
        "a page with 200",
        ANTHROPIC,
        Answer(HTML, 200, "text/html"),
        Malformed,
        "SERVER sent no answer but text/html: check that its address is that of a model's API",
    ),
    (
        "empty answer",
        OPENAI,
        recorded("openai-empty"),
        EmptyResponse,
        "openai/bench-model gave an empty answer; try again, or choose another model with /model",
    ),
    ("no finish", OPENAI, recorded("openai-no-finish"), ConnectionLost, "SERVER stopped in the middle of the answer"),
    ("no finish", VLLM, recorded("openai-no-finish"), ConnectionLost, "SERVER stopped in the middle of the answer"),
    ("no finish", ANTHROPIC, recorded("anthropic-no-finish"), ConnectionLost, "SERVER stopped in the middle of the answer"),
    ("only [DONE]", OPENAI, recorded("openai-no-finish-done"), ConnectionLost, "SERVER stopped in the middle of the answer"),
    ("a call, no end", OPENAI, recorded("openai-call-no-finish"), ConnectionLost, "SERVER stopped in the middle of the answer"),
    ("dropped", OPENAI, recorded("openai-no-finish", drop=True), ConnectionLost, "the connection to SERVER was lost"),
    ("dropped", VLLM, recorded("openai-no-finish", drop=True), ConnectionLost, "the connection to SERVER was lost"),
    ("dropped", ANTHROPIC, recorded("anthropic-no-finish", drop=True), ConnectionLost, "the connection to SERVER was lost"),
    ("dropped at once", OPENAI, Answer(b"", drop=True), ConnectionLost, "the connection to SERVER was lost"),
    (
        "401 without a word",
        OPENAI,
        Answer(b"", 401, "text/plain"),
        AuthFailed,
        "SERVER refused the key in OPENAI_API_KEY: set a valid one, or choose another model with /model",
    ),
    (
        "another API's 404",
        OPENAI,
        failing(404, {"detail": "Not Found"}),
        UnknownModel,
        "SERVER does not serve 'openai/bench-model' to this key (Not Found): choose another with /model",
    ),
    (
        "an error that is a text",
        OPENAI,
        failing(400, {"error": "Model unloaded."}),
        Refused,
        "SERVER refused the request with HTTP 400 (Model unloaded)",
    ),
    (
        "a text as the error in the middle",
        "ollama/some-model",
        Answer(OLLAMA_SAYS + b'{"error": "the runner has gone: it\'s 2"}\n'),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (the runner has gone: it's 2)",
    ),
    (
        "404 in bytes",
        ANTHROPIC,
        Answer(b"not found", 404, "text/plain"),
        UnknownModel,
        "SERVER does not serve 'anthropic/claude-sonnet-4-5' to this key (not found): choose another with /model",
    ),
    ("504", OPENAI, Answer(HTML, 504, "text/html"), Overloaded, "SERVER is overloaded or failing with HTTP 504 (an HTML page)"),
    (
        "a text as the error inside 200",
        OPENAI,
        streamed({"content": "Hi"}, b'{"error": "CUDA out of memory"}', finish=None),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (CUDA out of memory)",
    ),
    (
        "error as the finish reason",
        OPENAI,
        streamed({"content": "Hi"}, finish="error"),
        Overloaded,
        "SERVER is overloaded or failing with HTTP 500 (openai raised a streaming error - finish_reason: error, no content string"
        " given)",
    ),
    (
        "not what it says it is packed with",
        OPENAI,
        streamed({"content": "Hi"}, headers=[("content-encoding", "gzip")]),
        Malformed,
        "SERVER sent something that is not a model's answer (3 while decompressing data: incorrect header check)",
    ),
    (
        "JSON of another shape",
        OPENAI,
        streamed(b"[]"),
        Malformed,
        "SERVER sent something that is not a model's answer ('list' object has no attribute 'choices')",
    ),
    (
        "JSON of another shape",
        VLLM,
        streamed(b'{"choices": null}'),
        Malformed,
        "SERVER sent something that is not a model's answer ('NoneType' object is not iterable)",
    ),
    (
        "a call of another shape",
        VLLM,
        streamed({"tool_calls": [{"index": 0, "id": 7, "type": "function", "function": {"name": "a", "arguments": ""}}]}),
        Malformed,
        "SERVER sent something that is not a model's answer (1 validation error for ChatCompletionDeltaToolCall id Input should"
        " be a valid string [type=string_type, input_value=7, input_type=int])",
    ),
    (
        "only blanks",
        OPENAI,
        streamed({"content": " \n"}, {"content": "\t"}),
        EmptyResponse,
        "openai/bench-model gave an empty answer; try again, or choose another model with /model",
    ),
    (
        "the end of its tokens before a word",
        OPENAI,
        streamed(finish="length"),
        EmptyResponse,
        "openai/bench-model ran out of tokens before it answered: /compact, or choose another model with /model",
    ),
    (
        "filtered before a word",
        OPENAI,
        streamed(finish="content_filter"),
        Refused,
        "SERVER withheld the answer of openai/bench-model (content filter): rephrase, or change the model with /model",
    ),
]


@pytest.mark.parametrize(
    ("model", "answer", "kind", "sentence"),
    [failure[1:] for failure in FAILURES],
    ids=[f"{name}-{model.partition('/')[0]}" for name, model, *_ in FAILURES],
)
async def test_what_a_server_does_wrong_is_said_in_one_sentence(
    model: str, answer: Answer, kind: type[WireError], sentence: str
) -> None:
    async with playing(answer) as server:
        with pytest.raises(WireError) as raised:
            await heard(model_at(server, model))
        if answer.held:
            await server.hung_up()
        said = str(raised.value).replace(f"127.0.0.1:{server.port}", "SERVER")
        assert (type(raised.value), said, len(server.asked)) == (kind, sentence, 1)


async def test_an_answer_that_says_nothing_tells_what_it_took() -> None:
    async with playing(recorded("openai-empty")) as server:
        with pytest.raises(EmptyResponse) as raised:
            await heard(model_at(server))
    assert raised.value.usage == Usage(input=9)


OVERFLOWS = [
    (OPENAI, openai(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.")),
    (OPENAI, openai(400, "Too long.", code="context_length_exceeded")),
    (OPENAI, openai(400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.")),
    (OPENAI, openai(413, "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000")),
    (
        VLLM,
        openai(400, "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.", "BadRequestError"),
    ),
    (VLLM, openai(400, "The decoder prompt (length 9000) is longer than the maximum model length of 8192.", "BadRequestError")),
    (
        OPENAI,
        openai(400, "the request exceeds the available context size. try increasing the context size", "invalid_request_error"),
    ),
    (OPENAI, openai(500, "prompt too long; exceeded max context length by 400 tokens", "api_error")),
    (OPENAI, openai(400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens.")),
    (OPENAI, openai(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")),
    (OPENAI, recorded("openai-overflow-inside")),
    (VLLM, recorded("openai-overflow-inside")),
    (ANTHROPIC, anthropic(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
    (
        ANTHROPIC,
        anthropic(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000"),
    ),
    (ANTHROPIC, anthropic(413, "request_too_large", "Request exceeds the maximum size")),
    (OPENAI, failing(400, {"error": "The model is loaded with context length of only 4096 tokens, which is not enough."})),
    (OPENAI, failing(422, {"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000"})),
    (OPENAI, openai(400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292")),
    (OPENAI, openai(400, "Invalid request: Your request exceeded model token limit: 8192")),
    (OPENAI, failing(400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}})),
    (OPENAI, openai(400, "Range of input length should be [1, 30720]")),
    (OPENAI, openai(400, "prompt token count of 130000 exceeds the limit of 128000", code="model_max_prompt_tokens_exceeded")),
    (VLLM, openai(400, "max_tokens must be at least 1, got -900.", "BadRequestError")),
]


@pytest.mark.parametrize(("model", "answer"), OVERFLOWS)
async def test_every_wording_of_too_long_is_a_context_overflow(model: str, answer: Answer) -> None:
    async with playing(answer) as server:
        with pytest.raises(ContextOverflow):
            await heard(model_at(server, model))


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 99999. This model supports at most 16384 completion tokens, whereas you provided 99999.",
        "image exceeds the maximum allowed size of 5 MB",
        "'max_tokens' must be at least 1",
    ],
)
async def test_other_things_that_are_too_large_are_no_context_overflow(message: str) -> None:
    async with playing(openai(400, message)) as server:
        with pytest.raises(Refused):
            await heard(model_at(server))


@pytest.mark.parametrize("model", [OPENAI, VLLM])
async def test_a_server_that_only_sends_elsewhere_is_told_once(model: str) -> None:
    async with playing(*[Answer(b"", 307, headers=[("location", "/v1/chat/completions")])] * 30) as server:
        with pytest.raises(Refused) as raised:
            await heard(model_at(server, model))
        place = f"127.0.0.1:{server.port}"
    assert str(raised.value) == f"{place} redirects without end: check its address"


@pytest.mark.parametrize("model", [OPENAI, VLLM, ANTHROPIC])
@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, Overloaded)])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0", 0.0), ("soon", None)])
async def test_retry_after_reaches_whoever_waits(
    model: str, status: int, kind: type[WireError], header: str, seconds: float | None
) -> None:
    answer = openai(status, "slow down", "server_error", None, ("retry-after", header))
    async with playing(answer) as server:
        with pytest.raises(WireError) as raised:
            await heard(model_at(server, model))
    assert (type(raised.value), raised.value.retry_after_seconds) == (kind, seconds)


@pytest.mark.parametrize("model", [OPENAI, VLLM, ANTHROPIC])
async def test_a_refused_connection_asks_whether_the_server_runs(model: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ConnectionLost) as raised:
            await heard(model_at(f"http://{place}/v1", model))
    assert str(raised.value) == f"nothing answers at {place} (connection refused): is the server running?"


@pytest.mark.parametrize("model", [OPENAI, VLLM, ANTHROPIC])
@pytest.mark.parametrize("answer", [Answer(b"", mute=True), Answer(b"", held=True)], ids=["no headers", "headers alone"])
async def test_silence_ends_at_the_idle_limit(model: str, answer: Answer) -> None:
    async with playing(answer) as server:
        with pytest.raises(ConnectionLost) as raised:
            async with asyncio.timeout(2):
                await heard(model_at(server, model, Patience(idle_seconds=0.1)))
        assert str(raised.value) == f"127.0.0.1:{server.port} sent nothing for too long (limits.idle_seconds)"
        await server.hung_up()


@pytest.mark.parametrize("patience", [Patience(0.1, pieceless_seconds=0.4), Patience(0.1, total_seconds=0.4)])
async def test_keep_alives_hold_off_the_idle_limit_but_not_the_others(patience: Patience) -> None:
    async with playing(recorded("openai-no-finish", beat=b": keep-alive\n\n")) as server:
        with pytest.raises(ConnectionLost) as raised:
            await heard(model_at(server, patience=patience))
        assert str(raised.value) == f"127.0.0.1:{server.port} sent nothing new for too long, though the connection stayed open"
        await server.hung_up()


@pytest.mark.parametrize("model", [OPENAI, VLLM, ANTHROPIC])
async def test_a_dead_proxy_is_not_taken_for_the_server(model: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        os.environ |= {"HTTP_PROXY": f"http://127.0.0.1:{held.getsockname()[1]}", "NO_PROXY": ""}
        with pytest.raises(ConnectionLost) as raised:
            await heard(model_at("http://models.example/v1", model))
    assert str(raised.value) == (
        "the proxy on the way to models.example cannot be reached: check HTTP_PROXY and HTTPS_PROXY,"
        " or name the server in NO_PROXY"
    )


@pytest.mark.parametrize("model", [OPENAI, VLLM])
async def test_a_password_in_an_address_is_in_no_sentence(model: str) -> None:
    with pytest.raises(Refused) as raised:
        await heard(model_at("http://me:very-private@127.0.0.1:9/v1", model))
    assert str(raised.value) == (
        "the address of 127.0.0.1:9 contains a name and password, which cannot be combined with a key: remove them"
    )


@pytest.mark.parametrize("base", ["http://127.0.0.1:99999/v1", "http://[::1/v1", "http://a b/v1", "ftp://127.0.0.1/v1", "/v1"])
async def test_what_is_no_address_is_told_before_anything_is_sent(base: str) -> None:
    with pytest.raises(Refused) as raised:
        await heard(model_at(base))
    assert str(raised.value) == f"{base!r} is not a valid server address: write http://HOST:PORT/v1 or https://HOST/v1"


async def test_a_missing_key_is_told_before_anything_is_sent() -> None:
    del os.environ["OPENAI_API_KEY"]
    with pytest.raises(AuthFailed) as raised:
        await heard(model_at("https://models.example/v1"))
    assert str(raised.value) == (
        "there is no key for openai: set OPENAI_API_KEY, keep one with `flowchat config set-key openai`,"
        " or choose another model with /model"
    )


async def test_a_local_server_needs_no_key() -> None:
    del os.environ["OPENAI_API_KEY"]
    async with playing(recorded("openai-text")) as server:
        await heard(model_at(server))
        assert server.asked[0][1]["authorization"] == "Bearer none"


@pytest.mark.parametrize("name", ["nonsense/model", "model"])
async def test_a_name_of_no_provider_says_how_to_write_it(name: str) -> None:
    with pytest.raises(UnknownModel) as raised:
        await heard(model_at("http://127.0.0.1:1/v1", name))
    assert str(raised.value) == f"no provider is known for {name!r}: write PROVIDER/MODEL, or choose another with /model"
