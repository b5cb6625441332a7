"""Room for the next request of a run: what a run does when the request is too long."""

from collections.abc import Iterable

from flowchat.model.model import ContextOverflow, ModelFacts, Refused
from flowchat.model.scripted import Step, fails, says
from flowchat.transcript.entries import AssistantSaid, Noticed, RunEnded, Usage, text_of
from flowchat.transcript.events import AttemptWithdrawn
from tests.desk import Desk, Sitting

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)
SUMMARY = "## Done\nread things"
TOO_LONG = (
    "this is too long for small, and nothing can be compacted; send less at a time, or choose a model with a larger window"
    " with /model"
)


async def opened(desk: Desk, *script: Step, summaries: Iterable[Step] = ()) -> Sitting:
    sitting = desk.open(*script, others={"compact": summaries, "title": []}, facts=SMALL)
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
    assert (sitting.model.asked(), ends(sitting)) == ([], [("failed", "context_overflow", TOO_LONG)])


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
