"""The file of a log as its one writer sees it: durable up to a place, cut back to it when the disk fails, never shared."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from flowchat.errors import StorageFailed
from flowchat.store.disk import COPY_BYTES, Disk, refused
from flowchat.store.lock import LOCK, is_at, take_lock

LOG = "log.jsonl"
UNSYNCED_LIMIT_BYTES = 4 << 20
"""So much is kept in memory to be written again; more of it is fsynced unasked."""


class LogTaken(StorageFailed):
    """Somebody else wrote to the log, or put another file in its place: it is left alone, what is unsaved goes on in a fork."""


class LogFile:
    """Used by the writer thread alone; every call blocks.

    A new session's folder and file are made by the first write. `fd` and `lock` are those of a log that was opened.
    """

    def __init__(self, folder: Path, disk: Disk, fd: int | None = None, lock: int | None = None) -> None:
        self._folder, self._path, self._disk = folder, folder / LOG, disk
        self._fd, self._lock = fd, lock
        self._good: int = 0 if fd is None else disk.stat(fd).st_size
        """The end of what was fsynced."""
        self._end = self._good
        """Where the file ends; after a failure, how far it may reach."""
        self._since: list[bytes] = []
        """What was written after `_good` and told to be so: after a failure it is written again, before what follows."""
        self._failed = False
        self._ever_written, self._made_folder = fd is not None, False

    @property
    def is_open(self) -> bool:
        return self._fd is not None

    @property
    def begun(self) -> bool:
        """Whether anything was ever written."""
        return self._ever_written

    def write(self, lines: bytes, sync: bool) -> None:
        """Raises StorageFailed: the file then ends where the last good fsync was, or will before anything is written again.

        Where the first write of a new session fails there is no session. LogTaken: the file was not touched, and never will be
        again.
        """
        try:
            self._prepare()
            self._append(lines, sync)
            self._ever_written = True
        except OSError as error:
            if self._ever_written:
                self._cut_back()
            else:
                self._unmake()
            raise StorageFailed(refused(self._path, error)) from error

    def lend(self) -> int | None:
        """Another descriptor of the file, if it has been made; whoever asks closes it."""
        return None if self._fd is None else os.dup(self._fd)

    def close(self) -> None:
        """Make durable what was written and let the lock go; what cannot be is lost with the process."""
        if self._since or self._failed:
            with suppress(StorageFailed):
                self.write(b"", sync=True)
        for fd in (self._fd, self._lock):
            if fd is not None:
                os.close(fd)
        self._fd = self._lock = None

    # --- is it still ours ---------------------------------------------------------------------------------------------
    def _prepare(self) -> None:
        """Make a new session's file, or see that it is the one we know."""
        if self._fd is None:
            self._make(())
            return
        known = self._disk.stat(self._fd)
        moved = not is_at(self._fd, self._path)
        if moved and os.path.lexists(self._path):
            raise LogTaken(f"{self._path} was replaced; the session continues in a fork")
        if not (self._good if self._failed else self._end) <= known.st_size <= self._end:
            raise LogTaken(f"{self._path} was changed by another program; the session continues in a fork")
        if known.st_nlink == 0:
            self._make_anew(self._good if self._failed else self._end)

    def _make_anew(self, size: int) -> None:
        """The file was deleted under us: write it again under the same id, from the one that is still open."""
        old, old_lock = self._fd, self._lock
        assert old is not None
        self._make(os.pread(old, min(COPY_BYTES, size - at), at) for at in range(0, size, COPY_BYTES))
        os.close(old)
        if old_lock is not None and old_lock != self._lock:
            os.close(old_lock)
        self._good = self._end = size
        if not self._failed:
            self._since.clear()

    def _make(self, content: Iterable[bytes]) -> None:
        """The folder, its lock, held, and then a log of this content; where that fails there is no log. Raises LogTaken."""
        self._made_folder = self._made_folder or not self._folder.exists()
        self._disk.ensure_folder(self._folder)
        lock, fd = self._locked(), None
        try:
            fd = self._create()
            for piece in content:
                self._disk.write_all(fd, piece)
            self._disk.fsync(fd)
            self._disk.sync_folder(self._folder)
        except BaseException:
            if fd is not None:
                os.close(fd)
                with suppress(OSError):
                    self._path.unlink()
            if lock != self._lock:
                os.close(lock)
            raise
        self._fd, self._lock = fd, lock

    def _unmake(self) -> None:
        """Leave nothing of a session that could not even begin; the next write makes it again."""
        for fd in (self._fd, self._lock):
            if fd is not None:
                os.close(fd)
        self._fd = self._lock = None
        self._good = self._end = 0
        if self._made_folder:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
                (self._folder / LOCK).unlink(missing_ok=True)
                self._folder.rmdir()

    def _locked(self) -> int:
        if self._lock is not None and is_at(self._lock, self._folder / LOCK):
            return self._lock
        try:
            return take_lock(self._folder, self._disk, new=True)
        except BlockingIOError as error:
            raise LogTaken(f"another process has made {self._folder} its own; the session continues in a fork") from error

    def _create(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        try:
            return self._disk.open(self._path, flags | os.O_EXCL)
        except FileExistsError:
            if self._path.is_symlink() or self._path.stat().st_size:
                raise LogTaken(f"{self._path} exists already; the session continues in a fork") from None
            return self._disk.open(self._path, flags)

    # --- what is written ----------------------------------------------------------------------------------------------
    def _append(self, lines: bytes, sync: bool) -> None:
        fd = self._fd
        assert fd is not None
        content = lines
        if self._failed:
            self._disk.truncate(fd, self._good)
            self._end, content = self._good, b"".join(self._since) + lines
        self._end += len(content)
        self._disk.write_all(fd, content)
        if sync or self._failed or self._end - self._good > UNSYNCED_LIMIT_BYTES:
            self._disk.fsync(fd)
            self._good, self._failed = self._end, False
            self._since.clear()
        else:
            self._since.append(lines)

    def _cut_back(self) -> None:
        """Back to the last good fsync: no page that failed is trusted, what was on it is written to new ones."""
        self._failed = True
        if self._fd is not None:
            with suppress(OSError):
                self._disk.truncate(self._fd, self._good)
                self._end = self._good
