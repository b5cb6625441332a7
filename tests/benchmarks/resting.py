"""What the program costs while nobody does anything."""

import time

from tests.benchmarks.figures import Figure
from tests.benchmarks.program import FLOWCHAT, Program, place
from tests.benchmarks.streaming import serving_apart, warm_up

IDLE_SECONDS = 60.0
SETTLE_SECONDS = 3.0


def idle(times: int) -> list[Figure]:
    """After a first answer, with litellm loaded. Once, however many times are asked for."""
    with place() as plain, serving_apart(plain) as (base, _), Program(FLOWCHAT, plain.with_model(base)) as program:
        warm_up(program)
        program.look(SETTLE_SECONDS)
        cpu, since, seen = program.cpu(), time.monotonic(), len(program.writings)
        program.look(IDLE_SECONDS)
        percent = 100 * (program.cpu() - cpu) / (time.monotonic() - since)
        written = sum(len(writing.written) for writing in program.writings[seen:])
    how = f"of one core over {IDLE_SECONDS:g} s"
    return [Figure("idle: CPU", percent, 0.3, "%", how), Figure("idle: bytes to the terminal", written, 0, "B", how)]
