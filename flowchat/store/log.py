"""A log on disk: one writer thread with a FIFO, and what it does when the disk will not."""

import asyncio
import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from flowchat.errors import StorageFailed
from flowchat.store.disk import Disk

LOG, LOCK, DRAFT = "log.jsonl", "lock", "draft.jsonl"
COPY_BYTES = 1 << 20


class LogTaken(StorageFailed):
    """Somebody else wrote to the log, or put another file in its place: it is left alone, what is unsaved goes on in a fork."""


@dataclass(frozen=True)
class _Write:
    lines: bytes
    sync: bool
    done: "asyncio.Future[None]"


@dataclass(frozen=True)
class _Draft:
    lines: bytes | None
    """None: forget it."""


@dataclass(frozen=True)
class _Resume:
    pass


@dataclass(frozen=True)
class _Close:
    done: "asyncio.Future[None]"


_Job: TypeAlias = _Write | _Draft | _Resume | _Close


class FileLog:
    """Implements `Log` for one session's folder.

    A new session's folder is made by the first write: the mkdir is the reservation. `fd` and `lock` are those of a log that
    was opened, its lock held.
    """

    def __init__(self, folder: Path, disk: Disk, fd: int | None = None, lock: int | None = None) -> None:
        self._folder, self._disk = folder, disk
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._writer = _Writer(folder, disk, fd, lock)
        self._closed = False

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ask(_Write(lines, sync, done))
        return done

    def resume(self) -> None:
        self._ask(_Resume())

    def draft(self, lines: bytes) -> None:
        self._ask(_Draft(lines))

    def clear_draft(self) -> None:
        self._ask(_Draft(None))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            self._writer.close()
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Close(done))
        await asyncio.shield(done)
        self._thread.join()

    def _ask(self, job: _Job) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="flowchat-log", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _serve(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            while not self._jobs.empty():
                jobs.append(self._jobs.get())
            waiting: list[_Write] = []
            for job in jobs:
                if isinstance(job, _Write):
                    waiting.append(job)
                    continue
                self._write_all(waiting)
                waiting = []
                match job:
                    case _Draft(lines=lines):
                        self._writer.draft(lines)
                    case _Resume():
                        self._writer.failure = None
                    case _Close(done=done):
                        self._writer.close()
                        _resolve([done], None)
                        return
            self._write_all(waiting)

    def _write_all(self, jobs: Sequence[_Write]) -> None:
        """Jobs that wait together are one write and at most one fsync."""
        if not jobs:
            return
        error = self._writer.write([job.lines for job in jobs], any(job.sync for job in jobs))
        _resolve([job.done for job in jobs], error)


class _Writer:
    """The file itself; used by the writer thread alone."""

    def __init__(self, folder: Path, disk: Disk, fd: int | None, lock: int | None) -> None:
        self.failure: StorageFailed | None = None
        self._folder, self._disk, self._fd, self._lock = folder, disk, fd, lock
        self._draft: int | None = None
        self._drafted = fd is not None
        self._good: int = 0 if fd is None else disk.stat(fd).st_size
        """The end of what was fsynced."""
        self._end = self._good
        self._since: list[bytes] = []
        """Lines between `_good` and `_end`: after a failure they are written again."""
        self._again = False

    def write(self, lines: Sequence[bytes], sync: bool) -> StorageFailed | None:
        """None when it is done, else why not: the file then ends where the last good fsync was."""
        if self.failure is not None:
            return self.failure
        try:
            self._prepare()
            content, again = list(lines), self._again
            if again:
                self._disk.truncate(self._file(), self._good)
                self._end, content = self._good, [*self._since, *lines]
            self._disk.write_all(self._file(), b"".join(content))
            self._end += sum(map(len, content))
            if sync or again:
                self._disk.fsync(self._file())
                self._good, self._since, self._again = self._end, [], False
            else:
                self._since = [*self._since, *lines]
        except LogTaken as error:
            self.failure = error
        except OSError as error:
            self._cut_back()
            self.failure = StorageFailed(f"{self._folder / LOG} cannot be written ({error.strerror or error}); make room there")
        return self.failure

    def draft(self, lines: bytes | None) -> None:
        """Best effort: a draft that cannot be written is a draft that is not there."""
        try:
            if lines is None:
                if self._drafted:
                    self._disk.truncate(self._draft_file(), 0)
                    self._drafted = False
            elif self._fd is not None:
                self._disk.write_all(self._draft_file(), lines)
                self._drafted = True
        except OSError:
            return

    def close(self) -> None:
        if self._fd is not None and self._since and self.failure is None:
            self.write([], sync=True)
        for fd in (self._draft, self._fd, self._lock):
            if fd is not None:
                os.close(fd)
        self._draft = self._fd = self._lock = None

    # --- the file and its place --------------------------------------------------------------------------------------
    def _file(self) -> int:
        assert self._fd is not None
        return self._fd

    def _prepare(self) -> None:
        """Make a new session's folder, or see that the file is still the one we know."""
        if self._fd is None:
            self._make()
            return
        known = self._disk.stat(self._fd)
        if known.st_nlink == 0:
            self._make_anew(known.st_size)
            return
        try:
            there = os.stat(self._folder / LOG)
        except FileNotFoundError:
            there = None
        if there is None or (there.st_ino, there.st_dev) != (known.st_ino, known.st_dev):
            raise LogTaken(f"{self._folder / LOG} is another file now; what follows goes on in a fork")
        if known.st_size != self._end and not self._again:
            raise LogTaken(f"{self._folder / LOG} was written by somebody else; what follows goes on in a fork")

    def _make(self) -> None:
        try:
            self._disk.make_folder(self._folder)
        except FileExistsError:
            if (self._folder / LOG).exists() and (self._folder / LOG).stat().st_size:
                raise LogTaken(f"{self._folder} is there already; what follows goes on in a fork") from None
        if self._lock is None:
            self._lock = take_lock(self._folder, self._disk, new=True)
        self._fd = self._disk.open(self._folder / LOG, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._disk.sync_folder(self._folder)
        self._disk.sync_folder(self._folder.parent)

    def _make_anew(self, size: int) -> None:
        """The folder was deleted under us: write the session again under the same id, from the file that is still open."""
        if (self._folder / LOG).exists():
            raise LogTaken(f"{self._folder / LOG} is another file now; what follows goes on in a fork")
        old, old_lock, old_draft = self._fd, self._lock, self._draft
        assert old is not None
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = take_lock(self._folder, self._disk, new=True)
        new = self._disk.open(self._folder / LOG, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        for at in range(0, size, COPY_BYTES):
            self._disk.write_all(new, os.pread(old, min(COPY_BYTES, size - at), at))
        self._disk.fsync(new)
        self._disk.sync_folder(self._folder)
        self._fd, self._lock, self._draft = new, lock, None
        for fd in (old, old_lock, old_draft):
            if fd is not None:
                os.close(fd)
        self._good = self._end = size
        self._since = []

    def _draft_file(self) -> int:
        if self._draft is None:
            self._draft = self._disk.open(self._folder / DRAFT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return self._draft

    def _cut_back(self) -> None:
        """Back to the last good fsync: what was written since may be on no disk, and is written again."""
        self._again = True
        if self._fd is not None:
            try:
                self._disk.truncate(self._fd, self._good)
                self._end = self._good
            except OSError:
                return


def take_lock(folder: Path, disk: Disk, new: bool) -> int | None:
    """The session's lock, held: the file is made once and never replaced.

    Raises BlockingIOError where another process has it, OSError where locks do not work; None there for a `new` session,
    which nobody else can know of.
    """
    fd = disk.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        disk.lock(fd)
    except BlockingIOError:
        os.close(fd)
        raise
    except OSError:
        if not new:
            os.close(fd)
            raise
    try:
        disk.truncate(fd, 0)
        disk.write_all(fd, b'{"pid":%d}\n' % os.getpid())
    except OSError:
        pass  # who holds it is information; holding it is what counts
    return fd


def _resolve(futures: "Sequence[asyncio.Future[None]]", error: StorageFailed | None) -> None:
    """Tell the loop, in order; a loop that is gone needs to know nothing."""

    def tell() -> None:
        for future in futures:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()

    try:
        futures[0].get_loop().call_soon_threadsafe(tell)
    except RuntimeError:
        return
