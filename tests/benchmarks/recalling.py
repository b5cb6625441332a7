"""What it takes to find a fact that was folded long ago, and to go through all requests of a session, in a month of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from flowchat.agent.cache import diagnose
from flowchat.agent.out_of_sight import look
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.tools.recall import Recall
from flowchat.tools.tool import Desk
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    Call,
    Compacted,
    RunEnded,
    RunStarted,
    SessionStarted,
    Text,
    ToolAnswered,
    ToolStarted,
    Usage,
    UserSaid,
)
from flowchat.transcript.transcript import Transcript
from tests.benchmarks.figures import Figure, spread

RUNS, FACTS, RUNS_A_CHECKPOINT = 2_000, 200, 12
FILE = "\n".join(f"{line}\tvalue_{line} = compute({line})" for line in range(80))


def recalling(times: int) -> list[Figure]:
    return asyncio.run(_recalling(times))


async def _recalling(times: int) -> list[Figure]:
    transcript = await a_month()
    recall, desk = Recall(lambda: look(transcript)), Desk(Path("/"), {}, print, transcript.blobs.put, transcript.blobs.get)
    facts = [fact * FACTS // (4 * times) for fact in range(4 * times)]
    found: list[float] = []
    cpu = time.process_time()
    for fact in facts:
        since = time.perf_counter()
        outcome = await recall.run({"query": f"code word {fact_word(fact)}"}, desk)
        found.append(time.perf_counter() - since)
        assert fact_word(fact) in outcome.content
    cpu = (time.process_time() - cpu) / len(facts)
    held, whole = await _while_ticking(lambda: asyncio.to_thread(diagnose, transcript.records()))
    how = f"CPU {cpu * 1000:.0f} ms, {transcript.last_seq:,} entries, one of {FACTS} facts"
    return [
        Figure(f"{RUNS:,} runs: recall finds a fact", median(found) * 1000, 50, "ms", f"{how}; {spread(found)}"),
        Figure(f"{RUNS:,} runs: the cache doctor", whole, 1.5, "s", f"{2 * RUNS:,} requests; loop held {held * 1000:.0f} ms"),
    ]


def fact_word(number: int) -> str:
    return f"zebra{number:03}"


async def a_month(runs: int = RUNS, runs_a_checkpoint: int = RUNS_A_CHECKPOINT) -> Transcript:
    """Runs of two steps with a file read in each, every tenth message with a fact, and a checkpoint after every so many."""
    transcript = Transcript(MemoryLog(), MemoryBlobs())
    await transcript.append(SessionStarted("s", "/w", "1", "openai/m", "default", "You are a test. " * 100, ()))
    for number in range(runs):
        fact = f" The code word of part {number // 10} is {fact_word(number // 10)}." if number % 10 == 0 else ""
        await transcript.append(UserSaid(f"c{number}", (Text(f"Look at module {number} and mend it.{fact}"),)))
        run = (await transcript.append(RunStarted("send", "openai/m"))).seq
        used = Usage(9_000, 8_000, output=20)
        reads = (Text("I look."), Call("x", "read_file", f'{{"path": "module_{number}.py"}}'))
        said = AssistantSaid(run, 1, 1, "openai/m", reads, "calls")
        call = f"{(await transcript.append(AttemptUsed(run, 1, 1, 'run', 'openai/m', used), said)).seq}.0"
        await transcript.append(ToolStarted(call))
        await transcript.append(ToolAnswered(call, "ok", "1-80 of 80", FILE))
        said = AssistantSaid(run, 2, 1, "openai/m", (Text(f"Module {number} is mended."),), "stop")
        await transcript.append(AttemptUsed(run, 2, 1, "run", "openai/m", used), said)
        ended = await transcript.append(RunEnded(run, "completed", 2))
        if number % runs_a_checkpoint == runs_a_checkpoint - 1:
            await transcript.append(Compacted(ended.seq, "## Done\nmodules were mended", 20_000, 2_000, "soft", "summary"))
    return transcript


async def _while_ticking(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """The longest time between two turns of the loop while something is done, and how long that takes."""
    began = last = time.perf_counter()
    longest, doing = 0.0, asyncio.ensure_future(work())
    while not doing.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    await doing
    return longest, time.perf_counter() - began
