"""What is written outside of any session: the unsent text of none yet, what Ctrl+R finds, and the editor for either."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowchat.agent.clock import Clock
from flowchat.config import Folders
from flowchat.errors import StorageFailed
from flowchat.runtime.unsent import Unsent
from flowchat.store.aside import aside
from flowchat.store.disk import Disk

if TYPE_CHECKING:
    from flowchat.store.sent import Sent

DRAFT_SECONDS = 1.0
"""Leaving waits so long for the unsent text of no session."""


class Writing:
    """`workspace` is where it is written; `folders` None: nothing is kept."""

    def __init__(
        self, unsent: Unsent, folders: Folders | None, disk: Disk, workspace: Path, environ: Mapping[str, str], clock: Clock
    ) -> None:
        self._unsent, self._folders, self._disk = unsent, folders, disk
        self._workspace, self._environ, self._clock = workspace, environ, clock

    def kept_draft(self) -> str:
        """Unsent text of no session."""
        return self._unsent.look()

    def keep_draft(self, text: str) -> None:
        """Unsent text of no session; as Session.keep_composer."""
        self._unsent.keep(text)

    async def draft_kept(self) -> None:
        """Until it is on disk. Raises StorageFailed."""
        await self._unsent.kept()

    async def remember(self, text: str) -> None:
        """Keep a text that was written here where Ctrl+R of every session finds it, best effort; raises nothing."""
        if self._folders is not None and text.strip():
            from flowchat.store.sent import Sent, SentFile

            file, sent = SentFile(self._folders.state, self._disk), Sent(text, str(self._workspace), self._clock.now_ms())
            await aside(lambda: file.add(sent))

    def history(self) -> "list[Sent]":
        """What was written in all sessions of all folders, this one's first, the newest of each first. Blocks for the disk."""
        if self._folders is None:
            return []
        from flowchat.store.sent import SentFile

        here = str(self._workspace)
        return sorted(SentFile(self._folders.state, self._disk).texts(), key=lambda sent: sent.cwd != here)

    def editor(self) -> list[str]:
        """The user's editor as a command. Raises NotDone where none is set."""
        from flowchat.tools.editor import editor_of

        return editor_of(self._environ)

    async def edit_outside(self, editor: list[str], text: str) -> str:
        """Let the editor have the terminal and the text; gives what it made of it. Raises NotDone, the text as it was."""
        from flowchat.tools.editor import edit

        return await edit(editor, text, self._folders.state if self._folders else None)

    async def put_away(self) -> None:
        """The unsent text on disk, if that does not take long."""
        with suppress(StorageFailed, TimeoutError):
            async with asyncio.timeout(DRAFT_SECONDS):
                await self._unsent.kept()
        self._unsent.stop()
