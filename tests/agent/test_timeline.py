"""The usage timeline: tokens by position, and how they are known."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.budget import Weighed, measure, weigh
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import project
from flowchat.agent.timeline import Count, Timeline
from flowchat.agent.tokens import (
    IMAGE_LEAST_TOKENS,
    IMAGE_TOKENS,
    call_bytes,
    fixed_bytes,
    message_bytes,
    piece_bytes,
    system_bytes,
    tokens_of,
    tool_bytes,
)
from flowchat.model.model import AssistantCall, AssistantMessage, ModelFacts, Piece
from flowchat.transcript.entries import (
    AssistantSaid,
    Blob,
    BlobRef,
    Compacted,
    CompactionUndone,
    Edited,
    ItemRef,
    ItemsSet,
    PromptSet,
    Text,
    Thinking,
    UserSaid,
)
from tests.agent.test_projection import HAPPENINGS, Draw, answered, called, thought
from tests.growing import READ, Grown

MODEL = ModelFacts("m", "p", 10_000, "table")


def counted_twice() -> Timeline:
    """A request of 1,000 bytes took 300 tokens and its answer of 200 bytes 50; the next, of 2,000, took 700 and answered 20."""
    timeline = Timeline()
    timeline.count(1_000, 1_200, 300, 50)
    timeline.count(2_000, 2_040, 700, 20)
    return timeline


@pytest.mark.parametrize(
    ("position", "tokens", "source"),
    [
        (0, 0, "measured"),
        (500, 150, "interpolated"),
        (1_000, 300, "measured"),
        (1_001, 301, "interpolated"),
        (1_100, 325, "interpolated"),
        (1_200, 350, "measured"),
        (1_600, 525, "interpolated"),
        (2_000, 700, "measured"),
        (2_040, 720, "measured"),
        (2_041, 721, "extrapolated"),
        (2_140, 755, "extrapolated"),
        (4_040, 1_420, "extrapolated"),
    ],
)
def test_tokens_are_measured_at_a_count_interpolated_between_two_and_extrapolated_behind_the_last(
    position: int, tokens: int, source: str
) -> None:
    assert counted_twice().weigh(position) == Weighed(tokens, source)


def test_what_an_answer_took_gives_way_where_the_next_request_shows_that_it_was_told_too_small() -> None:
    timeline = Timeline()
    timeline.count(1_000, 5_000, 300, 900)
    timeline.count(5_017, 5_100, 1_600, 20)  # 17 bytes do not take 400 tokens: those are the answer's
    assert (timeline.weigh(1_000), timeline.weigh(5_017)) == (Weighed(300, "measured"), Weighed(1_600, "measured"))
    assert timeline.weigh(5_000) == Weighed(1_595, "interpolated")
    assert timeline.forget(1_000)  # what gave way may count again


def test_a_count_of_a_request_never_gives_way_for_that() -> None:
    timeline = Timeline()
    timeline.count(1_000, 1_000, 300, 900)  # it thought, and nothing of that is sent
    timeline.count(1_010, 1_200, 1_400, 20)
    assert timeline.weigh(1_000).source == "measured"
    timeline = Timeline()
    timeline.count(1_000, 1_200, 300, 50)
    timeline.count(1_200, 1_300, 350, 0)
    timeline.count(1_310, 1_400, 900, 0)
    assert timeline.weigh(1_200) == Weighed(350, "measured")


@pytest.mark.parametrize(("position", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4_000, 1_000)])
def test_where_nothing_was_counted_a_token_has_four_bytes(position: int, tokens: int) -> None:
    assert Timeline().weigh(position) == Weighed(tokens, "no_data")


def test_what_a_byte_of_an_earlier_request_took_outlives_its_count() -> None:
    timeline = counted_twice()
    timeline.forget(0)
    assert [timeline.weigh(position) for position in (0, 1_000)] == [Weighed(0, "no_data"), Weighed(350, "extrapolated")]


@pytest.mark.parametrize("read", [1_001, 62])
def test_a_rate_no_text_has_is_that_of_what_is_not_ours_and_is_left_behind(read: int) -> None:
    timeline = Timeline()
    timeline.count(1_000, 1_040, read, 5)
    assert timeline.source_at(1_100) == "extrapolated"
    timeline.forget(0)
    assert timeline.weigh(1_000) == Weighed(250, "no_data")


def test_an_earlier_count_gives_way_to_a_later_one_that_is_smaller() -> None:
    """An answer took 900 tokens, most of them hidden reasoning: the next request does not hold that."""
    timeline = Timeline()
    timeline.count(1_000, 1_200, 300, 900)
    assert timeline.tokens_at(1_200) == 1_200
    timeline.count(1_400, 1_440, 400, 10)
    assert [timeline.weigh(at) for at in (1_000, 1_200, 1_400)] == [
        Weighed(300, "measured"),
        Weighed(350, "interpolated"),
        Weighed(400, "measured"),
    ]


def test_what_reads_differently_from_a_position_on_is_counted_no_longer() -> None:
    timeline = counted_twice()
    timeline.forget(1_300)
    assert (timeline.end, timeline.weigh(1_200), timeline.source_at(2_000)) == (1_200, Weighed(350, "measured"), "extrapolated")
    assert timeline.surest == Count(1_000, 300)


@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 3_000), st.integers(1, 9_000), st.integers(1, 9_000)), max_size=8),
    st.lists(st.integers(0, 60_000), max_size=12),
    st.integers(0, 40_000),
)
def test_tokens_are_never_negative_and_never_fall_from_one_position_to_a_later_one(
    requests: list[tuple[int, int, int, int]], positions: list[int], forgotten: int
) -> None:
    timeline, end = Timeline(), 0
    for new, answer, read, written in requests:
        timeline.count(end + new, end + new + answer, read, written)
        end += new + answer
        assert timeline.tokens_at(end) == read + written
        assert timeline.source_at(end) == "measured"
    for at in sorted(positions):
        assert timeline.tokens_at(at) >= 0
    weights = [timeline.tokens_at(at) for at in sorted(positions)]
    assert weights == sorted(weights)
    timeline.forget(forgotten)
    weights = [timeline.tokens_at(at) for at in sorted(positions)]
    assert weights == sorted(weights)


# --- on a branch -----------------------------------------------------------------------------------------------------
def asked(grown: Grown, question: str, answer: str, read: int, written: int) -> Grown:
    return grown.user(question).run().says(answer).counted(read, written).ends()


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_the_meter_is_the_timeline_at_the_end_of_the_request_and_its_rows_add_up(data: st.DataObject) -> None:
    grown, kept = Grown(), Projection()
    happenings: list[Callable[[Grown, Draw], object]] = [*HAPPENINGS, answered_and_counted]
    for _ in range(data.draw(st.integers(1, 20))):
        data.draw(st.sampled_from(happenings))(grown, data.draw)
        shown = measure(grown.branch(), grown.facts, MODEL, kept)
        assert shown == measure(grown.branch(), grown.facts, MODEL)
        kept.follow(grown.branch(), grown.facts, "p")
        timeline, edges = kept.timeline("m"), kept.edges()
        assert shown.tokens == timeline.tokens_at(kept.end()) == timeline.tokens_at(edges[-1])
        rows = [timeline.tokens_at(edges[0])]
        rows += [timeline.tokens_at(after) - timeline.tokens_at(before) for before, after in pairwise(edges)]
        assert min(rows) >= 0
        assert sum(rows) == shown.tokens


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_a_session_just_opened_weighs_what_one_that_read_it_all_does(data: st.DataObject) -> None:
    grown = Grown()
    happenings = [happening for happening in HAPPENINGS if happening not in (called, thought, answered)]
    for _ in range(data.draw(st.integers(1, 20))):
        data.draw(st.sampled_from([*happenings, answered_and_counted, looked_and_counted]))(grown, data.draw)
        if is_sound(grown):
            whole = measure(grown.branch(), grown.facts, MODEL)
            assert measure(grown.branch(), grown.facts, MODEL, Projection()) == whole


def looked_and_counted(grown: Grown, draw: Draw) -> None:
    grown.user(f"question at {grown.last}").run().says("Let me look.", "read_file", step=grown.last)
    grown.counted(draw(st.integers(1, 2_000)), draw(st.integers(0, 500))).answers(0, f"answer at {grown.last}")


def is_sound(grown: Grown) -> bool:
    """Whether nothing was answered before anything was asked."""
    types = [record.type for record in grown.branch() if record.type in ("user_said", "context_added", "assistant_said")]
    return types[:1] != ["assistant_said"]


def answered_and_counted(grown: Grown, draw: Draw) -> None:
    grown.user(f"question at {grown.last}").run().says(f"answer at {grown.last}", step=grown.last)
    read, written = draw(st.integers(1, 2_000)), draw(st.integers(1, 500))
    grown.counted(read, written)
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(read + written, "measured")


def test_a_checkpoint_begins_a_new_epoch_at_the_rate_of_the_last_and_its_undoing_brings_the_counts_back() -> None:
    grown = asked(Grown(), "one " * 50, "first " * 50, 200, 90)
    before = weigh(grown.branch(), grown.facts, MODEL)
    rate = grown.facts.attempts[grown.started, 1, 1].sent_bytes / 200
    grown.add(Compacted(grown.head, "SUM", 9, 1, "user", "summary"))
    seen = Projection()
    seen.follow(grown.branch(), grown.facts, "p")
    folded = weigh(grown.branch(), grown.facts, MODEL)
    assert (folded.source, abs(folded.tokens - seen.end() / rate) < 1) == ("extrapolated", True)
    grown.add(CompactionUndone(grown.last))
    assert weigh(grown.branch(), grown.facts, MODEL) == before == Weighed(290, "measured")


def test_an_answer_given_behind_a_checkpoint_that_was_undone_since_counts_no_longer() -> None:
    grown = asked(Grown(), "one " * 50, "first " * 50, 200, 90)
    grown.add(Compacted(grown.head, "SUM", 9, 1, "user", "summary"))
    line = grown.last
    asked(grown, "two", "second", 120, 5)
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(125, "measured")
    grown.add(CompactionUndone(line))
    weighed = weigh(grown.branch(), grown.facts, MODEL)
    assert weighed.source == "extrapolated"
    assert weighed.tokens > 290


@pytest.mark.parametrize("same_length", [True, False])
def test_an_edit_ends_what_was_counted_behind_the_message_and_nothing_before_it(same_length: bool) -> None:
    grown = asked(asked(Grown(), "one", "first", 100, 5), "two", "second", 120, 5)
    second = max(record.seq for record in grown.branch() if record.type == "user_said")
    grown.add(Edited(second, (Text("owt" if same_length else "another question"),)))
    seen = Projection()
    seen.follow(grown.branch(), grown.facts, "p")
    timeline, edges = seen.timeline("m"), seen.edges()
    assert [timeline.source_at(edge) for edge in edges] == [
        "interpolated",
        "measured",
        "measured",
        *["extrapolated"] * (len(edges) - 3),
    ]


def test_another_prompt_and_an_excluded_item_begin_a_new_epoch() -> None:
    grown = asked(asked(Grown(), "one", "first", 100, 5), "two", "second", 120, 5)
    first = next(record.seq for record in grown.branch() if record.type == "user_said")
    for change in (PromptSet("A longer system prompt.", (READ,), "upgrade"), ItemsSet((ItemRef(first),), "excluded")):
        grown.add(change)
        assert weigh(grown.branch(), grown.facts, MODEL).source == "extrapolated"
        asked(grown, "more", "of it", 130, 5)
        assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(135, "measured")


def test_each_model_has_counts_of_its_own() -> None:
    grown = asked(Grown(), "one", "first", 100, 5)
    other = ModelFacts("n", "p", 10_000, "table")
    assert weigh(grown.branch(), grown.facts, other).source == "no_data"
    grown.user("two").run()
    grown.add(AssistantSaid(grown.started, 1, 1, "n", (Text("second"),), "stop")).counted(80, 7)
    assert weigh(grown.branch(), grown.facts, other) == Weighed(87, "measured")
    mine = weigh(grown.branch(), grown.facts, MODEL)
    assert mine.source == "extrapolated"
    assert mine.tokens > 105


def test_of_an_attempt_that_was_withdrawn_the_usage_counts_for_the_bill_alone() -> None:
    grown = Grown().user("one").run().says("half")
    said = grown.branch()[-1].entry
    assert isinstance(said, AssistantSaid)
    grown.counted(90, 40)
    withdrawn = grown.facts.attempts.pop((said.run, said.step, said.attempt))
    grown.facts.attempts[said.run, said.step, 9] = withdrawn
    assert weigh(grown.branch(), grown.facts, MODEL).source == "no_data"
    assert grown.facts.usage.input == 90


def test_zeros_are_no_count_and_steps_that_told_nothing_are_estimated_from_those_that_did() -> None:
    grown = asked(asked(Grown(), "one", "first", 100, 5), "two", "second", 0, 9)
    sent = grown.facts.attempts[2 + 1, 1, 1].sent_bytes
    seen = Projection()
    seen.follow(grown.branch(), grown.facts, "p")
    behind = seen.end() - seen.edges()[2]
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(105 - -behind * 100 // sent, "extrapolated")


def test_an_answer_of_which_nothing_was_counted_counts_by_its_request_alone() -> None:
    for told in (
        Grown().user("one").run().says("half", finish="failed").counted(90, 40, error="malformed"),
        Grown().user("one").run().says("half").counted(90, 0),
    ):
        weighed = weigh(told.branch(), told.facts, MODEL)
        assert weighed.source == "extrapolated"
        assert 90 < weighed.tokens < 130


def test_thoughts_count_as_long_as_nothing_was_asked_since() -> None:
    grown = Grown().user("think").run()
    grown.add(AssistantSaid(grown.started, 1, 1, "m", (Thinking("hm"),), "stop")).counted(100, 400)
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(500, "measured")
    asked(grown, "now say it", "it", 120, 3)
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(123, "measured")


# --- bytes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        (None, IMAGE_TOKENS),
        ((1_000, 750), 1_000),
        ((16, 16), IMAGE_LEAST_TOKENS),
        ((8_000, 6_000), IMAGE_TOKENS),
    ],
)
def test_an_image_weighs_its_pixels_within_bounds(size: tuple[int, int] | None, tokens: int) -> None:
    image = Piece(blob=BlobRef("0" * 64, 5_000_000, "image/png", size))
    assert tokens_of(piece_bytes(image)) == tokens


def test_tools_and_images_are_weighed_with_the_rest() -> None:
    image = BlobRef("0" * 64, 5_000_000, "image/png")
    grown = Grown().add(UserSaid("c", (Text("look"), Blob(image))))
    sight = project(grown.branch(), grown.facts, "p")
    whole = fixed_bytes(sight.system, sight.tools) + 16 + len("look") + 4 * IMAGE_TOKENS
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(tokens_of(whole), "no_data")
    assert fixed_bytes(sight.system, sight.tools) == system_bytes(sight.system) + tool_bytes(READ)


def test_a_message_weighs_what_its_parts_weigh() -> None:
    calls = (AssistantCall("x", "grep", '{"pattern": "é"}'), AssistantCall("y", "read_file", "{}"))
    assert message_bytes(AssistantMessage("né", calls)) == 16 + 3 + sum(map(call_bytes, calls))
    assert call_bytes(calls[0]) == 32 + 4 + 17
