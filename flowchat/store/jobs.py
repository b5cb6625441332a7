"""What lies beside a log of programs that run: what they print and how to know them, until the log has what is to be kept."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, TypeAlias

import msgspec
from msgspec import Struct

from flowchat.store.disk import Disk, read_file

JOBS = "jobs"
OUTPUT_LIMIT_BYTES = 32 * 1024 * 1024
"""Of a job's output, as it is read back."""
NOTE_LIMIT_BYTES = 1024 * 1024
LEFT_LIMIT = 64
"""Jobs of an opening that ended without a word; there are never as many."""


Own: TypeAlias = Literal["told", "kept"]
"""A command of the user's whose output the model is told, or not."""


class JobLeft(Struct, frozen=True):
    """A job that nobody saw the end of. `mark` is in the environment of its processes, empty: they ended with us."""

    number: int
    command: str
    began_ms: int
    mark: str
    own: Own | None = None
    """It is no job but a command of the user's; then jobs count from 1 up, and these from 0 down."""
    content: str = ""
    """What the conversation was about to be told of it."""


class JobFiles:
    """`jobs/N.out` and `jobs/N.json` in a session's folder. Best effort: what cannot be written is not there later."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder, self._disk = folder / JOBS, disk

    def open(self, number: int) -> IO[bytes] | None:
        """A new file for a job's output, to write and to read; None where there is none to be had."""
        with suppress(OSError):
            self._disk.ensure_folder(self._folder)
            fd = self._disk.open(self._output(number), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            return os.fdopen(fd, "r+b", buffering=0)
        return None

    def note(self, number: int, command: str, began_ms: int, mark: str) -> None:
        self.keep(JobLeft(number, command, began_ms, mark))

    def keep(self, left: JobLeft) -> None:
        """Until it is forgotten, what is known of a program."""
        with suppress(OSError):
            self._disk.write_file(self._note(left.number), msgspec.json.encode(left), durable=False)

    def forget(self, number: int) -> None:
        for path in (self._note(number), self._output(number)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()

    def left(self) -> list[JobLeft]:
        """Programs of an earlier opening that nobody saw the end of, as they began; for the lock's holder."""
        found: list[JobLeft] = []
        with suppress(OSError):
            for path in sorted(self._folder.glob("*.json"))[:LEFT_LIMIT]:
                with suppress(OSError, msgspec.MsgspecError):
                    found.append(msgspec.json.decode(read_file(path, NOTE_LIMIT_BYTES), type=JobLeft))
        return sorted(found, key=lambda left: (left.began_ms, abs(left.number)))

    def output(self, number: int) -> bytes:
        """What a job printed, as far as it was kept."""
        with suppress(OSError):
            return read_file(self._output(number), OUTPUT_LIMIT_BYTES)
        return b""

    def _note(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def _output(self, number: int) -> Path:
        return self._folder / f"{number}.out"
