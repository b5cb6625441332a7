"""Time as the program knows it: one clock for waiting, one for stamps; tests hand in their own."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """`now_ms` is epoch milliseconds; `seconds` is monotonic."""

    def now_ms(self) -> int: ...

    def seconds(self) -> float: ...

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer: ...


class SystemClock:
    """The machine's clocks and the running loop's timers."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def seconds(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, act)
