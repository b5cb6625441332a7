"""What is known of a model: window, longest answer, prices; from the user, the server, litellm's table, or assumed."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from flowchat.config import ModelSettings, Settings
from flowchat.model import discover
from flowchat.model.model import ModelFacts

LOCAL_WINDOW = 32_768
ASSUMED_WINDOW = 128_000
ASK_SECONDS = 2.0
"""How long a server on this machine may take to describe itself."""
ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_OLLAMA = ("ollama", "ollama_chat")


class TableRow(Struct, frozen=True, gc=False):
    """A row of litellm's table, as it stands there: a price of 0 is one it does not know."""

    window: int | None = None
    max_output: int | None = None
    calls_tools: bool = True
    input_price: float | None = None
    cached_price: float | None = None
    output_price: float | None = None


class ServerSays(Struct, frozen=True, gc=False):
    """What a server on this machine says of its model."""

    window: int | None = None
    calls_tools: bool = True


Table = Callable[[str], TableRow | None]


def settings_of(model: str, settings: Settings) -> ModelSettings:
    return settings.models.get(model) or ModelSettings()


def facts_of(
    model: str,
    settings: ModelSettings,
    api_base: str | None = None,
    row: TableRow | None = None,
    server: ServerSays | None = None,
) -> ModelFacts:
    """A model's facts from what is at hand: user's settings > the server's answer > the table > an assumption. Pure."""
    provider = discover.provider_of(model)
    row = row if row and provider not in _OLLAMA else TableRow()
    server = server or ServerSays()
    if settings.window:
        window, source = settings.window, "config"
    elif server.window:
        window, source = server.window, "server"
    elif row.window:
        window, source = row.window, "table"
    else:
        window, source = (LOCAL_WINDOW if discover.is_loopback(api_base) else ASSUMED_WINDOW), "assumed"
    return ModelFacts(
        name=model,
        provider=provider,
        window=window,
        window_source=source,
        max_output=settings.max_output or row.max_output or None,
        calls_tools=row.calls_tools and server.calls_tools,
        input_price=row.input_price or None,
        cached_price=row.cached_price or None,
        output_price=row.output_price or None,
    )


async def refine(facts: ModelFacts, settings: ModelSettings, api_base: str | None, table: Table) -> ModelFacts:
    """Better facts, once litellm is loaded: asks the server if it is on this machine, then the table. Never raises."""
    server = None
    if settings.window is None and discover.is_loopback(api_base):
        server = await asyncio.to_thread(ask_server, facts.name, str(api_base))
    return facts_of(facts.name, settings, api_base, table(facts.name), server)


def ask_server(model: str, api_base: str) -> ServerSays:
    """What a loopback server tells of a model; blocks for at most a few times ASK_SECONDS, raises nothing.

    vLLM and others: GET /v1/models with max_model_len or context_length; llama.cpp: GET /props with the n_ctx it runs with;
    Ollama: num_ctx of POST /api/show, else the context_length GET /api/ps says is loaded. What a model could do
    (model_info's context_length) counts only where it is less than would be assumed: Ollama cuts at what it runs with.
    """
    root = urlunsplit((*urlsplit(api_base)[:2], "", "", ""))
    name = model.partition("/")[2] or model
    if discover.provider_of(model) in _OLLAMA:
        return _read_ollama(_ask(f"{root}/api/show", {"model": name}), _ask(f"{root}/api/ps"), name)
    for address in dict.fromkeys((f"{api_base.rstrip('/')}/models", f"{root}/v1/models")):
        if window := _window_listed(_ask(address), name):
            return ServerSays(window)
    return ServerSays(_count(_path(_ask(f"{root}/props"), "default_generation_settings", "n_ctx")))


def _read_ollama(shown: object, running: object, name: str) -> ServerSays:
    lines = [line.split() for line in str(_path(shown, "parameters") or "").splitlines()]
    set_there = next((int(line[-1]) for line in lines if line[:1] == ["num_ctx"] and line[-1].isdigit()), None)
    models = _path(running, "models")
    rows = cast(list[object], models) if isinstance(models, list) else []
    loaded = next((_count(_path(row, "context_length")) for row in rows if _path(row, "name") in (name, f"{name}:latest")), None)
    info = _path(shown, "model_info")
    sizes = cast(Mapping[str, object], info if isinstance(info, dict) else {})
    able = next((_count(size) for key, size in sizes.items() if key.endswith(".context_length")), None)
    can = _path(shown, "capabilities")
    tools = not isinstance(can, list) or "tools" in cast(list[object], can)
    return ServerSays(set_there or loaded or (able if able and able < LOCAL_WINDOW else None), tools)


def _window_listed(listed: object, name: str) -> int | None:
    models = _path(listed, "data")
    if not isinstance(models, list):
        return None
    rows = cast(list[object], models)
    row = next((row for row in rows if _path(row, "id") == name), rows[0] if len(rows) == 1 else None)
    keys = ("max_model_len", "context_length", "context_window")
    return next((count for key in keys if (count := _count(_path(row, key)))), None) or _count(_path(row, "meta", "n_ctx"))


def _path(value: object, *keys: str) -> object:
    for key in keys:
        value = cast(Mapping[str, Any], value).get(key) if isinstance(value, dict) else None
    return value


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _ask(url: str, body: object = None) -> object:
    """The JSON a loopback address answers with, or None; proxies do not apply."""
    import urllib.request
    from http.client import HTTPException

    payload = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, payload, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ASK_SECONDS) as answer:
            return json.loads(answer.read(ANSWER_LIMIT_BYTES))
    except (OSError, ValueError, HTTPException, RecursionError):
        return None
