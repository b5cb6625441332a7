"""What the facts of a session add up to."""

from flowchat.transcript.entries import AttemptUsed, Forked, ForkPoint, Usage
from tests.growing import Grown


def test_what_attempts_used_adds_up_over_all_purposes_and_starts_anew_in_a_fork() -> None:
    grown = Grown()
    grown.add(AttemptUsed(2, 1, 1, "run", usage=Usage(100, 80, 10, 7, 3), cost=0.5))
    grown.add(AttemptUsed(2, 1, 2, "run"), AttemptUsed(0, 0, 1, "compact", usage=Usage(20, 1, 2, 3, 4), cost=0.25))
    assert (grown.facts.usage, grown.facts.cost) == (Usage(120, 81, 12, 10, 7), 0.75)
    grown.add(Forked("t", "/w", "1", ForkPoint("s", 4)))
    assert (grown.facts.usage, grown.facts.cost) == (Usage(), None)
