"""The one seam to the file system: every call the store makes that can fail goes through here, so that tests can make it fail."""

import fcntl
import os
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600


class Disk:
    """Plain system calls on paths and descriptors. Folders are 0700 and files 0600 whatever the umask. Raises OSError."""

    def open(self, path: Path, flags: int) -> int:
        fd = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
        if flags & os.O_CREAT:
            os.fchmod(fd, FILE_MODE)
        return fd

    def write(self, fd: int, content: bytes) -> int:
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
        """One folder; its parents where they are missing. Raises FileExistsError where it is there already."""
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        os.mkdir(path, FOLDER_MODE)
        os.chmod(path, FOLDER_MODE)

    def lock(self, fd: int) -> None:
        """An exclusive flock, or BlockingIOError at once where somebody else has it."""
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    # --- made of the above -------------------------------------------------------------------------------------------
    def write_all(self, fd: int, content: bytes) -> None:
        """All of it; a short write is gone on with, an interrupted one repeated."""
        view = memoryview(content)
        while view:
            try:
                written = self.write(fd, bytes(view))
            except InterruptedError:
                continue
            if written == 0:
                raise OSError(28, "the disk takes no more")
            view = view[written:]

    def sync_folder(self, path: Path) -> None:
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)

    def write_file(self, path: Path, content: bytes, durable: bool = True) -> None:
        """Replace a file in one step: another process sees the old or the new. Where that fails the old one is intact."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            fd = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                self.write_all(fd, content)
                if durable:
                    self.fsync(fd)
            finally:
                os.close(fd)
            self.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            self.sync_folder(path.parent)
