"""What a compaction costs beside its model: 10,000 entries that were never folded, and the last of a session that often was."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from statistics import median

from flowchat.agent.agent import Agent, Limits
from flowchat.agent.budget import measure
from flowchat.agent.clock import SystemClock
from flowchat.agent.compact import compact
from flowchat.agent.projection import Projection
from flowchat.model.model import ModelFacts, ModelPiece, Reply, Request, ToolMessage
from flowchat.runtime.permits import SessionPermits
from flowchat.runtime.rulebook import RuleBook
from flowchat.tools.registry import standard_tools
from flowchat.tools.rules import Ground
from flowchat.transcript.entries import Call, Compacted, CompactionUndone, ContextAdded, Noticed, Record, Text
from flowchat.transcript.transcript import Transcript
from tests.benchmarks.figures import Figure, spread
from tests.benchmarks.recalling import RUNS_A_CHECKPOINT, a_month

ENTRIES, ENTRIES_A_RUN = 10_000, 8
SUMMARY = "## Done\nmodules were mended\n## Current work\nnothing\n"


def compacting(times: int) -> list[Figure]:
    return asyncio.run(_compacting(times))


async def _compacting(times: int) -> list[Figure]:
    runs = ENTRIES // ENTRIES_A_RUN // RUNS_A_CHECKPOINT * RUNS_A_CHECKPOINT - 1
    whole = await _folded(await a_month(runs, runs_a_checkpoint=2 * runs), 2_000_000, times)
    last = await _folded(await a_month(runs), 16_000, times)
    goal = f"{ENTRIES:,} entries"
    return [
        Figure(f"compacting: all of {goal}", median(whole) * 1000, 50, "ms", spread(whole)),
        Figure(f"compacting: what is new of {goal}", median(last) * 1000, 50, "ms", spread(last)),
    ]


class _Prompt:
    """A model that answers at once."""

    def __init__(self, window: int) -> None:
        self.facts = ModelFacts("openai/m", "openai", window, "table")

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        if request.tools and not isinstance(request.messages[-1], ToolMessage):
            yield Reply((Call("c", "write_summary", json.dumps({"text": SUMMARY})),), "calls")
        else:
            yield Reply((Text("done" if request.tools else SUMMARY),), "stop")


async def _folded(transcript: Transcript, window: int, times: int) -> list[float]:
    """Seconds of this thread, for a compaction each; it is taken back before the next."""
    agent = _agent(_Prompt(window))
    took: list[float] = []
    for _ in range(times):
        measure(transcript.branch(), transcript.facts, agent.model.facts, agent.projection)
        gc.collect()
        gc.disable()
        since = time.thread_time()
        record = await compact(agent, transcript, lambda event: None, "user")
        took.append(time.thread_time() - since)
        gc.enable()
        assert isinstance(record.entry, Compacted)
        await transcript.append(CompactionUndone(record.seq))
    return took


def _agent(model: _Prompt) -> Agent:
    async def news(branch: Sequence[Record], first: bool) -> Sequence[ContextAdded | Noticed]:
        return ()

    folder = Path("/w")
    permits = SessionPermits(lambda: "default", RuleBook(Ground(folder), None, ()), attended=True)
    return Agent(model, model, standard_tools(), permits, Limits(), news, folder, SystemClock(), projection=Projection())
