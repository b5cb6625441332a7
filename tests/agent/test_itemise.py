"""The rows of a request: they cover it, say where each comes from, and what of it the provider's cache holds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.budget import weigh
from flowchat.agent.itemise import Row, itemise
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import project
from flowchat.model.model import AssistantMessage, ModelFacts, ToolMessage, UserMessage
from flowchat.transcript.entries import AssistantSaid, Call, Compacted, Edited, ItemRef, ItemsSet, PromptSet, Text, Usage
from tests.agent.test_items import chosen
from tests.agent.test_projection import HAPPENINGS
from tests.growing import Grown

MODEL = ModelFacts("m", "p", 10_000, "table")


def rows(grown: Grown) -> list[Row]:
    return itemise(grown.branch(), grown.facts, MODEL, Projection())


def looked() -> Grown:
    grown = Grown().context("instructions", "AGENTS.md", "be kind").user("look\nclosely").run()
    grown.add(
        AssistantSaid(
            grown.started, 1, 1, "m", (Text("Looking."), Call("x", "read_file", '{"path":"a"}'), Call("y", "grep", "{}")), "calls"
        )
    )
    grown.said = grown.last
    return grown.answers(0, "file " * 50).answers(1, "match").says("Seen.", step=2).ends()


def test_each_item_is_a_row_that_says_what_it_is_and_why_it_is_there() -> None:
    assert [(row.kind, row.title, row.source_kind, row.why, row.age_steps) for row in rows(looked())] == [
        ("system", "system prompt", "flowchat", "every request begins with it", 2),
        ("tools", "1 tool schemas", "flowchat", "what the model can call", 2),
        ("instructions", "AGENTS.md", "folder", "instructions that hold in this folder", 2),
        ("user", "look", "you", "you said it", 2),
        ("answer", "Looking.", "model", "the model said it beside its calls", 1),
        ("call", "read_file", "model", "the model called it", 1),
        ("call", "grep", "model", "the model called it", 1),
        ("answer", "Seen.", "model", "the model's answer", 0),
    ]


def test_a_call_and_its_answer_are_one_row_named_by_the_answer() -> None:
    grown = looked()
    call = rows(grown)[5]
    answer = next(record.seq for record in grown.records if record.type == "tool_answered")
    assert (call.ref, call.node, call.detail) == (ItemRef(answer), answer, '{"path":"a"}')
    assert call.tokens > 250 // 4


def test_what_is_left_out_is_a_row_of_no_tokens_where_it_stood() -> None:
    grown = looked()
    before = rows(grown)
    items = tuple(before[place].ref for place in (4, 5))
    grown.add(ItemsSet(items, "excluded"))
    after = rows(grown)
    assert [(row.kind, row.title, row.ref) for row in after] == [(row.kind, row.title, row.ref) for row in before]
    assert [(row.state, row.tokens) for row in after[4:6]] == [("excluded", 0), ("excluded", 0)]
    assert [row.state for row in after[6:]] == [None, None]


def test_what_was_set_is_told_and_a_pinned_item_has_its_row_before_the_summary_that_folds_it() -> None:
    grown = looked()
    refs = [row.ref for row in rows(grown)]
    grown.add(ItemsSet((refs[3], refs[6]), "pinned"), ItemsSet((refs[5],), "pruned"))
    assert [row.state for row in rows(grown)[3:]] == ["pinned", None, "pruned", "pinned", None]
    grown.add(Compacted(grown.head, "SUM", 100, 10, "user", "summary")).turn("next", "done")
    assert [(row.kind, row.state, row.why) for row in rows(grown)[2:]] == [
        ("instructions", None, "instructions that hold in this folder"),
        ("user", "pinned", "you said it; pinned, so kept when the rest was summarised"),
        ("call", "pinned", "the model called it; pinned, so kept when the rest was summarised"),
        ("checkpoint", None, "stands for 3 messages; you asked for it"),
        ("user", None, "you said it"),
        ("answer", None, "the model's answer"),
    ]


def test_how_a_run_ended_what_waits_and_what_was_edited_are_told() -> None:
    grown = Grown().turn("one", "1").user("two", delivery="steer").run().says("", "read_file").answers(0, "A")
    waiting = grown.started - 1
    grown.add(Edited(waiting, (Text("too"),)))
    grown.add(Compacted(grown.head, "SUM", 100, 10, "hard", "summary", verbatim=(waiting,))).ends("interrupted")
    assert [(row.kind, row.title, row.why, row.ref) for row in rows(grown)[2:]] == [
        ("checkpoint", "summary", "stands for 4 messages; during a run", None),
        (
            "user",
            "too",
            "you said it while the agent worked; its words were edited since; kept word for word, as it waits for an answer",
            ItemRef(waiting),
        ),
        ("outcome", "the run ended: interrupted", "tells the model so", None),
    ]


def test_another_prompt_is_told() -> None:
    grown = Grown().turn("one", "1").add(PromptSet("New.", (), "upgrade"))
    assert (rows(grown)[0].why, rows(grown)[1].title) == (
        "every request begins with it; changed once: flowchat was upgraded",
        "0 tool schemas",
    )


def test_what_the_provider_said_it_cached_is_told_and_what_came_since_is_not() -> None:
    grown = Grown().turn("one " * 400, "1").user("two " * 400).run().says("2")
    grown.counted(1_000, 10, usage=Usage(input=1_000, cached=600, output=10)).ends()
    assert [row.cached for row in rows(grown)] == [True, True, True, True, False, False]
    grown = Grown().turn("one " * 400, "1").user("two " * 400).run().says("2")
    grown.counted(1_000, 10, usage=Usage(input=1_000, cached=500, cache_write=500, output=10)).ends().user("three")
    assert [row.cached for row in rows(grown)] == [True, True, True, True, True, False, False]
    grown.add(ItemsSet((rows(grown)[3].ref,), "excluded"))
    assert [row.cached for row in rows(grown)][3:] == [False, False, False, False]


def test_system_prompt_and_tools_stay_cached_whatever_is_folded_behind_them() -> None:
    grown = Grown().turn("one " * 400, "1").user("two " * 400).run().says("2")
    grown.counted(1_000, 10, usage=Usage(input=1_000, cached=900, output=10)).ends()
    grown.add(Compacted(grown.head, "SUM", 1_000, 10, "user", "summary")).user("three")
    assert [(row.kind, row.cached) for row in rows(grown)] == [
        ("system", True),
        ("tools", True),
        ("checkpoint", False),
        ("user", False),
    ]
    grown.add(PromptSet("New.", (), "upgrade"))
    assert not any(row.cached for row in rows(grown))


def test_a_provider_that_tells_of_no_cache_has_nothing_cached() -> None:
    grown = Grown().turn("one", "1").user("two").run().says("2").counted(1_000, 10).ends()
    assert not any(row.cached for row in rows(grown))


def counted(grown: Grown, draw: object) -> None:
    if hasattr(grown, "started"):
        grown.says("so", *["t"] * draw(st.integers(0, 2)), step=grown.last).counted(
            draw(st.integers(1, 5_000)), draw(st.integers(0, 90))
        )


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_the_rows_add_up_to_what_is_sent_and_every_message_has_its_rows(data: st.DataObject) -> None:
    grown, kept = Grown(), Projection()
    for _ in range(data.draw(st.integers(1, 30))):
        data.draw(st.sampled_from([*HAPPENINGS, chosen, chosen, counted]))(grown, data.draw)
        if data.draw(st.booleans()):
            found = itemise(grown.branch(), grown.facts, MODEL, kept)
            assert sum(row.tokens for row in found) == weigh(grown.branch(), grown.facts, MODEL).tokens
            assert all(row.tokens >= 0 for row in found)
            assert all(row.tokens == 0 for row in found if row.state == "excluded")
            messages = project(grown.branch(), grown.facts, "p").messages
            calls = sum(len(message.calls) for message in messages if isinstance(message, AssistantMessage))
            assert calls == sum(isinstance(message, ToolMessage) for message in messages)
            sent = [row for row in found if row.state != "excluded"]
            assert len(sent) >= 2 + calls + sum(isinstance(message, UserMessage) for message in messages)
            assert all(row.why for row in found)
