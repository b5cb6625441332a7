"""Parts of the error mapping that need no wire: waits, keys that must not be repeated, shapes litellm has."""

import json

import pytest

from flowchat.config import redactor
from flowchat.model.failures import Place, as_wire_error, retry_after_seconds, room_in
from flowchat.model.model import AuthFailed, ConnectionLost, ContextOverflow, RateLimited, Refused, WireError

NOW = 1_763_683_200.0  # Fri, 21 Nov 2025 00:00:00 GMT
PLACE = Place("openai/m", "models.example", " in OPENAI_API_KEY", redactor({"OPENAI_API_KEY": "very-private-value"}))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Fri, 21 Nov 2025 00:00:30 GMT", 30.0),
        ("Thu, 20 Nov 2025 23:00:00 GMT", 0.0),
        ("Fri, 99 Nov 2025 00:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": header}, now=NOW) == seconds


@pytest.mark.parametrize(("header", "seconds"), [("1500", 1.5), ("-1", None), ("soon", 7.0)])
def test_a_wait_in_milliseconds_is_the_more_exact_one(header: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": "7", "retry-after-ms": header}) == seconds


def test_gemini_says_its_wait_in_the_body() -> None:
    body = {
        "error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "17s"}]}
    }
    failure = as_wire_error(over_http(APIError(json.dumps([body]), 429)), PLACE)
    assert (type(failure), failure.retry_after_seconds) == (RateLimited, 17.0)


class APIError(Exception):
    """As the SDKs have it: a status, a body."""

    def __init__(self, message: str, status_code: int | None = None, body: object = None) -> None:
        super().__init__(message)
        self.status_code, self.body = status_code, body


class HTTPStatusError(Exception):
    pass


def over_http(error: Exception) -> Exception:
    error.__cause__ = HTTPStatusError()
    return error


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Bearer abcdef123456",
        "https://models.example/v1?key=abcdef123456&alt=sse",
        "sk-abcdef123456",
        "sk-ab*****56",
        "very-private-value",
    ],
)
def test_no_sentence_repeats_a_key(secret: str) -> None:
    said = str(as_wire_error(over_http(APIError(f"bad request: {secret} is wrong", 400)), PLACE))
    assert "abcdef" not in said
    assert "**" not in said
    assert "private" not in said
    assert "[redacted]" in said


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (over_http(APIError("Too many tokens, please wait before trying again.", 429)), RateLimited),
        (over_http(APIError("You exceeded your current quota RESOURCE_EXHAUSTED", 429)), RateLimited),
        (over_http(APIError("Insufficient credits", 402)), Refused),
        (over_http(APIError("insufficient balance", 400)), Refused),
        (over_http(APIError("API key not valid. Please pass a valid API key.", 400)), AuthFailed),
        (over_http(APIError("Input is too long for requested model.", 400)), ContextOverflow),
        (over_http(APIError("tokens to keep from the initial prompt is greater than the context length", 400)), ContextOverflow),
        (over_http(APIError("`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9000", 422)), ContextOverflow),
        (over_http(APIError("Invalid value for 'temperature'", 400)), Refused),
        (ConnectionResetError("reset"), ConnectionLost),
        (BrokenPipeError("pipe"), ConnectionLost),
        (ValueError("something else"), Refused),
    ],
)
def test_wording_and_status_decide_together(error: Exception, kind: type[WireError]) -> None:
    assert type(as_wire_error(error, PLACE)) is kind


def test_a_long_message_is_cut() -> None:
    said = str(as_wire_error(over_http(APIError("x " * 5_000, 400)), PLACE))
    assert said == f"models.example refused the request with HTTP 400 ({('x ' * 150)}...)"


def test_a_chain_of_causes_that_bites_its_tail_ends() -> None:
    first, second = APIError("first", 400), APIError("second")
    first.__cause__, second.__cause__ = second, first
    assert isinstance(as_wire_error(first, PLACE), Refused)


@pytest.mark.parametrize(
    ("words", "room"),
    [
        ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 8_192),
        ("maximum context length is 8,192 tokens", 8_192),
        ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.", 272_000),
        ("The decoder prompt (length 9000) is longer than the maximum model length of 8192.", 8_192),
        ("the request exceeds the available context size (4096 tokens), try increasing it", 4_096),
        ('{"n_prompt_tokens": 5000, "n_ctx": 4096}', 4_096),
        ("This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131_072),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200_000),
        ("input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000", 200_000),
        ("The model is loaded with context length of only 4096 tokens, which is not enough.", 4_096),
        ("`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9000", 8_192),
        ("`inputs` must have less than 4096 tokens. Given: 5000", 4_096),
        ("total number of tokens in the prompt cannot exceed 4081 - received 4292", 4_081),
        ("Your request exceeded model token limit: 8192", 8_192),
        ("Range of input length should be [1, 30720]", 30_720),
        ("prompt token count of 130000 exceeds the limit of 128000", 128_000),
        ("The prompt length is 40000, which exceeds the maximum context length of 32768", 32_768),
        ("Input length is 40000 tokens but the model's context length is only 32768", 32_768),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32_768),
        ("Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000", None),
        ("prompt too long; exceeded max context length by 400 tokens", None),
        ("max_tokens must be at least 1, got -900.", None),
        ("the request exceeds the available context size. try increasing the context size", None),
    ],
)
def test_what_a_server_says_it_has_room_for(words: str, room: int | None) -> None:
    assert room_in(words) == room
    error = as_wire_error(over_http(APIError(f"context_length_exceeded {words}", 400)), PLACE)
    assert isinstance(error, ContextOverflow)
    assert error.room == room
