"""Three strikes: automatic compaction that keeps failing stops, and is tried again once there is a reason to."""


class Breaker:
    """Failures of automatic compaction in a row. After LIMIT of them none begins by itself.

    A checkpoint written closes it; another model or RUNS runs let it try once more.
    """

    LIMIT = 3
    RUNS = 10

    def __init__(self) -> None:
        self.failures = 0
        self._runs = 0

    @property
    def open(self) -> bool:
        return self.failures >= self.LIMIT

    def failed(self) -> str:
        """One more failure; gives what there is to say of that beside its cause."""
        self.failures += 1
        self._runs = 0
        if not self.open:
            return ""
        return (
            f". That was {self.LIMIT} in a row: nothing is compacted by itself any more until a /compact succeeds, you choose"
            f" another model, or {self.RUNS} runs have passed."
        )

    def succeeded(self) -> None:
        self.failures = 0

    def ran(self) -> None:
        """A run has ended."""
        if self.open:
            self._runs += 1
            if self._runs >= self.RUNS:
                self.half_open()

    def half_open(self) -> None:
        """Let it try once more."""
        self.failures = min(self.failures, self.LIMIT - 1)
