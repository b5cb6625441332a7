"""A descriptor that somebody else reads, for as long as they do."""

import os
import select
from collections.abc import Callable


class Pipe:
    """Writes all of a text and waits where the reader is slow; once it has gone, `gone` is told and everything more dropped."""

    def __init__(self, out: int, gone: Callable[[], None] = lambda: None) -> None:
        self._out: int | None = out
        self._gone = gone

    def write(self, text: str) -> None:
        content = text.encode("utf-8", "replace")
        while content and self._out is not None:
            try:
                content = content[os.write(self._out, content) :]
            except BlockingIOError:
                select.select([], [self._out], [])
            except OSError:
                self._out = None
                self._gone()
