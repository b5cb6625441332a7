"""A log on paper for sessions: it fails or waits where a test wants it to."""

import asyncio


class Paper:
    """Fails, or waits for the test, at lines that hold `word`. `drafts`: what was drafted, None where that was cleared."""

    def __init__(self, word: bytes, fails: Exception | None = None) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.drafts: list[bytes | None] = []
        self._word, self._fails, self._failed = word, fails, False
        self._writing: set[asyncio.Task[None]] = set()

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failed = self._failed or (self._fails is not None and self._word in lines)
        if self._failed and self._fails is not None:
            written.set_exception(self._fails)
        elif self._word in lines and not self.go_on.is_set():
            task = asyncio.create_task(self._write_later(written))
            self._writing.add(task)
        else:
            written.set_result(None)
        return written

    async def _write_later(self, written: "asyncio.Future[None]") -> None:
        self.reached.set()
        await self.go_on.wait()
        written.set_result(None)

    def resume(self) -> None:
        return

    def draft(self, lines: bytes) -> None:
        self.drafts.append(lines)

    def clear_draft(self) -> None:
        self.drafts.append(None)

    async def close(self) -> None:
        return
