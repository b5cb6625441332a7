"""How soon a match at the far end of a long session is on the screen, from the moment the words are typed."""

import asyncio
import time
from statistics import median

from tests.benchmarks.figures import Figure, spread
from tests.benchmarks.program import FLOWCHAT, Place, Program, place
from tests.benchmarks.starting import MESSAGES, write_session

FIND_KEY = b"\x1bOR"
"""F3."""
WORDS = "Question t0: what"
"""Once in the session, in its first message."""


def find(times: int) -> list[Figure]:
    """The first search of an opened session: nothing of it has been read but its end."""
    with place() as where:
        last_words, _ = asyncio.run(write_session(where))
        found = [_found(where, last_words) for _ in range(times + 1)][1:]
    seconds, cpu = median(one[0] for one in found), median(one[1] for one in found)
    how = f"CPU {cpu * 1000:.0f} ms, {len(WORDS)} keys in one burst; {spread(one[0] for one in found)}"
    return [Figure(f"{MESSAGES:,} messages: first match on the screen", seconds, 0.5, "s", how)]


def _found(where: Place, last_words: str) -> tuple[float, float]:
    """Seconds, and CPU seconds of the program."""
    with Program((*FLOWCHAT, "-c"), where) as program:
        program.until(last_words)
        program.until_quiet()
        before = program.cpu()
        began = time.monotonic()
        program.write(FIND_KEY)
        program.until("Esc back")
        program.write(WORDS.encode())
        shown = program.until(lambda screen: "1 of 1" in screen and f"{WORDS} happens" in screen)
        return shown.at - began, shown.cpu - before
