"""A compaction asked for while one goes on, and what is queued while a summary is drawn up and looked at."""

import asyncio

import pytest

from flowchat.agent.proposal import CompactionFailed
from flowchat.errors import Busy, ReadOnly
from flowchat.model.model import ModelFacts, Refused
from flowchat.model.scripted import Step, Waits, fails, says, waits
from flowchat.runtime.folding import JOINED, REPLACED
from flowchat.transcript.entries import Compacted, Noticed, Usage
from flowchat.transcript.events import Toast
from tests.desk import Desk, Sitting, said, settle

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)
SUMMARY = says("## Done\n- port 8431")
MINE = says("## Done\n- as I asked")


async def folding(desk: Desk, held: Waits, *compacting: Step, runs: tuple[Step, ...] = ()) -> Sitting:
    """After its second run the session is being folded by itself; the summary waits in `held`."""
    heavy = says("word " * 3_000, usage=Usage(input=16_000, output=10))
    return await _until_held(desk, held, compacting, heavy, *runs)


async def folding_in_a_run(desk: Desk, held: Waits) -> Sitting:
    """In its second run the session is being folded over the hard limit."""
    reads = says("", calls=[("read_file", {"path": "a.txt"})], usage=Usage(input=17_500, output=10))
    return await _until_held(desk, held, (), reads, says("done"))


async def _until_held(desk: Desk, held: Waits, compacting: tuple[Step, ...], *runs: Step) -> Sitting:
    sitting = desk.open(says("a1"), *runs, others={"compact": [held, *compacting], "title": []}, facts=SMALL)
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    await sitting.session.send("u2")
    await held.reached.wait()
    return sitting


def triggers(sitting: Sitting) -> list[str]:
    return [checkpoint.trigger for checkpoint in sitting.ear.entries(Compacted)]


def toasts(sitting: Sitting) -> list[str]:
    return [toast.text for toast in sitting.ear.entries(Toast)]


# --- joining -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("begun", [folding, folding_in_a_run], ids=["after a run", "in a run"])
async def test_compact_joins_the_compaction_that_goes_on_by_itself(desk: Desk, begun) -> None:
    held = waits("", SUMMARY)
    sitting = await begun(desk, held)
    joined = asyncio.create_task(sitting.session.folding.compact())
    await settle()
    held.gate.set()
    record = await joined
    await sitting.session.idle()
    assert [entry for _, entry in sitting.session.transcript.facts.checkpoints] == [record.entry]
    assert (len(sitting.model.asked("compact")), toasts(sitting)) == (1, [JOINED])


async def test_who_joined_hears_why_it_came_to_nothing(desk: Desk) -> None:
    held = waits("", fails(Refused("no summary today")))
    sitting = await folding(desk, held)
    joined = asyncio.create_task(sitting.session.folding.join())
    await settle()
    held.gate.set()
    with pytest.raises(CompactionFailed, match="no summary today"):
        await joined


async def test_where_there_is_nothing_for_it_to_fold_the_one_that_was_asked_for_begins(desk: Desk) -> None:
    heavy = says("word " * 3_000, usage=Usage(input=16_000, output=10))
    sitting = desk.open(heavy, others={"compact": [MINE], "title": []}, facts=SMALL)
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    while sitting.session.state.state != "compacting":
        await asyncio.sleep(0)
    record = await sitting.session.folding.compact()
    assert (record.entry.summary, triggers(sitting)) == ("## Done\n- as I asked", ["user"])


async def test_who_joined_hears_that_it_was_stopped(desk: Desk) -> None:
    sitting = await folding(desk, waits("", SUMMARY))
    joined = asyncio.create_task(sitting.session.folding.join())
    await settle()
    await sitting.session.interrupt()
    with pytest.raises(CompactionFailed, match="stopped"):
        await joined


async def test_where_none_goes_on_there_is_none_to_join(desk: Desk) -> None:
    held = waits("", SUMMARY)
    sitting = await folding(desk, held)
    held.gate.set()
    await sitting.session.idle()
    assert await sitting.session.folding.join() is None
    assert toasts(sitting) == []


async def test_what_is_asked_of_a_summary_stops_the_one_that_knows_nothing_of_it(desk: Desk) -> None:
    sitting = await folding(desk, waits("", SUMMARY), MINE)
    record = await sitting.session.folding.compact("keep the port")
    assert isinstance(record.entry, Compacted)
    assert (record.entry.summary, triggers(sitting)) == ("## Done\n- as I asked", ["user"])
    assert "keep the port" in sitting.model.asked("compact")[-1].messages[0].pieces[0].text
    assert toasts(sitting) == [REPLACED]
    assert [notice.text for notice in sitting.branch(Noticed)] == ["Compaction stopped; nothing was changed."]


async def test_what_is_asked_of_a_summary_while_a_run_is_folded_is_refused_with_when_to_ask_again(desk: Desk) -> None:
    held = waits("", SUMMARY)
    sitting = await folding_in_a_run(desk, held)
    with pytest.raises(Busy, match="without your instructions; /compact when it has ended"):
        await sitting.session.folding.join("keep the port")
    held.gate.set()
    await sitting.session.idle()
    assert triggers(sitting) == ["hard"]


# --- the queue ---------------------------------------------------------------------------------------------------------
async def drawn(desk: Desk, held: Step) -> Sitting:
    """A session with one answer, and one that is not asked for yet."""
    sitting = desk.open(says("a1"), says("a2"), says("a3"), others={"compact": [held], "title": []})
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    return sitting


@pytest.mark.parametrize("accepted", [True, False])
async def test_what_is_queued_while_a_summary_is_drawn_is_said_when_it_was_looked_at(desk: Desk, accepted: bool) -> None:
    held = waits("", SUMMARY)
    sitting = await drawn(desk, held)
    session, looked_at, closed = sitting.session, asyncio.Event(), asyncio.Event()

    async def look() -> None:
        async with session.folding.preview() as proposal:
            looked_at.set()
            await closed.wait()
            if accepted:
                await session.folding.accept(proposal)

    looking = asyncio.create_task(look())
    await held.reached.wait()
    await session.send("meanwhile")
    held.gate.set()
    await looked_at.wait()
    await session.idle()
    assert (session.state.state, said(sitting.branch(object))) == ("idle", ["u1"])
    closed.set()
    await looking
    await session.idle()
    assert said(sitting.branch(object)) == ["u1", "meanwhile"]
    assert ("port 8431" in sitting.requests()[-1][0]) == accepted


async def test_what_is_queued_while_a_summary_fails_is_said(desk: Desk) -> None:
    held = waits("", fails(Refused("no summary today")))
    sitting = await drawn(desk, held)

    async def look() -> None:
        async with sitting.session.folding.preview():
            pass

    looking = asyncio.create_task(look())
    await held.reached.wait()
    await sitting.session.send("meanwhile")
    held.gate.set()
    with pytest.raises(CompactionFailed):
        await looking
    await sitting.session.idle()
    assert said(sitting.branch(object)) == ["u1", "meanwhile"]


async def test_what_was_queued_behind_a_compaction_that_is_replaced_is_said_behind_the_other(desk: Desk) -> None:
    sitting = await folding(desk, waits("", SUMMARY), MINE, runs=(says("a3"),))
    await sitting.session.send("meanwhile")
    await sitting.session.folding.compact("keep the port")
    await sitting.session.idle()
    assert said(sitting.branch(object)) == ["u1", "u2", "meanwhile"]
    assert "as I asked" in sitting.requests()[-1][0]


async def test_what_was_queued_behind_a_compaction_that_another_model_stopped_is_said(desk: Desk) -> None:
    sitting = await folding(desk, waits("", SUMMARY), runs=(says("a3"),))
    await sitting.session.send("meanwhile")
    await sitting.session.set_model("other")
    await sitting.session.idle()
    assert said(sitting.branch(object)) == ["u1", "u2", "meanwhile"]


async def test_a_session_closed_while_a_summary_is_looked_at_says_nothing_more(desk: Desk) -> None:
    sitting = await drawn(desk, SUMMARY)
    with pytest.raises(ReadOnly, match="closed"):
        async with sitting.session.folding.preview():
            await sitting.session.close()
    assert said(sitting.branch(object)) == ["u1"]
