"""A log on disk: one thread writes, in the order in which it was asked, and answers on the loop in that order."""

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from errno import ETIMEDOUT
from pathlib import Path
from typing import TypeAlias, assert_never

from msgspec import Struct

from flowchat.errors import StorageFailed
from flowchat.store.disk import Disk
from flowchat.store.draftfile import DraftFile
from flowchat.store.logfile import LOG, LogFile, LogTaken

__all__ = ["LOG", "FileLog", "LogTaken"]

LEND_SECONDS = 10.0
_log = logging.getLogger(__name__)


class _Write(Struct, frozen=True):
    lines: bytes
    sync: bool
    done: "asyncio.Future[None]"


class _Draft(Struct, frozen=True):
    lines: bytes


class _ClearDraft(Struct, frozen=True):
    pass


class _Resume(Struct, frozen=True):
    pass


class _Lend(Struct, frozen=True):
    lent: "Future[int | None]"


class _Close(Struct, frozen=True):
    done: "asyncio.Future[None]"


_Job: TypeAlias = _Write | _Draft | _ClearDraft | _Resume | _Lend | _Close


class FileLog:
    """Implements `Log` for one session's folder.

    A new session's folder is made by the first write: the mkdir is the reservation. `fd` and `lock` are those of a log that
    was opened, its lock held; both are closed with the log.
    """

    def __init__(self, folder: Path, disk: Disk, fd: int | None = None, lock: int | None = None) -> None:
        self._file, self._draft = LogFile(folder, disk, fd, lock), DraftFile(folder, disk)
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing: asyncio.Future[None] | None = None
        self._failure: StorageFailed | None = None
        self._forget_draft = False

    @property
    def begun(self) -> bool:
        """Whether anything was ever written."""
        return self._file.begun

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closing is not None:
            _settle([done], StorageFailed("the session is closed; nothing is written any more"))
        else:
            self._ask(_Write(lines, sync, done))
        return done

    def resume(self) -> None:
        self._ask(_Resume())

    def draft(self, lines: bytes) -> None:
        self._ask(_Draft(lines))

    def clear_draft(self) -> None:
        self._ask(_ClearDraft())

    def lend(self) -> int | None:
        """Another descriptor of the log, after all that was asked so far; None before the first write and after the close.

        Blocks, so it is not for the loop's thread; raises OSError. Whoever asks closes it.
        """
        if self._closing is not None or not self._file.is_open:
            return None
        lent: Future[int | None] = Future()
        self._ask(_Lend(lent))
        try:
            return lent.result(LEND_SECONDS)
        except TimeoutError as error:
            raise OSError(ETIMEDOUT, "the disk does not respond") from error

    async def close(self) -> None:
        if self._closing is None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._ask(_Close(done))
            self._closing = done
        await asyncio.shield(self._closing)
        if self._thread is not None:
            self._thread.join()

    def _ask(self, job: _Job) -> None:
        if self._closing is not None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="flowchat-log", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    # --- in the thread -----------------------------------------------------------------------------------------------
    def _serve(self) -> None:
        """Do what was asked; writes that wait together are one write and at most one fsync."""
        waiting: list[_Write] = []
        while True:
            job = self._jobs.get() if not waiting or not self._jobs.empty() else None
            if isinstance(job, _Write):
                waiting.append(job)
                continue
            self._write(waiting)
            waiting.clear()
            match job:
                case None:
                    pass
                case _Draft(lines=lines):
                    if self._file.is_open:
                        self._draft.append(lines)
                case _ClearDraft():
                    self._clear_draft()
                case _Resume():
                    self._failure = None
                case _Lend(lent=lent):
                    lent.set_result(self._file.lend())
                case _Close(done=done):
                    self._close()
                    _answer([done], None)
                    return
                case _:
                    assert_never(job)

    def _write(self, jobs: Sequence[_Write]) -> None:
        if not jobs:
            return
        if self._failure is None:
            try:
                self._file.write(b"".join([job.lines for job in jobs]), any(job.sync for job in jobs))
            except StorageFailed as error:
                self._failure = error
            except Exception as error:  # whoever waits is told of a bug of ours, too
                _log.exception("the log could not be written")
                self._failure = StorageFailed(f"flowchat itself failed to write ({type(error).__name__}: {error})")
        _answer([job.done for job in jobs], self._failure)
        if self._forget_draft:
            self._clear_draft()

    def _clear_draft(self) -> None:
        """What is in the draft alone is kept until the entries that say it can be written."""
        self._forget_draft = self._failure is not None
        if not self._forget_draft and self._file.is_open:
            self._draft.clear()

    def _close(self) -> None:
        self._draft.close()
        try:
            self._file.close()
        except Exception:  # the lock goes with the process at the latest
            _log.exception("the log could not be closed")


def _answer(futures: "Sequence[asyncio.Future[None]]", error: StorageFailed | None) -> None:
    """Tell the loop, in order; a loop that is gone needs to know nothing."""
    try:
        futures[0].get_loop().call_soon_threadsafe(_settle, futures, error)
    except RuntimeError:
        return


def _settle(futures: "Sequence[asyncio.Future[None]]", error: StorageFailed | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()
