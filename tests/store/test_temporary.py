"""Temporary folders: whose they are, and what becomes of those that killed programs leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.store.disk import Disk
from flowchat.store.temporary import DEEPEST, LEFT_LIMIT, PREFIX, TemporaryFolders

MAKER = """
import pathlib, sys
from flowchat.store.temporary import TemporaryFolders
folders = TemporaryFolders(pathlib.Path(sys.argv[1]))
path = folders.make()
(path / "deep/er").mkdir(parents=True)
(path / "deep/er/file").write_text("x")
print(path, flush=True)
sys.stdin.read()
"""


def left_in(parent: Path, name: str = "00000000", mode: int = 0o700) -> Path:
    """A folder as one whose maker is gone has left it."""
    path = parent / f"{PREFIX}{name}"
    path.mkdir()
    path.chmod(mode)
    return path


def test_what_a_killed_program_left_is_taken_away_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MAKER, str(tmp_path)]
    with (
        subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as living,
        subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed,
    ):
        theirs, left = (Path(maker.stdout.readline().strip()) for maker in (living, killed) if maker.stdout is not None)
        killed.kill()
        killed.wait()
        made = (ours := TemporaryFolders(tmp_path)).make()
        TemporaryFolders(tmp_path).clear()
        ours.clear()
        assert ((theirs / "deep/er/file").read_text(), left.exists(), len(os.listdir(tmp_path))) == ("x", False, 2)
        ours.remove(made)


def test_a_folder_is_ours_alone_and_goes_with_all_in_it(tmp_path: Path) -> None:
    folders = TemporaryFolders(tmp_path)
    path = folders.make()
    assert (path.parent, path.stat().st_mode & 0o777) == (tmp_path.resolve(), 0o700)
    (path / "file").write_text("x")
    folders.remove(path)
    assert os.listdir(tmp_path) == []


def test_what_only_looks_like_one_of_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "elsewhere/file").write_text("x")
    (tmp_path / f"{PREFIX}11111111").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}22222222").write_text("a file")
    left_in(tmp_path, "33333333", 0o755)
    left_in(tmp_path, "short")
    left_in(tmp_path, "44444444.kept")
    before = sorted(tmp_path.rglob("*"))
    TemporaryFolders(tmp_path).clear()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_stays(tmp_path: Path) -> None:
    os.chown(theirs := left_in(tmp_path), 54321, 54321)
    TemporaryFolders(tmp_path).clear()
    assert theirs.exists()


def test_what_links_in_it_point_at_stays(tmp_path: Path) -> None:
    (kept := tmp_path / "kept").mkdir()
    (kept / "file").write_text("x")
    left = left_in(tmp_path)
    (left / "folder").symlink_to(kept)
    (left / "file").symlink_to(kept / "file")
    TemporaryFolders(tmp_path).clear()
    assert (os.listdir(tmp_path), (kept / "file").read_text()) == (["kept"], "x")


def test_no_more_than_some_are_taken_away_at_a_time(tmp_path: Path) -> None:
    for number in range(LEFT_LIMIT + 3):
        left_in(tmp_path, f"{number:08}")
    counts: list[int] = []
    for _ in range(2):
        TemporaryFolders(tmp_path).clear()
        counts.append(len(os.listdir(tmp_path)))
    assert counts == [3, 0]


def test_what_lies_too_deep_stays(tmp_path: Path) -> None:
    left = left_in(tmp_path)
    (left / "file").write_text("x")
    (left / "/".join("d" * (DEEPEST + 2))).mkdir(parents=True)
    TemporaryFolders(tmp_path).clear()
    assert os.listdir(left) == ["d"]


class Crossing(Disk):
    """At the first tries another program takes the new folder for one left behind: before, after or while it is locked."""

    def __init__(self) -> None:
        self.opened: list[Path] = []

    def open(self, path: Path, flags: int) -> int:
        self.opened.append(path)
        if len(self.opened) == 1:
            path.rmdir()
        fd = super().open(path, flags)
        if len(self.opened) == 2:
            path.rmdir()
        return fd

    def lock(self, fd: int) -> None:
        if len(self.opened) == 3:
            raise BlockingIOError
        super().lock(fd)


def test_a_new_folder_that_is_taken_for_one_left_behind_is_given_to_nobody(tmp_path: Path) -> None:
    disk = Crossing()
    made = TemporaryFolders(tmp_path, disk).make()
    assert (len(disk.opened), disk.opened[-1], made.is_dir()) == (4, made, True)


class NoLocks(Disk):
    def lock(self, fd: int) -> None:
        raise OSError(95, "not supported")


def test_where_there_are_no_locks_nothing_is_taken_away(tmp_path: Path) -> None:
    TemporaryFolders(tmp_path, NoLocks()).make()
    TemporaryFolders(tmp_path, NoLocks()).clear()
    assert len(os.listdir(tmp_path)) == 1


def test_a_place_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    TemporaryFolders(tmp_path / "missing").clear()
    with pytest.raises(FileNotFoundError):
        TemporaryFolders(tmp_path / "missing").make()
