"""One small call to a model: what it tells, and what it says where it fails."""

import os

import pytest

from flowchat.config import ModelSettings
from flowchat.model.catalogue import facts_of
from flowchat.model.model import AuthFailed, ModelFacts
from flowchat.model.probe import Probed, probe
from flowchat.model.provider import ProviderModel
from flowchat.model.scripted import ScriptedModel, fails, says, waits
from tests.model.asking import KEY, OVER_THE_WIRE
from tests.model.playing import failing, playing, streamed

pytestmark = OVER_THE_WIRE
FACTS = ModelFacts("openai/x", "openai", 32_768, "server")
CALL = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "report_ready", "arguments": '{"ready": true}'}}]}


async def test_a_model_that_calls_the_tool_says_so() -> None:
    model = ScriptedModel(says(calls=[("report_ready", {"ready": True})]), facts=FACTS)
    probed = await probe(model)
    assert (probed.error, probed.called_tool, probed.window, probed.window_source) == ("", True, 32_768, "server")
    assert probed.latency_ms is not None
    assert probed.sentence == (
        f"openai/x answers: first token after {probed.latency_ms} ms, window 32,768 (told by the server), calls tools"
    )
    [asked] = model.asked()
    assert [tool.name for tool in asked.tools] == ["report_ready"]


@pytest.mark.parametrize("answer", [says("ready"), says(calls=[("report_redy", {})])])
async def test_a_model_that_does_not_call_it_says_that(answer: object) -> None:
    probed = await probe(ScriptedModel(answer, facts=FACTS))
    assert (probed.error, probed.called_tool) == ("", False)
    assert probed.sentence.endswith(", answered without calling the tool it was asked to call")


async def test_an_error_is_its_sentence_and_nothing_else() -> None:
    model = ScriptedModel(fails(AuthFailed("openai refused the key"), after="so"), facts=FACTS)
    assert await probe(model) == Probed("openai/x", 32_768, "server", error="openai refused the key")


@pytest.mark.parametrize(("before", "what"), [("", "did not answer"), ("so ", "began an answer but did not end it")])
async def test_a_model_that_does_not_come_to_an_end_is_not_waited_for(before: str, what: str) -> None:
    probed = await probe(ScriptedModel(waits(before), facts=FACTS), seconds=0.05)
    assert (probed.latency_ms, probed.called_tool) == (None, False)
    assert probed.error.startswith(f"openai/x {what} within 0.05 s")


async def test_the_call_is_a_real_one() -> None:
    async with playing(streamed(CALL, finish="tool_calls")) as server:
        probed = await probe(model_at(server.base))
    assert (probed.error, probed.called_tool) == ("", True)
    [(_, headers, body)] = server.asked
    assert (headers["authorization"], body["tools"][0]["function"]["name"]) == (f"Bearer {KEY}", "report_ready")


async def test_a_kept_key_is_used_where_no_variable_is_set() -> None:
    async with playing(streamed(CALL, finish="tool_calls")) as server:
        await probe(model_at(server.base, kept="kept-1234567890"))
        assert server.asked[0][1]["authorization"] == f"Bearer {KEY}"
    del os.environ["OPENAI_API_KEY"]
    async with playing(streamed(CALL, finish="tool_calls")) as server:
        await probe(model_at(server.base, kept="kept-1234567890"))
        assert server.asked[0][1]["authorization"] == "Bearer kept-1234567890"


async def test_a_kept_key_that_is_refused_is_not_repeated() -> None:
    del os.environ["OPENAI_API_KEY"]
    refusal = failing(401, {"error": {"message": "Incorrect API key provided: kept-1234567890."}})
    async with playing(refusal) as server:
        probed = await probe(model_at(server.base, kept="kept-1234567890"))
    assert "refused the key kept for openai" in probed.error
    assert "1234567890" not in probed.error


def model_at(base: str, kept: str | None = None) -> ProviderModel:
    async def read(sha256: str) -> None:
        return None

    async def read_key(provider: str) -> str | None:
        return kept

    address = f"{base}/v1"
    return ProviderModel(facts_of("openai/x", ModelSettings(), address), read, api_base=address, read_key=read_key)
