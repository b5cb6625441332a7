"""The sessions that are not on the screen, and what can be done with one there; and writing out the one that is."""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from flowchat.errors import BlankMessage, CommandRefused, ReadOnly
from flowchat.runtime.exporting import document, write_document
from flowchat.runtime.opening import recovery
from flowchat.runtime.session import Session
from flowchat.store.aside import aside
from flowchat.store.sessions import Sessions
from flowchat.store.sizes import size_of
from flowchat.store.trash import Restored
from flowchat.transcript.entries import AttemptUsed, TitleSet
from flowchat.transcript.transcript import Transcript

SETTLE_SECONDS = 5.0
"""A disk that takes longer keeps no one from leaving."""


class Archive:
    """`store` None: nothing can be kept, so there are none."""

    def __init__(self, store: Sessions | None, now_ms: Callable[[], int]) -> None:
        self._known, self._now_ms = store, now_ms
        self._under_way: set[asyncio.Task[None]] = set()

    async def settled(self) -> None:
        """Until no session is being renamed: one that is has its lock taken."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=SETTLE_SECONDS)

    async def held(self, sids: Iterable[str]) -> set[str]:
        """Those that another process has open."""
        store = self._store
        return await aside(lambda: store.held(sids))

    async def bytes_of(self, sid: str) -> int:
        """All that lies on disk of a session."""
        store = self._store
        return (await aside(lambda: size_of(store.path(sid)))).total

    async def used_since(self, since_ms: int) -> dict[str, list[AttemptUsed]]:
        """What the requests of each session, here and elsewhere, took since a time."""
        store = self._store
        return await aside(lambda: store.used_since(since_ms))

    async def rename(self, sid: str, title: str) -> None:
        """Give a session that is not open a title; what a crash left in it is put right. Goes on where nobody waits any more.

        Raises BlankMessage, NotFound, ReadOnly, StorageFailed.
        """
        store, words = self._store, " ".join(title.split())
        if not words:
            raise BlankMessage("a title needs at least one letter")
        task = asyncio.create_task(self._rename(store, sid, words))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _rename(self, store: Sessions, sid: str, words: str) -> None:
        opened = await aside(lambda: store.open(sid))
        transcript = Transcript(opened.log, opened.blobs, opened.records, now_ms=self._now_ms)
        try:
            if opened.read_only is not None:
                raise ReadOnly(f"it cannot be renamed: {opened.read_only}")
            await transcript.append(*recovery(transcript, opened.draft, opened.torn, opened.damaged), TitleSet(words, "user"))
            transcript.clear_draft()
            await opened.shelf.write_meta(transcript)
        finally:
            await transcript.close()

    async def trash(self, sid: str) -> str:
        """Move a session to the trash; gives its name there. Raises NotFound, ReadOnly, StorageFailed."""
        store = self._store
        return (await aside(lambda: store.trash(sid))).name

    async def restore(self, name: str) -> Restored:
        """Raises NotFound, StorageFailed."""
        store = self._store
        return await aside(lambda: store.restore(name))

    async def export(self, session: Session, file: str, force: bool = False) -> Path:
        """Write an open session's branch as markdown, as far as it goes by now; gives the file.

        `file` is relative to the session's folder. Raises AlreadyExists where there is one and `force` is not said,
        CommandRefused, StorageFailed.
        """
        transcript = session.transcript
        if not transcript.head:
            raise CommandRefused("there is nothing to export: nothing has been said")
        pieces = await document(transcript.records(), transcript.branch(), transcript.facts, transcript.blobs)
        return await aside(lambda: write_document(session.workspace_path / os.path.expanduser(file), pieces, force))

    @property
    def _store(self) -> Sessions:
        if self._known is None:
            raise CommandRefused("nothing can be saved here, so there are no sessions: set HOME or FLOWCHAT_HOME to a folder")
        return self._known
