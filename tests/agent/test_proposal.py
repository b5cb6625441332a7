"""What the user makes of a proposal: other words, pinned lines, and what that weighs."""

import asyncio

import pytest
from msgspec.structs import replace

from flowchat.agent.compact import fold
from flowchat.agent.proposal import Proposal, edited_by_user
from flowchat.store.memory import MemoryBlobs
from flowchat.transcript.entries import Compacted, QueueSet
from flowchat.transcript.transcript import Transcript
from tests.growing import Grown
from tests.transcript.building import HandLog

PROPOSED = Proposal(5, (), "## Done\n- use Decimal\n- the rest", ("a",), 9_000, 4, (), "user", 6, 1_000, pinned=("before",))


def test_one_that_is_left_as_it_is_stays_so() -> None:
    assert edited_by_user(PROPOSED, None, ()) == PROPOSED
    assert edited_by_user(PROPOSED, PROPOSED.summary, ()) == PROPOSED


def test_a_pinned_line_leaves_the_summary_and_is_kept_without_its_bullet_once() -> None:
    edited = edited_by_user(PROPOSED, None, ("- use Decimal", "use Decimal", "before", "  "))
    assert edited == replace(PROPOSED, summary="## Done\n- the rest", pinned=("before", "use Decimal"), tokens_after=1_001)


@pytest.mark.parametrize(("summary", "tokens"), [("", 992), ("x" * 400, 1_092), ("é" * 200, 1_092), (None, 1_000)])
def test_the_weight_moves_with_the_words(summary: str | None, tokens: int) -> None:
    assert edited_by_user(PROPOSED, summary, ()).tokens_after == tokens


async def test_a_checkpoint_moves_up_where_a_send_before_it_is_taken_back() -> None:
    grown, log = Grown().turn("one", "1"), HandLog()
    transcript, last = Transcript(log, MemoryBlobs(), grown.records), grown.last
    transcript.submit(QueueSet((), held=True))
    proposal = replace(PROPOSED, upto=grown.head, drawn_at=last)
    folding = asyncio.create_task(fold(transcript, proposal, lambda delta: None))
    await asyncio.sleep(0)
    log.full = True
    await log.settle()
    record = await folding
    assert (record.seq, isinstance(record.entry, Compacted)) == (last + 1, True)
