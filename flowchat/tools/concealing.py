"""Our environment as other processes could read it (/proc/PID/environ): emptied of what the programs we start are not given."""

from collections.abc import Collection, Iterator

_ENV_START, _ENV_END = 47, 48
"""env_start and env_end in /proc/PID/stat (proc(5)), counted from the field after the name."""
_PR_SET_DUMPABLE = 4


def conceal(shown: Collection[bytes]) -> None:
    """Empty the values of all variables but those `shown` in the block we were started with, and close our memory to others.

    os.environ keeps them all. Only Linux has such a block to read; elsewhere nothing happens. Costs 2 ms,
    most of it the import of ctypes.
    """
    import ctypes

    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
        for offset, length in values_besides(shown, ctypes.string_at(start, end - start)):
            ctypes.memset(start + offset, 0, length)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def values_besides(shown: Collection[bytes], block: bytes) -> Iterator[tuple[int, int]]:
    """Offset and length of each value in `NAME=value\\0NAME=value\\0` whose name is not `shown`."""
    offset = 0
    for variable in block.split(b"\0"):
        name, equals, value = variable.partition(b"=")
        if value and name not in shown:
            yield offset + len(name + equals), len(value)
        offset += len(variable) + 1
