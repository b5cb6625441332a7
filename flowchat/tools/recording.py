"""What a program printed: its two ends in memory, the whole on disk up to a cap, and live pieces merged for the screen."""

import codecs
from collections.abc import Callable
from typing import IO

END_LIMIT_BYTES = 512 * 1024
"""How much of the start is held in memory, and of the end."""
WHOLE_LIMIT_BYTES = 32 * 1024 * 1024
"""How much is kept on disk. It becomes one bytes object on its way into a blob: this is what bounds our memory."""
LIVE_LIMIT_BYTES = 64 * 1024
"""How much is shown live at a time; of a flood only the newest is."""
_SAMPLE_BYTES = 4096
_LEAST_SAMPLE_BYTES = 256
_NUL = b"\0"
_CONTROLS = bytes(byte for byte in range(1, 32) if byte not in b"\a\b\t\n\f\r\x1b") + b"\x7f"


def looks_binary(sample: bytes) -> bool:
    """Whether bytes are not text in any 8-bit encoding or UTF-8: many control characters, or mostly NULs.

    Random and compressed bytes hold 10 % control characters, text (NUL-separated lists included) hardly one.
    """
    if len(sample) < _LEAST_SAMPLE_BYTES:
        return False
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls > len(sample) // 50 or sample.count(_NUL) > len(sample) // 3


class Recording:
    """Takes chunks; memory stays under 2 MiB whatever comes.

    `file`: where the whole is to lie from the start, readable too; without one a temporary file is made once memory is full.
    """

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self.total_bytes = 0
        self.lines = 0
        """Newlines seen."""
        self.binary = False
        """Set by the first chunk that is not text: from there on bytes are only counted."""
        self._head = bytearray()
        self._tail = bytearray()
        self._file = file
        self._kept_bytes = 0
        self._disk_failed = False

    @property
    def complete(self) -> bool:
        """Whether `head` holds all of it."""
        return self.binary or self.total_bytes <= 2 * END_LIMIT_BYTES

    @property
    def head(self) -> str:
        """The whole text where `complete`, else its start; bytes that are not UTF-8 are U+FFFD."""
        if self.complete:
            return (self._head + self._tail).decode("utf-8", "replace")
        return codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(self._head))

    @property
    def tail(self) -> str:
        """The end of the text, from a character's first byte on."""
        tail = bytes(self._tail[-END_LIMIT_BYTES:])
        return tail[_split_character(tail) :].decode("utf-8", "replace")

    def since(self, offset: int, whole: bool) -> tuple[str, int, int]:
        """The text from byte `offset` on, how many bytes of it are no longer held, and where it ends.

        A character that is not all there yet is left for the next time, unless this is the `whole`.
        """
        if self.binary:
            return "", 0, self.total_bytes
        held = self._head + self._tail if self.complete else self._tail
        begins = self.total_bytes - len(held)
        skipped = max(0, begins - offset)
        piece = bytes(held[max(0, offset - begins) :])
        dropped = _split_character(piece) if skipped else 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(piece[dropped:], final=whole)
        return text, skipped + dropped, self.total_bytes - len(decoder.getstate()[0])

    def end(self, limit: int) -> str:
        """The last text there is, of at most `limit` bytes."""
        held = self._tail[-limit:] or self._head[-limit:]
        return bytes(held).decode("utf-8", "replace")

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total_bytes += len(chunk)
        if self.binary:
            return
        if looks_binary(bytes(self._tail[-_LEAST_SAMPLE_BYTES:]) + chunk[:_SAMPLE_BYTES]):
            self.binary = True
            self.close()
            return
        self.lines += chunk.count(b"\n")
        room = END_LIMIT_BYTES - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room > 0 else chunk
        if self._file is not None:
            self._store(chunk)
        if len(self._tail) > 2 * END_LIMIT_BYTES:
            if self._file is None:
                self._overflow()
            del self._tail[:-END_LIMIT_BYTES]

    def whole(self) -> bytes | None:
        """The first WHOLE_LIMIT_BYTES bytes as they came; None where they are binary or the disk would not take them."""
        if self.binary:
            return None
        if self.complete:
            return bytes(self._head + self._tail)
        if self._file is None or self._disk_failed:
            return None
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _overflow(self) -> None:
        if self._disk_failed:
            return
        import tempfile

        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed by close()
        except OSError:
            self._disk_failed = True
            return
        self._store(bytes(self._head))
        self._store(bytes(self._tail))

    def _store(self, chunk: bytes) -> None:
        part = memoryview(chunk)[: WHOLE_LIMIT_BYTES - self._kept_bytes]
        self._kept_bytes += len(part)
        try:
            while part and self._file is not None:
                part = part[self._file.write(part) :]
        except OSError:
            self._disk_failed = True
            self.close()


class Live:
    """Merges a program's output into few, bounded pieces of text; whoever owns it calls `flush` at a pace of its own."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = bytearray()
        self._skipped = 0
        self._binary = False

    def add(self, chunk: bytes, binary: bool) -> None:
        """Take the next bytes; once they are `binary` one notice stands for all the rest."""
        if self._binary:
            return
        if binary:
            self._binary = True
            self._pending += b"\n[binary output: not shown]\n"
            return
        self._pending += chunk
        if len(self._pending) > 2 * LIVE_LIMIT_BYTES:
            self._skipped += len(self._pending) - LIVE_LIMIT_BYTES
            del self._pending[:-LIVE_LIMIT_BYTES]

    def flush(self) -> None:
        """Show what has come since."""
        pending, self._pending = bytes(self._pending), bytearray()
        if self._skipped:
            self._decoder.reset()
            pending = pending[_split_character(pending) :]
            self._show(f"\n[{self._skipped:,} bytes not shown live]\n")
            self._skipped = 0
        if text := self._decoder.decode(pending):
            self._show(text)


def _split_character(text: bytes) -> int:
    """How many bytes at the start belong to a character whose first byte is missing: 0 to 3."""
    return next((index for index, byte in enumerate(text[:3]) if not 0x80 <= byte < 0xC0), min(len(text), 3))
