"""Which models could answer here, the best first, each with what is known of it in one sentence. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from flowchat.config import Settings
from flowchat.model import discover
from flowchat.model.catalogue import settings_of
from flowchat.model.local import LocalModel

DEMO_SENTENCE = "Built in and offline: it is not a language model, but it really calls the tools."


class Offer(Struct, frozen=True, gc=False):
    """A model to choose: its litellm name, empty where only its provider is known, and what there is to say of it.

    `api_base` is what has to be set with it (`models.NAME.api_base`), empty where the name alone leads there. `advice` is a
    second sentence: what to do about a small window.
    """

    kind: Literal["chosen", "local", "key", "demo"]
    model: str
    sentence: str
    api_base: str = ""
    advice: str = ""


def offers(
    environ: Mapping[str, str], settings: Settings, found: Sequence[LocalModel], kept: Collection[str] = ()
) -> tuple[Offer, ...]:
    """What to choose from; the first with a model is the one to take, the demo is always there, and last.

    What is set comes first, then local models that call tools, keys, local models that may not call tools, and what is set
    but names no model. `found` is what `look_around` gave, `kept` the providers whose key the user gave to flowchat. No key
    is in any of it.
    """
    chosen = discover.found(environ, settings.model) if environ.get("FLOWCHAT_MODEL", "").strip() or settings.model else None
    local = [_local(model, environ, settings) for model in found]
    first = [_chosen(chosen.model, chosen.sentence, local)] if chosen and chosen.model else []
    able = [offer for offer, model in zip(local, found, strict=True) if model.calls_tools and not model.elsewhere]
    others = [offer for offer in local if offer not in able]
    keys = _keys(environ, found, kept)
    every = [*first, *able, *(key for key in keys if key.model), *others, *(key for key in keys if not key.model)]
    if all(offer.model != discover.DEMO for offer in every):
        every.append(Offer("demo", discover.DEMO, DEMO_SENTENCE))
    return tuple(offer for number, offer in enumerate(every) if not _is_named(offer, every[:number]))


def _chosen(name: str, why: str, local: Sequence[Offer]) -> Offer:
    """What is set, with what its server says of it where that is on this machine."""
    there = next((offer for offer in local if offer.model == name), None)
    if there is None:
        return Offer("chosen", name, _sentence(why))
    return Offer("chosen", name, f"{_sentence(why)[:-1]}: {there.sentence}", there.api_base, there.advice)


def _is_named(offer: Offer, before: Sequence[Offer]) -> bool:
    return bool(offer.model) and any(other.model == offer.model for other in before)


def _local(found: LocalModel, environ: Mapping[str, str], settings: Settings) -> Offer:
    known = settings_of(found.model, settings)
    leads_to = known.api_base or discover.api_base(discover.provider_of(found.model), environ)
    api_base = "" if leads_to == found.api_base else found.api_base
    return Offer("local", found.model, says(found, known.window), api_base, "" if known.window else found.advice)


def says(found: LocalModel, window_set: int | None = None) -> str:
    """A local model's facts as a sentence: where it is, its size, its window and how that is known, whether it calls tools."""
    where = [f"{found.server}, which asks another machine" if found.elsewhere else found.server]
    if found.size_bytes:
        where.append(_size(found.size_bytes))
    if found.loaded:
        where.append("loaded")
    window = f"window {found.window:,} as the server says" if found.window else "window unknown"
    if window_set:
        window = f"window {window_set:,} as the settings say"
    tools = {True: "calls tools", False: "does not call tools", None: "tool calls unknown"}[found.calls_tools]
    return f"{', '.join(where)}; {window}; {tools}."


def _size(weight: int) -> str:
    return f"{weight / 1e9:.1f} GB" if weight >= 1e9 else f"{weight / 1e6:.0f} MB"


def _keys(environ: Mapping[str, str], found: Sequence[LocalModel], kept: Collection[str]) -> list[Offer]:
    """An offer for each provider with a key or an address of its own; where no model is known the name is empty."""
    made: list[Offer] = []
    for provider in discover.PROVIDERS.values():
        if provider.name == "ollama":  # the same server as ollama_chat
            continue
        origin = discover.key_origin(provider.name, environ, kept)
        address = next((name for name in provider.bases if environ.get(name, "").strip()), "")
        base = discover.api_base(provider.name, environ)
        if not origin and (not address or base is None):
            continue
        if not address and provider.default:
            made.append(Offer("key", provider.default, _sentence(origin)))
        elif any(discover.provider_of(model.model) == provider.name for model in found):
            continue  # what its address offers is known by name
        elif address and discover.is_loopback(base):
            made.append(Offer("key", "", f"{address} names {discover.host_of(str(base))}, but nothing answers there: start it."))
        else:
            what = f"{address} is set" if address else origin
            made.append(Offer("key", "", _sentence(f"{what}; name a model with /model {provider.name}/NAME")))
    return made


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
