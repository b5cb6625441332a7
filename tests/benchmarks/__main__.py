"""How fast and how frugal flowchat is, as ratios to floors of the same run: python -m tests.benchmarks [-n TIMES] [NAME ...]."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping

from tests.benchmarks import (
    asking,
    compacting,
    confining,
    echoing,
    figures,
    finding,
    flooding,
    judging,
    listing,
    month,
    recalling,
    resting,
    starting,
    streaming,
    weighing,
)

MEASURES: Mapping[str, Callable[[int], list[figures.Figure]]] = {
    "prompt": asking.prompt,
    "prefix": asking.prefix,
    "start": starting.key_at_start,
    "session": starting.long_session,
    "find": finding.find,
    "stream": streaming.streaming,
    "sessions": listing.many_sessions,
    "judging": judging.judging,
    "weighing": weighing.weighing,
    "compacting": compacting.compacting,
    "echo": echoing.echoing,
    "recall": recalling.recalling,
    "month": month.a_month,
    "idle": resting.idle,
    "sandbox": confining.sandbox,
    "floods": flooding.floods,
}


def main() -> int:
    """Print the figures; 1 where one is over its goal."""
    parser = ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=(*MEASURES, []), help="default: all, about eight minutes")
    parser.add_argument("-n", type=int, default=5, metavar="TIMES", help="how often what is repeated is repeated; medians count")
    said = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; where others work too, times are theirs as well")
    print(figures.head())
    over = 0
    for name in said.names or MEASURES:
        for figure in MEASURES[name](said.n):
            print(figure.row(), flush=True)
            over += not figure.ok
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
