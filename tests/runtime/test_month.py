"""A month in one session under a small window: no overflow is heard of, no fact is out of reach."""

import os
from pathlib import Path

from tests.month import FACT_EVERY, Month

RUNS = 2_000 if os.environ.get("FLOWCHAT_MONTH") == "full" else 150
"""`FLOWCHAT_MONTH=full`: all of it, in about a minute."""


async def test_a_session_goes_on_for_a_month_and_nothing_that_was_said_is_out_of_reach(tmp_path: Path) -> None:
    month = Month(tmp_path)
    await month.begin()
    await month.work(RUNS)
    assert (month.model.overflows, month.told) == (0, [])
    assert month.model.summaries >= RUNS // 15
    lost = [number for number in month.facts if not await month.knows(number)]
    assert (len(month.facts), lost, month.told) == (RUNS // FACT_EVERY, [], [])
    await month.close()
