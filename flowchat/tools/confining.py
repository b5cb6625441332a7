"""A command of the shell tool within its walls, if it has any: how it is run, and what the person is told of them."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flowchat.tools.environment import child_environment
from flowchat.tools.process import Ended, run
from flowchat.tools.recording import Recording
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


class Confined:
    """A command as far within walls as there are any and `desk.beyond` leaves: entered to start it, left when it has ended.

    `variables` are ours that it gets beside the usual ones. Entering raises Unprotectable where walls cannot be built round
    something.
    """

    def __init__(self, argv: Sequence[str], desk: Desk, confinement: Confinement | None, variables: Mapping[str, str]) -> None:
        self._confinement, self._has_network = confinement, desk.beyond == "network"
        self._walls = _walls(argv, desk, confinement, variables)
        self._within: tuple[Tier, Guard] | None = None

    async def __aenter__(self) -> Spawn:
        spawn, self._within = await self._walls.__aenter__()
        return spawn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._walls.__aexit__(kind, error, trace)

    def walled(self, status: int | None, recording: Recording) -> Walled | None:
        """Whether the walls are what made it fail, by how it ended and what it printed."""
        if self._confinement is None or self._within is None or not status:
            return None
        from flowchat.tools.walled import walled

        tier, guard = self._within
        hidden = [path for path in self._confinement.hidden if os.path.exists(path)]
        return walled(tier, status, _text(recording), guard, hidden, self._has_network)

    def passed_over(self, status: int | None, recording: Recording) -> str:
        """What they kept it from though it ended well; empty where there is no such thing."""
        if self._within is None or status != 0:
            return ""
        from flowchat.tools.walled import passed_over

        return passed_over(_text(recording), self._within[1])


async def run_confined(
    argv: Sequence[str],
    desk: Desk,
    timeout_seconds: float,
    confinement: Confinement | None,
    variables: Mapping[str, str],
) -> tuple[Ended, Walled | None, str]:
    """Run a command so, as `process.run` does. The second value says that the walls are what made it fail, the third what they
    kept it from though it ended well."""
    walls = Confined(argv, desk, confinement, variables)
    async with walls as spawn:
        ended = await run(spawn, desk.workspace, timeout_seconds, desk.output)
    status, recording = ended.status, ended.recording
    return ended, walls.walled(status, recording), walls.passed_over(status, recording)


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


def _text(recording: Recording) -> str:
    return "" if recording.binary else f"{recording.head}\n{recording.tail}"
