"""The trash: sessions put away with all that lies beside them, until they are put back or the trash is emptied by command."""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from errno import EEXIST, ENOTEMPTY
from pathlib import Path

from msgspec import Struct

from flowchat.errors import NotFound, StorageFailed
from flowchat.store.cards import SessionCard, read_card
from flowchat.store.disk import Disk
from flowchat.store.logfile import LOG
from flowchat.store.sizes import Size, freed_by, size_of

NAMED_LIMIT = 5
"""Trashed sessions an error names."""
_LEAVING = ".leaving-"
"""What a folder in the trash is renamed to before its files go: half of a session is never listed or put back."""
_TAKEN = (EEXIST, ENOTEMPTY)


class Trashed(Struct, frozen=True):
    """A session in the trash; `name` is its folder's there. `card` None: its log cannot be read."""

    name: str
    sid: str
    trashed_ms: int
    size: Size
    card: SessionCard | None = None

    @property
    def title(self) -> str:
        """What it was called, or else how it began."""
        return "" if self.card is None else self.card.title or self.card.first_message


class Restored(Struct, frozen=True):
    """Where a session is again; another id than `was` where a session of that id is there by now."""

    sid: str
    was: str


class Trash:
    """Folders `<sid>.<epoch ms>` below `folder`; `sessions` is where they come from and go back to."""

    def __init__(self, folder: Path, sessions: Path, disk: Disk) -> None:
        self._folder, self._sessions, self._disk = folder, sessions, disk

    def put(self, session: Path) -> Path:
        """Move a session's folder here; for who holds its lock. Raises StorageFailed; then it is where it was."""
        try:
            self._disk.ensure_folder(self._folder)
            target = self._move(session, self._named(session.name))
        except OSError as error:
            raise StorageFailed(f"{session.name} cannot be moved to the trash: {error.strerror or error}") from error
        return target

    def contents(self) -> list[Trashed]:
        """Trashed last, first."""
        found = [known for name in self._names() if (known := self._trashed(name)) is not None]
        return sorted(found, key=lambda trashed: (trashed.trashed_ms, trashed.name), reverse=True)

    def find(self, wanted: str) -> Trashed:
        """By id, its unique beginning, name there, or title; of several of one id the one trashed last. Raises NotFound."""
        known = self.contents() if wanted.strip() else []
        for found in (
            [trashed for trashed in known if wanted in (trashed.sid, trashed.name)],
            [trashed for trashed in known if trashed.sid.startswith(wanted)],
            [trashed for trashed in known if trashed.title.casefold() == wanted.casefold()],
        ):
            sids = list(dict.fromkeys(trashed.sid for trashed in found))
            if len(sids) > 1:
                more = f" and {len(sids) - NAMED_LIMIT} more" if len(sids) > NAMED_LIMIT else ""
                raise NotFound(f"{wanted!r} matches several sessions in the trash: {', '.join(sids[:NAMED_LIMIT])}{more}")
            if found:
                return found[0]
        raise NotFound(f"there is no session {wanted!r} in the trash; `flowchat trash list` shows what is")

    def restore(self, name: str, new_sid: str) -> Restored:
        """Put a session back as it was; under `new_sid` where its own id is taken. Raises NotFound, StorageFailed."""
        folder, was = self._folder / name, name.rpartition(".")[0]
        if not (folder / LOG).is_file():
            raise NotFound(f"{name!r} is no longer in the trash")
        try:
            self._disk.ensure_folder(self._sessions)
            target = self._move(folder, (self._sessions / sid for sid in (was, new_sid)))
        except OSError as error:
            raise StorageFailed(f"{was} cannot be put back: {error.strerror or error}; it is still in the trash") from error
        return Restored(target.name, was)

    def frees(self, trashed: Sequence[Trashed]) -> int:
        """Bytes that are free once these are gone."""
        return freed_by(self._folder / one.name for one in trashed)

    def empty(self, trashed: Sequence[Trashed]) -> int:
        """Delete these for good, and what an emptying that was cut short left; gives how many. Raises StorageFailed."""
        gone = 0
        try:
            for one in trashed:
                leaving = self._folder / f"{_LEAVING}{one.name}"
                with suppress(FileNotFoundError):  # it was put back meanwhile
                    self._disk.replace(self._folder / one.name, leaving)
                    gone += 1
            for name in self._all_names():
                if name.startswith(_LEAVING):
                    self._disk.remove_tree(self._folder / name)
        except OSError as error:
            raise StorageFailed(f"the trash cannot be emptied ({error.strerror or error}): {self._folder}") from error
        return gone

    def _named(self, sid: str) -> Iterable[Path]:
        at_ms = time.time_ns() // 1_000_000
        return (self._folder / f"{sid}.{at_ms + more}" for more in range(1000))

    def _move(self, source: Path, targets: Iterable[Path]) -> Path:
        """To the first of the targets that is free."""
        taken: OSError | None = None
        for target in targets:
            if os.path.lexists(target):
                taken = FileExistsError(EEXIST, "something of that name is there", str(target))
                continue
            try:
                self._disk.replace(source, target)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                taken = error
                continue
            with suppress(OSError):  # it is moved; how soon for good makes no difference
                self._disk.sync_folder(target.parent)
                self._disk.sync_folder(source.parent)
            return target
        assert taken is not None
        raise taken

    def _trashed(self, name: str) -> Trashed | None:
        sid, _, at_ms = name.rpartition(".")
        folder = self._folder / name
        if not sid or not at_ms.isdecimal() or not (folder / LOG).is_file():
            return None
        return Trashed(name, sid, int(at_ms), size_of(folder), read_card(os.fspath(folder), sid))

    def _names(self) -> list[str]:
        return [name for name in self._all_names() if not name.startswith(".")]

    def _all_names(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except OSError:
            return []
