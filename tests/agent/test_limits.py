"""The bounds of a run: where compaction sets in."""

import pytest

from flowchat.agent.agent import Limits


@pytest.mark.parametrize(
    ("limit", "usable", "tokens"),
    [
        (70, 18_000, 12_600),
        (1, 18_000, 180),
        (99, 18_000, 17_820),
        (100, 18_000, None),
        (101, 18_000, 101),
        (60_000, 18_000, 18_000),
    ],
)
def test_a_limit_is_percent_up_to_a_hundred_which_is_never_and_tokens_above(limit: int, usable: int, tokens: int | None) -> None:
    assert (Limits(soft=limit).soft_at(usable), Limits(hard=limit).hard_at(usable)) == (tokens, tokens)
