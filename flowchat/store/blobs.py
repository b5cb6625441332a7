"""Bytes beside a log, each in a file named by the sha256 of its content."""

import hashlib
import re
from functools import partial
from pathlib import Path

from flowchat.errors import StorageFailed
from flowchat.store.aside import aside
from flowchat.store.disk import Disk, read_file, refused
from flowchat.transcript.entries import BlobRef

BLOBS = "blobs"
BLOB_LIMIT_BYTES = 1 << 30
_NAME = re.compile("[0-9a-f]{64}")


class FileBlobs:
    """Implements `Blobs` for one session's folder; written durably before the entry that names them."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder, self._disk = folder / BLOBS, disk

    async def put(self, content: bytes, media: str, size: tuple[int, int] | None = None) -> BlobRef:
        sha256 = hashlib.sha256(content).hexdigest()
        await aside(partial(self._put, sha256, content))
        return BlobRef(sha256, len(content), media, size)

    async def get(self, sha256: str) -> bytes | None:
        return await aside(partial(self._get, sha256))

    def _put(self, sha256: str, content: bytes) -> None:
        if self._get(sha256) is not None:
            return
        try:
            self._disk.ensure_folder(self._folder)
            self._disk.write_file(self._folder / sha256, content)
        except OSError as error:
            raise StorageFailed(refused(self._folder / sha256, error)) from error

    def _get(self, sha256: str) -> bytes | None:
        if not _NAME.fullmatch(sha256):
            return None
        try:
            content = read_file(self._folder / sha256, BLOB_LIMIT_BYTES)
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == sha256 else None
