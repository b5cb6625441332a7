"""Which session is on the screen: how the first one comes, how one gives way to another, and that it is closed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from flowchat.errors import Busy, FlowchatError
from flowchat.transcript.events import Heard
from flowchat.ui import leaving, opening

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace


class Visit:
    """At most one session at a time; a run of the one that is left is interrupted first, what came of it is kept there."""

    def __init__(
        self,
        workspace: "Workspace",
        start: opening.Start,
        hear: Callable[[Heard], None],
        leave: Callable[[], None],
        show: Callable[["Session"], None],
        say: Callable[[str], None],
    ) -> None:
        """`leave` is called while the old session is there and open, `show` with the new one just before it takes its place.

        `say` hears what ended with the old one.
        """
        self._workspace, self._start = workspace, start
        self._hear, self._leave, self._show, self._say = hear, leave, show, say
        self._unwatch: Callable[[], None] = lambda: None
        self._opened = asyncio.Event()
        self._changing = False
        self.session: Session | None = None
        self.saved = start.saved
        """Whether the session on the screen is kept: what is opened from the disk is, whatever a new one would be."""

    async def current(self) -> "Session":
        """The session, as soon as there is one."""
        await self._opened.wait()
        assert self.session is not None
        return self.session

    async def begin(self) -> str:
        """Open what the command line asked for, else a new one; gives the sentence why it is not what was asked for."""
        refusal = ""
        try:
            session = await opening.first(self._workspace, self._start)
        except FlowchatError as error:
            refusal = str(error)
            session = await opening.another(self._workspace, self._start)
        if self._start.newest and not refusal and not session.transcript.head:
            refusal = "There is no session to continue in this folder yet; this is a new one"
        await self._adopt(session)
        return refusal

    async def begin_anew(self) -> None:
        session = await self.current()
        await self._change(lambda: opening.another(self._workspace, self._start, session.model or None))

    async def go_to(self, wanted: str) -> None:
        """Another session, by id, its beginning, or title. Raises NotFound, StorageFailed; then nothing is left."""
        session = await self.current()
        if wanted != session.sid:
            await self._change(lambda: self._workspace.open(wanted))

    async def fork(self) -> bool:
        """A copy of all that is saved of this session; whether a run was interrupted for it. Raises ReadOnly, StorageFailed."""
        session = await self.current()
        was_busy = session.state.state != "idle"
        await self._change(lambda: self._workspace.fork(session))
        return was_busy

    async def close(self) -> None:
        """Close the session; for leaving."""
        self._leave()
        self._unwatch()
        if self.session is not None:
            await self.session.close()

    async def _change(self, opened: "Callable[[], Awaitable[Session]]") -> None:
        if self._changing:
            raise Busy("another session is being opened")
        self._changing = True
        try:
            await self._adopt(await opened())
        finally:
            self._changing = False

    async def _adopt(self, session: "Session") -> None:
        """Show it, and only then close the other: what is written while that takes its time is written here."""
        old = self.session
        if old is not None:
            self._leave()
            self._unwatch()
        self.saved = self._start.saved or bool(session.transcript.head)
        self._show(session)
        self.session = session
        self._unwatch = session.watch(self._hear)
        self._opened.set()
        if old is not None:
            if running := old.background.running:
                self._say(f"{leaving.named(running)} ended with the session you left")
            await old.close()
