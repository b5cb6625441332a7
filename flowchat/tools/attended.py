"""A program that has our terminal: in a process group of its own, in front of it until it ends."""

import os
import signal
from contextlib import suppress
from threading import Lock


class Attended:
    """`pid` leads its group, which is put in front of the terminal we read from, if we are in front of one."""

    def __init__(self, pid: int) -> None:
        self._pid, self._ended = pid, False
        self._terminal = _terminal_in_front()
        self._turn = Lock()
        self._give(pid)

    def wait(self) -> int:
        """Until it has ended, in a thread; gives its exit status (minus the signal's number if one killed it).

        Stopped, it goes on: it may have read before the terminal was its own, and there is no shell to stop for.
        """
        while True:
            _, status = os.waitpid(self._pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                self._ended = True
                return os.waitstatus_to_exitcode(status)
            self._give(self._pid)
            self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """To all of its group, if it has not ended."""
        if not self._ended:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, number)

    def take_terminal_back(self) -> None:
        """For good."""
        with self._turn:
            if self._terminal is not None:
                self._put_in_front(os.getpgrp(), self._terminal)
            self._terminal = None

    def _give(self, group: int) -> None:
        with self._turn:
            if self._terminal is not None:
                self._put_in_front(group, self._terminal)

    @staticmethod
    def _put_in_front(group: int, terminal: int) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # who is not in front is stopped for trying
        try:
            with suppress(OSError):
                os.tcsetpgrp(terminal, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminal_in_front() -> int | None:
    """The descriptor of our terminal; None where we have none or are not in front of it."""
    with suppress(OSError):
        return 0 if os.tcgetpgrp(0) == os.getpgrp() else None
    return None
