"""A long branch read in slices: as if it had been read in one go, and with room for others in between."""

import asyncio

from hypothesis import given, settings

from flowchat.agent.leisure import NODES, read, tell
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import project
from flowchat.agent.telling import told
from flowchat.model.model import ModelFacts
from flowchat.transcript.entries import AnyEntry, Compacted, Edited, Record, Text, type_name
from tests.agent.test_projection_properties import conversations
from tests.growing import Grown

MODEL = ModelFacts("m", "p", 10_000, "table")


def long(turns: int = 4 * NODES) -> Grown:
    grown = Grown()
    for number in range(turns):
        grown.turn(f"u{number}", f"a{number}")
    return grown


async def test_what_was_read_in_slices_is_what_is_read_in_one_go() -> None:
    edited = long()
    edited.add(Edited(edited.branch()[5 * NODES].seq, (Text("otherwise"),)))
    folded = long()
    folded.add(Compacted(folded.branch()[3 * NODES].seq, "## Done", 9, 1, "user", "summary"))
    for grown in (long(), edited, folded, long(1)):
        branch, facts, seen, whole = grown.branch(), grown.facts, Projection(), Projection()
        await read(branch, facts, MODEL, seen)
        for projection in (seen, whole):
            projection.follow(branch, facts, MODEL.provider)
        assert seen.sight() == project(branch, facts, MODEL.provider)
        assert (seen.edges(), seen.weigh("m")) == (whole.edges(), whole.weigh("m"))


@settings(deadline=None, max_examples=40)
@given(conversations())
def test_so_it_is_whatever_happened_on_the_branch(grown_and_sent: tuple[Grown, list[int]]) -> None:
    grown, _ = grown_and_sent
    branch, seen = grown.branch(), Projection()
    asyncio.run(read(branch, grown.facts, MODEL, seen))
    seen.follow(branch, grown.facts, MODEL.provider)
    assert seen.sight() == project(branch, grown.facts, MODEL.provider)


async def test_what_an_earlier_compaction_folded_is_not_read() -> None:
    grown, read_again = long().turn("counted", "yes").counted(400), list[int]()
    upto = grown.branch()[-1].seq
    grown.add(Compacted(upto, "## Done", 9, 1, "user", "summary"))
    for number in range(NODES):
        grown.turn(f"v{number}", f"b{number}")
    entries = {record.seq: record.entry for record in grown.branch()}

    def decode(record: Record) -> AnyEntry:
        read_again.append(record.seq)
        return entries[record.seq]

    branch = [Record(at.seq, at.at_ms, at.parent, at.type, None, decode) for at in grown.branch()]
    await read(branch, grown.facts, MODEL, Projection())
    folded = {seq: entries[seq] for seq in read_again if seq <= upto}
    assert sorted(map(type_name, folded.values())) == ["assistant_said", "session_started"]  # what counted last, and the prompt
    assert max(read_again) > upto + NODES


async def test_what_is_told_in_slices_is_what_is_told() -> None:
    grown = long()
    branch = grown.branch()
    grown.add(Edited(next(record.seq for record in branch if record.type == "user_said"), (Text("otherwise"),)))
    branch, upto = grown.branch(), grown.branch()[-NODES].seq
    assert await tell(branch, 3, upto, {}) == told(branch, 3, upto)


async def test_others_have_their_turns_while_a_long_branch_is_read() -> None:
    branch, facts, turns = long(5_000).branch(), long(1).facts, 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    await read(branch, facts, MODEL, Projection())
    waiting.cancel()
    assert turns > 1
