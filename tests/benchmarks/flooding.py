"""Programs that print without end, and one that hides: memory, keys meanwhile, and how Esc ends them."""

import sys
import time
from pathlib import Path

from tests.benchmarks.figures import Figure, spread
from tests.benchmarks.program import FLOWCHAT, Never, Place, Program, place

FLOOD_SECONDS = 10.0
KEYS_PER_SECOND = 8
GROWTH_MB, ECHO_MS, ESC_MS = 64.0, 50.0, 200.0
SURVIVOR_SECONDS = 4.0
"""SIGTERM, two seconds, SIGKILL: after that nothing may be left."""
DAEMON = """\
import os, sys, time
if os.fork():
    while True: print("x" * 200)
os.setsid()
if os.fork(): os._exit(0)
for fd in range(256):
    try: os.close(fd)
    except OSError: pass
time.sleep(600)
"""
FLOODS = {"yes": "yes", "base64 /dev/urandom": "base64 /dev/urandom", "a daemonising script": f"{sys.executable} daemon.py"}


def floods(times: int) -> list[Figure]:
    """Each once, however many times are asked for."""
    return [figure for name, command in FLOODS.items() for figure in _flood(name, command)]


def _flood(name: str, command: str) -> list[Figure]:
    with place() as here:
        (here.work / "daemon.py").write_text(DAEMON)
        words = (*FLOWCHAT, "-m", "demo", "--permission-mode", "bypass")
        with Program(words, here) as program:
            return _measure(name, command, program, here)


def _measure(name: str, command: str, program: Program, here: Place) -> list[Figure]:
    program.until("Write a message")
    program.say("run true")
    program.until("The command has ended")
    program.until_quiet()
    before = program.resident_mb()
    program.say(f"run {command}")
    program.until("running")
    echoes, peak, since = list[float](), before, time.monotonic()
    typed = ""
    while time.monotonic() - since < FLOOD_SECONDS:
        letter = "abcdefgh"[len(echoes) % 8]
        typed += letter
        at = program.write(letter.encode())
        echoes.append(program.until(lambda screen, typed=typed[-40:]: typed in screen.replace("\n", "")).at - at)
        peak = max(peak, program.resident_mb())
        program.look(1 / KEYS_PER_SECOND)
    if not _left(here):
        raise Never(f"nothing of {command} can be seen: that nothing is left would say nothing")
    at = program.write(b"\x1b")
    took = program.until("interrupted").at - at
    left = _left(here)
    while left and time.monotonic() - at < SURVIVOR_SECONDS:
        program.look(0.1)
        left = _left(here)
    gone_in = time.monotonic() - at
    nth = sorted(echoes)[len(echoes) * 95 // 100]
    return [
        Figure(
            f"{name}: memory growth", peak - before, GROWTH_MB, "MiB", f"{before:.0f} -> {peak:.0f} MiB in {FLOOD_SECONDS:g} s"
        ),
        Figure(f"{name}: a key's echo, p95", nth * 1000, ECHO_MS, "ms", spread(echoes)),
        Figure(f"{name}: Esc until it says so", took * 1000, ESC_MS, "ms", "once"),
        Figure(
            f"{name}: processes left",
            len(left),
            0,
            "",
            f"none {gone_in * 1000:.0f} ms after Esc at the latest" if not left else str(left),
        ),
    ]


def _left(here: Place) -> list[str]:
    """The processes that work in the place, but for the program itself."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if b"FLOWCHAT_CALL=" in (process / "environ").read_bytes() and (process / "cwd").readlink() == here.work:
                found.append(words)
        except OSError:
            continue
    return found
