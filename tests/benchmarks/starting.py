"""How soon a key is echoed that was typed before the program could listen; how a long session opens."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from flowchat.agent.system import SYSTEM_PROMPT
from flowchat.config import open_folders
from flowchat.store.sessions import Sessions
from flowchat.tools.registry import standard_tools
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    Call,
    Entry,
    RunEnded,
    RunStarted,
    SessionStarted,
    Text,
    TitleSet,
    ToolAnswered,
    ToolStarted,
    Usage,
    UserSaid,
)
from flowchat.transcript.transcript import Transcript
from tests.benchmarks.figures import Figure, spread
from tests.benchmarks.model_server import tokens
from tests.benchmarks.program import FLOWCHAT, Place, Program, place

MESSAGES = 10_000
FLOOR = (sys.executable, str(Path(__file__).with_name("floor_input.py")))
KEY = "Z"
SETTLE_SECONDS = 1.5


class Started(NamedTuple):
    """Seconds until what was waited for was shown, the CPU seconds of that, and MB resident a little later."""

    seconds: float
    cpu: float
    mb: float


def key_at_start(times: int) -> list[Figure]:
    """Both programs in turn, so that they share what else the machine does; the first round of each is thrown away."""
    floor, ours = [], []
    with place() as where:
        for _ in range(times + 1):
            floor.append(_started(FLOOR, where, KEY))
            ours.append(_started((*FLOWCHAT, "-m", "demo"), where, KEY))
    mine, least = _middle(ours), _middle(floor)
    how = f"{mine.seconds * 1000:.0f} / {least.seconds * 1000:.0f} ms (CPU {mine.cpu * 1000:.0f} / {least.cpu * 1000:.0f} ms"
    how += f" = {mine.cpu / least.cpu:.2f} x); {spread(start.seconds for start in ours[1:])}"
    return [Figure("key typed at t=0 echoed / empty Textual app", mine.seconds / least.seconds, 1.4, "x", how)]


def long_session(times: int) -> list[Figure]:
    """What a session adds to a start that has none: until its last words and a key are shown, in time and in memory."""
    with place() as where:
        last_words, size = asyncio.run(write_session(where))
        empty, opened = [], []
        for _ in range(times + 1):
            empty.append(_started((*FLOWCHAT, "-m", "demo"), where, KEY))
            opened.append(_started((*FLOWCHAT, "-c"), where, lambda shown: KEY in shown and last_words in shown))
    mine, none = _middle(opened), _middle(empty)
    how = f"{mine.seconds * 1000:.0f} - {none.seconds * 1000:.0f} ms (CPU {(mine.cpu - none.cpu) * 1000:.0f} ms)"
    how += f", log of {size / 1e6:.1f} MB"
    name = f"{MESSAGES:,}-message session opened, over none"
    return [
        Figure(f"{name}: time", mine.seconds - none.seconds, 0.25, "s", how),
        Figure(f"{name}: memory", mine.mb - none.mb, 30, "MB", f"{mine.mb:.0f} - {none.mb:.0f} MB"),
    ]


def _started(command: Sequence[str], where: Place, shown: str | Callable[[str], bool]) -> Started:
    """Start it with a key typed before it can listen, until that is shown."""
    with Program(command, where, early=KEY.encode()) as program:
        first = program.until(shown)
        program.look(SETTLE_SECONDS)
        program.write(b"\x7f")
        program.until_quiet()
        return Started(first.at - program.started, first.cpu, program.resident_mb())


def _middle(starts: Sequence[Started]) -> Started:
    """The medians of all but the first."""
    return Started(*(median(values) for values in zip(*starts[1:], strict=True)))


# --- a long session --------------------------------------------------------------------------------------------------
async def write_session(where: Place) -> tuple[str, int]:
    """MESSAGES of about 1.3 KB, four a turn, by the store's own hand; gives the last words and the size of the log."""
    folders = open_folders(where.environ)
    opened = Sessions(folders.data, folders.state).new(1_790_000_000_000, where.work)
    transcript = Transcript(opened.log, opened.blobs)
    schemas = standard_tools().schemas()
    await transcript.append(
        SessionStarted(opened.sid, str(where.work.resolve()), "0", "demo", "default", SYSTEM_PROMPT, schemas),
        TitleSet("A long session", "user"),
    )
    turns = MESSAGES // 4
    for turn in range(turns):
        await transcript.append(*_turn(transcript.last_seq, f"t{turn}"))
    await opened.shelf.write_meta(transcript)
    await transcript.close()
    return f"ENDt{turns - 1}", os.stat(Sessions(folders.data, folders.state).path(opened.sid) / "log.jsonl").st_size


def _turn(last: int, mark: str) -> list[Entry]:
    """Question, call, its answer, answer: the log's lines from `last` + 1 on."""
    run, said = last + 2, last + 4
    prose = "".join(tokens(250, mark))
    output = "\n".join(f"{n:>4}  line {n} of what the tool of {mark} read from the file" for n in range(1, 24))
    return [
        UserSaid(f"c{mark}", (Text(f"Question {mark}: " + "what happens to the events of that queue when nobody reads? " * 20),)),
        RunStarted("send", "demo"),
        AttemptUsed(run, 1, 1, "run", "demo", Usage(input=100, output=10), sent_bytes=400),
        AssistantSaid(run, 1, 1, "demo", (Text(prose[:1000]), Call("x", "read_file", '{"path": "README.md"}')), "calls"),
        ToolStarted(f"{said}.0"),
        ToolAnswered(f"{said}.0", "ok", "README.md, 23 lines", output, duration_ms=3),
        AttemptUsed(run, 2, 1, "run", "demo", Usage(input=100, output=10), sent_bytes=400),
        AssistantSaid(run, 2, 1, "demo", (Text(prose),), "stop"),
        RunEnded(run, "completed", 2, 40),
    ]
