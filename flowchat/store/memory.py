"""A log and blobs that live in memory: no-file sessions write nothing, ever."""

import asyncio
import hashlib

from flowchat.transcript.entries import BlobRef
from flowchat.transcript.transcript import Transcript


class MemoryLog:
    """Every write is done at once; the lines themselves are not kept, the transcript holds their records."""

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def resume(self) -> None:
        return

    def draft(self, lines: bytes) -> None:
        return

    def clear_draft(self) -> None:
        return

    async def close(self) -> None:
        return


class MemoryBlobs:
    """Bytes by their sha256."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def put(self, content: bytes, media: str, size: tuple[int, int] | None = None) -> BlobRef:
        sha256 = hashlib.sha256(content).hexdigest()
        self._kept[sha256] = content
        return BlobRef(sha256, len(content), media, size)

    async def get(self, sha256: str) -> bytes | None:
        return self._kept.get(sha256)


class MemoryShelf:
    """Unsent text while the session is open; no meta."""

    def __init__(self) -> None:
        self._text = ""

    def composer_text(self) -> str:
        return self._text

    async def keep_composer(self, text: str) -> None:
        self._text = text

    async def write_meta(self, transcript: Transcript) -> None:
        return
