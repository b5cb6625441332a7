"""The folder of sessions: new ones, opened ones, lists, forks and the trash."""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.errors import NotFound, ReadOnly, StorageFailed
from flowchat.store.blobs import BLOBS, FileBlobs
from flowchat.store.cards import SessionCard, card_of, read_card, write_card
from flowchat.store.disk import Disk
from flowchat.store.log import DRAFT, LOG, FileLog, take_lock
from flowchat.store.memory import MemoryLog, MemoryShelf
from flowchat.store.scan import Scanned, checked, scan
from flowchat.transcript.draft import AnyDraft, decode_draft
from flowchat.transcript.entries import Record, Seq, sound
from flowchat.transcript.transcript import Blobs, Log, Transcript

COMPOSER = "composer.json"
_BLOB_NAME = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_SEQ = re.compile(rb'^\{"v":\d+,"seq":(\d+),')


@dataclass
class Opened:
    """A session as it lies on disk. `read_only` is the sentence why it cannot be written; `draft` is then left alone."""

    sid: str
    log: Log
    blobs: Blobs
    shelf: "FileShelf | MemoryShelf"
    records: Sequence[Record] = ()
    draft: Sequence[AnyDraft] = ()
    read_only: str | None = None
    torn: str | None = None
    damaged: tuple[Seq, ...] = ()


class Sessions:
    """Sessions below `data`/sessions, what is trashed below `data`/trash, unsent text of no session below `state`/drafts."""

    def __init__(self, data: Path, state: Path, disk: Disk | None = None) -> None:
        self._folder, self._trash, self._drafts = data / "sessions", data / "trash", state / "drafts"
        self._disk = disk or Disk()

    # --- opening -----------------------------------------------------------------------------------------------------
    def new(self, now_ms: int, workspace: Path) -> Opened:
        """A session of which nothing is on disk until its first write."""
        sid = new_sid(now_ms)
        folder = self._folder / sid
        shelf = FileShelf(folder, self._disk, self._draft_of(workspace))
        return Opened(sid, FileLog(folder, self._disk), FileBlobs(folder, self._disk), shelf)

    def open(self, sid: str) -> Opened:
        """Raises NotFound, and StorageFailed where its log cannot even be read. Only the lock's holder mends what is torn."""
        folder = self._folder / sid
        if not (folder / LOG).is_file():
            raise NotFound(f"there is no session {sid!r}; `flowchat sessions list` shows those there are")
        lock, read_only = self._lock(folder)
        try:
            return self._open(folder, lock, read_only)
        except OSError as error:
            if lock is not None:
                os.close(lock)
            raise StorageFailed(f"{folder / LOG} cannot be read: {error.strerror}") from error

    def _lock(self, folder: Path) -> tuple[int | None, str | None]:
        try:
            return take_lock(folder, self._disk, new=False), None
        except BlockingIOError:
            return None, f"another flowchat{_holder(folder)} has this session open; here it can be read, or forked"
        except OSError as error:
            return None, f"this session cannot be locked ({error.strerror}); it can be read, or forked"

    def _open(self, folder: Path, lock: int | None, read_only: str | None) -> Opened:
        fd = self._disk.open(folder / LOG, os.O_RDONLY if read_only else os.O_RDWR | os.O_APPEND)
        scanned = scan(fd)
        if scanned.newer is not None and read_only is None:
            read_only = f"a newer flowchat wrote this session (version {scanned.newer}); it can be read, or forked"
        shelf = FileShelf(folder, self._disk)
        blobs = FileBlobs(folder, self._disk)
        if read_only is not None:
            for held in (fd, lock):
                if held is not None:
                    os.close(held)
            return Opened(folder.name, MemoryLog(), blobs, shelf, scanned.records, (), read_only, None, tuple(scanned.damaged))
        torn = self._put_aside(folder, fd, scanned)
        draft = _read_draft(folder)
        log = FileLog(folder, self._disk, fd, lock)
        return Opened(folder.name, log, blobs, shelf, scanned.records, draft, None, torn, tuple(scanned.damaged))

    def _put_aside(self, folder: Path, fd: int, scanned: Scanned) -> str | None:
        """Cut a torn last line off, its bytes kept beside the log; gives the name they are kept under."""
        if not scanned.torn:
            return None
        number = 1
        while (folder / f"log.torn-{number}").exists():
            number += 1
        self._disk.write_file(folder / f"log.torn-{number}", scanned.torn)
        self._disk.truncate(fd, scanned.size)
        self._disk.fsync(fd)
        return f"log.torn-{number}"

    # --- lists -------------------------------------------------------------------------------------------------------
    def cards(self, cwd: Path | None = None) -> list[SessionCard]:
        """Newest first; those of one workspace, or all. A session that cannot be read hides no other."""
        cards = [card for sid in self._sids() if (card := read_card(self._folder / sid)) is not None]
        if cwd is not None:
            cards = [card for card in cards if card.cwd == str(cwd)]
        return sorted(cards, key=lambda card: (card.updated_ms, card.sid), reverse=True)

    def find(self, wanted: str, cwd: Path | None = None) -> str:
        """The sid somebody means by an id, a unique prefix of one, or a title; raises NotFound naming what is near."""
        sids = self._sids()
        if wanted in sids:
            return wanted
        begun = [sid for sid in sids if sid.startswith(wanted)]
        if len(begun) == 1:
            return begun[0]
        cards = self.cards()
        here = [card for card in cards if cwd is not None and card.cwd == str(cwd)]
        for among in (here, cards):
            titled = [card.sid for card in among if card.title.casefold() == wanted.casefold()]
            if titled:
                return titled[0]
        holding = [card.sid for card in cards if wanted.casefold() in card.title.casefold()]
        if len(holding) == 1:
            return holding[0]
        if len(begun) > 1 or len(holding) > 1:
            raise NotFound(f"{wanted!r} is the beginning or title of several sessions: {', '.join((begun or holding)[:5])}")
        raise NotFound(f"there is no session {wanted!r}; `flowchat sessions list` shows those there are")

    def path(self, sid: str) -> Path:
        return self._folder / sid

    # --- unsent text of no session -----------------------------------------------------------------------------------
    def kept_draft(self, workspace: Path) -> str:
        return _unsent_in(self._draft_of(workspace))

    def keep_draft(self, workspace: Path, text: str) -> None:
        """On disk when this returns; raises StorageFailed."""
        _keep_unsent(self._draft_of(workspace), text, self._disk)

    def _draft_of(self, workspace: Path) -> Path:
        return self._drafts / (hashlib.sha256(str(workspace).encode()).hexdigest()[:32] + ".json")

    def _sids(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return [entry.name for entry in entries if not entry.name.startswith(".")]
        except OSError:
            return []

    # --- forks and the trash -----------------------------------------------------------------------------------------
    def fork(self, sid: str, upto: Seq, now_ms: int) -> str:
        """A new session of the raw lines 1..upto of another, with the blobs they name; gives its sid. Raises StorageFailed."""
        new = new_sid(now_ms)
        source, target = self._folder / sid, self._folder / new
        building = self._folder / f".{new}"
        try:
            self._disk.ensure_folder(building)
            fd = self._disk.open(building / LOG, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                names = self._copy_lines(source / LOG, fd, upto)
                self._disk.fsync(fd)
            finally:
                os.close(fd)
            self._copy_blobs(source / BLOBS, building / BLOBS, names)
            self._disk.replace(building, target)
            self._disk.sync_folder(self._folder)
        except OSError as error:
            _remove(building)
            raise StorageFailed(f"{target} cannot be written ({error.strerror or error}); nothing was forked") from error
        return new

    def _copy_lines(self, source: Path, fd: int, upto: Seq) -> set[str]:
        names: set[str] = set()
        with source.open("rb") as file:
            for line in file:
                found = _SEQ.match(line)
                if found and int(found.group(1)) > upto and checked(line):
                    break
                if line.endswith(b"\n"):
                    self._disk.write_all(fd, line)
                    names.update(name.decode() for name in _BLOB_NAME.findall(line))
        return names

    def _copy_blobs(self, source: Path, target: Path, names: set[str]) -> None:
        there = [name for name in names if (source / name).is_file()]
        if there:
            self._disk.ensure_folder(target)
        for name in there:
            try:
                self._disk.link(source / name, target / name)
            except OSError:
                self._disk.write_file(target / name, (source / name).read_bytes())

    def trash(self, sid: str) -> Path:
        """Move a session to the trash; raises ReadOnly while somebody has it open, NotFound, StorageFailed."""
        folder = self._folder / sid
        if not folder.is_dir():
            raise NotFound(f"there is no session {sid!r}")
        lock, held = self._lock(folder)
        if held is not None:
            raise ReadOnly(held)
        target = self._trash / f"{sid}.{time.time_ns() // 1_000_000}"
        try:
            self._disk.ensure_folder(self._trash)
            self._disk.replace(folder, target)
        except OSError as error:
            raise StorageFailed(f"{sid} cannot be moved to the trash: {error.strerror}") from error
        finally:
            if lock is not None:
                os.close(lock)
        return target


class _Unsent(Struct, frozen=True):
    text: str


_unsent = msgspec.json.Decoder(_Unsent)


class FileShelf:
    """What lies beside a log: meta.json and the unsent text; before the folder is there, `draft` holds the text."""

    def __init__(self, folder: Path, disk: Disk, draft: Path | None = None) -> None:
        self._folder, self._disk, self._draft = folder, disk, draft

    def composer_text(self) -> str:
        if self._draft is not None and not self._folder.is_dir():
            return _unsent_in(self._draft)
        return _unsent_in(self._folder / COMPOSER)

    def keep_composer(self, text: str) -> None:
        """On disk when this returns; raises StorageFailed."""
        if self._draft is not None and not self._folder.is_dir():
            _keep_unsent(self._draft, text, self._disk)
            return
        _keep_unsent(self._folder / COMPOSER, text, self._disk)
        if self._draft is not None:
            self._draft.unlink(missing_ok=True)
            self._draft = None

    def write_meta(self, transcript: Transcript) -> None:
        """Best effort: it is made anew from the log where it is missing."""
        try:
            size = os.stat(self._folder / LOG).st_size
            write_card(self._folder, card_of(self._folder.name, transcript.records(), transcript.facts, size), self._disk)
        except OSError:
            return


def _unsent_in(path: Path) -> str:
    try:
        return _unsent.decode(path.read_bytes()).text
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return ""


def _keep_unsent(path: Path, text: str, disk: Disk) -> None:
    try:
        disk.ensure_folder(path.parent)
        disk.write_file(path, msgspec.json.encode(_Unsent(sound(text))))
    except OSError as error:
        raise StorageFailed(f"the unsent text cannot be kept in {path} ({error.strerror or error})") from error


def new_sid(now_ms: int) -> str:
    """`20261120-191503-k3f9`: UTC, and four random letters or digits."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(secrets.choice('abcdefghijkmnpqrstuvwxyz23456789') for _ in range(4))}"


def _holder(folder: Path) -> str:
    try:
        found = re.search(r'"pid":(\d+)', (folder / "lock").read_text())
    except OSError:
        return ""
    return f" (process {found.group(1)})" if found else ""


def _read_draft(folder: Path) -> list[AnyDraft]:
    try:
        return decode_draft((folder / DRAFT).read_bytes())
    except OSError:
        return []


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
