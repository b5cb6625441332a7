"""Which model to use when none is named, and whose it is: names and environment only, no network, litellm not needed."""

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from flowchat.errors import UsageError

DEMO = "demo"
"""The name of the built-in offline model; it belongs to the provider of the same name."""


class Provider(Struct, frozen=True, gc=False):
    """What we know of a provider by its litellm prefix: any one of `keys` lets us in, `bases` may hold another address."""

    name: str
    keys: tuple[str, ...] = ()
    default: str = ""
    bases: tuple[str, ...] = ()


class Found(Struct, frozen=True, gc=False):
    """`model` None: nothing is configured. `sentence` says what was found, for a person."""

    model: str | None
    sentence: str


# The key variables are those litellm reads; the order is the order of preference where several are set.
PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "anthropic",
            ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
            "anthropic/claude-sonnet-4-5",
            ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        ),
        Provider("openai", ("OPENAI_API_KEY",), "openai/gpt-5", ("OPENAI_BASE_URL", "OPENAI_API_BASE")),
        Provider("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini/gemini-2.5-pro", ("GEMINI_API_BASE",)),
        Provider("openrouter", ("OPENROUTER_API_KEY",), "openrouter/anthropic/claude-sonnet-4.5", ("OPENROUTER_API_BASE",)),
        Provider("mistral", ("MISTRAL_API_KEY",), "mistral/mistral-large-latest", ("MISTRAL_API_BASE",)),
        Provider("deepseek", ("DEEPSEEK_API_KEY",), "deepseek/deepseek-chat", ("DEEPSEEK_API_BASE",)),
        Provider("xai", ("XAI_API_KEY",), "xai/grok-code-fast-1", ("XAI_API_BASE",)),
        Provider("groq", ("GROQ_API_KEY",), "groq/openai/gpt-oss-120b", ("GROQ_API_BASE",)),
        Provider("cerebras", ("CEREBRAS_API_KEY",), "cerebras/gpt-oss-120b", ("CEREBRAS_API_BASE",)),
        Provider("zai", ("ZAI_API_KEY",), "zai/glm-4.6", ("ZAI_API_BASE",)),
        Provider("moonshot", ("MOONSHOT_API_KEY",), "", ("MOONSHOT_API_BASE",)),
        Provider("dashscope", ("DASHSCOPE_API_KEY",), "", ("DASHSCOPE_API_BASE",)),
        Provider("together_ai", ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN")),
        Provider("fireworks_ai", ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN")),
        Provider("perplexity", ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY")),
        Provider("cohere", ("COHERE_API_KEY", "CO_API_KEY")),
        Provider("nvidia_nim", ("NVIDIA_NIM_API_KEY",)),
        Provider(
            "azure", ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN", "AZURE_OPENAI_AD_TOKEN"), "", ("AZURE_API_BASE",)
        ),
        Provider("hosted_vllm", (), "", ("HOSTED_VLLM_API_BASE",)),
        Provider("ollama", (), "", ("OLLAMA_API_BASE", "OLLAMA_HOST")),
        Provider("ollama_chat", (), "", ("OLLAMA_API_BASE", "OLLAMA_HOST")),
        Provider("lm_studio", (), "", ("LM_STUDIO_API_BASE",)),
        Provider("llamafile", (), "", ("LLAMAFILE_API_BASE",)),
    )
}
LOCAL_BASES = {
    "ollama": "http://localhost:11434",
    "ollama_chat": "http://localhost:11434",
    "lm_studio": "http://localhost:1234/v1",
    "llamafile": "http://127.0.0.1:8080/v1",
    "hosted_vllm": "http://localhost:8000/v1",
}
"""Where servers of one's own machine listen when no address is given."""
_BARE_NAMES = (
    (("gpt-", "chatgpt-", "codex-", "o1", "o3", "o4"), "openai"),
    (("claude-",), "anthropic"),
    (("gemini-",), "vertex_ai"),
    (("deepseek-",), "deepseek"),
)
"""What litellm makes of a name without a provider: its beginning decides."""


OLLAMA_PORT = 11434
_ENDS_IN_PORT = re.compile(r":\d+$")


def found(environ: Mapping[str, str], configured: str = "", kept: Collection[str] = ()) -> Found:
    """The model to use: FLOWCHAT_MODEL, what the settings name, then the first provider whose key is set, or `kept` for it.

    A key whose variable also comes with an address of its own chooses nothing: which models are there is not known.
    """
    if named := environ.get("FLOWCHAT_MODEL", "").strip():
        return Found(named, f"FLOWCHAT_MODEL names {named}")
    if configured:
        return Found(configured, f"the settings name {configured}")
    elsewhere: list[str] = []
    for provider in PROVIDERS.values():
        key = key_origin(provider.name, environ, kept)
        address = next((name for name in provider.bases if environ.get(name, "").strip()), None)
        if key and provider.default and not address:
            return Found(provider.default, f"{key}, so {provider.default} is used; -m chooses another")
        if address:
            elsewhere.append(f"{address} is set, but no model there is named: choose one with -m {provider.name}/NAME")
        elif key:
            elsewhere.append(f"{key}, but no model is named: choose one with -m {provider.name}/NAME")
    if elsewhere:
        return Found(None, "; ".join(elsewhere))
    keys = ", ".join(provider.keys[0] for provider in PROVIDERS.values() if provider.default)
    return Found(
        None,
        f"no model is configured: none of {keys} is set, and neither FLOWCHAT_MODEL nor the settings name one;"
        " choose one with -m PROVIDER/MODEL, or -m demo for the built-in offline demo",
    )


def provider_of(model: str) -> str:
    """The litellm provider a model's name belongs to; empty where the name does not say."""
    prefix, slash, _ = model.partition("/")
    if slash:
        return prefix
    if model == DEMO:
        return DEMO
    name = model.removeprefix("ft:")
    return next((provider for beginnings, provider in _BARE_NAMES if name.startswith(beginnings)), "")


def key_set(provider: str, environ: Mapping[str, str]) -> str | None:
    """The variable that holds this provider's key, or None."""
    return next((name for name in key_names(provider) if environ.get(name, "").strip()), None)


def key_origin(provider: str, environ: Mapping[str, str], kept: Collection[str]) -> str:
    """Where a provider's key comes from, as a clause; empty where there is none. The environment wins."""
    if variable := key_set(provider, environ):
        return f"{variable} is set"
    return f"a key for {provider} is kept" if provider in kept else ""


def check_provider(provider: str) -> None:
    """Raise UsageError where there is no provider of that name a key could be kept for."""
    if provider not in PROVIDERS:
        raise UsageError(f"{provider!r} is not a provider flowchat keeps keys for; known providers: {', '.join(PROVIDERS)}")


def key_names(provider: str) -> tuple[str, ...]:
    """The variables any one of which may hold a provider's key; empty: none is needed, or we do not know."""
    known = PROVIDERS.get(provider)
    return known.keys if known else ()


def api_base(provider: str, environ: Mapping[str, str]) -> str | None:
    """The address a provider's own variables name, or where its local server listens by default; None: the provider's own."""
    known = PROVIDERS.get(provider)
    named = next((name for name in (known.bases if known else ()) if environ.get(name, "").strip()), None)
    if named == "OLLAMA_HOST":
        return _ollama_address(environ[named])
    return address(environ[named]) if named else LOCAL_BASES.get(provider)


def address(value: str) -> str:
    """What a variable holds as an address: http where it does not say."""
    value = value.strip()
    return value if "://" in value else f"http://{value}"


def _ollama_address(value: str) -> str:
    """Ollama's own variable: host and port may be left out, and 0.0.0.0 or [::] is where it listens, not where it is."""
    value = value.strip()
    if "://" in value:
        return address(value)
    if value.count(":") > 1 and not value.startswith("["):
        value = f"[{value}]"
    host, _, port = value.rpartition(":") if _ENDS_IN_PORT.search(value) else (value, "", "")
    return f"http://{host if host not in ('', '0.0.0.0', '[::]') else '127.0.0.1'}:{port or OLLAMA_PORT}"


def host_of(base: str) -> str:
    """Host and port of an address, without the name and password it may hold; empty where it is not a server's address."""
    try:
        parts = urlsplit(base)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return ""
    return parts.netloc.rpartition("@")[2] if whole and parts.netloc.isprintable() and " " not in parts.netloc else ""


def is_loopback(base: str | None) -> bool:
    """Whether an address is on this machine."""
    host = (urlsplit(base or "").hostname or "") if base and host_of(base) else ""
    if host in ("localhost", "0.0.0.0"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
