"""The one seam to the file system: every call the store makes that can fail goes through here, so that tests can make it fail."""

import fcntl
import itertools
import os
from contextlib import suppress
from errno import EACCES, EDQUOT, EFBIG, EINVAL, EIO, ENOSPC, EROFS
from pathlib import Path
from stat import S_ISREG

FOLDER_MODE, FILE_MODE = 0o700, 0o600
COPY_BYTES = 1 << 20
UNFINISHED = ".*.new"
"""Names of files that are being written and not yet in their place."""
_NEVER_WAIT = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Something else may lie where a file of ours should: a pipe without a writer, a terminal."""
_numbers = itertools.count(1)


class Disk:
    """Plain system calls on paths and descriptors. Folders are 0700 and files 0600 whatever the umask. Raises OSError."""

    def open(self, path: Path, flags: int) -> int:
        fd = os.open(path, flags | _NEVER_WAIT, FILE_MODE)
        try:
            if flags & os.O_CREAT:
                os.fchmod(fd, FILE_MODE)
        except OSError:
            os.close(fd)
            raise
        return fd

    def write(self, fd: int, content: bytes | memoryview) -> int:
        return os.write(fd, content)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def stat(self, fd: int) -> os.stat_result:
        return os.fstat(fd)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def make_folder(self, path: Path) -> None:
        """One folder. Raises FileExistsError where something is there already."""
        os.mkdir(path, FOLDER_MODE)
        os.chmod(path, FOLDER_MODE)

    def remove_tree(self, path: Path) -> None:
        """A folder and all in it, links not followed; of a link to one, the link."""
        import shutil

        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path)

    def lock(self, fd: int) -> None:
        """An exclusive flock, or BlockingIOError at once where another process has it."""
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def wait_lock(self, fd: int) -> None:
        """An exclusive flock, waited for: only where what it guards takes a moment."""
        fcntl.flock(fd, fcntl.LOCK_EX)

    # --- made of the above -------------------------------------------------------------------------------------------
    def write_all(self, fd: int, content: bytes) -> None:
        """All of it; a short write is gone on with, an interrupted one repeated."""
        view = memoryview(content)
        while view:
            try:
                written = self.write(fd, view)
            except InterruptedError:
                continue
            if written == 0:
                raise OSError(EIO, "the disk takes no more")
            view = view[written:]

    def sync_folder(self, path: Path) -> None:
        """Make durable which names a folder holds."""
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)

    def ensure_folder(self, path: Path) -> None:
        """The folder and what is missing above it, durable; nothing where it is there already."""
        if path.is_dir():
            return
        self.ensure_folder(path.parent)
        try:
            self.make_folder(path)
        except FileExistsError:
            if not path.is_dir():
                raise
            return
        try:
            self.sync_folder(path.parent)
        except PermissionError:
            return  # one above ours may not be readable
        except OSError:
            with suppress(OSError):
                path.rmdir()  # so that the next try makes its name durable
            raise

    def copy_rest(self, fd: int, start: int, path: Path) -> None:
        """A new file of what an open one holds from `start` on; where that fails there is none."""
        copy = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            while piece := os.pread(fd, COPY_BYTES, start):
                self.write_all(copy, piece)
                start += len(piece)
            self.fsync(copy)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(copy)
        self.sync_folder(path.parent)

    def write_file(self, path: Path, content: bytes, durable: bool = True) -> None:
        """Replace a file in one step: another process sees the old or the new. Where that fails the old one is intact."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.new")
        try:
            fd = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                self.write_all(fd, content)
                if durable:
                    self.fsync(fd)
            finally:
                os.close(fd)
            self.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if durable:
            self.sync_folder(path.parent)


def refused(path: Path, error: OSError) -> str:
    """Why a path cannot be written, and what can be done about it."""
    ways = {ENOSPC: "make room there", EDQUOT: "make room there", EROFS: "make it writable", EACCES: "make it writable"}
    return f"{path} cannot be written ({error.strerror or error}); {ways.get(error.errno or 0, 'see what is wrong there')}"


def read_file(path: Path | str, limit_bytes: int) -> bytes:
    """What is in a file. Raises OSError, too, where it is longer, or no file at all: then nothing is read."""
    fd = os.open(path, os.O_RDONLY | _NEVER_WAIT)
    try:
        found = os.fstat(fd)
        if not S_ISREG(found.st_mode):
            raise OSError(EINVAL, "it is not a file", str(path))
        if found.st_size > limit_bytes:
            raise OSError(EFBIG, f"it is longer than {limit_bytes:,} bytes", str(path))
        pieces: list[bytes] = []
        while piece := os.read(fd, max(1, found.st_size)):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)
