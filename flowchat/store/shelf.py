"""What lies beside a log: the unsent text of the composer, and the session's card."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from flowchat.errors import StorageFailed
from flowchat.store.aside import aside
from flowchat.store.cards import SessionCard, card_of, write_card
from flowchat.store.disk import Disk
from flowchat.store.drafts import DraftSlot, keep_unsent, unsent_in
from flowchat.store.logfile import LOG
from flowchat.store.recent import Recent
from flowchat.transcript.transcript import Transcript

COMPOSER = "composer.json"


class FileShelf:
    """Unsent text is in composer.json, or in `draft` as long as the log it would lie beside has not `begun`."""

    def __init__(
        self, folder: Path, disk: Disk, recent: Recent, draft: DraftSlot | None = None, begun: Callable[[], bool] = lambda: True
    ) -> None:
        self._folder, self._disk, self._recent = folder, disk, recent
        self._draft, self._begun = draft, begun

    def composer_text(self) -> str:
        draft = self._used_draft()
        return unsent_in(self._folder / COMPOSER) if draft is None else draft.text()

    async def keep_composer(self, text: str) -> None:
        """On disk when this returns; raises StorageFailed. One at a time."""
        await aside(partial(self._keep, text))

    def _keep(self, text: str) -> None:
        draft = self._used_draft()
        if draft is not None:
            draft.keep(text)
            return
        keep_unsent(self._folder / COMPOSER, text, self._disk)
        if self._draft is not None:
            with suppress(StorageFailed):  # it is kept beside the log
                self._draft.keep("")
            self._draft = None

    async def write_meta(self, transcript: Transcript) -> None:
        """Best effort: it is rebuilt from the log where it is missing. Not written while the log itself cannot be."""
        if transcript.unsaved is not None:
            return
        with suppress(OSError):
            size = (self._folder / LOG).stat().st_size
            card = card_of(self._folder.name, transcript.records(), transcript.facts, size)
            await aside(partial(self._write_card, card))

    def _write_card(self, card: SessionCard) -> None:
        write_card(self._folder, card, self._disk)
        self._recent.used(card.cwd, card.sid)

    def _used_draft(self) -> DraftSlot | None:
        return None if self._begun() else self._draft
