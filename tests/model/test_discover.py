"""Which model is used when none is named, and whose a name is."""

import pytest

from flowchat.model.discover import Found, api_base, found, is_loopback, key_names, provider_of

NOTHING = (
    "no model is configured: none of ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY, MISTRAL_API_KEY,"
    " DEEPSEEK_API_KEY, XAI_API_KEY, GROQ_API_KEY, CEREBRAS_API_KEY, ZAI_API_KEY is set, and neither FLOWCHAT_MODEL nor the"
    " settings name one; choose one with -m PROVIDER/MODEL, or -m demo for the built-in offline demo"
)


@pytest.mark.parametrize(
    ("environ", "configured", "expected"),
    [
        ({}, "", Found(None, NOTHING)),
        ({"OPENAI_API_KEY": "  "}, "", Found(None, NOTHING)),
        ({"FLOWCHAT_MODEL": " xai/a "}, "openai/b", Found("xai/a", "FLOWCHAT_MODEL names xai/a")),
        ({"FLOWCHAT_MODEL": " "}, "openai/b", Found("openai/b", "the settings name openai/b")),
        ({"OPENAI_API_KEY": "k"}, "mistral/b", Found("mistral/b", "the settings name mistral/b")),
        (
            {"OPENAI_API_KEY": "k"},
            "",
            Found("openai/gpt-5", "OPENAI_API_KEY is set, so openai/gpt-5 is used; -m chooses another"),
        ),
        (
            {"GOOGLE_API_KEY": "k", "GROQ_API_KEY": "k"},
            "",
            Found("gemini/gemini-2.5-pro", "GOOGLE_API_KEY is set, so gemini/gemini-2.5-pro is used; -m chooses another"),
        ),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_API_BASE": "http://127.0.0.1:8000/v1"},
            "",
            Found(None, "OPENAI_API_BASE is set, but no model there is named: choose one with -m openai/NAME"),
        ),
        (
            {"MOONSHOT_API_KEY": "k"},
            "",
            Found(None, "MOONSHOT_API_KEY is set, but no model is named: choose one with -m moonshot/NAME"),
        ),
    ],
)
def test_what_is_found(environ: dict[str, str], configured: str, expected: Found) -> None:
    assert found(environ, configured) == expected


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-5", "openai"),
        ("openrouter/anthropic/claude-sonnet-4.5", "openrouter"),
        ("gpt-4o", "openai"),
        ("o3", "openai"),
        ("ft:gpt-4o:me", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "vertex_ai"),
        ("demo", "demo"),
        ("llama", ""),
    ],
)
def test_a_name_tells_its_provider(model: str, provider: str) -> None:
    assert provider_of(model) == provider


def test_each_provider_names_its_variables() -> None:
    assert [key_names(name) for name in ("anthropic", "gemini", "hosted_vllm", "unheard_of")] == [
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        (),
        (),
    ]


def test_an_address_is_the_variables_or_where_a_local_server_listens() -> None:
    environ = {"OLLAMA_HOST": "127.0.0.1:9999", "OPENAI_BASE_URL": "https://models.example/v1"}
    assert [api_base(name, environ) for name in ("ollama_chat", "openai", "anthropic", "lm_studio")] == [
        "http://127.0.0.1:9999",
        "https://models.example/v1",
        None,
        "http://localhost:1234/v1",
    ]


@pytest.mark.parametrize(
    ("base", "local"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("https://api.example", False),
        ("http://127.evil.example", False),
        (None, False),
    ],
)
def test_loopback_is_told_from_elsewhere(base: str | None, local: bool) -> None:
    assert is_loopback(base) is local


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("10.0.0.7", "http://10.0.0.7:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9999", "http://127.0.0.1:9999"),
        (":9999", "http://127.0.0.1:9999"),
        ("[::1]:9999", "http://[::1]:9999"),
        ("::1", "http://[::1]:11434"),
        ("[::]:9999", "http://127.0.0.1:9999"),
        ("::", "http://127.0.0.1:11434"),
        (" https://models.example ", "https://models.example"),
    ],
)
def test_ollamas_own_variable_may_leave_out_host_and_port(value: str, address: str) -> None:
    assert api_base("ollama", {"OLLAMA_HOST": value}) == address
