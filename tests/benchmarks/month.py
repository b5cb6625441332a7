"""What a run costs at the end of a month in one session, beside what it cost at its beginning; and what memory the month took."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure
from tests.month import Month

RUNS, EARLY, SAMPLE = 2_000, 100, 50


def a_month(times: int) -> list[Figure]:
    """Once, whatever `times`: it takes a quarter of a minute."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_a_month(Path(folder)))


async def _a_month(folder: Path) -> list[Figure]:
    month = Month(folder)
    await month.begin()
    await month.work(EARLY - SAMPLE)
    early, memory = await _cost(month), _memory()
    await month.work(RUNS - SAMPLE - month.runs)
    late, grown = await _cost(month), _memory() - memory
    compactions, overflows = month.model.summaries, month.model.overflows
    await month.close()
    how = f"{late * 1000:.1f} / {early * 1000:.1f} ms CPU a run with two or three calls, all disk work in it"
    return [
        Figure(f"{RUNS:,} runs: one at the end / one of the first {EARLY}", late / early, 2, "x", how),
        Figure(f"{RUNS:,} runs: memory", grown, 30, "MB", f"from {memory:.0f} MB; {compactions} summaries written"),
        Figure(f"{RUNS:,} runs: overflows and alarms heard of", overflows + len(month.told), 0, "", "window of 32,000 tokens"),
    ]


async def _cost(month: Month) -> float:
    """CPU seconds of a run."""
    cpu = time.process_time()
    await month.work(SAMPLE)
    return (time.process_time() - cpu) / SAMPLE


def _memory() -> float:
    """What this process takes, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
