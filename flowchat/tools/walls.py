"""How a command is started within walls, and what they are built round: bubblewrap or Landlock or macOS's sandbox, masks, guard.

Whoever asks has tried before which of them hold.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from pwd import getpwuid

from flowchat.tools import bubblewrap, seatbelt
from flowchat.tools.bubblewrap import View
from flowchat.tools.environment import child_environment
from flowchat.tools.guard import NAMES_ALWAYS, Found, Guard, check, find_repositories, is_bare, survey
from flowchat.tools.masks import Masks, is_mask, mounts_of_sandboxes
from flowchat.tools.process import settled
from flowchat.tools.sandbox import Tier
from flowchat.tools.secrets import hidden_of
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import NotDone, Unprotectable

_FEW_TRIES = {"PIP_RETRIES": "1", "npm_config_fetch_retries": "0", "CARGO_NET_RETRY": "0"}
"""Where there is no network, programs that would try for a minute say so soon, and it can be asked about."""
_PIPE_BYTES = 4096
"""So much a pipe takes at least, whatever its user has open (pipe(7)); a file that says more is left as it is."""


class Walls:
    """`temporary` is a folder that commands may write to, `more` are others, `hidden` what they may not read beside the places
    where keys usually lie. `own_users`: bubblewrap makes a user namespace, which root can do without."""

    def __init__(
        self,
        environ: Mapping[str, str],
        temporary: Path,
        hidden: Sequence[Path],
        more: Sequence[Path],
        places: Sequence[str] | None,
    ) -> None:
        self._environ, self._more, self.temporary = environ, tuple(more), temporary
        self._places = bubblewrap.PLACES if places is None else places
        self._home = Path(environ.get("HOME") or "/nonexistent").resolve()
        self.hidden = hidden_of((self._home, _account_home() or self._home), hidden)
        self.own_users = True
        self._masks = Masks()
        self._searches: dict[Path, asyncio.Task[Found]] = {}
        self._running: list[Guard] = []
        self._lifting: set[asyncio.Task[None]] = set()

    @property
    def bubblewrap(self) -> str | None:
        """Where it is; None where the system has none."""
        return bubblewrap.find(self._places)

    @asynccontextmanager
    async def around(
        self, tier: Tier, argv: Sequence[str], workspace: Path, network: bool
    ) -> AsyncGenerator[tuple[Spawn, Guard]]:
        """How to start a command, and what is guarded; it must have ended, or been told to, by the end. Raises Unprotectable."""
        folders = (workspace, *(folder for folder in self._more if not folder.is_relative_to(workspace)))
        for folder in folders:
            check(folder, self._home)
        found = {folder: await self._found(folder) for folder in folders}
        guard = survey(found, self._home, is_mask, strict=tier == "full")
        for other in self._running:
            guard = guard.shared_with(other)
        masked = dict(guard.masked) if tier == "full" else {}
        self._masks.lay(masked)
        self._running.append(guard)
        work_trees = [folder for folder in folders if not is_bare(folder)]
        try:
            if (free := self._masks.missing(masked)) is not None:
                raise Unprotectable(f"{free} is missing, and its place cannot be kept taken: the disk refuses it")
            others = os.geteuid() == 0 and any(folder.stat().st_uid != 0 for folder in folders)
            view = View(workspace, folders, guard, self.hidden, self.temporary, network, self.own_users, others)
            yield self._spawn(tier, argv, view), guard
        finally:
            self._search_again(folders)
            self._lift(guard, masked, work_trees)

    async def tidy(self, workspace: Path) -> None:
        """Take away the masks that a flowchat that was killed has left in a workspace; looks further only where there is one."""
        if any(is_mask(workspace / name) for name in (*NAMES_ALWAYS, ".git")):
            with suppress(Unprotectable, OSError):
                guard = survey({workspace: await self._found(workspace)}, self._home, is_mask)
                left = [path for path, _ in guard.masked if is_mask(path)]
                if (used := await asyncio.to_thread(mounts_of_sandboxes)) is not None:
                    self._masks.clear(left, used)

    def plain(self, tier: Tier, argv: Sequence[str], workspace: Path) -> Spawn:
        """How to start a command in a folder in which there is nothing to guard."""
        view = View(workspace, (workspace,), Guard(), self.hidden, self.temporary, False, self.own_users)
        return self._spawn(tier, argv, view)

    async def settled(self) -> None:
        """Until what commands that have ended needed is cleared away, and no search goes on."""
        while self._lifting:
            await asyncio.wait(set(self._lifting))
        await asyncio.gather(*self._searches.values(), return_exceptions=True)

    def _spawn(self, tier: Tier, argv: Sequence[str], view: View) -> Spawn:
        temporary = str(view.temporary)
        ours = {"TMPDIR": temporary, "npm_config_cache": f"{temporary}/npm", "GOCACHE": f"{temporary}/go-build"}
        env = {**child_environment(self._environ), **ours, **({} if view.network else _FEW_TRIES)}
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
            return Spawn(tuple(argv), env, (rules,), landlock.Restraint(rules, code, view.others_files))
        if (program := self.bubblewrap) is None:
            raise NotDone("bubblewrap is not installed any more")
        with ExitStack() as opened:
            theirs = _pipe_with(code, opened)
            contents = {path: _pipe_with(text, opened) for path, text in view.guard.ignored if len(text) <= _PIPE_BYTES}
            words = bubblewrap.arguments(program, view, theirs, contents)
            opened.pop_all()
        return Spawn((*words, *argv), env, (theirs, *contents.values()), wrapped=True)

    # --- what they are built round ------------------------------------------------------------------------------------
    async def _found(self, folder: Path) -> Found:
        search = self._searches.get(folder)
        if search is None or (search.done() and search.exception() is not None):
            self._search_again((folder,))
        return await asyncio.shield(self._searches[folder])

    def _search_again(self, folders: Sequence[Path]) -> None:
        """What was made meanwhile is guarded the next time."""
        for folder in folders:
            task = self._searches.get(folder)
            if task is None or task.done():
                known = task.result().folders if task is not None and task.exception() is None else ()
                search = asyncio.to_thread(find_repositories, folder, known)
                self._searches[folder] = asyncio.get_running_loop().create_task(search)

    def _lift(self, guard: Guard, masked: Mapping[Path, bytes | None], folders: Sequence[Path]) -> None:
        """Free the places again, once what was told to end has ended; nobody waits for that.

        `folders` are to be no repositories themselves, with settings of their own: where one has become that, it loses its HEAD.
        """

        async def lift() -> None:
            await settled()
            self._running.remove(guard)
            for folder in filter(is_bare, folders):
                with suppress(OSError):
                    os.rename(folder / "HEAD", folder / f"HEAD.taken-away-{os.urandom(4).hex()}")
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


def _pipe_with(content: bytes, opened: ExitStack) -> int:
    """The end to read from of a pipe that holds something, at most _PIPE_BYTES."""
    theirs, ours = os.pipe()
    opened.callback(os.close, theirs)
    try:
        os.write(ours, content)
    finally:
        os.close(ours)
    return theirs
