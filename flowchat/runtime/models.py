"""Which model a session talks to: names made into models, each loaded when it is first asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from flowchat.config import Settings
from flowchat.errors import NoModel
from flowchat.model import catalogue, discover
from flowchat.model.model import Model, ModelFacts
from flowchat.transcript.entries import Noticed, Record

ReadBlob = Callable[[str], Awaitable[bytes | None]]


class AskedBlobs:
    """Reads the blobs a request names; those that were not there are told of once on the branch."""

    def __init__(self, read: ReadBlob) -> None:
        self._read = read
        self._missing: dict[str, None] = {}

    async def get(self, sha256: str) -> bytes | None:
        content = await self._read(sha256)
        if content is None:
            self._missing[sha256] = None
        return content

    def news(self, branch: Sequence[Record]) -> list[Noticed]:
        """A notice for each one missed that the branch has none of yet."""
        if not self._missing:
            return []
        told = {record.entry.text for record in branch if isinstance(record.entry, Noticed)}
        sentences = (f"blob {sha256} is missing from this session: the model is told so in its place" for sha256 in self._missing)
        return [Noticed("warning", "blobs", sentence) for sentence in sentences if sentence not in told]


class Models:
    """One session's models by name; `read_blob` reads the session's blobs. `make` takes the place of the wire in tests."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], read_blob: ReadBlob, make: Callable[[str], Model] | None = None
    ) -> None:
        self._settings, self._environ, self._read_blob = settings, environ, read_blob
        self._make = make or self._at_the_wire
        self._made: dict[str, Model] = {}

    def named(self, name: str) -> Model:
        """Raises NoModel for the empty name."""
        if not name:
            raise NoModel(discover.found(self._environ, self._settings.model).sentence)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    async def refine(self, name: str) -> ModelFacts | None:
        """Look the model up better, once its library is loaded: window and prices; None where there is nothing to learn."""
        model = self._made.get(name)
        if name == discover.DEMO or self._make != self._at_the_wire:
            return None
        from flowchat.model import provider

        if not isinstance(model, provider.ProviderModel):
            return None
        await provider.loaded()
        facts = await catalogue.refine(
            model.facts, catalogue.settings_of(name, self._settings), model.api_base, provider.table_row
        )  # fmt: skip
        model.learn(facts)
        return facts

    def _at_the_wire(self, name: str) -> Model:
        if name == discover.DEMO:
            from flowchat.model.demo import DemoModel

            return DemoModel()
        from flowchat.model.provider import Patience, ProviderModel

        settings = catalogue.settings_of(name, self._settings)
        base = settings.api_base or discover.api_base(discover.provider_of(name), self._environ)
        facts = catalogue.facts_of(name, settings, base)
        patience = Patience(idle_seconds=self._settings.limits.idle_seconds)
        return ProviderModel(facts, self._read_blob, api_base=base, patience=patience, environ=self._environ)


def choose(wanted: str | None, settings: Settings, environ: Mapping[str, str], attended: bool) -> str:
    """The model of a new session: the one named, the one found, or, where somebody is there to see it, the demo; else empty."""
    return wanted or discover.found(environ, settings.model).model or (discover.DEMO if attended else "")


def usable(name: str, environ: Mapping[str, str]) -> bool:
    """Whether a model could be asked now, as far as its name and the environment tell."""
    provider = discover.provider_of(name)
    needed = discover.key_names(provider)
    local = discover.is_loopback(discover.api_base(provider, environ))
    return bool(name) and (not needed or local or discover.key_set(provider, environ) is not None)


def warm(name: str) -> None:
    """Begin to load what the model needs, in a thread; nothing for the demo."""
    if name and name != discover.DEMO:
        from flowchat.model import provider

        provider.warm_up()


async def close() -> None:
    """Let go of idle connections, where there can be any."""
    import sys

    if "flowchat.model.provider" in sys.modules:
        from flowchat.model import provider

        await asyncio.shield(provider.close())
