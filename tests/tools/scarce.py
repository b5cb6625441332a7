"""Descriptors run out."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def descriptors_left(free: int) -> Iterator[None]:
    """Only so many more can be opened meanwhile."""
    taken = [os.dup(0) for _ in range(free + 1)]
    for descriptor in taken:
        os.close(descriptor)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def descriptors() -> int:
    """How many are open."""
    return len(os.listdir("/proc/self/fd")) - 1
