"""Passages that are out of view, for recall to look at."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from flowchat.tools.passages import Passage
from flowchat.tools.recall import Recall
from flowchat.tools.tool import INLINE_LIMIT_BYTES, Desk, Outcome
from flowchat.transcript.entries import BlobRef
from flowchat.transcript.times import minute

AT = minute(0)


class Shelf:
    """Passages that are out of view, numbered by tens, and what is kept beside them."""

    def __init__(self, *texts: str | Passage) -> None:
        self.passages = [text if isinstance(text, Passage) else said(10 * number, text) for number, text in enumerate(texts, 1)]
        self.blobs: dict[str, bytes] = {}

    async def look(self) -> Sequence[Passage]:
        return self.passages

    async def blob(self, sha256: str) -> bytes | None:
        return self.blobs.get(sha256)

    def keep(self, text: str, size: int | None = None) -> BlobRef:
        content = text.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs[sha256] = content
        return BlobRef(sha256, len(content) if size is None else size, "text/plain")

    async def recall(self, **args: object) -> Outcome:
        desk = Desk(Path("/"), {}, lambda text: None, self.keep, self.blob)
        given = {"from" if name == "start" else name: value for name, value in args.items()}
        outcome = await Recall(self.look).run(given, desk)
        assert len(outcome.content.encode()) <= INLINE_LIMIT_BYTES
        return outcome

    async def lines(self, **args: object) -> list[str]:
        return (await self.recall(**args)).content.split("\n")


def said(seq: int, text: str, what: str = "user", **rest: object) -> Passage:
    return Passage(seq, 0, what, text, **rest)
