"""Where to stand in the tree."""

import pytest

from flowchat.errors import NotFound
from flowchat.runtime.branches import newest_leaf, replayed, retried_from
from flowchat.transcript.entries import Compacted, HeadMoved, Noticed
from tests.growing import Grown


def test_a_checkpoint_is_replayed_behind_the_node_that_was_the_head_when_it_was_written() -> None:
    grown = Grown().turn("one", "1")
    at = grown.head
    grown.add(Compacted(at, "SUM", 9, 1, "user", "summary"))
    line = grown.last
    grown.turn("two", "2")
    shown = [record.seq for record in replayed(grown.records, grown.branch())]
    assert shown == [*range(1, at + 1), line, *range(line + 1, grown.last + 1)]


def test_a_fact_of_another_branch_is_not_replayed_on_this_one() -> None:
    grown = Grown().turn("one", "1")
    fork = grown.head
    grown.turn("two", "2").add(Compacted(grown.head, "SUM", 9, 1, "user", "summary"), HeadMoved(fork)).user("three")
    assert [record.type for record in replayed(grown.records, grown.branch())][-2:] == ["run_ended", "user_said"]


def test_walking_to_a_message_leads_to_the_newest_end_below_it() -> None:
    grown = Grown().turn("one", "1")
    first = grown.head
    grown.add(HeadMoved(1)).turn("uno", "1")
    assert newest_leaf(grown.records, 2) == first
    assert newest_leaf(grown.records, 1) == grown.head
    with pytest.raises(NotFound):
        newest_leaf(grown.records, 999)


@pytest.mark.parametrize("outcome", ["failed", "interrupted", "crashed"])
def test_a_step_without_answers_is_retried_from_before_it(outcome: str) -> None:
    grown = Grown().user("go").run().says("Half", finish="failed").add(Noticed("info", "x", "y")).ends(outcome)
    assert retried_from(grown.branch()) == grown.started


def test_a_failure_behind_answered_calls_is_retried_behind_them() -> None:
    grown = Grown().user("go").run().says("", "t").answers(0, "A")
    answered = grown.head
    assert retried_from(grown.ends("failed").branch()) == answered


@pytest.mark.parametrize("outcome", ["limit", "interrupted", "crashed"])
def test_a_step_whose_calls_were_answered_is_gone_on_from(outcome: str) -> None:
    grown = Grown().user("go").run().says("", "t").answers(0, "A").ends(outcome)
    assert retried_from(grown.branch()) is None


def test_a_message_without_a_run_is_run() -> None:
    assert retried_from(Grown().user("go").branch()) is None


def test_a_run_that_came_to_its_end_cannot_be_retried() -> None:
    with pytest.raises(NotFound, match="nothing to retry"):
        retried_from(Grown().turn("one", "1").branch())
    with pytest.raises(NotFound):
        retried_from(())
