"""Files opened and replaced safely: never through a link put there meanwhile, never a device, never half written.

Every path here is absolute and without links (paths.resolve). It is walked from the root one name at a time, and a name that
has become a link since is refused: what was judged is what is opened. All of it blocks: call it in a thread.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from flowchat.tools.tool import NotDone, Refused

READ_LIMIT_BYTES = 64 * 1024 * 1024
"""The longest file that is read at all; longer ones are for shell."""
CHANGE_LIMIT_BYTES = 16 * 1024 * 1024
"""The longest file that is changed: its old and new bytes are held in memory and kept as a blob."""
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Missing(NotDone):
    """There is no such file or folder."""


class Found(Struct, frozen=True):
    """A file as it was read."""

    content: bytes
    sha256: str
    mode: int


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def opened(path: Path, limit_bytes: int = READ_LIMIT_BYTES) -> Generator[int]:
    """A regular file of at most `limit_bytes` bytes, open for reading; raises NotDone with the reason otherwise."""
    refuse_special(path)
    with _told(path), _folder(path.parent) as folder, _regular(path, folder, limit_bytes) as file:
        yield file


def read(path: Path, limit_bytes: int = CHANGE_LIMIT_BYTES) -> Found | None:
    """A regular file's bytes, or None where there is nothing; raises NotDone."""
    refuse_special(path)
    try:
        with _told(path), _folder(path.parent) as folder:
            return _read_in(folder, path, limit_bytes)
    except Missing:
        return None


def replace(path: Path, content: bytes, was: Found | None) -> None:
    """Put `content` in the place of the file that was `was` (None: of nothing), all or nothing; folders are made as needed.

    Mode, and where the system lets us owner and extended attributes, stay. Raises Refused where the file is read-only, has
    other names (hard links) or is not `was` any more, NotDone where the system refused. On failure nothing is left over.
    """
    refuse_special(path)
    with _told(path), _folder(path.parent, create=True) as folder:
        _check_still(folder, path, was)
        _refuse_unwritable(folder, path)
        temporary = f".flowchat-{os.urandom(8).hex()}.tmp"
        file = os.open(temporary, _CREATE, 0o666 if was is None else 0o600, dir_fd=folder)
        try:
            with os.fdopen(file, "wb", buffering=0) as out:
                _write(out.fileno(), content)
                if was is not None:
                    _keep_attributes(folder, path.name, out.fileno())
                os.fsync(out.fileno())
            _check_still(folder, path, was)
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise
        _sync_folder(folder)


def explain(path: Path, error: OSError) -> str:
    """What the system said, as a sentence."""
    if error.errno == errno.ENOENT:
        return f"{path} does not exist"
    if error.errno == errno.ELOOP:
        return f"{path} is a broken link, or became one while it was being opened"
    if error.errno == errno.ENOTDIR:
        return f"{path}: part of the path is not a folder, or became a link while it was being opened"
    return f"{path}: {error.strerror or error}"


def refuse_special(path: Path) -> None:
    """Raises NotDone for what lies in /proc, /sys and /dev: no files, however much they look like it."""
    for root in ("/proc", "/sys", "/dev"):
        if path.is_relative_to(root) and not path.is_relative_to("/dev/shm"):
            raise NotDone(f"{path} is not a file but part of {root}: file tools do not go there")


@contextmanager
def _told(path: Path) -> Generator[None]:
    """The system's errors as ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise Missing(explain(path, error)) from None
    except OSError as error:
        raise NotDone(explain(path, error)) from None


@contextmanager
def _folder(path: Path, create: bool = False) -> Generator[int]:
    """A folder reached name by name from the root, no link followed."""
    folder = os.open("/", _FOLDER)
    try:
        for name in path.parts[1:]:
            try:
                below = os.open(name, _FOLDER, dir_fd=folder)
            except FileNotFoundError:
                if not create:
                    raise
                os.mkdir(name, dir_fd=folder)
                below = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _regular(path: Path, folder: int, limit_bytes: int) -> Generator[int]:
    _check_regular(path, os.stat(path.name or ".", dir_fd=folder, follow_symlinks=False), limit_bytes)
    file = os.open(path.name, _READ, dir_fd=folder)
    try:
        _check_regular(path, os.fstat(file), limit_bytes)
        yield file
    finally:
        os.close(file)


def _check_regular(path: Path, found: os.stat_result, limit_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a broken link, or one put there meanwhile")
        raise NotDone(f"{path} is {kind}, not a file")
    if found.st_size > limit_bytes:
        raise NotDone(
            f"{path} has {found.st_size:,} bytes, more than {limit_bytes >> 20} MiB: use shell (head, sed -n) for a part of it"
        )


def _read_in(folder: int, path: Path, limit_bytes: int) -> Found:
    with _regular(path, folder, limit_bytes) as file:
        with open(file, "rb", closefd=False) as stream:
            content = stream.read(limit_bytes + 1)
        if len(content) > limit_bytes:
            raise NotDone(f"{path} grew past {limit_bytes >> 20} MiB while it was being read")
        return Found(content, sha256_of(content), stat.S_IMODE(os.fstat(file).st_mode))


def _check_still(folder: int, path: Path, was: Found | None) -> None:
    try:
        now = _read_in(folder, path, CHANGE_LIMIT_BYTES)
    except FileNotFoundError:
        now = None
    if (now and now.sha256) != (was and was.sha256):
        raise Refused(f"{path} changed while it was about to be written: read it again")


def _refuse_unwritable(folder: int, path: Path) -> None:
    try:
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if found.st_nlink > 1:
        raise Refused(f"{path} has {found.st_nlink} names (hard links), the others perhaps outside the workspace: use shell")
    if not found.st_mode & 0o222 or not os.access(path.name, os.W_OK, dir_fd=folder):
        raise Refused(f"{path} is read-only (mode {stat.S_IMODE(found.st_mode):04o}): the user has to change that first")


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _keep_attributes(folder: int, name: str, file: int) -> None:
    before = os.open(name, _READ, dir_fd=folder)
    try:
        found, ours = os.fstat(before), os.fstat(file)
        if (found.st_uid, found.st_gid) != (ours.st_uid, ours.st_gid):
            try:
                os.fchown(file, found.st_uid, found.st_gid)
            except PermissionError:
                pass
        os.fchmod(file, stat.S_IMODE(found.st_mode))
        for attribute in os.listxattr(before) if hasattr(os, "listxattr") else ():
            try:
                os.setxattr(file, attribute, os.getxattr(before, attribute))
            except OSError:
                pass
    finally:
        os.close(before)


def _sync_folder(folder: int) -> None:
    """What O_PATH opened cannot be fsynced: the same folder once more."""
    file = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(file)
    finally:
        os.close(file)
