"""Output to readers that may stall or leave: one descriptor that waits for its reader, one that is never waited for."""

import asyncio
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

BEHIND_LIMIT_BYTES = 256 * 1024 * 1024
"""How much an outlet holds for a slow reader."""


class Pipe:
    """Writes all of a text and waits where the reader is slow; once it has gone, `gone` is told and everything more dropped.

    `failure` is what kept it from writing, as on a full disk; None too for a reader that has simply left.
    """

    def __init__(self, out: int, gone: Callable[[], None] = lambda: None) -> None:
        self._out: int | None = out
        self._gone = gone
        self.failure: OSError | None = None

    def write(self, text: str) -> None:
        self.write_bytes(text.encode("utf-8", "replace"))

    def write_bytes(self, content: bytes) -> None:
        while content and self._out is not None:
            try:
                content = content[os.write(self._out, content) :]
            except BlockingIOError:
                select.select([], [self._out], [])
            except OSError as error:
                self._out = None
                self.failure = None if isinstance(error, BrokenPipeError) else error
                self._gone()


class Outlet:
    """The same from a thread of its own, for a loop that must go on: `write` never waits.

    A reader more than `limit_bytes` behind counts as gone: `behind` is True then. `gone` is called on the loop. The thread is
    a daemon: a reader that never reads keeps no program from ending.
    """

    def __init__(self, out: int, gone: Callable[[], None] = lambda: None, limit_bytes: int = BEHIND_LIMIT_BYTES) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone, self._limit_bytes = gone, limit_bytes
        self._waiting: SimpleQueue[bytes | asyncio.Future[None] | None] = SimpleQueue()
        self._taken_bytes = self._written_bytes = 0
        self.behind = False
        self._pipe = Pipe(out, lambda: self._tell(gone))
        threading.Thread(target=self._serve, name="outlet", daemon=True).start()

    def write(self, text: str) -> None:
        """To be written after everything before; dropped when the reader has gone."""
        content = text.encode("utf-8", "replace")
        if self.behind or self._taken_bytes + len(content) - self._written_bytes > self._limit_bytes:
            self.behind = True
            self._gone()
            return
        self._taken_bytes += len(content)
        self._waiting.put(content)

    @property
    def failure(self) -> OSError | None:
        """The pipe's, for what is written by now."""
        return self._pipe.failure

    async def written(self) -> None:
        """Until everything has been written, or dropped."""
        done = self._loop.create_future()
        self._waiting.put(done)
        await done

    def close(self) -> None:
        """End the thread after everything it still writes."""
        self._waiting.put(None)

    def _serve(self) -> None:
        while (item := self._waiting.get()) is not None:
            if isinstance(item, bytes):
                self._pipe.write_bytes(item)
                self._written_bytes += len(item)
            else:
                self._tell(lambda done=item: done.done() or done.set_result(None))

    def _tell(self, act: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop may have ended before the reader read
            self._loop.call_soon_threadsafe(act)
