"""What lies beside a log: the unsent text of the composer, and the session's card."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.errors import StorageFailed
from flowchat.store.aside import aside
from flowchat.store.cards import SessionCard, card_of, write_card
from flowchat.store.disk import Disk, read_file
from flowchat.store.logfile import LOG
from flowchat.store.recent import Recent
from flowchat.transcript.entries import UNREADABLE, sound
from flowchat.transcript.transcript import Transcript

COMPOSER = "composer.json"
UNSENT_LIMIT_BYTES = 64 << 20


class _Unsent(Struct, frozen=True):
    text: str


_unsent = msgspec.json.Decoder(_Unsent)


class FileShelf:
    """Unsent text is in composer.json, or in `draft` as long as the log it would lie beside has not `begun`."""

    def __init__(
        self, folder: Path, disk: Disk, recent: Recent, draft: Path | None = None, begun: Callable[[], bool] = lambda: True
    ) -> None:
        self._folder, self._disk, self._recent = folder, disk, recent
        self._draft, self._begun = draft, begun

    def composer_text(self) -> str:
        return unsent_in(self._place())

    async def keep_composer(self, text: str) -> None:
        """On disk when this returns; raises StorageFailed. One at a time."""
        await aside(partial(self._keep, text))

    def _keep(self, text: str) -> None:
        place = self._place()
        keep_unsent(place, text, self._disk)
        if self._draft is not None and place != self._draft:
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)
            self._draft = None

    async def write_meta(self, transcript: Transcript) -> None:
        """Best effort: it is made anew from the log where it is missing. Not written while the log itself cannot be."""
        if transcript.unsaved is not None:
            return
        with suppress(OSError):
            size = (self._folder / LOG).stat().st_size
            card = card_of(self._folder.name, transcript.records(), transcript.facts, size)
            await aside(partial(self._write_card, card))

    def _write_card(self, card: SessionCard) -> None:
        write_card(self._folder, card, self._disk)
        self._recent.used(card.cwd, card.sid)

    def _place(self) -> Path:
        if self._draft is None or self._begun():
            return self._folder / COMPOSER
        return self._draft


def unsent_in(path: Path) -> str:
    """The text kept in a file; nothing where there is none to read."""
    try:
        return _unsent.decode(read_file(path, UNSENT_LIMIT_BYTES)).text
    except (OSError, *UNREADABLE):
        return ""


def keep_unsent(path: Path, text: str, disk: Disk) -> None:
    """Durable when this returns, its folder made if it must be; no text is no file. Raises StorageFailed."""
    try:
        if text:
            disk.ensure_folder(path.parent)
            disk.write_file(path, msgspec.json.encode(_Unsent(sound(text))))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(f"the unsent text cannot be kept in {path} ({error.strerror or error})") from error
