"""A process killed at every single place where it changes the disk."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowchat.config import Folders
from tests.kill.examining import examine

ROOT = Path(__file__).parents[2]
KILLED = "-9"
LOOKS = 2
"""Calls of a life that only look."""
EVERY = "after" if os.environ.get("FLOWCHAT_KILLS") == "full" else None


class Nursery:
    """Children that live on a disk which kills them, one after the other, while we look at what the one before has left."""

    def __init__(self, tmp_path: Path) -> None:
        self._root, self._count = tmp_path, 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kill.life"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, life: str, at: int = 0, when: str = "before", before: Path | None = None) -> Path:
        """Order a life, on a copy of the home `before` if there is one; gives its home."""
        self._count += 1
        home = self._root / str(self._count)
        if before is not None:
            shutil.copytree(before, home, ignore=shutil.ignore_patterns("work"))
            (home / "work").symlink_to(before / "work")
        else:
            (home / "work").mkdir(parents=True)
            (home / "work" / "a.txt").write_text("alpha\n")
        assert self._process.stdin is not None
        print(life, home, home / "work", at, when, file=self._process.stdin, flush=True)
        return home

    def end(self) -> str:
        """The exit code of the next one, in the order in which they began, or minus the signal."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path)
    yield nursery
    nursery.close()


def left(home: Path) -> list[str]:
    """What is wrong with what a child left behind."""
    folders = Folders(*(home / name for name in ("data", "config", "cache", "state")))
    wrong, found = asyncio.run(examine(folders, home / "work", (home / "heard").read_bytes()))
    commands = sum(record.type == "tool_started" for records in found.values() for record in records) - LOOKS * len(found)
    ran = (home / "work" / "ran.txt").read_text().count("ran") if (home / "work" / "ran.txt").exists() else 0
    return [*wrong, f"the command ran {ran} times"] if ran > max(0, commands) else wrong


def lives(nursery: Nursery, life: str, names: list[str], before: Path | None = None) -> dict[str, list[str]]:
    """What is wrong after which of all the deaths at these sites."""
    deaths = [
        (at, when)
        for at, name in enumerate(names, 1)
        for when in ("before", *(("half",) if name == "write" else ()), *(("after",) if EVERY else ()))
    ]
    homes = [nursery.begin(life, at, when, before) for at, when in deaths]
    wrong: dict[str, list[str]] = {}
    survivors = 0
    for (at, when), home in zip(deaths, homes, strict=True):
        survivors += nursery.end() != KILLED
        if found := left(home):
            wrong[f"{when} {names[at - 1]} {at}"] = found
    print(f"\n{life}: {len(deaths)} deaths at {len(names)} sites, {survivors} lived on; wrong: {wrong or 'nothing'}")
    assert survivors <= len(deaths) // 10  # a draft more or less, and the last sites are never reached
    return wrong


def sites(nursery: Nursery, life: str, before: Path | None = None) -> list[str]:
    """The names of all sites of a life that nothing cuts short."""
    home = nursery.begin(life, before=before)
    assert nursery.end() == "0", (home / "error").read_text()
    assert left(home) == []
    return (home / "sites").read_text().split("\n")


def test_killed_wherever_its_life_changes_the_disk_a_session_is_whole(nursery: Nursery) -> None:
    names = sites(nursery, "live")
    assert {"write", "fsync", "rename", "mkdir", "open", "truncate", "flock", "link"} <= set(names)
    assert lives(nursery, "live", names) == {}


def test_killed_wherever_it_is_put_right_again_a_session_is_whole(nursery: Nursery) -> None:
    """The life before ended with half a line written while a call was open."""
    # which site stands in the middle of a call depends on what waits together for the writer: look again where none did
    places = (at for _ in range(5) for at in range(10, 80))
    torn = next(home for at in places if _is_torn_in_a_call(home := dead(nursery, at)))
    names = sites(nursery, "go_on", torn)
    assert {"write", "fsync", "rename", "truncate"} <= set(names)
    assert lives(nursery, "go_on", names, torn) == {}


def dead(nursery: Nursery, at: int) -> Path:
    home = nursery.begin("live", at, "half")
    nursery.end()
    return home


def _is_torn_in_a_call(home: Path) -> bool:
    log = b"".join(path.read_bytes() for path in home.glob("data/sessions/2*/log.jsonl"))
    return not log.endswith(b"\n") and log.count(b'"type":"tool_started"') > log.count(b'"type":"tool_answered"')
