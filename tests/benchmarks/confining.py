"""What a sandbox adds to the start of a command, over the same command without one."""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from flowchat.tools.bridging import bridged, interpreter
from flowchat.tools.domains import domains_of
from flowchat.tools.outward import Outward
from flowchat.tools.process import run
from flowchat.tools.rules import parse_rule
from flowchat.tools.sandbox import Confinement
from tests.benchmarks.figures import Figure, spread

GOAL_MS = 15.0
COMMAND = ("/bin/bash", "--noprofile", "--norc", "-c", "true")
AT_ONCE = 20
"""Commands of each kind a round, in turn, so that both have the same machine."""


def sandbox(times: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        return asyncio.run(_measure(Path(folder).resolve(), times))


async def _measure(folder: Path, times: int) -> list[Figure]:
    confinement = Confinement(os.environ)
    begun = time.perf_counter()
    found = await confinement.probe()
    trial = time.perf_counter() - begun
    bare: list[float] = []
    confined: list[float] = []
    bridged_too: list[float] = []
    for _ in range(times * AT_ONCE if found.tier != "none" else 0):
        bare.append(await _bare(folder))
        confined.append(await _confined(confinement, folder))
        bridged_too.append(await _bridged(confinement, folder))
    await confinement.close()
    added, bridge = ((median(those) - median(bare)) * 1000 if bare else float("inf") for those in (confined, bridged_too))
    made_of = f"bare {spread(bare)}; confined {spread(confined)}; {found.tier}" if bare else found.why
    return [
        Figure("a command in the sandbox, over a bare one", added, GOAL_MS, "ms", made_of),
        Figure("the same where a domain is allowed", bridge, GOAL_MS, "ms", spread(bridged_too) if bare else found.why),
        Figure("the sandbox tried at start, in the background", trial * 1000, 50.0, "ms", found.why),
    ]


async def _bare(folder: Path) -> float:
    begun = time.perf_counter()
    (await run(COMMAND, folder)).recording.close()
    return time.perf_counter() - begun


async def _confined(confinement: Confinement, folder: Path) -> float:
    begun = time.perf_counter()
    async with confinement.around(COMMAND, folder) as (spawn, _):
        (await run(spawn, folder)).recording.close()
    return time.perf_counter() - begun


async def _bridged(confinement: Confinement, folder: Path) -> float:
    domains = domains_of([parse_rule("web_fetch(domain:example.org)")])
    program = interpreter(confinement.hidden)
    assert program is not None
    begun = time.perf_counter()
    async with (
        bridged(program, Outward(lambda: domains)) as bridge,
        confinement.around(bridge.argv(COMMAND), folder) as (spawn, _),
    ):
        (await run(bridge.spawn(spawn), folder)).recording.close()
    return time.perf_counter() - begun
