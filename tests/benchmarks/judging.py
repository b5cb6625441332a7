"""What it costs to judge a shell command, and what the first one costs besides: the grammar and the tables it loads."""

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, spread

COMMANDS = (
    *("ls -la src", "git status --short", "git log --oneline -5", "cat a.txt | head -5", "rg -n 'def main' -g '*.py' src"),
    *(
        "grep -rn --include=*.py 'foo bar' src tests",
        "find . -name '*.py' -type f -not -path './.git/*'",
        "npm test",
        "cd src && ls",
    ),
    *("sed -n '10,40p' src/a.py", "git diff HEAD~1 --stat -- src", "echo done; pwd", "python -m pytest -q", "rm -rf build"),
)
FIRST = """
import time
since = time.perf_counter()
from flowchat.tools.command import judge_command
judge_command("git status && ls")
print(time.perf_counter() - since)
"""
ROUNDS = 200


def judging(times: int) -> list[Figure]:
    from flowchat.tools.command import judge_command

    for command in COMMANDS:
        judge_command(command)
    each = [_seconds(judge_command, command) for command in COMMANDS for _ in range(times)]
    first = [float(subprocess.check_output([sys.executable, "-P", "-c", FIRST])) for _ in range(times)]
    made = f"{len(COMMANDS)} everyday commands, median; {spread(each, 'µs', 1e6)}"
    return [
        Figure("judging: a shell command", median(each) * 1000, 0.1, "ms", made),
        Figure("judging: the first one", median(first) * 1000, 100, "ms", f"with its imports; {spread(first)}"),
    ]


def _seconds(judge: Callable[[str], object], command: str) -> float:
    since = time.perf_counter()
    for _ in range(ROUNDS):
        judge(command)
    return (time.perf_counter() - since) / ROUNDS
