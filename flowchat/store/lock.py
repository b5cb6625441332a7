"""Who may write a session: the flock on its `lock` file, which is made once, held for the writer's life and never replaced."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowchat.store.disk import Disk, read_file

LOCK = "lock"
HOLDER_LIMIT_BYTES = 4096


def take_lock(folder: Path, disk: Disk, new: bool) -> int:
    """The descriptor that holds the session's lock.

    Raises BlockingIOError where another has it, FileNotFoundError where the session was moved away meanwhile, other OSErrors
    where locks do not work. For a `new` session, which no one else can know of, a failed lock is accepted.
    """
    path = folder / LOCK
    fd = disk.open(path, os.O_RDWR | os.O_CREAT)
    try:
        disk.lock(fd)
    except BlockingIOError:
        os.close(fd)
        raise
    except OSError:
        if not new:
            os.close(fd)
            raise
    if not is_at(fd, path):
        os.close(fd)
        raise FileNotFoundError(2, "it was moved away", str(path))
    with suppress(OSError):  # who holds it is information; holding it is what counts
        disk.truncate(fd, 0)
        disk.write_all(fd, b'{"pid":%d}\n' % os.getpid())
    return fd


def holder(folder: Path) -> str:
    """` (process 123)` as the lock's content tells, or nothing."""
    pid = _last_holder(folder)
    return "" if pid is None else f" (process {pid})"


def is_held(folder: Path, disk: Disk) -> bool:
    """Whether another process has a session's lock; one is only tried for where whoever took it last is still there."""
    pid = _last_holder(folder)
    if pid is None or pid == os.getpid() or not _is_there(pid):
        return False
    try:
        fd = disk.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        disk.lock(fd)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(fd)
    return False


def _last_holder(folder: Path) -> int | None:
    try:
        found = re.search(rb'"pid":(\d+)', read_file(f"{folder}/{LOCK}", HOLDER_LIMIT_BYTES))
    except OSError:
        return None
    return int(found.group(1)) if found else None


def _is_there(pid: int) -> bool:
    """A process of another user is there, too."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@contextmanager
def one_at_a_time(folder: Path, disk: Disk) -> Generator[None]:
    """Keeps other processes and threads from changing what lies in a folder, as far as they ask for this, too.

    Nobody but the disk is waited for within. Where the folder cannot be locked, nothing is kept from anybody.
    """
    fd: int | None = None
    try:
        with suppress(OSError):
            fd = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            disk.wait_lock(fd)
        yield
    finally:
        if fd is not None:
            os.close(fd)


def is_at(fd: int, path: Path) -> bool:
    """Whether the file that is open is the one at the path."""
    try:
        there = os.stat(path)
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)
