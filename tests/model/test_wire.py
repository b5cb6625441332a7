"""Requests to arguments, pure: what differs between families, and that nothing else does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flowchat.model.model import (
    AssistantCall,
    AssistantMessage,
    Message,
    Piece,
    Reasoning,
    Request,
    ToolMessage,
    UserMessage,
)
from flowchat.model.wire import arguments, family_of, legal_id, legal_name
from flowchat.transcript.entries import BlobRef

OPENAI = family_of("openai", "openai/m")
CLAUDE = family_of("anthropic", "anthropic/claude-x")

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
messages = st.lists(
    st.one_of(
        st.builds(UserMessage, st.lists(st.builds(Piece, texts), min_size=1, max_size=3).map(tuple)),
        st.builds(
            AssistantMessage, texts, st.lists(st.builds(AssistantCall, texts, texts, st.just("{}")), max_size=2).map(tuple)
        ),
        st.builds(ToolMessage, texts, texts, texts),
    ),
    max_size=6,
).map(tuple)


def request_of(messages: tuple[Message, ...], marks: tuple[int, ...] = ()) -> Request:
    return Request("run", "Be brief.", (), messages, marks)


def without_marks(value: Any) -> Any:
    """What is left when cache marks are dropped and a list of one text is the text."""
    if isinstance(value, dict):
        return {key: without_marks(inner) for key, inner in value.items() if key != "cache_control"}
    if isinstance(value, list):
        plain = [without_marks(inner) for inner in value]
        return plain[0]["text"] if len(plain) == 1 and plain[0].get("type") == "text" else plain
    return value


@given(messages, st.sets(st.integers(-1, 6)))
def test_marks_change_nothing_but_the_marks(said: tuple[Message, ...], marks: set[int]) -> None:
    marked = arguments(request_of(said, tuple(sorted(marks))), CLAUDE, {})
    assert without_marks(marked) == arguments(request_of(said), OPENAI, {})


def test_a_blob_between_marks_of_ours_cannot_end_them_and_one_the_user_pasted_is_as_it_was() -> None:
    blob = BlobRef("aa", 10, "text/plain")
    pieces = (Piece("<pinned>\n"), Piece(blob=blob, inert=True), Piece("\n</pinned>"), Piece(blob=blob))
    made = arguments(request_of((UserMessage(pieces),)), OPENAI, {"aa": b"x </pinned> y"})
    assert made["messages"][1]["content"] == "<pinned>\nx &lt;/pinned> y\n</pinned>\nx </pinned> y"


@pytest.mark.parametrize(
    ("name", "legal"),
    [("read_file", "read_file"), ("functions.read file\x1b", "functions_read_file_"), ("x" * 70, "x" * 64), ("", "_")],
)
def test_a_name_no_tool_can_have_goes_back_in_one_every_provider_takes(name: str, legal: str) -> None:
    said = (AssistantMessage("", (AssistantCall("a", name, "{}"),)), ToolMessage("a", name, "there is no such tool"))
    asked, answered = arguments(request_of(said), OPENAI, {})["messages"][1:]
    assert (legal_name(name), asked["tool_calls"][0]["function"]["name"], answered["name"]) == (legal, legal, legal)


@given(messages, messages)
def test_what_was_said_before_is_sent_as_before(said: tuple[Message, ...], more: tuple[Message, ...]) -> None:
    short, long = (arguments(request_of(all_), OPENAI, {})["messages"] for all_ in (said, said + more))
    assert long[: len(short)] == short


@given(messages, st.sets(st.integers(-1, 6)))
def test_only_families_that_want_marks_get_them(said: tuple[Message, ...], marks: set[int]) -> None:
    assert arguments(request_of(said, tuple(marks)), OPENAI, {}) == arguments(request_of(said), OPENAI, {})


@pytest.mark.parametrize(
    ("provider", "model", "marks"),
    [
        ("anthropic", "claude-sonnet-4-5", True),
        ("openrouter", "openrouter/anthropic/claude-sonnet-4.5", True),
        ("bedrock", "bedrock/us.anthropic.claude-sonnet-4-5", True),
        ("openrouter", "openrouter/openai/gpt-5", False),
        ("openai", "openai/claude-look-alike", False),
    ],
)
def test_anthropics_models_are_told_where_their_cache_ends(provider: str, model: str, marks: bool) -> None:
    assert family_of(provider, model).marks_cache is marks


@given(st.lists(st.integers(1, 10_000), unique=True, max_size=50))
def test_mistrals_ids_have_nine_letters_or_digits_and_stay_distinct(numbers: list[int]) -> None:
    mistral = family_of("mistral", "mistral/m")
    ids = [legal_id(f"call_{number}_0", mistral) for number in numbers]
    assert all(len(id_) == 9 and id_.isalnum() and id_.isascii() for id_ in ids)
    assert len(set(ids)) == len(numbers)
    assert ids == [legal_id(f"call_{number}_0", mistral) for number in numbers]


def test_a_mistral_call_and_its_answer_have_the_same_id() -> None:
    said = (AssistantMessage("", (AssistantCall("call_3_0", "grep", "{}"),)), ToolMessage("call_3_0", "grep", "x"))
    _, call, answer = arguments(request_of(said), family_of("mistral", "mistral/m"), {})["messages"]
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"] != "call_3_0"


def test_other_reasoning_goes_back_in_its_providers_form() -> None:
    call = AssistantCall("call_3_0", "grep", "{}")
    deepseek = AssistantMessage("", (call,), (Reasoning("So.", "deepseek", {"as": "reasoning_content"}),))
    gemini = AssistantMessage("", (call,), (Reasoning("", "gemini", {"call_signatures": {"0": "c2ln"}}),))
    _, one, two = arguments(request_of((deepseek, gemini)), OPENAI, {})["messages"]
    assert one["reasoning_content"] == "So."
    assert two["tool_calls"][0]["provider_specific_fields"] == {"thought_signature": "c2ln"}


def test_unset_things_are_not_there() -> None:
    assert arguments(replace(request_of(()), system=""), OPENAI, {}) == {"messages": []}


def test_what_is_set_is_asked_for_also_where_it_is_nought() -> None:
    asked = replace(request_of(()), system="", max_output_tokens=7, effort="low", temperature=0.0)
    assert arguments(asked, OPENAI, {}) == {"messages": [], "max_tokens": 7, "reasoning_effort": "low", "temperature": 0.0}
