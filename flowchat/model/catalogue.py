"""What is known of a model: window, longest answer, prices; from the user, the server, litellm's table, or assumed."""

from collections.abc import Callable

from msgspec import Struct

from flowchat.config import ModelSettings, Settings
from flowchat.model import discover
from flowchat.model.model import ModelFacts
from flowchat.model.servers import OLLAMA, ServerSays, ask_server

LOCAL_WINDOW = 32_768
ASSUMED_WINDOW = 128_000


class TableRow(Struct, frozen=True, gc=False):
    """A row of litellm's table, as it stands there: a price of 0 is one it does not know."""

    window: int | None = None
    max_output: int | None = None
    calls_tools: bool = True
    input_price: float | None = None
    cached_price: float | None = None
    output_price: float | None = None


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
    row = row if row and provider not in OLLAMA else TableRow()
    server = server or ServerSays()
    if settings.window:
        window, source = settings.window, "config"
    elif server.window:
        window, source = server.window, "server"
    elif server.able and server.able < LOCAL_WINDOW:
        window, source = server.able, "server"
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
        calls_tools=row.calls_tools and server.calls_tools is not False,
        input_price=row.input_price or None,
        cached_price=row.cached_price or None,
        output_price=row.output_price or None,
    )


async def refine(facts: ModelFacts, settings: ModelSettings, api_base: str | None, table: Table, key: str = "") -> ModelFacts:
    """Better facts, once litellm is loaded: asks the server if it is on this machine, then the table. Never raises."""
    server = None
    if settings.window is None and discover.is_loopback(api_base):
        server = await ask_server(facts.name, str(api_base), key)
    return facts_of(facts.name, settings, api_base, table(facts.name), server)
