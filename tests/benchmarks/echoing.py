"""What a key typed while a long session is being compacted waits for, beside the same session at rest."""

import asyncio
import time
from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, spread
from tests.benchmarks.program import FLOWCHAT, Place, Program, place
from tests.benchmarks.starting import MESSAGES, write_session
from tests.benchmarks.streaming import serving_apart

MODEL = "openai/bench"
WARM_SECONDS = 8.0
"""Until the library is loaded, however busy the machine is."""
IDLE_SECONDS, KEY_SECONDS = 5.0, 0.02
KEYS = "abcdefgh"
LATER_MS, LATER_SHARE = 5.0, 0.2
"""As soon as before: that much later at most, or a share of what it took before."""


def echoing(times: int) -> list[Figure]:
    """Once, however many times are asked for: its passes over all that was said, and then the last answer, paced."""
    with place() as plain, serving_apart(plain) as (base, _):
        where = plain.with_model(base)
        config = where.home / "flowchat" / "config" / "config.toml"
        config.write_text(f"compact = {{ soft_percent = 100, preview = false }}\n{config.read_text()}")
        last_words, size = asyncio.run(write_session(where))
        idle, busy, took = _measured(where, last_words)
    before, during = _ninety_fifth(idle) * 1000, _ninety_fifth(busy) * 1000
    how = f"{during:.1f} - {before:.1f} ms (medians {median(busy) * 1000:.1f}, {median(idle) * 1000:.1f}; {spread(busy)});"
    how += f" {took:.1f} s, log of {size / 1e6:.1f} MB"
    return [
        Figure(f"{MESSAGES:,} messages compacted: key echo, p95", during - before, max(LATER_MS, LATER_SHARE * before), "ms", how)
    ]


def _measured(where: Place, last_words: str) -> tuple[list[float], list[float], float]:
    """Seconds to each echo at rest, before and after, and while it is compacted; and how long that takes."""
    with Program((*FLOWCHAT, "-c", "-m", MODEL), where) as program:
        program.until(last_words)
        program.look(WARM_SECONDS)
        idle = _at_rest(program)
        program.say("/compact")
        began = program.until("compacting").at
        busy = _echoes(program, lambda: "compacting" in program.screen())
        ended = time.monotonic()
        idle += _at_rest(program)
    (log,) = (where.home / "flowchat" / "data" / "sessions").glob("*/log.jsonl")
    assert b'"type":"compacted"' in log.read_bytes()[-100_000:]
    return idle, busy, ended - began


def _at_rest(program: Program) -> list[float]:
    until = time.monotonic() + IDLE_SECONDS
    return _echoes(program, lambda: time.monotonic() < until)


def _echoes(program: Program, goes_on: Callable[[], bool]) -> list[float]:
    """Seconds from each key to its echo in the composer, which is empty again at the end."""
    waits, typed = list[float](), ""
    while goes_on():
        typed += KEYS[len(typed) % len(KEYS)]
        at = program.write(typed[-1].encode())
        waits.append(program.until(lambda screen, typed=typed[-40:]: typed in screen.replace("\n", "")).at - at)
        program.look(KEY_SECONDS + 0.003 * (len(waits) % 7))
    program.write(b"\x15" * 4)
    program.until(lambda screen: "Write a message" in screen)
    program.until_quiet()
    return waits


def _ninety_fifth(values: list[float]) -> float:
    known = sorted(values)
    return known[len(known) * 95 // 100]
