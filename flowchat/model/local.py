"""The models on this machine: Ollama, LM Studio, llama.cpp, vLLM and every loopback address in the environment, asked at once."""

import asyncio
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from flowchat.model import discover
from flowchat.model.asking import ask
from flowchat.model.servers import (
    OLLAMA,
    ServerSays,
    addresses,
    count,
    ollama_says,
    path,
    props_say,
    root_of,
    row_says,
    rows,
    same_name,
    studio_says,
)

LOOK_SECONDS = 0.3
"""How long each question may take."""
MODELS_LIMIT = 50
"""So many models of one server are looked at."""
_VARIABLES = ("_API_BASE", "_BASE_URL")
_SERVERS = {"ollama_chat": "Ollama", "lm_studio": "LM Studio", "llamafile": "llama.cpp", "hosted_vllm": "vLLM"}
"""What answers where a provider's models are; each has a port it is known by."""
_OWNERS = {"vllm": "vLLM", "llamacpp": "llama.cpp", "organization_owner": "LM Studio"}
"""Who serves, as the owned_by of a model's row says it."""


class LocalModel(Struct, frozen=True, gc=False):
    """One model a server here offers: `model` is its litellm name, `size_bytes` its weight on disk.

    None: the server does not say. `window` is what it runs with, in tokens. `advice` says how to widen a small one. Where
    `elsewhere` is true the server hands requests on to another machine.
    """

    model: str
    server: str
    api_base: str
    window: int | None = None
    window_source: Literal["server", "assumed"] = "assumed"
    calls_tools: bool | None = None
    size_bytes: int | None = None
    loaded: bool | None = None
    advice: str = ""
    elsewhere: bool = False


class Place(Struct, frozen=True, gc=False):
    """An address to look at, the provider whose models are there, and the key that goes with the address."""

    provider: str
    base: str
    key: str = ""


async def look_around(environ: Mapping[str, str]) -> tuple[LocalModel, ...]:
    """What answers on this machine, the best to use first; nothing leaves it, and a place that does not answer offers nothing.

    Takes at most two or three times LOOK_SECONDS, a few milliseconds where nothing listens.
    """
    found = await asyncio.gather(*(_look(place) for place in places(environ)))
    return tuple(sorted((model for models in found for model in models), key=_rank))


def _rank(found: LocalModel) -> tuple[bool, int, bool]:
    return found.elsewhere, (True, None, False).index(found.calls_tools), not found.loaded


def places(environ: Mapping[str, str]) -> list[Place]:
    """Each address once: Ollama's first, which tells most, then those the user named, then the ports servers are known by."""
    named: list[Place] = []
    for variable, value in environ.items():
        if value.strip() and variable.endswith(_VARIABLES):
            known = (provider for provider in discover.PROVIDERS.values() if variable in provider.bases)
            provider = next(known, discover.PROVIDERS["openai"])
            key = discover.key_set(provider.name, environ) if variable in provider.bases else None
            named.append(Place(provider.name, discover.address(value), environ[key].strip() if key else ""))
    taken = {place.provider for place in named}
    looked_at = [
        Place("ollama_chat", discover.api_base("ollama_chat", environ) or ""),
        *(place for place in named if place.provider not in OLLAMA),
        *(Place(name, discover.LOCAL_BASES[name]) for name in _SERVERS if name not in taken and name != "ollama_chat"),
    ]
    by_port: dict[int | None, Place] = {}
    for place in looked_at:
        if discover.is_loopback(place.base):
            by_port.setdefault(urlsplit(place.base).port, place)
    return list(by_port.values())


async def _look(place: Place) -> list[LocalModel]:
    if place.provider == "ollama_chat":
        return await _look_at_ollama(place)
    if place.provider == "lm_studio" and (found := await _look_at_studio(place)):
        return found
    return await _look_at_list(place)


async def _look_at_ollama(place: Place) -> list[LocalModel]:
    root = root_of(place.base)
    tags, running = await asyncio.gather(
        ask(f"{root}/api/tags", seconds=LOOK_SECONDS), ask(f"{root}/api/ps", seconds=LOOK_SECONDS)
    )
    there = [(row, str(path(row, "name"))) for row in rows(tags, "models") if path(row, "name")][:MODELS_LIMIT]
    shows = await asyncio.gather(*(ask(f"{root}/api/show", {"model": name}, seconds=LOOK_SECONDS) for _, name in there))
    found: list[LocalModel] = []
    for (row, name), shown in zip(there, shows, strict=True):
        if _only_embeds(path(shown, "capabilities")):
            continue
        loaded = None if running is None else any(same_name(other, name) for other in rows(running, "models"))
        says = ollama_says(f"{place.provider}/{name}", shown, running)
        if path(row, "remote_host"):
            found.append(_model(place, name, ServerSays(calls_tools=says.calls_tools), elsewhere=True))
        else:
            found.append(_model(place, name, says, path(row, "size"), loaded))
    return found


async def _look_at_studio(place: Place) -> list[LocalModel]:
    listed = await ask(f"{root_of(place.base)}/api/v0/models", seconds=LOOK_SECONDS)
    found: list[LocalModel] = []
    for row in rows(listed, "data")[:MODELS_LIMIT]:
        if path(row, "id") and path(row, "type") != "embeddings":
            loaded = path(row, "state") == "loaded"
            found.append(_model(place, str(path(row, "id")), studio_says(row), None, loaded))
    return found


async def _look_at_list(place: Place) -> list[LocalModel]:
    """A server that speaks as OpenAI does; llama.cpp's tells more of the one model it runs."""
    *lists, props = await asyncio.gather(
        *(ask(address, seconds=LOOK_SECONDS, key=place.key) for address in addresses(place.base)),
        ask(f"{root_of(place.base)}/props", seconds=LOOK_SECONDS),
    )
    listed = max((rows(listed, "data") for listed in lists), key=len)
    more = props_say(props) if len(listed) == 1 else ServerSays()
    found: list[LocalModel] = []
    for row in listed[:MODELS_LIMIT]:
        if not path(row, "id"):
            continue
        own = row_says(row)
        says = ServerSays(own.window or more.window, more.calls_tools, own.able)
        server = _OWNERS.get(str(path(row, "owned_by")), "")
        found.append(_model(place, str(path(row, "id")), says, path(row, "meta", "size"), server=server))
    return found


def _model(
    place: Place,
    name: str,
    says: ServerSays,
    size: object = None,
    loaded: bool | None = None,
    elsewhere: bool = False,
    server: str = "",
) -> LocalModel:
    return LocalModel(
        model=f"{place.provider}/{name}",
        server=server or _SERVERS.get(place.provider) or f"the server at {discover.host_of(place.base)}",
        api_base=place.base,
        window=says.window,
        window_source="server" if says.window else "assumed",
        calls_tools=says.calls_tools,
        size_bytes=count(size),
        loaded=loaded,
        advice=says.advice,
        elsewhere=elsewhere,
    )


def _only_embeds(capabilities: object) -> bool:
    return isinstance(capabilities, list) and "embedding" in capabilities and "completion" not in capabilities
