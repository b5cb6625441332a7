"""A command of the shell tool within its walls, if it has any: how it is run, and what the person is told of them."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flowchat.tools.environment import child_environment
from flowchat.tools.process import Ended, run
from flowchat.tools.recording import Recording
from flowchat.tools.sandbox import Confinement, Tier
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import Beyond, Desk, NotDone, Walled

if TYPE_CHECKING:
    from flowchat.tools.bridging import Bridge
    from flowchat.tools.guard import Guard
    from flowchat.tools.outward import Outward

_TOLD = {
    "full": "writes only in the workspace, no network",
    "partial": "writes only in the workspace, no network; settings and hooks in it are not protected",
    "none": "there is none here, nothing confines it",
}
_BEYOND: dict[Beyond, str] = {
    "network": "writes only in the workspace; the network is on",
    "outside": "none: nothing confines it",
}


def told_of(confinement: Confinement | None, beyond: Beyond | None, outward: "Outward | None" = None) -> str:
    """What confines a command, for the decision bar; empty where it is not known yet."""
    if confinement is None:
        return ""
    if beyond is not None:
        return _BEYOND[beyond]
    sandbox = confinement.known
    if sandbox is None:
        return ""
    domains = reached(confinement, outward)
    return f"{_TOLD[sandbox.tier]} but {domains}" if domains else _TOLD[sandbox.tier]


def reached(confinement: Confinement, outward: "Outward | None") -> str:
    """The domains that a command in the full sandbox reaches, in words; empty where it reaches none."""
    return str(outward.domains()) if outward is not None and _bridge_program(confinement, outward) is not None else ""


class Confined:
    """A command as far within walls as there are any and `desk.beyond` leaves: entered to start it, left when it has ended.

    `variables` are ours that it gets beside the usual ones; `outward` says what it reaches without the network. Entering raises
    Unprotectable where walls cannot be built round something, NotDone where the system has no room for them.
    """

    def __init__(
        self,
        argv: Sequence[str],
        desk: Desk,
        confinement: Confinement | None,
        variables: Mapping[str, str],
        outward: "Outward | None" = None,
    ) -> None:
        self._confinement, self._has_network = confinement, desk.beyond == "network"
        self._walls = _walls(argv, desk, confinement, variables, outward)
        self._within: tuple[Tier, Guard] | None = None
        self._bridge: Bridge | None = None

    async def __aenter__(self) -> Spawn:
        try:
            spawn, self._within, self._bridge = await self._walls.__aenter__()
        except OSError as error:
            about = f": {error.filename}" if error.filename else ""
            raise NotDone(f"the sandbox could not be built: {error.strerror or error}{about}") from None
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
        refused = self._bridge.refused if self._bridge is not None else ()
        return walled(tier, status, _text(recording), guard, hidden, self._has_network, refused)

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
    outward: "Outward | None" = None,
) -> tuple[Ended, Walled | None, str]:
    """Run a command so, as `process.run` does. The second value says that the walls are what made it fail, the third what they
    kept it from though it ended well."""
    walls = Confined(argv, desk, confinement, variables, outward)
    async with walls as spawn:
        ended = await run(spawn, desk.workspace, timeout_seconds, desk.output)
    status, recording = ended.status, ended.recording
    return ended, walls.walled(status, recording), walls.passed_over(status, recording)


@asynccontextmanager
async def _walls(
    argv: Sequence[str],
    desk: Desk,
    confinement: Confinement | None,
    variables: Mapping[str, str],
    outward: "Outward | None",
) -> AsyncGenerator[tuple[Spawn, "tuple[Tier, Guard] | None", "Bridge | None"], None]:
    sandbox = await confinement.probe() if confinement is not None else None
    if confinement is None or sandbox is None or sandbox.tier == "none" or desk.beyond == "outside":
        yield Spawn(tuple(argv), {**child_environment(os.environ), **variables}), None, None
        return
    async with AsyncExitStack() as stack:
        bridge = None
        if outward is not None and desk.beyond is None and (program := _bridge_program(confinement, outward)) is not None:
            from flowchat.tools.bridging import bridged

            bridge = await stack.enter_async_context(bridged(program, outward))
            argv = bridge.argv(argv)
        around = confinement.around(argv, desk.workspace, network=desk.beyond == "network")
        spawn, guard = await stack.enter_async_context(around)
        spawn = bridge.spawn(spawn) if bridge is not None else spawn
        yield replace(spawn, env={**(spawn.env or child_environment(os.environ)), **variables}), (sandbox.tier, guard), bridge


def _bridge_program(confinement: Confinement, outward: "Outward") -> str | None:
    """What runs the bridge to allowed domains; None where none is allowed, or there can be no bridge."""
    if confinement.known is None or confinement.known.tier != "full" or not outward.domains().names:
        return None
    from flowchat.tools.bridging import interpreter

    return interpreter(confinement.hidden)


def _text(recording: Recording) -> str:
    return "" if recording.binary else f"{recording.head}\n{recording.tail}"
