"""What models there are to choose from: those of this machine, those whose key is kept, and a test call of each."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from flowchat.config import Settings
from flowchat.errors import CommandRefused
from flowchat.model import discover
from flowchat.runtime.models import Models, ReadBlob, kept_in, no_blob
from flowchat.store.aside import aside
from flowchat.store.keys import Keys

if TYPE_CHECKING:
    from flowchat.model.local import LocalModel
    from flowchat.model.offers import Offer
    from flowchat.model.probe import Probed


class Choosing:
    """`make` gives the models of other settings; `keys` None: nothing can be kept."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        environ: Mapping[str, str],
        keys: Keys | None,
        make: Callable[[ReadBlob, Callable[[], None], Settings], Models],
    ) -> None:
        self._settings, self._environ, self._keys, self._make = settings, environ, keys, make

    async def keep_key(self, provider: str, key: str) -> str:
        """Keep a provider's API key and say where it is. Raises UsageError, StorageFailed, CommandRefused."""
        keys = self._keys
        discover.check_provider(provider)
        if keys is None:
            raise CommandRefused("nothing can be kept here, so no key either: set HOME or FLOWCHAT_HOME, or the key's variable")
        return await aside(lambda: keys.keep(provider, key))

    def key_places(self) -> Mapping[str, str]:
        """Where the key of each provider is kept that has one; the keys themselves are not read from a keyring."""
        return self._keys.providers() if self._keys else {}

    async def look_around(self) -> "tuple[LocalModel, ...]":
        """The models of this machine, within a second; raises nothing."""
        from flowchat.model.local import look_around

        return await look_around(self._environ)

    def offers(self, found: "Sequence[LocalModel]") -> "tuple[Offer, ...]":
        """What there is to choose from, the best first, the demo last."""
        from flowchat.model.offers import offers

        return offers(self._environ, self._settings(), found, kept_in(self._keys))

    async def probe(self, name: str, api_base: str = "") -> "Probed":
        """One small call to a model, at `api_base` where that is given. Raises NoModel for the empty name."""
        from flowchat.store.setting import with_setting

        settings = self._settings()
        if api_base:
            settings = with_setting(settings, f"models.{name}.api_base", api_base)
        return await self._make(no_blob, lambda: None, settings).probe(name)
