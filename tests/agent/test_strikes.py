"""Three strikes: when compaction stops to begin by itself, and when it tries again."""

import pytest

from flowchat.agent.strikes import Breaker


def struck(failures: int) -> tuple[Breaker, list[str]]:
    breaker = Breaker()
    return breaker, [breaker.failed() for _ in range(failures)]


def test_the_third_failure_in_a_row_opens_it_and_says_what_closes_it() -> None:
    breaker, words = struck(3)
    assert (breaker.open, words[:2]) == (True, ["", ""])
    assert words[2] == (
        ". That was 3 in a row: nothing is compacted by itself any more until a /compact succeeds, you choose another model,"
        " or 10 runs have passed."
    )


def test_a_success_between_them_starts_the_count_anew() -> None:
    breaker, _ = struck(2)
    breaker.succeeded()
    breaker.failed()
    assert not breaker.open


@pytest.mark.parametrize("runs", [9, 10])
def test_ten_runs_let_it_try_once_more_and_one_failure_opens_it_again(runs: int) -> None:
    breaker, _ = struck(3)
    for _ in range(runs):
        breaker.ran()
    assert breaker.open == (runs < 10)
    breaker.failed()
    assert breaker.open
    for _ in range(runs):
        breaker.ran()
    assert breaker.open == (runs < 10)


def test_another_model_lets_it_try_once_more_and_a_success_closes_it() -> None:
    breaker, _ = struck(3)
    breaker.half_open()
    assert not breaker.open
    breaker.succeeded()
    assert breaker.failed() == ""
