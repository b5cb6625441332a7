"""A program in a terminal of its own: what is typed, what it writes and when, and what that costs it."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.screen import Screen

COLUMNS, ROWS = 120, 40
END_SECONDS = 3.0
ROOT = Path(__file__).parents[2]
FLOWCHAT = (sys.executable, "-P", "-m", "flowchat")


class Never(Exception):
    """The program did not show what it was waited for; the text is its screen."""


class Writing(NamedTuple):
    """Bytes that came at `at` (monotonic seconds), and the CPU seconds the program had used by then."""

    at: float
    written: bytes
    cpu: float


@dataclass(frozen=True)
class Place:
    """Where a program runs: a folder of its own to work in, a home of its own, an environment without anybody's keys."""

    work: Path
    home: Path
    environ: Mapping[str, str]

    def with_model(self, base: str, model: str = "openai/bench") -> "Place":
        """The same place with a model behind the server at `base`, its window too large to be filled here."""
        config = self.home / "flowchat" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "config.toml").write_text(f'[models."{model}"]\nwindow = 1000000\n')
        more = {"FLOWCHAT_MODEL": model, "OPENAI_API_KEY": "none", "OPENAI_API_BASE": base, "OPENAI_BASE_URL": base}
        return Place(self.work, self.home, {**self.environ, **more})


@contextmanager
def place() -> Iterator[Place]:
    """A fresh place, removed at the end. Bytecode is used and kept, as where a program is installed."""
    folder = Path(tempfile.mkdtemp(prefix="flowchat-bench-"))
    try:
        work, home = folder / "work", folder / "home"
        for made in (work, home):
            made.mkdir()
        (work / "README.md").write_text("# A sample\n\n" + "A line to read.\n" * 20)
        environ = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            **{"HOME": str(home), "FLOWCHAT_HOME": str(home / "flowchat"), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            **{"LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        }
        yield Place(work, home, environ)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Program:
    """Started at once; `early` is typed before it can be listening. Ends with its `with`."""

    def __init__(self, command: Sequence[str], where: Place, early: bytes = b"") -> None:
        self.writings: list[Writing] = []
        self._screen = Screen(COLUMNS, ROWS, self.write)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.write(self._master, early)
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=where.work, env=where.environ, start_new_session=True
        )
        os.close(slave)
        self._cpu_clock = (~self._process.pid << 3) | 2  # Linux's clock of a process's CPU time, all its threads

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        with suppress(Never):
            while self._process.poll() is None and time.monotonic() < deadline:
                self._read(0.05)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    # --- what it costs -----------------------------------------------------------------------------------------------
    def cpu(self) -> float:
        """CPU seconds so far."""
        try:
            return time.clock_gettime(self._cpu_clock)
        except OSError:
            return self.writings[-1].cpu if self.writings else 0.0

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    # --- typing and seeing -------------------------------------------------------------------------------------------
    def write(self, keys: bytes) -> float:
        """Type; gives the time."""
        at = time.monotonic()
        os.write(self._master, keys)
        return at

    def until(self, shown: str | Callable[[str], bool], seconds: float = 30.0) -> Writing:
        """What was written when the screen first showed that. Raises Never."""
        seen = (lambda text: shown in text) if isinstance(shown, str) else shown
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._read(0.1) and seen(self._screen.text()):
                return self.writings[-1]
        raise Never(f"not shown in {seconds:g} s: {shown}\n{self._screen.text()}")

    def look(self, seconds: float) -> None:
        """Take what is written for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(min(left, 0.25))

    def until_quiet(self, seconds: float = 0.4) -> Writing:
        """The last thing written before it wrote nothing for so long."""
        while self._read(seconds):
            pass
        return self.writings[-1]

    def say(self, text: str) -> float:
        """Type a message, see it, and press Enter by itself; gives the time of Enter."""
        self.write(text.encode())
        self.until(lambda screen: text[-20:] in screen)
        self.until_quiet(0.3)
        return self.write(b"\r")

    def screen(self) -> str:
        return self._screen.text()

    def _read(self, seconds: float) -> bool:
        """Take what is there, within so many seconds; whether something was."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            written = os.read(self._master, 1 << 16)
        except OSError as error:
            said = b"".join(writing.written for writing in self.writings).decode(errors="replace")
            raise Never(f"the program is gone; it wrote {said[-2000:]!r}") from error
        self.writings.append(Writing(time.monotonic(), written, self.cpu()))
        self._screen.feed(written)
        return True
