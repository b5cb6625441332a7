"""The walls around commands: how strong they are here, found by trying, and the way to run a command within them."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from msgspec import Struct

from flowchat.tools.process import run
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import NotDone

if TYPE_CHECKING:
    from flowchat.tools.guard import Guard
    from flowchat.tools.walls import Walls

Tier: TypeAlias = Literal["full", "partial", "none"]
"""full: bubblewrap and a filter of system calls; partial: Landlock and the filter, or macOS's sandbox; none: nothing."""
TRIAL_SECONDS = 5.0
_INSTALL = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap, pacman -S bubblewrap)"
_USERS = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; Ubuntu: an AppArmor profile for bwrap)"
_DOCKER = "in a container: start it with --security-opt seccomp=unconfined --security-opt systempaths=unconfined"


class Sandbox(Struct, frozen=True):
    """How strong the walls are. `why` says what they are made of or why they are not stronger, `advice` what would help."""

    tier: Tier
    why: str
    advice: str = ""


class Folders(Protocol):
    """Temporary folders, of which one killed flowchat or the other has left some behind."""

    def make(self) -> Path:
        """A new one that is ours alone. Raises OSError."""
        ...

    def remove(self, path: Path) -> None:
        """One that was made here, with all in it."""
        ...

    def clear(self) -> None:
        """Take away what was left behind. Blocks for a while, raises nothing."""
        ...


class Confinement:
    """Runs commands within walls, if `probe` finds any: they write only in the workspace, `more` folders and one of `folders`.

    `hidden` are folders no command may read, beside those where keys usually lie. `places`: where bubblewrap may be, None: where
    systems have it; `landlock` and user `namespaces`: whether to try those. Close it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        hidden: Sequence[Path] = (),
        more: Sequence[Path] = (),
        places: Sequence[str] | None = None,
        landlock: bool = True,
        namespaces: bool = True,
        folders: Folders | None = None,
    ) -> None:
        self._environ, self._hidden, self._more, self._places = environ, tuple(hidden), tuple(more), places
        self._landlock, self._namespaces, self._folders = landlock, namespaces, folders or _Unwatched()
        self._trial: asyncio.Task[Sandbox] | None = None
        self._walls: Walls | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None

    @property
    def known(self) -> Sandbox | None:
        """How strong the walls are; None as long as that has not been tried."""
        return self._trial.result() if self._trial is not None and self._trial.done() and not self._trial.cancelled() else None

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What no command can read."""
        return self._walls.hidden if self._walls is not None else ()

    async def probe(self) -> Sandbox:
        """How strong the walls are: the first time by running something in them. Raises nothing."""
        return await asyncio.shield(self.begin())

    def begin(self) -> "asyncio.Task[Sandbox]":
        """Begin to try, the first time."""
        if self._trial is None:
            self._trial = asyncio.get_running_loop().create_task(self._try())
        return self._trial

    def tidy(self, workspace: Path) -> None:
        """Begin to try, and then to take away what a flowchat that was killed has left standing in a workspace."""
        self._tidying = self._tidying or asyncio.get_running_loop().create_task(self._tidy(workspace))

    @asynccontextmanager
    async def around(self, argv: Sequence[str], workspace: Path, network: bool = False) -> AsyncGenerator[tuple[Spawn, "Guard"]]:
        """How to start a command within the walls, and what they guard; the command must have ended, or been told to, by the end.

        Raises Unprotectable where something in the workspace cannot be guarded, NotDone where there are no walls.
        """
        sandbox = await self.probe()
        if sandbox.tier == "none" or self._walls is None:
            raise NotDone(f"there is no sandbox here: {sandbox.why}")
        async with self._walls.around(sandbox.tier, argv, workspace, network) as found:
            yield found

    async def settled(self) -> None:
        """Until what commands that have ended needed is cleared away."""
        if self._walls is not None:
            await self._walls.settled()

    async def close(self) -> None:
        """Once no command runs any more."""
        if self._tidying is not None:
            await asyncio.wait({self._tidying})
        if self._trial is not None:
            await asyncio.wait({self._trial})
        if self._clearing is not None:
            await asyncio.wait({self._clearing})
        if self._walls is not None:
            await self._walls.settled()
            await asyncio.to_thread(self._folders.remove, self._walls.temporary)
            self._walls = None

    async def _tidy(self, workspace: Path) -> None:
        if (await self.probe()).tier == "full" and self._walls is not None:
            await self._walls.tidy(workspace)

    # --- how strong they are -----------------------------------------------------------------------------------------
    async def _try(self) -> Sandbox:
        from flowchat.tools.walls import Walls

        self._clearing = asyncio.create_task(asyncio.to_thread(self._folders.clear))
        try:
            walls = self._walls = Walls(self._environ, self._folders.make(), self._hidden, self._more, self._places)
            return await (self._try_macos(walls) if sys.platform == "darwin" else self._try_linux(walls))
        except OSError as error:
            return Sandbox("none", f"it cannot be tried here ({error})", "make /tmp, or what TMPDIR names, writable")

    async def _try_linux(self, walls: "Walls") -> Sandbox:
        full = await self._try_bubblewrap(walls)
        if full.tier == "full" or not self._landlock:
            return full
        from flowchat.tools import landlock

        version = landlock.version()
        if not version:
            return Sandbox("none", f"{full.why}, and this kernel has no Landlock", full.advice)
        if said := await _holds(walls, "partial"):
            return Sandbox("none", f"{full.why}, and Landlock does not hold: {said}", full.advice)
        less = "" if version >= landlock.SCOPES_SINCE else f"; its version {version} does not keep signals in"
        return Sandbox("partial", f"{full.why}: Landlock instead, which protects nothing inside the workspace{less}", full.advice)

    async def _try_bubblewrap(self, walls: "Walls") -> Sandbox:
        from flowchat.tools import seccomp

        machine = os.uname().machine
        if machine not in seccomp.AUDIT_ARCH:
            return Sandbox("none", f"no filter of system calls is known for {machine}")
        if walls.bubblewrap is None:
            return Sandbox("none", "bubblewrap is not installed", _INSTALL)
        said = "user namespaces are off"
        for own_users in (*([True] if self._namespaces else []), *([False] if os.geteuid() == 0 else [])):
            walls.own_users = own_users
            if not (said := await _holds(walls, "full")):
                return Sandbox("full", "bubblewrap, and a filter of system calls")
        advice = _DOCKER if "proc" in said or os.geteuid() == 0 else _USERS
        return Sandbox("none", f"bubblewrap does not work here ({said})", advice)

    async def _try_macos(self, walls: "Walls") -> Sandbox:
        from flowchat.tools import seatbelt

        if not os.access(seatbelt.PROGRAM, os.X_OK):
            return Sandbox("none", f"{seatbelt.PROGRAM} is not there")
        if said := await _holds(walls, "partial"):
            return Sandbox("none", f"sandbox-exec does not hold: {said}")
        return Sandbox("partial", "sandbox-exec, which nobody has tried this with on a real Mac yet")


class _Unwatched:
    """Folders that nobody clears away but who made them."""

    def make(self) -> Path:
        return _temporary_folder()

    def remove(self, path: Path) -> None:
        import shutil

        shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        pass


async def _holds(walls: "Walls", tier: Tier) -> str:
    """Write a file inside and one outside the walls; what went wrong, empty if only the first is there."""
    inside = walls.temporary / "trial"
    inside.mkdir(exist_ok=True)
    outside = _temporary_folder()
    try:
        command = f"echo held > '{inside}/in'; echo broken 2>/dev/null > '{outside}/out'; exit 0"
        ended = await run(walls.plain(tier, ["/bin/sh", "-c", command], inside), inside, TRIAL_SECONDS)
        ended.recording.close()
        if (outside / "out").exists():
            return "a file outside of it could be written"
        written = (inside / "in").exists()
        said = ended.recording.head.strip().partition("\n")[0].removeprefix("bwrap: ")[:200]
        return "" if written and ended.status == 0 else said or f"it ended with {ended.status}"
    except (NotDone, OSError) as error:
        return str(error)
    finally:
        import shutil

        for folder in (inside, outside):
            shutil.rmtree(folder, True)


def _temporary_folder() -> Path:
    """A new folder that is ours alone."""
    import tempfile

    return Path(os.path.realpath(tempfile.mkdtemp(prefix="flowchat-")))
