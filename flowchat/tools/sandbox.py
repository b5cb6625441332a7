"""The walls around commands: how strong they are here, found by trying, and the way to run a command within them."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from pwd import getpwuid
from typing import Literal, TypeAlias

from msgspec import Struct

from flowchat.tools import bubblewrap, seatbelt
from flowchat.tools.bubblewrap import View
from flowchat.tools.environment import child_environment
from flowchat.tools.guard import Found, Guard, check, find_repositories, survey
from flowchat.tools.masks import Masks, is_mask, mounts_of_sandboxes
from flowchat.tools.process import run, settled
from flowchat.tools.secrets import hidden_of
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import NotDone

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


class Confinement:
    """Runs commands within walls, if `probe` finds any: they write only in the workspace, `more` folders and a temporary one.

    `hidden` are folders no command may read, beside those where keys usually lie. `places`: where bubblewrap may be;
    `landlock` and user `namespaces`: whether to try those. Close it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        hidden: Sequence[Path] = (),
        more: Sequence[Path] = (),
        places: Sequence[str] = bubblewrap.PLACES,
        landlock: bool = True,
        namespaces: bool = True,
    ) -> None:
        self._environ, self._more, self._places, self._landlock = environ, tuple(more), places, landlock
        self._namespaces = namespaces
        self._home = Path(environ.get("HOME") or "/nonexistent").resolve()
        self.hidden = hidden_of((self._home, _account_home() or self._home), hidden)
        self._masks = Masks()
        self._temporary: Path | None = None
        self._own_users = True
        self._trial: asyncio.Task[Sandbox] | None = None
        self._searches: dict[Path, asyncio.Task[Found]] = {}
        self._running: list[Guard] = []
        self._lifting: set[asyncio.Task[None]] = set()

    @property
    def known(self) -> Sandbox | None:
        """How strong the walls are; None as long as that has not been tried."""
        return self._trial.result() if self._trial is not None and self._trial.done() and not self._trial.cancelled() else None

    async def probe(self) -> Sandbox:
        """How strong the walls are: the first time by running something in them. Raises nothing."""
        return await asyncio.shield(self.begin())

    def begin(self) -> "asyncio.Task[Sandbox]":
        """Begin to try, the first time."""
        if self._trial is None:
            self._trial = asyncio.get_running_loop().create_task(self._try())
        return self._trial

    @asynccontextmanager
    async def around(self, argv: Sequence[str], workspace: Path, network: bool = False) -> AsyncGenerator[tuple[Spawn, Guard]]:
        """How to start a command within the walls, and what they guard; the command must have ended, or been told to, by the end.

        Raises Unprotectable where something in the workspace cannot be guarded, NotDone where there are no walls.
        """
        sandbox = await self.probe()
        if sandbox.tier == "none":
            raise NotDone(f"there is no sandbox here: {sandbox.why}")
        folders = (workspace, *(folder for folder in self._more if not folder.is_relative_to(workspace)))
        for folder in folders:
            check(folder, self._home)
        found = {folder: await self._found(folder) for folder in folders}
        guard = survey(found, self._home, is_mask, strict=sandbox.tier == "full")
        for other in self._running:
            guard = guard.shared_with(other)
        masked = dict(guard.masked) if sandbox.tier == "full" else {}
        self._masks.lay(masked)
        self._running.append(guard)
        try:
            yield self._spawn(sandbox.tier, argv, self._view(workspace, folders, guard, network)), guard
        finally:
            self._search_again(folders)
            self._lift(guard, masked)

    async def settled(self) -> None:
        """Until what commands that have ended needed is cleared away."""
        while self._lifting:
            await asyncio.wait(set(self._lifting))

    async def close(self) -> None:
        """Once no command runs any more."""
        await self.settled()
        await asyncio.gather(*self._searches.values(), return_exceptions=True)
        if self._trial is not None:
            await asyncio.wait({self._trial})
        if self._temporary is not None:
            import shutil

            await asyncio.to_thread(shutil.rmtree, self._temporary, True)
            self._temporary = None

    # --- how strong they are -----------------------------------------------------------------------------------------
    async def _try(self) -> Sandbox:
        try:
            self._temporary = _temporary_folder()
        except OSError as error:
            return Sandbox(
                "none", f"no temporary folder can be made: {error.strerror}", "make /tmp, or what TMPDIR names, writable"
            )
        if sys.platform == "darwin":
            return await self._try_macos()
        full = await self._try_bubblewrap()
        if full.tier == "full" or not self._landlock:
            return full
        from flowchat.tools import landlock

        version = landlock.version()
        if not version:
            return Sandbox("none", f"{full.why}, and this kernel has no Landlock", full.advice)
        if said := await self._holds("partial"):
            return Sandbox("none", f"{full.why}, and Landlock does not hold: {said}", full.advice)
        less = "" if version >= landlock.SCOPES_SINCE else f"; its version {version} does not keep signals in"
        return Sandbox("partial", f"{full.why}: Landlock instead, which protects nothing inside the workspace{less}", full.advice)

    async def _try_bubblewrap(self) -> Sandbox:
        from flowchat.tools import seccomp

        machine = os.uname().machine
        if machine not in seccomp.AUDIT_ARCH:
            return Sandbox("none", f"no filter of system calls is known for {machine}")
        if bubblewrap.find(self._places) is None:
            return Sandbox("none", "bubblewrap is not installed", _INSTALL)
        said = "user namespaces are off"
        for own_users in (*([True] if self._namespaces else []), *([False] if os.geteuid() == 0 else [])):
            self._own_users = own_users
            if not (said := await self._holds("full")):
                return Sandbox("full", "bubblewrap, and a filter of system calls")
        advice = _DOCKER if "proc" in said or os.geteuid() == 0 else _USERS
        return Sandbox("none", f"bubblewrap does not work here ({said})", advice)

    async def _try_macos(self) -> Sandbox:
        if not os.access(seatbelt.PROGRAM, os.X_OK):
            return Sandbox("none", f"{seatbelt.PROGRAM} is not there")
        if said := await self._holds("partial"):
            return Sandbox("none", f"sandbox-exec does not hold: {said}")
        return Sandbox("partial", "sandbox-exec, which nobody has tried this with on a real Mac yet")

    async def _holds(self, tier: Tier) -> str:
        """Write a file inside and one outside the walls; what went wrong, empty if only the first is there."""
        assert self._temporary is not None
        inside = self._temporary / "trial"
        inside.mkdir(exist_ok=True)
        outside = _temporary_folder()
        try:
            command = f"echo held > '{inside}/in'; echo broken 2>/dev/null > '{outside}/out'; exit 0"
            view = self._view(inside, (inside,), Guard(), False)
            ended = await run(self._spawn(tier, ["/bin/sh", "-c", command], view), inside, TRIAL_SECONDS)
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

    # --- how to start something in them ------------------------------------------------------------------------------
    def _view(self, workspace: Path, folders: Sequence[Path], guard: Guard, network: bool) -> View:
        assert self._temporary is not None
        return View(workspace, tuple(folders), guard, self.hidden, self._temporary, network, self._own_users)

    def _spawn(self, tier: Tier, argv: Sequence[str], view: View) -> Spawn:
        temporary = str(view.temporary)
        ours = {"TMPDIR": temporary, "npm_config_cache": f"{temporary}/npm", "GOCACHE": f"{temporary}/go-build"}
        env = {**child_environment(self._environ), **ours}
        if sys.platform == "darwin":
            return Spawn((seatbelt.PROGRAM, "-p", seatbelt.profile(view), *argv), env)
        from flowchat.tools import seccomp

        code = seccomp.program(os.uname().machine, sockets=view.network or tier == "full", shared=tier == "full")
        if code is None:
            raise NotDone(f"no filter of system calls is known for {os.uname().machine}")
        if tier == "partial":
            from flowchat.tools import landlock

            writable = (view.temporary, *view.writable, *view.guard.writable)
            rules = landlock.ruleset(writable, view.hidden, view.network)
            return Spawn(tuple(argv), env, (rules,), landlock.Restraint(rules, code))
        program = bubblewrap.find(self._places)
        if program is None:
            raise NotDone("bubblewrap is not installed any more")
        theirs = _pipe_with(code)
        return Spawn((*bubblewrap.arguments(program, view, theirs), *argv), env, (theirs,), wrapped=True)

    # --- what they guard ---------------------------------------------------------------------------------------------
    async def _found(self, folder: Path) -> Found:
        if folder not in self._searches:
            self._search_again((folder,))
        return await asyncio.shield(self._searches[folder])

    def _search_again(self, folders: Sequence[Path]) -> None:
        """What was made meanwhile is guarded the next time."""
        for folder in folders:
            task = self._searches.get(folder)
            if task is None or task.done():
                self._searches[folder] = asyncio.get_running_loop().create_task(asyncio.to_thread(find_repositories, folder))

    def _lift(self, guard: Guard, masked: Mapping[Path, bytes | None]) -> None:
        """Free the places again, once what was told to end has ended; nobody waits for that."""

        async def lift() -> None:
            await settled()
            self._running.remove(guard)
            self._masks.lift(masked, await asyncio.to_thread(mounts_of_sandboxes))

        task = asyncio.get_running_loop().create_task(lift())
        self._lifting.add(task)
        task.add_done_callback(self._lifting.discard)


def _account_home() -> Path | None:
    """Where the user's files are, whatever HOME says."""
    try:
        return Path(getpwuid(os.getuid()).pw_dir).resolve()
    except KeyError:
        return None


def _temporary_folder() -> Path:
    """A new folder that is ours alone."""
    import tempfile

    return Path(os.path.realpath(tempfile.mkdtemp(prefix="flowchat-")))


def _pipe_with(content: bytes) -> int:
    """The end to read from of a pipe that holds something; a pipe takes 64 KiB (pipe(7))."""
    theirs, ours = os.pipe()
    try:
        os.write(ours, content)
    finally:
        os.close(ours)
    return theirs
