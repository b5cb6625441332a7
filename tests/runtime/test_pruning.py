"""Old answers lose their content in requests when the provider's cache is lost anyway, and only then."""

from flowchat.agent.agent import Limits
from flowchat.model.model import ModelFacts, Refused
from flowchat.model.scripted import Step, fails, says
from flowchat.transcript.entries import Compacted, ItemRef, ItemsSet, Noticed, RunEnded, ToolAnswered, Usage, UserSaid
from tests.desk import Desk, Sitting

BIG = "a line of a file\n" * 900
LEFT_OUT = "the output was left out to save room"


def used(runs: int) -> Usage:
    """What a request takes behind so many runs."""
    return Usage(input=2_500 + 8_000 * runs, output=10)


async def worked(desk: Desk, runs: int, **given: object) -> Sitting:
    """A session of runs in each of which two files of 15 kB were read."""
    (desk.folder / "big.txt").write_text(BIG)
    read = [("read_file", {"path": "big.txt"})]
    steps: list[Step] = []
    for number in range(runs):
        steps += [says("", calls=[*read, *read], usage=used(number)), says("read", usage=used(number + 1))]
    sitting = desk.open(*steps, says("and now"), says("and then"), limits=Limits(soft=100, titles=False), **given)
    for number in range(runs):
        await sitting.session.send(f"read it, {number}")
        await sitting.session.idle()
    return sitting


def lines(sitting: Sitting) -> list[ItemsSet]:
    return [line for _, line in sitting.session.transcript.facts.items]


async def test_an_edited_message_prunes_what_is_old_behind_it_and_the_log_keeps_everything(desk: Desk) -> None:
    sitting = await worked(desk, 4)
    assert lines(sitting) == []
    first = next(record.seq for record in sitting.session.transcript.branch() if isinstance(record.entry, UserSaid))
    await sitting.session.edit(first, "read it twice", "save")
    await sitting.session.send("go on")
    await sitting.session.idle()
    (line,) = lines(sitting)
    answered = [record for record in sitting.session.transcript.branch() if isinstance(record.entry, ToolAnswered)]
    assert (line.state, [ref.node for ref in line.items]) == ("pruned", [record.seq for record in answered[:4]])
    assert str(sitting.requests()[-1]).count(LEFT_OUT) == 4
    assert all("a line of a file" in record.entry.content for record in answered)
    await sitting.session.send("and on")
    await sitting.session.idle()
    assert lines(sitting) == [line]
    assert sitting.requests()[-1][: len(sitting.requests()[-2])] == sitting.requests()[-2]


async def test_while_the_cache_holds_nothing_is_pruned(desk: Desk) -> None:
    sitting = await worked(desk, 5)
    await sitting.session.send("go on")
    await sitting.session.idle()
    assert lines(sitting) == []
    assert LEFT_OUT not in str(sitting.requests()[-1])


async def test_what_a_checkpoint_keeps_is_pruned_with_it_and_whole_again_when_it_is_undone(desk: Desk) -> None:
    sitting = await worked(desk, 2, others={"compact": [says("## Done\nread things")]})
    sitting.model.then(*[says(f"short {number}", usage=used(2)) for number in range(2)])
    for number in range(4):
        await sitting.session.send(f"more {number}")
        await sitting.session.idle()
    before = sitting.session.request_text()
    record = await sitting.session.folding.compact()
    assert isinstance(record.entry, Compacted)
    transcript = sitting.session.transcript
    kept = [node.seq for node in transcript.branch() if isinstance(node.entry, ToolAnswered) and node.seq > record.entry.upto]
    assert lines(sitting) == [ItemsSet(tuple(map(ItemRef, kept)), "pruned", record.seq)]
    assert [later.type for later in transcript.records()[record.seq - 1 :]] == ["compacted", "items_set"]
    assert sitting.session.request_text().count(LEFT_OUT) == len(kept) > 1
    await sitting.session.folding.undo()
    assert sitting.session.request_text() == before


async def test_a_run_whose_compaction_fails_goes_on_when_what_is_old_and_large_is_left_out(desk: Desk) -> None:
    room = ModelFacts("small", "scripted", 44_000, "config", max_output=2_000)
    refused = {"compact": [fails(Refused("no summary today"))]}
    sitting = await worked(desk, 5, others=refused, facts=room)
    last = sitting.branch(RunEnded)[-1]
    assert (last.outcome, last.code) == ("completed", None)
    (line,) = lines(sitting)
    assert (line.state, line.with_checkpoint, len(line.items)) == ("pruned", None, 4)
    assert any("the run continues: the summary failed: no summary today" in notice.text for notice in sitting.branch(Noticed))


async def test_a_run_whose_compaction_fails_ends_where_pruning_does_not_make_room_either(desk: Desk) -> None:
    room = ModelFacts("small", "scripted", 26_000, "config", max_output=2_000)
    sitting = await worked(desk, 3, others={"compact": [fails(Refused("no summary today"))] * 3}, facts=room)
    assert lines(sitting) == []
    assert (sitting.branch(RunEnded)[-1].outcome, sitting.branch(RunEnded)[-1].code) == ("failed", "compaction_failed")
