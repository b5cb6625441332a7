"""Which folders the user trusts, and what of their settings the user approved: one private file in the data folder."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from flowchat.errors import StorageFailed
from flowchat.store.disk import Disk, read_file, refused
from flowchat.store.lock import one_at_a_time

_FILE = "trust.json"
_FILE_LIMIT_BYTES = 4 * 1024 * 1024


class TrustedFolder(Struct, frozen=True):
    """A folder by its real path and `inode`, its "device:inode"; `approved` are digests of settings of it."""

    path: str
    inode: str
    since_ms: int
    approved: tuple[str, ...] = ()


class TrustFile:
    """What is kept, read anew each time: what one process writes holds in every other at once. Blocks."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder, self._file, self._disk = folder, folder / _FILE, disk or Disk()

    def folders(self) -> tuple[TrustedFolder, ...]:
        """All that are trusted. Raises StorageFailed where the file is there and cannot be used: then none is."""
        try:
            content = read_file(self._file, _FILE_LIMIT_BYTES)
            return msgspec.json.decode(content, type=tuple[TrustedFolder, ...]) if content.strip() else ()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageFailed(f"{self._file} cannot be read ({error.strerror}), so no folder is trusted") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StorageFailed(
                f"{self._file} is not what flowchat wrote, so no folder is trusted; remove it, and trust folders again"
            ) from error

    def change(self, change: Callable[[tuple[TrustedFolder, ...]], tuple[TrustedFolder, ...]]) -> None:
        """Write what `change` makes of all that are trusted; nothing of another process is lost. Raises StorageFailed."""
        try:
            self._disk.ensure_folder(self._folder)
            with one_at_a_time(self._folder, self._disk):
                rows = change(self.folders())
                self._disk.write_file(self._file, msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
        except OSError as error:
            raise StorageFailed(refused(self._file, error)) from error
