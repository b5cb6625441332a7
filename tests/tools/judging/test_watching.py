"""Grown commands that are judged to only read, run as they are: none of them writes, runs another program or connects."""

import os
from itertools import islice
from pathlib import Path

from flowchat.tools.command import judge_command
from tests.tools.judging.watching import plant, reading, watch

COUNT = int(os.environ.get("FLOWCHAT_GROWN_COMMANDS", "600"))
"""100,000 take about twenty minutes. Where there is no strace, the tree they run in is watched alone."""
WRONG = (
    "touch PWNED",
    "sort -o PWNED a.txt",
    "./x.sh",
    "find . -name nothing -delete -o -name a.txt -exec ls {} +",
    "bash -c 'ls'",
)


def test_no_command_that_is_judged_to_only_read_writes_runs_or_connects(tmp_path: Path) -> None:
    found = watch(list(islice(reading(seed=2), COUNT)), plant(tmp_path))
    assert (found.offences, found.changed, found.marks) == ([], [], COUNT)


def test_what_does_more_than_read_would_be_seen(tmp_path: Path) -> None:
    """The watcher is told what it is not told in earnest: commands that were judged otherwise."""
    found = watch([judge_command(text) for text in WRONG], plant(tmp_path))
    assert {offence.command for offence in found.offences} == (set(WRONG) if found.traced else set())
    assert "PWNED" in found.changed
