"""Which model a session talks to: names made into models, each loaded when it is first asked."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING

from flowchat.config import Settings, redact_also
from flowchat.errors import ModelError, NoModel
from flowchat.model import catalogue, discover
from flowchat.model.model import Model
from flowchat.store.aside import aside
from flowchat.store.keys import Keys
from flowchat.transcript.entries import Noticed

if TYPE_CHECKING:
    from flowchat.model.probe import Probed

ReadBlob = Callable[[str], Awaitable[bytes | None]]


async def no_blob(sha256: str) -> None:
    """For models that are asked about no conversation."""


class AskedBlobs:
    """Reads the blobs a request names, and knows those that were not there."""

    def __init__(self, read: ReadBlob) -> None:
        self._read = read
        self._missing: dict[str, None] = {}

    async def get(self, sha256: str) -> bytes | None:
        content = await self._read(sha256)
        if content is None:
            self._missing[sha256] = None
        return content

    def missed(self) -> list[Noticed]:
        """A notice for each that was ever missed."""
        sentence = "blob {} is missing from this session; the model sees a placeholder"
        return [Noticed("warning", "blobs", sentence.format(sha256)) for sha256 in self._missing]


class Models:
    """One session's models by name; `read_blob` reads the session's blobs. `make` takes the place of the wire in tests.

    Once warm, each is looked up better in the background when it is first named: window and prices. `learned` hears of it.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        read_blob: ReadBlob,
        learned: Callable[[], None],
        make: Callable[[str], Model] | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._settings, self._environ, self._read_blob, self._learned = settings, environ, read_blob, learned
        self._keys = keys
        self._make = make or self._at_the_wire
        self._made: dict[str, Model] = {}
        self._warm = False
        self._learning: set[asyncio.Task[None]] = set()

    def named(self, name: str) -> Model:
        """Raises NoModel for the empty name."""
        if not name:
            raise NoModel(discover.found(self._environ, self._settings.model, kept_in(self._keys)).sentence)
        if name not in self._made:
            self._made[name] = self._make(name)
            if self._warm:
                self._learn(name)
        return self._made[name]

    def use(self, settings: Settings) -> None:
        """Other settings from now on: a model they say something else of is made again when it is next named."""
        before, self._settings = self._settings, settings
        for name in list(self._made):
            if catalogue.settings_of(name, before) != catalogue.settings_of(name, settings):
                del self._made[name]

    def warm(self, name: str) -> None:
        """Begin to load what this model and those already named need, in a thread; the empty name needs nothing."""
        if not self._warm:
            self._warm = True
            for known in self._made:
                self._learn(known)
        if name:
            self.named(name)

    async def probe(self, name: str) -> "Probed":
        """One small call to a model, once it is loaded and looked up. Raises NoModel for the empty name."""
        from flowchat.model.probe import probe

        model = self.named(name)
        if self._is_at_the_wire(name):
            await self._refine(name)
        return await probe(model)

    @property
    def learning(self) -> bool:
        """Whether something is being looked up."""
        return bool(self._learning)

    async def close(self) -> None:
        """Learn nothing any more."""
        for task in self._learning:
            task.cancel()
        await asyncio.gather(*self._learning, return_exceptions=True)

    def _learn(self, name: str) -> None:
        if self._is_at_the_wire(name):
            task = asyncio.create_task(self._refine(name))
            self._learning.add(task)
            task.add_done_callback(self._learning.discard)

    def _is_at_the_wire(self, name: str) -> bool:
        return name != discover.DEMO and self._make == self._at_the_wire

    async def _refine(self, name: str) -> None:
        from flowchat.model import provider

        model = self.named(name)
        assert isinstance(model, provider.ProviderModel)
        try:
            await provider.loaded()
        except ModelError:
            return
        settings = catalogue.settings_of(name, self._settings)
        variable = discover.key_set(model.facts.provider, self._environ)
        key = self._environ[variable].strip() if variable else ""
        model.learn(await catalogue.refine(model.facts, settings, model.api_base, provider.table_row, key))
        self._learned()

    def _at_the_wire(self, name: str) -> Model:
        if name == discover.DEMO:
            from flowchat.model.demo import DemoModel

            return DemoModel()
        from flowchat.model.provider import Patience, ProviderModel

        settings = catalogue.settings_of(name, self._settings)
        base = settings.api_base or discover.api_base(discover.provider_of(name), self._environ)
        facts = catalogue.facts_of(name, settings, base)
        patience = Patience(idle_seconds=self._settings.limits.idle_seconds)
        return ProviderModel(
            facts, self._read_blob, api_base=base, patience=patience, environ=self._environ, read_key=self._read_key
        )

    async def _read_key(self, provider: str) -> str | None:
        """The key the user gave to flowchat. Raises StorageFailed."""
        keys = self._keys
        if keys is None or provider not in keys.providers():
            return None
        key = await aside(lambda: keys.key_of(provider))
        if key:
            redact_also(key)
        return key


def choose(wanted: str | None, settings: Settings, environ: Mapping[str, str], attended: bool, kept: Collection[str] = ()) -> str:
    """The model of a new session: the one named, the one found, or, where someone is there to see it, the demo; else empty."""
    return wanted or discover.found(environ, settings.model, kept).model or (discover.DEMO if attended else "")


def usable(name: str, environ: Mapping[str, str], kept: Collection[str] = ()) -> bool:
    """Whether a model could be asked now, as far as its name, the environment and the kept keys tell."""
    provider = discover.provider_of(name)
    needed = discover.key_names(provider)
    local = discover.is_loopback(discover.api_base(provider, environ))
    return bool(name) and (not needed or local or bool(discover.key_origin(provider, environ, kept)))


def kept_in(keys: Keys | None) -> Collection[str]:
    """The providers whose keys are kept."""
    return keys.providers() if keys else ()


async def close() -> None:
    """Let go of idle connections, where there can be any."""
    import sys

    if "flowchat.model.provider" in sys.modules:
        from flowchat.model import provider

        await asyncio.shield(provider.close())
