"""What is found on this machine, and how it is offered: servers on loopback, addresses in the environment."""

from contextlib import AsyncExitStack

import pytest

from flowchat.config import ModelSettings, Settings
from flowchat.model.local import LocalModel, Place, look_around, places
from flowchat.model.offers import DEMO_SENTENCE, Offer, offers
from tests.model.serving import ELSEWHERE, LLAMA_CPP, LM_STUDIO, MUTE, NOWHERE, OLLAMA, VLLM, serving

DEMO = Offer("demo", "demo", DEMO_SENTENCE)
WIDER = "`flowchat config set models.ollama_chat/qwen3:8b.window 32768` asks for more"
SMALL_QWEN = f"Ollama runs qwen3:8b with 16,384 of 40,960 tokens and drops what is longer; {WIDER}"
SMALL_STUDIO = "LM Studio runs qwen2.5-7b with 4,096 of 32,768 tokens: raise the context length it is loaded with"


async def test_every_server_here_tells_its_models_the_best_first() -> None:
    async with AsyncExitStack() as stack:
        ollama, studio, llama, vllm = [
            await stack.enter_async_context(serving(pages)) for pages in (OLLAMA, LM_STUDIO, LLAMA_CPP, VLLM)
        ]
        environ = {
            "OLLAMA_HOST": ollama.removeprefix("http://"),
            "LM_STUDIO_API_BASE": f"{studio}/v1",
            "LLAMAFILE_API_BASE": f"{llama}/v1",
            "HOSTED_VLLM_API_BASE": f"{vllm}/v1",
        }
        assert await look_around(environ) == (
            LocalModel("ollama_chat/qwen3:8b", "Ollama", ollama, 16_384, "server", True, 5_200_000_000, True, SMALL_QWEN),
            LocalModel("lm_studio/qwen2.5-7b", "LM Studio", f"{studio}/v1", 4_096, "server", True, None, True, SMALL_STUDIO),
            LocalModel("llamafile/gemma.gguf", "llama.cpp", f"{llama}/v1", 8_192, "server", True, 2_500_000_000),
            LocalModel("lm_studio/phi-3", "LM Studio", f"{studio}/v1", loaded=False),
            LocalModel("hosted_vllm/Qwen/Qwen3-8B", "vLLM", f"{vllm}/v1", 40_960, "server"),
            LocalModel("ollama_chat/llama2:latest", "Ollama", ollama, None, "assumed", False, 3_800_000_000, False),
            LocalModel("ollama_chat/gpt-oss:120b-cloud", "Ollama", ollama, calls_tools=True, elsewhere=True),
        )


async def test_an_ollama_that_runs_nothing_yet_is_named_with_the_fix() -> None:
    async with serving(OLLAMA | {"/api/ps": {"models": []}}) as ollama:
        [qwen, *_] = await look_around(ELSEWHERE | {"OLLAMA_API_BASE": ollama})
        assert (qwen.model, qwen.window, qwen.window_source, qwen.loaded) == ("ollama_chat/qwen3:8b", None, "assumed", False)
        assert qwen.advice == (
            f"Ollama may run qwen3:8b with no more than 4,096 of 40,960 tokens and drops what is longer; {WIDER}"
        )


@pytest.mark.parametrize(
    ("variable", "model"),
    [("OPENAI_API_BASE", "openai/m"), ("ANTHROPIC_BASE_URL", "anthropic/m"), ("MY_OWN_BASE_URL", "openai/m")],
)
async def test_a_server_at_an_address_the_user_named_is_looked_at(variable: str, model: str) -> None:
    async with serving({"/v1/models": {"data": [{"id": "m", "context_length": 9_000}]}}) as base:
        [found] = await look_around(ELSEWHERE | {variable: f"{base}/v1"})
        server = f"the server at {base.removeprefix('http://')}"
        assert found == LocalModel(model, server, f"{base}/v1", 9_000, "server")


async def test_a_server_that_wants_the_key_of_its_address_gets_it() -> None:
    async with serving(VLLM, key="sk-of-the-server") as base:
        environ = ELSEWHERE | {"OPENAI_API_BASE": f"{base}/v1", "OPENAI_API_KEY": "sk-of-the-server"}
        assert [found.model for found in await look_around(environ)] == ["openai/Qwen/Qwen3-8B"]
        assert await look_around(ELSEWHERE | {"HOSTED_VLLM_API_BASE": f"{base}/v1", "OPENAI_API_KEY": "sk-of-the-server"}) == ()


async def test_one_server_named_twice_is_one() -> None:
    async with serving(OLLAMA | VLLM) as base:
        found = await look_around(ELSEWHERE | {"OLLAMA_HOST": base, "OLLAMA_API_BASE": "", "OPENAI_API_BASE": f"{base}/v1"})
        assert {model.server for model in found} == {"Ollama"}


@pytest.mark.parametrize("pages", [MUTE, {"/v1/models": 7, "/api/tags": [1]}, {"/v1/models": {"data": [{"id": None}, 7]}}])
async def test_what_does_not_answer_or_says_something_else_offers_nothing(pages: dict[str, object]) -> None:
    async with serving(pages) as base:
        environ = dict.fromkeys(ELSEWHERE, f"{base}/v1")
        assert await look_around(environ | {"OPENAI_API_BASE": "http://models.example/v1", "X_API_BASE": "http://[half"}) == ()


@pytest.mark.parametrize(
    ("caps", "calls_tools"),
    [
        ({"supports_tools": True, "supports_tool_calls": True}, True),
        ({"supports_tools": False, "supports_tool_calls": True}, False),
        ({"supports_tools": True, "supports_tool_calls": False}, False),
        ({"supports_tool_calls": True}, True),
        ({"supports_tools": "yes"}, None),
        (None, None),
    ],
)
async def test_a_llama_cpp_calls_tools_where_its_template_knows_them(caps: object, calls_tools: bool | None) -> None:
    async with serving(LLAMA_CPP | {"/props": {"chat_template_caps": caps}}) as llama:
        [found] = await look_around(ELSEWHERE | {"LLAMAFILE_API_BASE": f"{llama}/v1"})
        assert (found.calls_tools, found.window) == (calls_tools, None)


USUAL = [
    Place("ollama_chat", "http://localhost:11434"),
    Place("lm_studio", "http://localhost:1234/v1"),
    Place("llamafile", "http://127.0.0.1:8080/v1"),
    Place("hosted_vllm", "http://localhost:8000/v1"),
]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, USUAL),
        ({"LM_STUDIO_API_BASE": "http://10.0.0.7/v1", "OLLAMA_HOST": "models.example", "XAI_API_BASE": " "}, USUAL[2:]),
        ({"SITE": "http://127.0.0.1:9999", "OPENAI_BASE_URL": "https://models.example/v1"}, USUAL),
        (
            {"OPENAI_API_BASE": "127.0.0.1:8000/v1", "OPENAI_API_KEY": " sk ", "MY_BASE_URL": "http://127.0.0.1:9999"},
            [USUAL[0], Place("openai", "http://127.0.0.1:8000/v1", "sk"), Place("openai", "http://127.0.0.1:9999"), *USUAL[1:3]],
        ),
        ({"OPENAI_API_BASE": "http://localhost:11434/v1"}, USUAL),
        ({"OLLAMA_API_BASE": "http://localhost:9999"}, [Place("ollama_chat", "http://localhost:9999"), *USUAL[1:]]),
    ],
)
def test_each_place_of_this_machine_is_looked_at_once(environ: dict[str, str], expected: list[Place]) -> None:
    assert places(environ) == expected


async def test_without_a_server_there_is_nothing() -> None:
    assert await look_around(ELSEWHERE) == ()


# --- offers ----------------------------------------------------------------------------------------------------------
HERE = "http://localhost:11434"
QWEN = LocalModel("ollama_chat/qwen3", "Ollama", HERE, 16_384, "server", True, 5_200_000_000, True, "Widen it.")
LLAMA2 = LocalModel("ollama_chat/llama2", "Ollama", HERE, calls_tools=False)
AWAY = LocalModel("ollama_chat/big-cloud", "Ollama", HERE, calls_tools=True, elsewhere=True)
LOCAL_QWEN = Offer(
    "local", "ollama_chat/qwen3", "Ollama, 5.2 GB, loaded; window 16,384 as the server says; calls tools.", advice="Widen it."
)
LOCAL_LLAMA2 = Offer("local", "ollama_chat/llama2", "Ollama; window unknown; does not call tools.")
LOCAL_AWAY = Offer("local", "ollama_chat/big-cloud", "Ollama, which asks another machine; window unknown; calls tools.")


@pytest.mark.parametrize(
    ("environ", "settings", "found", "kept", "expected"),
    [
        ({}, Settings(), (), (), [DEMO]),
        ({}, Settings(), (QWEN, LLAMA2, AWAY), (), [LOCAL_QWEN, LOCAL_LLAMA2, LOCAL_AWAY, DEMO]),
        (
            {"OPENAI_API_KEY": "sk-secret"},
            Settings(),
            (QWEN, LLAMA2),
            (),
            [LOCAL_QWEN, Offer("key", "openai/gpt-5", "OPENAI_API_KEY is set."), LOCAL_LLAMA2, DEMO],
        ),
        (
            {},
            Settings(),
            (),
            ("anthropic", "moonshot"),
            [
                Offer("key", "anthropic/claude-sonnet-4-5", "A key for anthropic is kept."),
                Offer("key", "", "A key for moonshot is kept; name a model with /model moonshot/NAME."),
                DEMO,
            ],
        ),
        (
            {"FLOWCHAT_MODEL": "xai/grok"},
            Settings(model="ollama_chat/qwen3"),
            (QWEN,),
            (),
            [Offer("chosen", "xai/grok", "FLOWCHAT_MODEL names xai/grok."), LOCAL_QWEN, DEMO],
        ),
        (
            {},
            Settings(model="ollama_chat/qwen3"),
            (QWEN,),
            (),
            [
                Offer(
                    "chosen",
                    "ollama_chat/qwen3",
                    "The settings name ollama_chat/qwen3: Ollama, 5.2 GB, loaded; window 16,384 as the server says; calls tools.",
                    advice="Widen it.",
                ),
                DEMO,
            ],
        ),
        ({}, Settings(model="demo"), (), (), [Offer("chosen", "demo", "The settings name demo.")]),
        (
            {"OPENAI_API_BASE": "https://models.example/v1", "OPENAI_API_KEY": "sk-secret", "OLLAMA_HOST": "10.0.0.7"},
            Settings(),
            (),
            (),
            [
                Offer("key", "", "OPENAI_API_BASE is set; name a model with /model openai/NAME."),
                Offer("key", "", "OLLAMA_HOST is set; name a model with /model ollama_chat/NAME."),
                DEMO,
            ],
        ),
        (
            {"OPENAI_API_BASE": f"http://me:word@{NOWHERE[7:]}/v1", "OPENAI_API_KEY": "sk-secret"},
            Settings(),
            (),
            (),
            [Offer("key", "", "OPENAI_API_BASE names 127.0.0.1:9, but nothing answers there: start it."), DEMO],
        ),
    ],
)
def test_offers_name_keys_by_variable_and_end_with_the_demo(
    environ: dict[str, str], settings: Settings, found: tuple[LocalModel, ...], kept: tuple[str, ...], expected: list[Offer]
) -> None:
    assert list(offers(environ, settings, found, kept)) == expected


def test_a_window_that_is_set_is_the_one_that_is_told_and_needs_no_advice() -> None:
    settings = Settings(models={"ollama_chat/qwen3": ModelSettings(32_768)})
    [offer, _] = offers({}, settings, (QWEN,))
    assert (offer.sentence, offer.advice) == ("Ollama, 5.2 GB, loaded; window 32,768 as the settings say; calls tools.", "")


def test_an_address_that_the_name_alone_does_not_lead_to_is_part_of_the_offer() -> None:
    base = "http://127.0.0.1:4000/v1"
    found = LocalModel("openai/m", "the server at 127.0.0.1:4000", base, None, "assumed")
    [offer, _] = offers({"MY_OWN_BASE_URL": base}, Settings(), (found,))
    assert (offer.model, offer.api_base) == ("openai/m", base)
    [offer, _] = offers({"OPENAI_BASE_URL": base}, Settings(), (found,))
    assert offer.api_base == ""
    [offer, _] = offers({}, Settings(models={"openai/m": ModelSettings(api_base=base)}), (found,))
    assert offer.api_base == ""
