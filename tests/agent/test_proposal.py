"""What the user makes of a proposal: other words, pinned lines, and what that weighs."""

import asyncio

import pytest
from msgspec.structs import replace

from flowchat.agent.compact import fold
from flowchat.agent.proposal import PINNED_TOKENS, Proposal, edited_by_user, may_be_pinned, weight, without
from flowchat.store.memory import MemoryBlobs
from flowchat.transcript.entries import Compacted, FileCopy, QueueSet
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


def test_pinned_lines_have_a_limit_and_what_is_over_it_stays_in_the_summary() -> None:
    long = [f"{letter} " * (PINNED_TOKENS * 4 // 6) for letter in "abc"]
    lines = [f"- {line}".rstrip() for line in long]
    assert [may_be_pinned(PROPOSED, lines[:count]) for count in (0, 1, 2, 3)] == [True, True, True, False]
    edited = edited_by_user(PROPOSED, "\n".join(["## Done", *lines]), lines)
    assert (edited.summary, edited.pinned) == (f"## Done\n{lines[2]}", ("before", *(line[2:] for line in lines[:2])))


def test_lines_pinned_earlier_stay_over_the_limit_and_no_other_is_pinned_beside_them() -> None:
    full = replace(PROPOSED, pinned=("word " * PINNED_TOKENS,))
    assert edited_by_user(full, None, ("use Decimal",)) == full
    assert (may_be_pinned(full, ()), may_be_pinned(full, ("use Decimal",))) == (True, False)


def test_what_is_dropped_is_in_it_no_more_and_weighs_nothing() -> None:
    copy, kept = FileCopy("a.py", 1, "x = 1\n" * 100), FileCopy("a.py", 40, "y")
    proposal = replace(PROPOSED, directives=("a", "b"), files=(copy, kept), references=("b.py", "c.py"))
    made = without(proposal, {("directive", "a"), ("pinned", "before"), ("file", copy), ("reference", "c.py")})
    lighter = 1_000 - sum(map(weight, ("a", "before", copy, "c.py")))
    assert made == replace(proposal, directives=("b",), pinned=(), files=(kept,), references=("b.py",), tokens_after=lighter)
    assert without(proposal, ()) == proposal


def test_a_line_that_was_pinned_earlier_and_dropped_can_be_pinned_anew() -> None:
    dropped = without(PROPOSED, {("pinned", "before")})
    assert edited_by_user(dropped, "before\nother", ("before",)) == replace(
        PROPOSED, summary="other", tokens_after=edited_by_user(PROPOSED, "other", ()).tokens_after
    )


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
