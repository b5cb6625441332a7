"""The folder of sessions: new ones, opened ones, lists, forks and the trash."""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakValueDictionary

from flowchat.errors import NotFound, ReadOnly, StorageFailed
from flowchat.store.blobs import BLOBS, FileBlobs
from flowchat.store.cards import SessionCard, read_card
from flowchat.store.disk import UNFINISHED, Disk, read_file
from flowchat.store.draftfile import DRAFT, READ_LIMIT_BYTES
from flowchat.store.drafts import DraftSlot
from flowchat.store.forks import copy_session
from flowchat.store.jobs import JobFiles
from flowchat.store.lock import holder, is_held, take_lock
from flowchat.store.log import FileLog
from flowchat.store.logfile import LOG
from flowchat.store.memory import MemoryLog, MemoryShelf
from flowchat.store.recent import RECENT_LIMIT, Recent, name_of
from flowchat.store.scan import Scanned, scan
from flowchat.store.shelf import FileShelf
from flowchat.store.trash import Restored, Trash
from flowchat.store.used import used_since
from flowchat.transcript.draft import AnyDraft, decode_draft
from flowchat.transcript.entries import AnyEntry, AttemptUsed, Entry, HeadMoved, Node, Record, Seq, type_name
from flowchat.transcript.transcript import Blobs, Log, encode_line

NAMED_LIMIT = 5
"""Sessions an error names."""
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass
class Opened:
    """A session as it lies on disk. `read_only` is the sentence why it cannot be written; `draft` is then left alone."""

    sid: str
    log: Log
    blobs: Blobs
    shelf: FileShelf | MemoryShelf
    records: Sequence[Record] = ()
    draft: Sequence[AnyDraft] = ()
    read_only: str | None = None
    torn: str | None = None
    damaged: tuple[Seq, ...] = ()
    jobs: JobFiles | None = None


class Sessions:
    """Sessions below `data`/sessions, what is trashed below `data`/trash, unsent text of no session below `state`/drafts."""

    def __init__(self, data: Path, state: Path, disk: Disk | None = None) -> None:
        self._folder, self._drafts = data / "sessions", state / "drafts"
        self._disk = disk or Disk()
        self.trashed = Trash(data / "trash", self._folder, self._disk)
        self._recent = Recent(state / "recent", self._disk)
        self._logs: WeakValueDictionary[str, FileLog] = WeakValueDictionary()
        self._slots: dict[Path, DraftSlot] = {}

    # --- opening -----------------------------------------------------------------------------------------------------
    def new(self, now_ms: int, draft: Path | None = None) -> Opened:
        """A session of which nothing is on disk until its first write, but unsent text as `draft` of that workspace."""
        sid = self._unused_sid(now_ms)
        folder = self._folder / sid
        log = self._log(folder)
        slot = None if draft is None else self._slot(draft)
        shelf = FileShelf(folder, self._disk, self._recent, slot, lambda: log.begun)
        return Opened(sid, log, FileBlobs(folder, self._disk), shelf, jobs=JobFiles(folder, self._disk))

    def open(self, sid: str) -> Opened:
        """Raises NotFound, and StorageFailed where its log cannot even be read. Only the lock's holder repairs a damaged end."""
        folder = self._known(sid)
        lock, reason = self._lock(folder)
        fd: int | None = None
        try:
            if reason is None:
                fd, reason = self._open_to_write(folder)
            if fd is None:
                fd = self._disk.open(folder / LOG, os.O_RDONLY)
            scanned = scan(fd)
            if not scanned.records:
                raise NotFound(f"session {sid!r} has no readable entries")
            torn = None
            if reason is None:
                torn, reason = self._mend(folder, fd, scanned)
            opened = self._opened(folder, scanned, torn, reason)
            if reason is None:
                _clear_unfinished(folder)
                opened.log, fd, lock = self._log(folder, fd, lock), None, None
            return opened
        except OSError as error:
            raise StorageFailed(f"{folder / LOG} cannot be read: {error.strerror or error}") from error
        finally:
            for held in (fd, lock):
                if held is not None:
                    os.close(held)

    def _unused_sid(self, now_ms: int) -> str:
        while os.path.lexists(self._folder / (sid := new_sid(now_ms))):
            pass
        return sid

    def _log(self, folder: Path, fd: int | None = None, lock: int | None = None) -> FileLog:
        log = self._logs[folder.name] = FileLog(folder, self._disk, fd, lock)
        return log

    def _known(self, sid: str) -> Path:
        folder = self._folder / sid
        if sid.startswith(".") or "/" in sid or not (folder / LOG).is_file():
            raise NotFound(f"there is no session {sid!r}; `flowchat sessions list` shows all of them")
        return folder

    def _lock(self, folder: Path, instead: str = "it can be read or forked") -> tuple[int | None, str | None]:
        """The lock, or why it cannot be had, and what can be done `instead`."""
        try:
            return take_lock(folder, self._disk, new=False), None
        except BlockingIOError:
            return None, f"another flowchat{holder(folder)} has this session open; {instead}"
        except OSError as error:
            if not folder.exists():
                raise NotFound(f"session {folder.name!r} was moved away just now") from error
            return None, f"this session cannot be locked ({error.strerror or error}); {instead}"

    def _open_to_write(self, folder: Path) -> tuple[int | None, str | None]:
        try:
            return self._disk.open(folder / LOG, os.O_RDWR | os.O_APPEND), None
        except OSError as error:
            return None, f"this session cannot be written ({error.strerror or error}); it can be read or forked"

    def _mend(self, folder: Path, fd: int, scanned: Scanned) -> tuple[str | None, str | None]:
        """The name the damaged end is kept under, and why the session cannot be written if it cannot be repaired."""
        if scanned.newer is not None:
            return (
                None,
                f"a newer flowchat wrote this session (version {scanned.newer}); only that version can continue it",
            )
        try:
            torn = self._cut_torn(folder, fd, scanned.size)
            if scanned.unended:
                self._disk.write_all(fd, b"\n")
                self._disk.fsync(fd)
        except OSError as error:
            return None, f"this session's damaged end cannot be repaired ({error.strerror or error}); it can be read or forked"
        return torn, None

    def _cut_torn(self, folder: Path, fd: int, size: int) -> str | None:
        """Cut off what comes after the last line, its bytes kept beside the log first; gives the name they are kept under."""
        if self._disk.stat(fd).st_size == size:
            return None
        number = 1
        while (folder / f"log.torn-{number}").exists():
            number += 1
        name = f"log.torn-{number}"
        self._disk.copy_rest(fd, size, folder / name)
        self._disk.truncate(fd, size)
        self._disk.fsync(fd)
        return name

    def _opened(self, folder: Path, scanned: Scanned, torn: str | None, reason: str | None) -> Opened:
        blobs, shelf = FileBlobs(folder, self._disk), FileShelf(folder, self._disk, self._recent)
        draft = _draft_in(folder) if reason is None else ()
        damaged, jobs = tuple(scanned.damaged), JobFiles(folder, self._disk)
        return Opened(folder.name, MemoryLog(), blobs, shelf, scanned.records, draft, reason, torn, damaged, jobs)

    # --- lists -------------------------------------------------------------------------------------------------------
    def cards(self, cwd: Path | None = None) -> list[SessionCard]:
        """Newest first; those of one workspace, or all. A session that cannot be read hides no other."""
        return sorted(self._cards_of(self._sids(), cwd), key=_age, reverse=True)

    def _cards_of(self, sids: Iterable[str], cwd: Path | None) -> list[SessionCard]:
        cards = [card for sid in sids if (card := read_card(f"{self._folder}/{sid}")) is not None]
        return cards if cwd is None else [card for card in cards if card.cwd == str(cwd)]

    def card(self, sid: str) -> SessionCard | None:
        """None where its log cannot be read."""
        return read_card(f"{self._folder}/{sid}")

    def used_since(self, since_ms: int) -> dict[str, list[AttemptUsed]]:
        """What the requests of each session took since a time, of those that were written to since."""
        return used_since((self._folder / sid for sid in self._sids()), since_ms)

    def held(self, sids: Iterable[str]) -> set[str]:
        """Those of them that another process has open."""
        return {sid for sid in sids if sid not in self._logs and is_held(self._folder / sid, self._disk)}

    def newest(self, cwd: Path) -> str | None:
        """The session of a workspace that was used last: among those known to be recent and those begun last, else among all."""
        recent = self._recent.of(cwd)
        names = {*recent, *heapq.nlargest(RECENT_LIMIT, self._sids())} if recent else set[str]()
        cards = self._cards_of(names, cwd) or self.cards(cwd)
        if not cards:
            return None
        sid = max(cards, key=_age).sid
        self._recent.used(cwd, sid)
        return sid

    def find(self, wanted: str, cwd: Path | None = None, alone: bool = False) -> str:
        """The sid meant by an id, a unique prefix of one, or a title; raises NotFound naming what is near.

        Of several of one title it is the newest, those of `cwd` first; none where it must be `alone`.
        """
        sids = self._sids() if wanted.strip() else []
        if wanted in sids:
            return wanted
        begun = sorted((sid for sid in sids if sid.startswith(wanted)), reverse=True)
        if len(begun) == 1:
            return begun[0]
        cards = self.cards() if sids else []
        here = [card for card in cards if cwd is not None and card.cwd == str(cwd)]
        for among in (here, cards):
            titled = [card.sid for card in among if card.title.casefold() == wanted.casefold()]
            if len(titled) == 1 or (titled and not alone):
                return titled[0]
            begun = begun or titled
        holding = [card.sid for card in cards if wanted.casefold() in card.title.casefold()]
        if len(holding) == 1:
            return holding[0]
        if len(begun) > 1 or len(holding) > 1:
            near = begun or holding
            more = f" and {len(near) - NAMED_LIMIT} more" if len(near) > NAMED_LIMIT else ""
            raise NotFound(f"{wanted!r} matches several sessions: {', '.join(near[:NAMED_LIMIT])}{more}")
        raise NotFound(f"there is no session {wanted!r}; `flowchat sessions list` shows all of them")

    def blobs(self, sid: str) -> Blobs:
        return FileBlobs(self._folder / sid, self._disk)

    def path(self, sid: str) -> Path:
        return self._folder / sid

    def _sids(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return [entry.name for entry in entries if not entry.name.startswith(".")]
        except OSError:
            return []

    # --- unsent text of no session -----------------------------------------------------------------------------------
    def draft(self, workspace: Path) -> FileShelf:
        """Where this process keeps it."""
        return FileShelf(self._folder, self._disk, self._recent, self._slot(workspace), lambda: False)

    def _slot(self, workspace: Path) -> DraftSlot:
        return self._slots.setdefault(workspace, DraftSlot(self._drafts / name_of(workspace), self._disk))

    def close(self) -> None:
        """Leave what unsent text is kept to whoever comes next."""
        for slot in self._slots.values():
            slot.close()

    # --- forks and the trash -----------------------------------------------------------------------------------------
    def fork(
        self,
        sid: str,
        upto: Seq,
        now_ms: int,
        first: Callable[[str], Sequence[Entry]] = lambda sid: (),
        unsaved: Sequence[Record] = (),
    ) -> str:
        """A new session of the raw lines 1..upto of another, with the blobs they name; gives its sid.

        In the same piece come `unsaved`, the records that follow but could not be written, at their places, and the entries
        that `first` gives for that sid; before a node of them comes a head_moved. A session that is open here is read from
        its open log, whatever stands at its path by now. Raises NotFound, ReadOnly, StorageFailed.
        """
        new, count = self._unused_sid(now_ms), upto + len(unsaved) + 1
        lines = b"".join(map(encode_line, (*unsaved, *_placed(first(new), count, now_ms))))
        log: int | None = None
        try:
            log = self._lent(sid)
            copy_session(self._folder / sid, log, self._folder / new, upto, lines, self._disk)
        except OSError as error:
            target = self._folder / new
            raise StorageFailed(f"{target} cannot be written ({error.strerror or error}); nothing was forked") from error
        finally:
            if log is not None:
                os.close(log)
        return new

    def _lent(self, sid: str) -> int:
        """A session's log, open for reading."""
        opened = self._logs.get(sid)
        lent = opened.lend() if opened is not None else None
        return self._disk.open(self._known(sid) / LOG, os.O_RDONLY) if lent is None else lent

    def trash(self, sid: str) -> Path:
        """Move a session to the trash; raises ReadOnly while it is open anywhere, NotFound, StorageFailed."""
        folder = self._known(sid)
        lock, held = self._lock(folder, "close it there first")
        if held is not None:
            raise ReadOnly(held)
        try:
            return self.trashed.put(folder)
        finally:
            if lock is not None:
                os.close(lock)

    def restore(self, wanted: str) -> Restored:
        """Put a session back from the trash, by id, its beginning, or title. Raises NotFound, StorageFailed."""
        trashed = self.trashed.find(wanted)
        return self.trashed.restore(trashed.name, self._unused_sid(time.time_ns() // 1_000_000))


def _age(card: SessionCard) -> tuple[int, str]:
    return card.updated_ms, card.sid


def new_sid(now_ms: int) -> str:
    """`20261120-191503-k3f9`: UTC, and four random letters or digits."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(4))}"


def _placed(entries: Sequence[Entry], seq: Seq, now_ms: int) -> list[Record]:
    """The records of entries whose first has this seq."""
    records: list[Record] = []
    head = 0
    for entry in entries:
        known: AnyEntry = entry  # pyright: ignore[reportAssignmentType]  # every Entry we make is of the closed union
        records.append(Record(seq, now_ms, head if isinstance(entry, Node) else None, type_name(entry), known))
        head = entry.to if isinstance(entry, HeadMoved) else seq if isinstance(entry, Node) else head
        seq += 1
    return records


def _draft_in(folder: Path) -> list[AnyDraft]:
    try:
        return decode_draft(read_file(folder / DRAFT, READ_LIMIT_BYTES))
    except OSError:
        return []


def _clear_unfinished(folder: Path) -> None:
    """Remove what a killed writer had not yet put in its place; for the lock's holder."""
    with suppress(OSError):
        for path in (*folder.glob(UNFINISHED), *(folder / BLOBS).glob(UNFINISHED)):
            path.unlink()
