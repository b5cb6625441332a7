"""What model servers on this machine say of their models: Ollama, LM Studio, llama.cpp, vLLM and whatever else lists models."""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from flowchat.model import discover
from flowchat.model.asking import ask

OLLAMA = ("ollama", "ollama_chat")
OLLAMA_WINDOW = 4_096
"""What Ollama runs a model with where nothing else is set, below 24 GiB of video memory (its page on context length)."""
WIDE_WINDOW = 32_768
"""Tokens from which on a window is not called small."""
_SIZE = re.compile(r"[1-9][0-9]{0,11}")


class ServerSays(Struct, frozen=True, gc=False):
    """What a server on this machine says of its model: sizes in tokens, None where it says nothing.

    `window` is what it runs with, `able` what the model could do, `advice` a sentence where the first is small and the
    second is not.
    """

    window: int | None = None
    calls_tools: bool | None = None
    able: int | None = None
    advice: str = ""


async def ask_server(model: str, api_base: str, key: str = "") -> ServerSays:
    """What a loopback server tells of a model, each question answered within ASK_SECONDS; raises nothing.

    `key` is the one that requests to this address bring.
    """
    root, name = root_of(api_base), model.partition("/")[2] or model
    provider = discover.provider_of(model)
    if provider in OLLAMA:
        shown = await ask(f"{root}/api/show", {"model": name})
        return ollama_says(model, shown, await ask(f"{root}/api/ps"))
    if provider == "lm_studio" and (row := row_of(name, await ask(f"{root}/api/v0/models"))):
        return studio_says(row)
    for address in addresses(api_base):
        row = row_of(name, await ask(address, key=key))
        if (says := row_says(row)).window:
            return says
    return props_say(await ask(f"{root}/props", key=key))


def root_of(api_base: str) -> str:
    return urlunsplit((*urlsplit(api_base)[:2], "", "", ""))


def addresses(api_base: str) -> tuple[str, ...]:
    """Where a server that speaks as OpenAI does lists its models: below the address, or where that has no path, at /v1."""
    return tuple(dict.fromkeys((f"{api_base.rstrip('/')}/models", f"{root_of(api_base)}/v1/models")))


def ollama_says(model: str, shown: object, running: object) -> ServerSays:
    """From POST /api/show and GET /api/ps: num_ctx of the model's parameters, else the context it is loaded with.

    The advice is to set a window, which is sent with each request and is stronger than both.
    """
    name = model.partition("/")[2]
    parameters = [line.split() for line in str(path(shown, "parameters") or "").splitlines()]
    set_there = next((int(words[-1]) for words in parameters if words[:1] == ["num_ctx"] and _SIZE.fullmatch(words[-1])), None)
    info = path(shown, "model_info")
    sizes = cast(Mapping[str, object], info if isinstance(info, dict) else {})
    able = next((count(size) for key, size in sizes.items() if key.endswith(".context_length")), None)
    can = path(shown, "capabilities")
    tools = "tools" in cast(list[object], can) if isinstance(can, list) else None
    loaded = next((count(path(row, "context_length")) for row in rows(running, "models") if same_name(row, name)), None)
    runs_with = set_there or loaded
    advice = ""
    if _is_small(runs_with or OLLAMA_WINDOW, able) and (runs_with or able):
        only = f"runs {name} with {runs_with:,}" if runs_with else f"may run {name} with no more than {OLLAMA_WINDOW:,}"
        most = "" if able is None else f" of {able:,}"
        room = min(able or WIDE_WINDOW, WIDE_WINDOW)
        fix = f"`flowchat config set models.{model}.window {room}`"
        advice = f"Ollama {only}{most} tokens and drops what is longer; {fix} asks for more"
    return ServerSays(runs_with, tools, able, advice)


def same_name(row: object, name: str) -> bool:
    """Whether a row of Ollama's is the model of that name; without a tag it is the latest."""
    return path(row, "name") in (name, f"{name}:latest")


def studio_says(row: object) -> ServerSays:
    """From a row of LM Studio's own GET /api/v0/models."""
    window, able = count(path(row, "loaded_context_length")), count(path(row, "max_context_length"))
    can = path(row, "capabilities")
    tools = "tool_use" in cast(list[object], can) if isinstance(can, list) else None
    advice = ""
    if window and _is_small(window, able):
        most = "" if able is None else f" of {able:,}"
        advice = f"LM Studio runs {path(row, 'id')} with {window:,}{most} tokens: raise the context length it is loaded with"
    return ServerSays(window, tools, able, advice)


def row_says(row: object) -> ServerSays:
    """From a row of GET /v1/models: vLLM's max_model_len, others' context_length, llama.cpp's n_ctx."""
    keys = ("max_model_len", "context_length", "context_window")
    window = next((size for key in keys if (size := count(path(row, key)))), None) or count(path(row, "meta", "n_ctx"))
    return ServerSays(window, able=count(path(row, "meta", "n_ctx_train")))


def props_say(props: object) -> ServerSays:
    """From llama.cpp's GET /props: the n_ctx it runs with, and whether its chat template knows tools and calls of them.

    Where it does not, llama.cpp takes a request's tools and says nothing of dropping them.
    """
    caps = [path(props, "chat_template_caps", f"supports_{what}") for what in ("tools", "tool_calls")]
    known = [able for able in caps if isinstance(able, bool)]
    return ServerSays(count(path(props, "default_generation_settings", "n_ctx")), all(known) if known else None)


def row_of(name: str, listed: object) -> object:
    """The row of a model in a list of models, or the only one there is; None."""
    found = rows(listed, "data")
    return next((row for row in found if path(row, "id") == name), found[0] if len(found) == 1 else None)


def rows(value: object, key: str) -> list[object]:
    found = path(value, key)
    return cast(list[object], found) if isinstance(found, list) else []


def path(value: object, *keys: str) -> object:
    """What lies at the end of these keys in objects of JSON; None where there is nothing."""
    for key in keys:
        value = cast(Mapping[str, Any], value).get(key) if isinstance(value, dict) else None
    return value


def count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _is_small(window: int, able: int | None) -> bool:
    return window < min(able or WIDE_WINDOW, WIDE_WINDOW)
