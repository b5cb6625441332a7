"""A command of the shell tool within its walls, if it has any: how it is run, and what the person is told of them."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flowchat.tools.environment import child_environment
from flowchat.tools.process import Ended, run
from flowchat.tools.sandbox import Confinement, Tier
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import Beyond, Desk, Walled

if TYPE_CHECKING:
    from flowchat.tools.guard import Guard

_TOLD = {
    "full": "writes only in the workspace, no network",
    "partial": "writes only in the workspace, no network; settings and hooks in it are not protected",
    "none": "there is none here, nothing confines it",
}
_BEYOND: dict[Beyond, str] = {
    "network": "writes only in the workspace; the network is on",
    "outside": "none: nothing confines it",
}


def told_of(confinement: Confinement | None, beyond: Beyond | None) -> str:
    """What confines a command, for the decision bar; empty where it is not known yet."""
    if confinement is None:
        return ""
    if beyond is not None:
        return _BEYOND[beyond]
    sandbox = confinement.known
    return "" if sandbox is None else _TOLD[sandbox.tier]


@asynccontextmanager
async def confined(
    argv: Sequence[str], desk: Desk, confinement: Confinement | None, variables: Mapping[str, str]
) -> AsyncGenerator[Spawn, None]:
    """How to start a command as far within walls as there are any and `desk.beyond` leaves; left when it has ended.

    `variables` are ours that it gets beside the usual ones. Raises Unprotectable where walls cannot be built round something.
    """
    async with _walls(argv, desk, confinement, variables) as (spawn, _):
        yield spawn


async def run_confined(
    argv: Sequence[str],
    desk: Desk,
    timeout_seconds: float,
    confinement: Confinement | None,
    variables: Mapping[str, str],
) -> tuple[Ended, Walled | None, str]:
    """Run a command so, as `process.run` does. The second value says that the walls are what made it fail, the third what they
    kept it from though it ended well."""
    async with _walls(argv, desk, confinement, variables) as (spawn, walls):
        ended = await run(spawn, desk.workspace, timeout_seconds, desk.output)
    if confinement is None or walls is None:
        return ended, None, ""
    from flowchat.tools.walled import passed_over, walled

    tier, guard = walls
    text = "" if ended.recording.binary else f"{ended.recording.head}\n{ended.recording.tail}"
    hidden = [path for path in confinement.hidden if path.exists()] if ended.status else []
    went_on = passed_over(text, guard) if ended.status == 0 else ""
    return ended, walled(tier, ended.status, text, guard, hidden, desk.beyond == "network"), went_on


@asynccontextmanager
async def _walls(
    argv: Sequence[str], desk: Desk, confinement: Confinement | None, variables: Mapping[str, str]
) -> AsyncGenerator[tuple[Spawn, "tuple[Tier, Guard] | None"], None]:
    sandbox = await confinement.probe() if confinement is not None else None
    if confinement is None or sandbox is None or sandbox.tier == "none" or desk.beyond == "outside":
        yield Spawn(tuple(argv), {**child_environment(os.environ), **variables}), None
        return
    async with confinement.around(argv, desk.workspace, network=desk.beyond == "network") as (spawn, guard):
        yield replace(spawn, env={**(spawn.env or child_environment(os.environ)), **variables}), (sandbox.tier, guard)
