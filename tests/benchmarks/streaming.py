"""What an answer costs while it comes in, and what a key typed meanwhile waits for."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure, ninetieth, spread
from tests.benchmarks.model_server import BLOCKS, Json
from tests.benchmarks.program import FLOWCHAT, Place, Program, Writing, place

TOKENS = 8_000
RATE = 100
WARM_SECONDS = 2.0
PACED_SECONDS = 10.0
KEY_SECONDS = 0.2
KEY = "Z"
_HERE = Path(__file__).parent
_marks = count(1)


def streaming(times: int) -> list[Figure]:
    """One warm process for all of it."""
    with place() as plain, serving_apart(plain) as (base, log):
        where = plain.with_model(base)
        with Program(FLOWCHAT, where) as program:
            warm_up(program)
            ours = [_flood(program) for _ in range(times)]
            long = {kind: [_flood(program, f" of {kind}") for _ in range(times)] for kind in BLOCKS}
            delays = [_first_token(program, log) for _ in range(times * 2)]
            cpu, size = _paced(program)
            echoes = _echoes(program)
        floor = _bare_loop(base, where, times)
    mine, bare = median(ours), median(floor)
    return [
        Figure(
            f"{TOKENS:,} tokens at once: CPU / bare litellm loop", mine / bare, 1.4, "x",
            f"{mine:.2f} s ({spread(ours, 's', 1)}) / {bare:.2f} s ({spread(floor, 's', 1)})",
        ),
        *(
            Figure(f"{TOKENS:,} tokens of one {kind}: CPU / the same", median(took) / bare, 1.4, "x", f"{spread(took, 's', 1)}")
            for kind, took in long.items()
        ),
        Figure(f"{RATE} tokens/s: CPU", cpu, 18, "%", f"of one core over {PACED_SECONDS:g} s"),
        Figure(f"{RATE} tokens/s: bytes to the terminal", size, 200, "B/tok", "the aim is 60"),
        Figure(f"{RATE} tokens/s: key echo, p90", ninetieth(echoes) * 1000, 15, "ms",
               f"median {median(echoes) * 1000:.1f} ms ({spread(echoes)})"),
        Figure("first token: Enter to visible, without the server", median(delays) * 1000, 40, "ms", spread(delays)),
    ]  # fmt: skip


def warm_up(program: Program) -> None:
    """The library loaded, a first answer given, a title made."""
    program.until("bench")
    program.until_quiet()
    mark = f"m{next(_marks)}"
    program.say(f"write 60 tokens, mark {mark}")
    program.until(f"END{mark}")
    program.until_quiet(WARM_SECONDS)


def _flood(program: Program, kind: str = "") -> float:
    """CPU seconds from Enter to the last frame."""
    mark = f"m{next(_marks)}"
    program.write(f"write {TOKENS} tokens{kind}, mark {mark}".encode())
    program.until(mark)
    program.until_quiet()
    before = program.cpu()
    program.write(b"\r")
    program.until(f"END{mark}", 60)
    return program.until_quiet().cpu - before


def _first_token(program: Program, log: Path) -> float:
    mark = f"m{next(_marks)}"
    enter = program.say(f"write 40 tokens at 40/s, mark {mark}")
    seen = program.until(f"BEGIN{mark}").at
    program.until(f"END{mark}")
    program.until_quiet()
    served = _served(log, mark)
    return seen - enter - (served["first"] - served["received"])


def _paced(program: Program) -> tuple[float, float]:
    """CPU in per cent of a core, bytes a token."""
    mark, seconds = f"m{next(_marks)}", WARM_SECONDS + PACED_SECONDS
    program.say(f"write {int(seconds * RATE)} tokens at {RATE}/s, mark {mark}")
    program.until(f"BEGIN{mark}")
    program.look(WARM_SECONDS)
    cpu, since, seen = program.cpu(), time.monotonic(), len(program.writings)
    program.look(PACED_SECONDS - 0.5)
    took = time.monotonic() - since
    percent, size = 100 * (program.cpu() - cpu) / took, _size(program.writings[seen:])
    program.until(f"END{mark}")
    program.until_quiet()
    return percent, size / (took * RATE)


def _echoes(program: Program) -> list[float]:
    """Seconds from each key to its echo in the composer."""
    mark, seconds = f"m{next(_marks)}", WARM_SECONDS + PACED_SECONDS
    program.say(f"write {int(seconds * RATE)} tokens at {RATE}/s, mark {mark}")
    program.until(f"BEGIN{mark}")
    program.look(WARM_SECONDS)
    waits: list[float] = []
    ends = time.monotonic() + PACED_SECONDS - 1
    while time.monotonic() < ends:
        typed = KEY * (len(waits) + 1)
        at = program.write(KEY.encode())
        waits.append(program.until(typed).at - at)
        program.look(KEY_SECONDS + 0.013 * (len(waits) % 7))
    for _ in waits:
        program.write(b"\x7f")
    program.until(f"END{mark}")
    program.until_quiet()
    return waits


def _size(writings: list[Writing]) -> int:
    return sum(len(writing.written) for writing in writings)


def _served(log: Path, mark: str) -> Json:
    """What the server said of the request with this mark, which has been answered."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return next(line for line in reversed(lines) if mark in line["words"])


@contextmanager
def serving_apart(where: Place) -> Iterator[tuple[str, Path]]:
    """A model in a process of its own: its address and its log."""
    log = where.home / "served.jsonl"
    command = [sys.executable, str(_HERE / "model_server.py"), str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log
        process.terminate()


def _bare_loop(base: str, where: Place, times: int) -> list[float]:
    """CPU seconds of reading the same answers with litellm and nothing else, warm."""
    command = [sys.executable, str(_HERE / "floor_stream.py"), base]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=where.environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        took: list[float] = []
        for _ in range(times + 1):
            process.stdin.write(f"write {TOKENS} tokens, mark m{next(_marks)}\n")
            process.stdin.flush()
            took.append(float(process.stdout.readline().split()[0]))
        process.stdin.close()
    return took[1:]
