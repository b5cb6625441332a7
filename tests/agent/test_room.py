"""Room for the next request of a run: what a run does when the request is too long."""

from collections.abc import Iterable

import pytest

from flowchat.agent.agent import Limits
from flowchat.model.model import ContextOverflow, ModelFacts, Refused
from flowchat.model.scripted import Step, fails, says
from flowchat.transcript.entries import AssistantSaid, Compacted, ItemRef, Noticed, RunEnded, Usage, text_of
from flowchat.transcript.events import AttemptWithdrawn
from tests.desk import Desk, Sitting

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)
SUMMARY = "## Done\nread things"
TOO_LONG = (
    "this is too long for small, and nothing can be compacted; send less at a time, or choose a model with a larger window"
    " with /model"
)


NEVER = Limits(soft=100, hard=100)
STOPPED = (
    "and small has a window of 20,000; compaction is off after 3 failures in a row: /compact tries it again, /context leaves"
    " things out, /model chooses a larger window"
)


async def opened(
    desk: Desk, *script: Step, summaries: Iterable[Step] = (), facts: ModelFacts = SMALL, limits: Limits | None = None
) -> Sitting:
    others = {"compact": summaries, "title": []}
    sitting = desk.open(*script, others=others, facts=facts, limits=limits or Limits())
    await sitting.session.rename("x")
    return sitting


def ends(sitting: Sitting) -> list[tuple[str, str | None, str | None]]:
    return [(ended.outcome, ended.code, ended.message) for ended in sitting.branch(RunEnded)]


async def test_where_there_is_nothing_to_fold_nothing_failed_and_the_next_compaction_is_made(desk: Desk) -> None:
    overflows = [fails(ContextOverflow("too long"))] * 3
    heavy = says("word " * 3_000, usage=Usage(input=16_000, output=10))
    sitting = await opened(desk, *overflows, says("a1"), heavy, summaries=[says(SUMMARY)])
    await sitting.session.send("u1")
    await sitting.session.idle()
    for _ in range(2):
        assert ends(sitting) == [("failed", "context_overflow", TOO_LONG)]
        await sitting.session.retry()
        await sitting.session.idle()
    await sitting.session.retry()
    await sitting.session.idle()
    assert sitting.model.asked("compact") == []
    await sitting.session.send("u2")
    await sitting.session.idle()
    assert len(sitting.model.asked("compact")) == 1
    assert ends(sitting) == [("completed", None, None)] * 2


async def test_a_long_first_message_that_still_fits_is_sent_without_a_word(desk: Desk) -> None:
    sitting = await opened(desk, says("a1"))
    await sitting.session.send("word " * 13_000)
    await sitting.session.idle()
    assert (sitting.branch(Noticed), ends(sitting)) == ([], [("completed", None, None)])


async def test_a_first_message_too_long_for_the_window_is_not_sent(desk: Desk) -> None:
    sitting = await opened(desk)
    await sitting.session.send("word " * 15_000)
    await sitting.session.idle()
    mine = "nothing can be compacted: one message of yours takes about 18,754 tokens; /edit makes it shorter, or"
    told = TOO_LONG.replace("nothing can be compacted; send less at a time, or", mine)
    assert (sitting.model.asked(), ends(sitting)) == ([], [("failed", "context_overflow", told)])


async def test_where_automatic_compaction_is_stopped_an_overflow_ends_the_run_with_the_servers_word(desk: Desk) -> None:
    heavy = [says("a", usage=Usage(input=14_000, output=1)) for _ in range(6)]
    failing = [fails(Refused("no summary today"))] * 3
    sitting = await opened(desk, *heavy, fails(ContextOverflow("too long")), summaries=failing)
    for number in range(7):
        await sitting.session.send(f"u{number} " + "word " * 60)
        await sitting.session.idle()
    assert len(sitting.model.asked("compact")) == 3
    assert ends(sitting)[-1] == ("failed", "context_overflow", "too long")


async def test_an_answer_too_long_to_be_kept_is_folded_with_the_rest(desk: Desk) -> None:
    sitting = await opened(desk, says("word " * 14_000), says("a2"), summaries=[says(SUMMARY)])
    for text in ("u1", "u2, exactly so"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert ends(sitting) == [("completed", None, None)] * 2
    (request,) = sitting.requests()[-1]
    assert "read things" in request
    assert request.endswith("|u2, exactly so")


async def test_calls_whose_answers_fill_the_window_are_folded_and_the_run_goes_on(desk: Desk) -> None:
    (desk.folder / "long.txt").write_text("a line of a long file\n" * 700)
    reads = says("", calls=[("read_file", {"path": "long.txt"})] * 5)
    sitting = await opened(desk, says("a1"), reads, says("done"), summaries=[says(SUMMARY)])
    for text in ("u1", "read it all"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert ends(sitting) == [("completed", None, None)] * 2
    (request,) = sitting.requests()[-1]
    assert request.endswith("|read it all")


async def test_usage_beyond_all_measure_is_survived(desk: Desk) -> None:
    sitting = await opened(desk, says("a1", usage=Usage(input=10**9)), says("a2"), summaries=[says(SUMMARY)])
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert ends(sitting) == [("completed", None, None)] * 2


async def test_words_in_front_of_an_overflow_are_withdrawn_and_the_next_request_ends_with_the_question(desk: Desk) -> None:
    overflow = fails(ContextOverflow("too long"), "some words")
    sitting = await opened(desk, says("word " * 4_000), overflow, says("a2"), summaries=[says(SUMMARY)])
    for text in ("u1", "word " * 4_500 + "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    (request,) = sitting.requests()[-1]
    assert request.endswith("u2")
    assert [text_of(said.parts)[-4:] for said in sitting.branch(AssistantSaid)] == ["ord ", "a2"]
    assert [withdrawn.reason for withdrawn in sitting.ear.entries(AttemptWithdrawn)] == ["too long"]


# --- what is known beforehand to be refused ----------------------------------------------------------------------------
async def said_after(
    desk: Desk, counted: int, answer: Step, *, summaries: Iterable[Step] = (), facts: ModelFacts = SMALL
) -> Sitting:
    """A run that took `counted` tokens, 0: nobody counted a long answer, and a message of 60,000 bytes behind it."""
    heavy = says("a1", usage=Usage(input=counted, output=1)) if counted else says("word " * 12_000)
    sitting = await opened(desk, heavy, answer, says("a2"), summaries=summaries, facts=facts, limits=NEVER)
    for text in ("u1", "u2 " + "word " * 12_000):
        await sitting.session.send(text)
        await sitting.session.idle()
    return sitting


def triggers(sitting: Sitting) -> list[str]:
    return [checkpoint.trigger for checkpoint in sitting.ear.entries(Compacted)]


async def test_a_request_that_would_be_refused_by_the_models_own_counts_is_folded_instead_of_sent(desk: Desk) -> None:
    sitting = await said_after(desk, 15_000, says("a2"), summaries=[says(SUMMARY)])
    assert (len(sitting.model.asked()), triggers(sitting)) == (2, ["overflow"])
    assert ends(sitting) == [("completed", None, None)] * 2
    assert "read things" in sitting.requests()[-1][0]


@pytest.mark.parametrize(
    ("counted", "facts"),
    [
        (0, SMALL),
        (15_000, ModelFacts("small", "scripted", 20_000, "assumed", max_output=2_000)),
        (20_001, SMALL),
        (12_000, SMALL),
    ],
    ids=["never counted", "assumed window", "took more before", "perhaps not over it"],
)
async def test_where_a_limit_is_off_the_answer_decides_on_a_request_that_may_be_too_long(
    desk: Desk, counted: int, facts: ModelFacts
) -> None:
    overflow = fails(ContextOverflow("too long"))
    sitting = await said_after(desk, counted, overflow, summaries=[says(SUMMARY)], facts=facts)
    assert (len(sitting.model.asked()), triggers(sitting)) == (3, ["overflow"])
    assert ends(sitting) == [("completed", None, None)] * 2


async def test_after_three_failures_a_request_that_would_be_refused_ends_the_run_with_what_to_do(desk: Desk) -> None:
    heavy = [says("a", usage=Usage(input=17_000, output=1)) for _ in range(4)]
    failing = [fails(Refused("no summary today"))] * 3
    sitting = await opened(desk, *heavy, summaries=failing, limits=Limits(soft=100))
    for number in range(4):
        await sitting.session.send(f"u{number}")
        await sitting.session.idle()
    await sitting.session.send("word " * 5_000)
    await sitting.session.idle()
    (*_, (outcome, code, message)) = ends(sitting)
    assert (outcome, code, (message or "").partition("tokens, ")[2]) == ("failed", "context_overflow", STOPPED)
    assert len(sitting.model.asked()) == 4


async def test_after_three_failures_what_is_old_and_large_makes_room_for_a_request_that_would_be_refused(desk: Desk) -> None:
    (desk.folder / "long.txt").write_text("a line of a long file\n" * 700)
    reads = says("", calls=[("read_file", {"path": "long.txt"})] * 3)
    heavy = [says("a", usage=Usage(input=17_000, output=1)) for _ in range(4)]
    failing = [fails(Refused("no summary today"))] * 3
    sitting = await opened(desk, reads, *heavy, says("a5"), summaries=failing, limits=Limits(soft=100))
    for text in ("u0", "u1", "u2", "u3", "u4 " + "word " * 5_000):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert "the output was left out to save room" in sitting.session.request_text()
    assert ends(sitting) == [("completed", None, None)] * 5


async def test_where_pinned_items_fill_the_window_they_are_named(desk: Desk) -> None:
    sitting = await opened(desk, says("word " * 14_000), summaries=[says(SUMMARY)])
    await sitting.session.send("u1")
    await sitting.session.idle()
    answer = next(record.seq for record in sitting.session.transcript.branch() if record.type == "assistant_said")
    await sitting.session.context.set([ItemRef(answer)], "pinned")
    await sitting.session.send("u2")
    await sitting.session.idle()
    (*_, (_, code, message)) = ends(sitting)
    taken = f"{sum(row.tokens for row in sitting.session.context.rows() if row.state == 'pinned'):,}"
    assert (code, message) == (
        "thrash",
        f"the request is still too long after a compaction: pinned items take {taken} tokens; unpin in /context; else"
        " start over with /new, or choose a larger window with /model",
    )
    assert taken.startswith("17,5")


async def test_over_the_hard_limit_again_right_after_a_compaction_a_request_that_fits_is_sent(desk: Desk) -> None:
    heavy = says("word " * 3_000, usage=Usage(input=14_000, output=10))
    sitting = await opened(desk, says("a1"), heavy, says("a3"), summaries=[says(SUMMARY)])
    for text in ("u1", "u2", "u3 " + "word " * 9_500):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert [checkpoint.trigger for _, checkpoint in sitting.session.transcript.facts.checkpoints][:1] == ["soft"]
    assert ends(sitting) == [("completed", None, None)] * 3


async def test_refused_again_where_no_summary_came_the_run_ends_with_the_servers_word(desk: Desk) -> None:
    (desk.folder / "long.txt").write_text("a line of a long file\n" * 700)
    reads = says("", calls=[("read_file", {"path": "long.txt"})] * 2)
    script = [reads, *(says("a", usage=Usage(input=11_000, output=1)) for _ in range(4))]
    sitting = await opened(desk, *script, *[fails(ContextOverflow("too long"))] * 2, summaries=[fails(Refused("no summary"))])
    for text in ("u0", "u1", "u2", "u3", "u4"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert (ends(sitting)[-1], sitting.session.transcript.facts.checkpoints) == (("failed", "context_overflow", "too long"), [])
