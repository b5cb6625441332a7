"""A figure, its goal, and the table they stand in."""

from collections.abc import Iterable
from typing import NamedTuple


class Figure(NamedTuple):
    """`value` counts; at most `goal` is ok. `how`: what it was made of, absolute figures included."""

    name: str
    value: float
    goal: float
    unit: str
    how: str

    @property
    def ok(self) -> bool:
        return self.value <= self.goal

    def row(self) -> str:
        return f"{self.name:<44} {self.value:>8.4g} {self.unit:<6} <= {self.goal:<6g} {'ok  ' if self.ok else 'OVER'}  {self.how}"


def head() -> str:
    return f"{'figure':<44} {'value':>8} {'unit':<6}    {'goal':<6}       made of"


def spread(values: Iterable[float], unit: str = "ms", scale: float = 1000.0) -> str:
    """The least and the most, and how many."""
    known = sorted(values)
    return f"{known[0] * scale:.3g}..{known[-1] * scale:.3g} {unit}, n={len(known)}"


def ninetieth(values: Iterable[float]) -> float:
    """The value that nine in ten do not pass."""
    known = sorted(values)
    return known[min(len(known) - 1, len(known) * 9 // 10)]
