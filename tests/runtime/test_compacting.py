"""Compaction: by hand, after a run, inside a run; and what may go wrong with it."""

import asyncio

import pytest

from flowchat.agent.agent import Limits
from flowchat.agent.proposal import CompactionFailed, NothingToCompact
from flowchat.errors import Busy
from flowchat.model.model import ContextOverflow, ModelFacts, Refused
from flowchat.model.scripted import fails, says, waits
from flowchat.transcript.entries import AttemptUsed, Compacted, ItemRef, Noticed, Record, RunEnded, RunStarted, Usage, UserSaid
from flowchat.transcript.events import CompactionDelta, StateDelta
from tests.desk import Desk

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)
LONG = "word " * 3_000
SUMMARY = "## Done\nread things\n\n## User directives\n- always use tabs\n- never invented\n\n## Current work\nnothing"


def checkpoints(sitting) -> list[Compacted]:
    return [event.entry for event in sitting.ear.events if isinstance(event, Record) and isinstance(event.entry, Compacted)]


async def test_compacting_by_hand_folds_and_the_next_request_is_summary_and_tail(desk: Desk) -> None:
    sitting = desk.open(says("a1"), says("a2"), others={"compact": [says(SUMMARY)], "title": [says("t")]})
    await sitting.session.send("always use tabs, and look")
    await sitting.session.idle()
    await sitting.session.compact("keep the tabs")
    checkpoint = checkpoints(sitting)[0]
    assert (checkpoint.trigger, checkpoint.directives, checkpoint.verbatim) == ("user", ("always use tabs",), ())
    assert "User directives" not in checkpoint.summary
    assert checkpoint.tokens_after > 0
    assert "keep the tabs" in str(sitting.model.asked("compact")[0].messages)
    assert [delta.phase for delta in sitting.ear.entries(CompactionDelta)] == ["started", "drafted", "done"]
    await sitting.session.send("more")
    await sitting.session.idle()
    request = sitting.requests()[-1]
    assert len(request) == 1
    assert "read things" in request[0]
    assert request[0].endswith("|more")
    assert [run.trigger for run in sitting.branch(RunStarted)] == ["send", "send"]


async def test_an_empty_session_has_nothing_to_compact_and_no_call_is_made(desk: Desk) -> None:
    sitting = desk.open()
    with pytest.raises(NothingToCompact, match="nothing to compact: nothing has been answered yet"):
        await sitting.session.compact()
    with pytest.raises(NothingToCompact, match="nothing to hand off: nothing was said in this session yet"):
        await sitting.session.folding.hand_off()
    assert sitting.model.requests == []
    assert sitting.session.state.state == "idle"


async def test_compacting_while_a_run_goes_on_is_refused(desk: Desk) -> None:
    hold = waits("", says("x"))
    session = desk.open(hold).session
    await session.send("go")
    await hold.reached.wait()
    for command, begin in (("/compact", session.compact), ("/handoff", session.folding.hand_off)):
        with pytest.raises(Busy, match=f"{command} when it has ended"):
            await begin()


async def test_after_a_run_over_the_soft_limit_the_conversation_is_folded(desk: Desk) -> None:
    used = Usage(input=16_000, output=10)
    sitting = desk.open(says("a1"), says(LONG, usage=used), says("a3"), others={"compact": [says(SUMMARY)]}, facts=SMALL)
    await sitting.session.send("u1")
    await sitting.session.idle()
    await sitting.session.send("u2")
    await sitting.session.idle()
    assert [checkpoint.trigger for checkpoint in checkpoints(sitting)] == ["soft"]
    assert len(sitting.branch(UserSaid)) == 2
    await sitting.session.send("u3")
    await sitting.session.idle()
    request = sitting.requests()[-1]
    assert "read things" in request[0]
    assert "u1" not in request[0]
    assert request[-1].endswith("u3")


async def test_over_the_hard_limit_a_run_compacts_and_goes_on_in_the_same_run(desk: Desk) -> None:
    read = says("", calls=[("read_file", {"path": "a.txt"})], usage=Usage(input=17_500, output=10))
    sitting = desk.open(says("a1"), read, says("done"), others={"compact": [says(SUMMARY)], "title": []}, facts=SMALL)
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    await sitting.session.send("u2, exactly so")
    await sitting.session.idle()
    checkpoint = checkpoints(sitting)[0]
    assert checkpoint.trigger == "hard"
    assert len(sitting.branch(UserSaid)) == 2
    assert [ended.outcome for ended in sitting.branch(RunEnded)] == ["completed", "completed"]
    assert "u2, exactly so" in sitting.requests()[-1][0]
    assert [use.purpose for use in sitting.ear.entries(AttemptUsed)] == ["run", "run", "compact", "run"]


async def test_an_overflow_the_provider_reports_compacts_once_and_asks_once_more(desk: Desk) -> None:
    overflow = ContextOverflow("too long")
    sitting = desk.open(says("a1"), fails(overflow), says("fits"), others={"compact": [says(SUMMARY)], "title": []})
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    await sitting.session.send("u2")
    await sitting.session.idle()
    assert [checkpoint.trigger for checkpoint in checkpoints(sitting)] == ["overflow"]
    assert sitting.branch(RunEnded)[-1].outcome == "completed"
    sitting.model.then(fails(overflow), fails(overflow))
    sitting.model._scripts["compact"].append(says(SUMMARY))
    await sitting.session.send("u3")
    await sitting.session.idle()
    assert (sitting.branch(RunEnded)[-1].code, len(checkpoints(sitting))) == ("thrash", 2)


async def test_an_unanswered_message_is_word_for_word_the_last_user_message(desk: Desk) -> None:
    script = [says("a1"), fails(Refused("no")), says("now")]
    sitting = desk.open(*script, others={"compact": [says(SUMMARY)], "title": []})
    await sitting.session.rename("x")
    for text in ("u1", "do it exactly so"):
        await sitting.session.send(text)
        await sitting.session.idle()
    await sitting.session.compact()
    await sitting.session.retry()
    await sitting.session.idle()
    assert sitting.requests()[-1][-1].endswith("do it exactly so")


async def test_a_summary_that_stays_away_is_asked_for_once_more_and_then_nothing_is_changed(desk: Desk) -> None:
    sitting = desk.open(says("a1"), others={"compact": [says(" "), says("")], "title": []})
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    before = sitting.session.transcript.last_seq
    with pytest.raises(CompactionFailed, match="no summary"):
        await sitting.session.compact()
    assert sitting.session.transcript.last_seq == before
    assert len(sitting.model.asked("compact")) == 2


async def test_three_failures_stop_automatic_compaction_until_one_by_hand_succeeds(desk: Desk) -> None:
    heavy = [says("a", usage=Usage(input=14_000, output=1)) for _ in range(7)]
    failing = [fails(Refused("no summary today"))] * 3
    sitting = desk.open(*heavy, others={"compact": [*failing, says(SUMMARY)], "title": []}, facts=SMALL)
    await sitting.session.rename("x")
    for number in range(6):
        await sitting.session.send(f"u{number} " + "word " * 60)
        await sitting.session.idle()
    notices = [notice.text for notice in sitting.branch(Noticed) if notice.source == "compaction"]
    assert len(notices) == 3
    assert all("no summary today" in text for text in notices)
    assert len(sitting.model.asked("compact")) == 3
    told = [event.compaction_off for event in sitting.ear.events if isinstance(event, StateDelta) and event.state == "idle"]
    assert told == [False, False, False, True, True, True]
    await sitting.session.compact()
    assert len(checkpoints(sitting)) == 1
    assert not sitting.session.state.compaction_off
    assert {ended.outcome for ended in sitting.branch(RunEnded)} == {"completed"}


async def test_three_failures_stop_compaction_inside_a_run_too(desk: Desk) -> None:
    """Over the hard limit, under the window: the run goes on, with a notice each time, and then asks for no more summaries."""
    heavy = [says("a", usage=Usage(input=17_000, output=1)) for _ in range(6)]
    failing = [fails(Refused("no summary today"))] * 3
    limits = Limits(soft=100)
    sitting = desk.open(*heavy, others={"compact": failing, "title": []}, facts=SMALL, limits=limits)
    await sitting.session.rename("x")
    for number in range(6):
        await sitting.session.send(f"u{number}")
        await sitting.session.idle()
    assert len(sitting.model.asked("compact")) == 3
    assert [notice.source for notice in sitting.branch(Noticed)] == ["compaction"] * 3
    assert [ended.outcome for ended in sitting.branch(RunEnded)] == ["completed"] * 6


async def test_a_bug_in_a_compaction_after_a_run_is_a_notice_and_the_session_goes_on(desk: Desk) -> None:
    heavy = says(LONG, usage=Usage(input=16_000, output=10))
    sitting = desk.open(says("a1"), heavy, others={"compact": [], "title": []}, facts=SMALL)
    await sitting.session.rename("x")
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    words = "Compaction failed; nothing was changed: flowchat itself failed (AssertionError)"
    assert [notice.text for notice in sitting.branch(Noticed)] == [words]
    assert (sitting.session.state.state, checkpoints(sitting)) == ("idle", [])


async def test_where_all_is_left_out_of_requests_there_is_nothing_to_summarise(desk: Desk) -> None:
    sitting = desk.open(says("a1"), others={"title": []})
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    said = [record for record in sitting.session.transcript.branch() if record.type in ("user_said", "assistant_said")]
    await sitting.session.context.set([ItemRef(record.seq) for record in said], "excluded")
    with pytest.raises(NothingToCompact, match="left out"):
        await sitting.session.compact()
    assert (sitting.model.asked("compact"), checkpoints(sitting)) == ([], [])


async def test_stopping_a_compaction_writes_no_checkpoint_and_holds_nothing(desk: Desk) -> None:
    hold = waits("", says(SUMMARY))
    sitting = desk.open(says("a1"), says("queued"), others={"compact": [hold], "title": []})
    session = sitting.session
    await session.rename("x")
    await session.send("u1")
    await session.idle()
    compaction = asyncio.create_task(session.compact())
    await hold.reached.wait()
    assert session.state.state == "compacting"
    await session.send("meanwhile")
    await session.interrupt()
    with pytest.raises(CompactionFailed, match="stopped"):
        await compaction
    await session.idle()
    assert checkpoints(sitting) == []
    assert [entry.parts[0].text for entry in sitting.branch(UserSaid)] == ["u1", "meanwhile"]


async def test_system_and_tools_over_half_of_the_window_end_the_run_before_any_request(desk: Desk) -> None:
    sitting = desk.open(says("never"), facts=ModelFacts("tiny", "scripted", 1_000, "config"))
    await sitting.session.send("hi")
    await sitting.session.idle()
    assert sitting.branch(RunEnded)[0].code == "context_overflow"
    assert sitting.model.requests == []


async def test_limits_of_a_hundred_percent_switch_compaction_off(desk: Desk) -> None:
    heavy = says("a1", usage=Usage(input=17_900, output=1))
    limits = Limits(soft=100, hard=100)
    sitting = desk.open(heavy, says("a2"), facts=SMALL, limits=limits, others={"compact": [], "title": []})
    await sitting.session.rename("x")
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert sitting.model.asked("compact") == []
