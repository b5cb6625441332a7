"""What went wrong on the wire, in our words: provider and transport errors mapped to the errors of model.py.

litellm's own classes are not enough: it calls a refused connection an InternalServerError, a 503 whose body says
invalid_request_error a BadRequestError, and loses the code of an error that comes inside a stream. So the whole chain of
causes is read, by class name, HTTP status and wording.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, cast

from msgspec import Struct

from flowchat.model.model import (
    AuthFailed,
    ConnectionLost,
    ContextOverflow,
    Malformed,
    Overloaded,
    RateLimited,
    Refused,
    UnknownModel,
    WireError,
)

WORDS_LIMIT_CHARS = 300
"""How much of a provider's own message a sentence repeats."""
_BODY_LIMIT_CHARS = 64 * 1024
_CHAIN_LIMIT = 16


class Place(Struct, frozen=True, gc=False):
    """Who was asked: the model's name, its server (host and port, or the provider), the variable the key came from."""

    model: str
    server: str
    key: str
    redact: Callable[[str], str]


class _Failure(Struct, frozen=True, gc=False):
    names: frozenset[str]
    status: int | None
    kind: str
    words: str
    details: str
    """What else the provider's error holds, as JSON."""
    headers: Mapping[str, str]


def as_wire_error(error: BaseException, place: Place) -> WireError:
    """The branch of our tree an error from litellm belongs to, with a sentence that holds no key."""
    failure = _read(error)
    words = _quoted(place.redact(failure.words))
    overflow = _OVERFLOW.search(f"{failure.words} {failure.kind}") is not None or "ContextWindowExceededError" in failure.names
    if "credentials encoded in URL" in failure.words:
        return Refused(
            f"the address of {place.server} contains a name and password, which cannot be combined with a key: remove them"
        )
    if "TooManyRedirects" in failure.names:
        return Refused(f"{place.server} redirects without end: check its address")
    if failure.names & _TRANSPORT and failure.status is None:
        return _connection(failure, place)
    if failure.names & _UNREADABLE and failure.status is None:
        return Malformed(f"{place.server} sent something that is not a model's answer{words}")
    if failure.kind in _QUOTA_KINDS or failure.status == 402 or _QUOTA.search(failure.words):
        return Refused(
            f"{place.server} says this account is out of credit or quota{words}; top it up, or change the model with /model"
        )
    if failure.status == 413 or (overflow and failure.status not in (401, 403)):
        sentence = f"the request is longer than {place.model} takes{words}; /compact makes it shorter"
        return ContextOverflow(sentence, room_in(failure.words) if overflow else 0)
    if failure.status == 429 or "RateLimitError" in failure.names or "rate_limit" in failure.kind:
        wait = retry_after_seconds(failure.headers, failure.details)
        asks = f"; it asks us to wait {wait:,.0f} s" if wait and wait >= 1 else ""
        return RateLimited(f"{place.server} limits the rate of requests to {place.model}{words}{asks}", wait)
    return _by_status(failure, place, words)


def missing_key(provider: str, names: tuple[str, ...]) -> AuthFailed:
    """Said before anything is sent."""
    return AuthFailed(
        f"there is no key for {provider}: set {' or '.join(names)}, keep one with `flowchat config set-key {provider}`,"
        " or choose another model with /model"
    )


def bad_address(base: str) -> Refused:
    """Said before anything is sent."""
    return Refused(f"{base[:WORDS_LIMIT_CHARS]!r} is not a valid server address: write http://HOST:PORT/v1 or https://HOST/v1")


def retry_after_seconds(headers: Mapping[str, str], details: str = "", now: float | None = None) -> float | None:
    """How long a server asks us to wait: Retry-After (RFC 9110 10.2.3: seconds or a date), OpenAI's Retry-After-Ms or
    Gemini's retryDelay, else None."""
    said = headers.get("retry-after", "").strip()
    for text, unit in ((headers.get("retry-after-ms", ""), 0.001), (said, 1.0)):
        try:
            seconds = float(text) * unit
        except ValueError:
            continue
        if isfinite(seconds):
            return seconds if seconds >= 0 else None
    if said:
        from email.utils import parsedate_to_datetime

        try:
            date = parsedate_to_datetime(said).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        return max(0.0, date - (time.time() if now is None else now))
    delay = re.search(r'"retryDelay":\s*"(\d+(?:\.\d+)?)s"', details)
    return float(delay[1]) if delay else None


def room_in(words: str) -> int | None:
    """The tokens a server says it has room for, in its words for a request that is too long."""
    found = _ROOM.search(words)
    return int(next(filter(None, found.groups())).replace(",", "")) if found else None


# --- reading ---------------------------------------------------------------------------------------------------------
def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _CHAIN_LIMIT:
        seen.add(id(current))
        yield current
        current = (
            cast("BaseException | None", getattr(current, "original_exception", None)) or current.__cause__ or current.__context__
        )


def _read(error: BaseException) -> _Failure:
    chain = list(_chain(error))
    names = frozenset(kind.__name__ for link in chain for kind in type(link).__mro__)
    body = next((found for link in chain if (found := _body(link))), dict[str, Any]())
    transported = "HTTPStatusError" in names
    statuses = [status for link in chain if isinstance(status := getattr(link, "status_code", None), int)]
    stumbled = type(chain[-1]) in _STUMBLES and not transported
    if stumbled and not body:
        names |= {_STUMBLED}
    inside = body.get("code") if isinstance(body.get("code"), int) else None
    status = statuses[-1] if statuses and (transported or not names & (_TRANSPORT | _UNREADABLE)) else None
    if stumbled and body:  # an error where a piece was expected: the parser's own status means nothing
        status = 500
    status = cast("int | None", inside) if inside is not None and 400 <= inside < 600 and not transported else status
    kind = f"{body.get('type') or ''} {body.get('code') or ''} {body.get('status') or ''}".strip().lower()
    details = json.dumps(body.get("details"), default=str, skipkeys=True)
    return _Failure(names, status, kind, _words(chain, body), details, _headers(chain))


def _body(link: BaseException) -> dict[str, Any]:
    """The error object a provider sent, wherever the libraries left it: {message, type or code or status, ...}."""
    found = getattr(link, "body", None)
    if isinstance(found, str) and found.strip():
        found = _parsed(found) or {"message": found}
    if not isinstance(found, dict):
        text = str(getattr(link, "message", None) or link)
        start, end = text.find("{"), text.rfind("}")
        found = _parsed(text[start : end + 1]) if 0 <= start < end else None
    if isinstance(found, dict):
        inner = cast(dict[str, Any], found).get("error", cast(object, found))
        if isinstance(inner, dict):
            said = cast(dict[str, Any], inner)
            return said if "message" in said or "detail" not in said else {**said, "message": said["detail"]}
        if isinstance(inner, str):
            return {"message": inner}
    return {}


def _parsed(text: str) -> object:
    """JSON, or what Python wrote of it into a message."""
    from ast import literal_eval

    text = text[:_BODY_LIMIT_CHARS]
    for read, written in ((json.loads, text), (json.loads, text.replace("\\'", "'")), (literal_eval, text)):
        try:
            return read(written)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _words(chain: list[BaseException], body: dict[str, Any]) -> str:
    if isinstance(message := body.get("message"), str) and message.strip():
        return message
    text = str(getattr(chain[0], "message", None) or chain[0])
    if "Connection error." in text or isinstance(chain[-1], OSError):
        text = str(chain[-1])
    return _PREFIX.sub("", _CHATTER.split(text, maxsplit=1)[0])


def _headers(chain: list[BaseException]) -> Mapping[str, str]:
    for link in chain:
        headers = getattr(link, "litellm_response_headers", None) or getattr(getattr(link, "response", None), "headers", None)
        if headers:
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}


def _quoted(words: str) -> str:
    text = _KEY_SHAPES.sub("[redacted]", " ".join(words.split())).strip(" .")
    if bare := re.fullmatch(r"b(['\"])(.*)\1", text):
        text = bare[2]
    if re.match(r"(?i)<(!doctype|html)", text):
        text = "an HTML page"
    if len(text) > WORDS_LIMIT_CHARS:
        text = text[:WORDS_LIMIT_CHARS] + "..."
    return f" ({text})" if text else ""


# --- judging ---------------------------------------------------------------------------------------------------------
def _by_status(failure: _Failure, place: Place, words: str) -> WireError:
    status, names = failure.status, failure.names
    if "ModuleNotFoundError" in names or "ImportError" in names:
        return UnknownModel(f"{place.model} needs a Python package that is not installed{words}; choose another with /model")
    if status == 401 or "AuthenticationError" in names or _NO_KEY.search(failure.words):
        return AuthFailed(
            f"{place.server} refused the key{place.key}{words}: set a valid one, or choose another model with /model"
        )
    if "LLM Provider NOT provided" in failure.words:
        return UnknownModel(f"no provider is known for {place.model!r}: write PROVIDER/MODEL, or choose another with /model")
    if status in (403, 404) or "NotFoundError" in names:
        return UnknownModel(f"{place.server} does not serve {place.model!r} to this key{words}: choose another with /model")
    if "overloaded" in failure.kind or "server_error" in failure.kind or (status is not None and status >= 500):
        wait = retry_after_seconds(failure.headers)
        return Overloaded(f"{place.server} is overloaded or failing{_http(status)}{words}", wait)
    if status == 408:
        return ConnectionLost(f"{place.server} timed out{words}")
    return Refused(f"{place.server} refused the request{_http(status)}{words}")


def _connection(failure: _Failure, place: Place) -> ConnectionLost:
    names = failure.names
    if "ProxyError" in names:
        return ConnectionLost(
            f"the proxy on the way to {place.server} cannot be reached: check HTTP_PROXY and HTTPS_PROXY,"
            " or name the server in NO_PROXY"
        )
    if "ConnectionRefusedError" in names:
        return ConnectionLost(f"nothing answers at {place.server} (connection refused): is the server running?")
    if "SSLError" in names or "SSLCertVerificationError" in names:
        why = _quoted(place.redact(_OPENSSL.sub("", failure.words)))
        return ConnectionLost(f"{place.server} could not be reached safely{why}; see SSL_CERT_FILE")
    if names & {"ConnectError", "ConnectTimeout", "ClientConnectorError", "gaierror"}:
        return ConnectionLost(f"{place.server} cannot be reached: check the network and the address")
    if names & _SILENCES:
        return ConnectionLost(f"{place.server} sent nothing for too long (limits.idle_seconds)")
    return ConnectionLost(f"the connection to {place.server} was lost")


def _http(status: int | None) -> str:
    return f" with HTTP {status}" if status else ""


_SILENCES = {"ReadTimeout", "SocketTimeoutError", "APITimeoutError", "TimeoutException", "TimeoutError", "Timeout"}
_TRANSPORT = _SILENCES | {
    "ConnectError",
    "ConnectTimeout",
    "ReadError",
    "WriteError",
    "WriteTimeout",
    "PoolTimeout",
    "CloseError",
    "RemoteProtocolError",
    "LocalProtocolError",
    "ProxyError",
    "ClientError",
    "ConnectionError",
    "gaierror",
    "SSLError",
}
_STUMBLED = "stumbled"
_STUMBLES = (AttributeError, TypeError, KeyError, IndexError)
"""What litellm's parsers raise where an answer is JSON of another shape."""
_UNREADABLE = {
    "JSONDecodeError",
    "UnicodeDecodeError",
    "APIResponseValidationError",
    "ValidationError",
    "DecodingError",
    _STUMBLED,
}
_CHATTER = re.compile(
    r"Original exception:|\nTraceback|Handle with `litellm|,?\s+Received chunk|\s+For further information visit", re.I
)
"""Where what litellm and pydantic add to a message begins."""
_PREFIX = re.compile(
    r"(?:(?:litellm\.)?(?:Timeout )?\w*(?:Error|Exception|Timeout)\w*\s*[-:]\s*|Error code: \d+(?: - |$)|Error parsing chunk: )+"
)
_OPENSSL = re.compile(r"\[SSL: \w+\] | \(_ssl\.c:\d+\)")
_KEY_SHAPES = re.compile(r"(?i)\b(?:sk|pk|rk|xai|gsk|key)-[\w*.-]{4,}|(?<=bearer )[\w*.~+/=-]{4,}|(?<=key=)[^\s&\"')]+")
"""What providers repeat of a key: masked in the middle, in a header, in an address."""
_QUOTA_KINDS = {"insufficient_quota insufficient_quota", "insufficient_quota", "billing_error", "payment_required"}
_QUOTA = re.compile(
    r"insufficient_quota|credit balance is too low|insufficient (?:balance|credits|funds)|billing.hard.limit|payment required",
    re.I,
)
_NO_KEY = re.compile(
    r"missing credentials|missing \w+ api key|api key not valid|invalid.api.key|api_key client option must be set", re.I
)
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length|(?:prompt|input) (?:is )?too long|context (?:window|length|limit)"
    r"|exceeds? (?:the |this )?(?:model'?s? )?(?:available context|max(?:imum)? (?:context|input|prompt|number of tokens))"
    r"|maximum (?:prompt|input) length|reduce the length of|request too large"
    r"|(?:number of|input) tokens? (?:count )?(?:\(\d+\) )?(?:exceeds?|must be)|`inputs` tokens"
    r"|too large for model|greater than the context|n_ctx|longer than the (?:maximum )?model"
    r"|must have less than \d+ tokens|tokens in the prompt cannot exceed|exceeded model token limit|prompt exceeds max length"
    r"|range of input length|prompt.tokens.exceeded|token count of \d+ exceeds|max_tokens must be at least 1, got -",
    re.I,
)
_ROOM = re.compile(
    r"(?:(?:context|maximum prompt|maximum input|model) length (?:is|of)(?: only)?|context (?:size|window|limit)(?: is| of)?:?"
    r"|n_ctx\W{1,4}|must be <=|configured limit of|must have less than|cannot exceed|tokens allowed|length should be \[\d+,"
    r"|exceeds the limit of|token limit:?) \(?(\d[\d,]{3,11})(?![\d,]| \+)|> (\d{4,12})\b|\b(\d{4,12}) maximum",
    re.I,
)
"""As OpenAI, Anthropic, Google, xAI, vLLM, llama.cpp, LM Studio, TGI and DashScope say it."""
