"""Chunks to pieces: whatever way an answer is cut up, the whole is the same."""

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowchat.model.answer import Answer, usage_of
from flowchat.model.model import CallPiece, Reply, TextPiece, ThinkingPiece
from flowchat.transcript.entries import Call, Text, Thinking, Usage


def chunk(**delta: Any) -> Any:
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(**delta))])


def fragment(index: int, args: str, id_: str | None = None, name: str | None = None, **more: Any) -> Any:
    return SimpleNamespace(index=index, id=id_, function=SimpleNamespace(name=name, arguments=args), **more)


def cuts(text: str) -> st.SearchStrategy[list[str]]:
    places = st.lists(st.integers(0, len(text)), max_size=6).map(sorted)
    return places.map(lambda at: [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)])


@given(st.data(), st.text(min_size=1), st.text(min_size=1), st.lists(st.dictionaries(st.text(), st.text()), max_size=4))
def test_any_cutting_makes_the_same_reply_and_the_pieces_add_up_to_it(
    data: st.DataObject, thinking: str, text: str, arguments: list[dict[str, str]]
) -> None:
    answer = Answer("openai")
    pieces = [piece for cut in data.draw(cuts(thinking)) for piece in answer.take(chunk(reasoning_content=cut, content=None))]
    pieces += [piece for cut in data.draw(cuts(text)) for piece in answer.take(chunk(content=cut))]
    raws = [json.dumps(value) for value in arguments]
    streams = [[(index, cut) for cut in data.draw(cuts(raw))] for index, raw in enumerate(raws)]
    order = data.draw(st.permutations([index for index, stream in enumerate(streams) for _ in stream]))
    for index in sorted(set(order)):
        pieces += answer.take(chunk(tool_calls=[fragment(index, "", f"id{index}", "tool")]))
    for index in order:
        pieces += answer.take(chunk(tool_calls=[fragment(*streams[index].pop(0))]))
    calls = tuple(Call(f"id{index}", "tool", raw) for index, raw in enumerate(raws))
    assert answer.reply("stop", None, None) == Reply(
        (Thinking(thinking, "openai"), Text(text), *calls), "calls" if calls else "stop"
    )
    assert "".join(piece.text for piece in pieces if isinstance(piece, ThinkingPiece)) == thinking
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextPiece)) == text
    for index, raw in enumerate(raws):
        assert "".join(piece.args for piece in pieces if isinstance(piece, CallPiece) and piece.index == index) == raw


def test_a_call_is_held_back_until_it_has_a_name() -> None:
    answer = Answer("openai")
    assert list(answer.take(chunk(tool_calls=[fragment(0, '{"a"', "x")]))) == []
    assert list(answer.take(chunk(tool_calls=[fragment(0, ": 1}", None, "tool")]))) == [CallPiece(0, "tool", '{"a": 1}')]


def test_a_call_that_never_had_a_name_is_dropped() -> None:
    answer = Answer("openai")
    answer.take(chunk(content="Hm."))
    answer.take(chunk(tool_calls=[fragment(0, "{}", "x")]))
    assert answer.reply("tool_calls", None, None) == Reply((Text("Hm."),), "calls")


def test_calls_that_share_an_index_and_have_no_ids_are_told_apart_where_one_is_whole() -> None:
    answer = Answer("openai")
    whole = ['{"path": "a"}', '{"path": "b"}']
    for args in whole:
        answer.take(chunk(tool_calls=[fragment(0, args, None, "tool")]))
    assert answer.reply("stop", None, None) == Reply(
        tuple(Call(f"call_{n}", "tool", args) for n, args in enumerate(whole)), "calls"
    )


def test_a_name_that_is_repeated_in_every_fragment_is_one_call() -> None:
    answer = Answer("openai")
    for args in ('{"path"', ': "a"}', ""):
        answer.take(chunk(tool_calls=[fragment(0, args, None, "tool")]))
    assert answer.reply("stop", None, None) == Reply((Call("call_0", "tool", '{"path": "a"}'),), "calls")


def test_a_character_cut_in_two_by_the_server_is_whole_again() -> None:
    answer = Answer("openai")
    halves = "\ud83d", "\ude00"
    pieces = [piece for half in halves for piece in answer.take(chunk(reasoning_content=f"a{half}"[-1:], content=None))]
    pieces += [piece for text in (f"a{halves[0]}", f"{halves[1]}b\ud83d", "c") for piece in answer.take(chunk(content=text))]
    for args in (f'{{"a": "{halves[0]}', f'{halves[1]}"}}'):
        answer.take(chunk(tool_calls=[fragment(0, args, "x", "tool")]))
    reply = answer.reply("stop", None, None)
    assert pieces == [ThinkingPiece("😀"), TextPiece("a"), TextPiece("😀b"), TextPiece("\ud83dc")]
    assert reply.parts == (Thinking("😀", "openai"), Text("a😀b\ud83dc"), Call("x", "tool", '{"a": "😀"}'))


def test_blanks_around_a_name_are_no_part_of_it() -> None:
    answer = Answer("openai")
    answer.take(chunk(tool_calls=[fragment(0, "{}", "x", " tool\n")]))
    assert answer.reply("stop", None, None).parts == (Call("x", "tool", "{}"),)


def test_a_cut_answer_keeps_its_empty_arguments_empty() -> None:
    answer = Answer("openai")
    answer.take(chunk(tool_calls=[fragment(0, "", "x", "tool")]))
    assert answer.reply("length", None, None) == Reply((Call("x", "tool", ""),), "length")


def test_reasoning_goes_back_to_the_providers_that_want_it() -> None:
    answer = Answer("deepseek")
    answer.take(chunk(reasoning_content="So.", content=None))
    assert answer.reply("stop", None, None).parts == (Thinking("So.", "deepseek", {"as": "reasoning_content"}),)


def test_geminis_signatures_are_kept_with_the_answer() -> None:
    answer = Answer("gemini")
    answer.take(chunk(tool_calls=[fragment(0, "{}", "x", "tool", provider_specific_fields={"thought_signature": "c2ln"})]))
    assert answer.reply("stop", None, None).parts == (
        Call("x", "tool", "{}"),
        Thinking("", "gemini", {"call_signatures": {"0": "c2ln"}}),
    )


def test_two_blocks_of_signed_thinking_stay_two() -> None:
    answer = Answer("anthropic")
    for text, signature in (("One.", "s1"), ("Two.", "s2")):
        answer.take(chunk(reasoning_content=text, content="", thinking_blocks=[{"type": "thinking", "thinking": text}]))
        answer.take(
            chunk(
                reasoning_content="", content="", thinking_blocks=[{"type": "thinking", "thinking": "", "signature": signature}]
            )
        )
    assert answer.reply("stop", None, None).parts == (
        Thinking("One.", "anthropic", {"signature": "s1"}),
        Thinking("Two.", "anthropic", {"signature": "s2"}),
    )


def test_usage_counts_what_was_cached_and_what_was_written() -> None:
    details = SimpleNamespace(cached_tokens=90, cache_creation_tokens=5)
    reported = SimpleNamespace(
        prompt_tokens=105,
        completion_tokens=7,
        prompt_tokens_details=details,
        completion_tokens_details=SimpleNamespace(reasoning_tokens=3),
    )
    assert usage_of(reported) == Usage(input=105, cached=90, cache_write=5, output=7, reasoning=3)


def test_a_server_that_counts_what_was_cached_beside_what_it_read_has_read_both() -> None:
    reported = SimpleNamespace(
        prompt_tokens=10,
        completion_tokens=7,
        cache_creation_input_tokens=5,
        prompt_tokens_details=SimpleNamespace(cached_tokens=90),
    )
    assert usage_of(reported) == Usage(input=105, cached=90, cache_write=5, output=7)


def test_usage_that_says_nothing_usable_is_none() -> None:
    useless = [
        None,
        SimpleNamespace(),
        SimpleNamespace(prompt_tokens=0, completion_tokens=0),
        SimpleNamespace(prompt_tokens=-1, completion_tokens=5),
        SimpleNamespace(prompt_tokens=float("nan"), completion_tokens=0),
        SimpleNamespace(prompt_tokens=10**30, completion_tokens=5),
        SimpleNamespace(prompt_tokens=5, completion_tokens=float("inf")),
    ]
    assert [usage_of(reported) for reported in useless] == [None] * 7
