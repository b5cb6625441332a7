"""What was written everywhere is kept in one bounded file that any number of processes append to."""

import os
import stat
from pathlib import Path

from flowchat.store.disk import Disk
from flowchat.store.sent import FILE_LIMIT_BYTES, FILE_NAME, TEXT_LIMIT_BYTES, Sent, SentFile


def file_in(tmp_path: Path, disk: Disk | None = None) -> SentFile:
    return SentFile(tmp_path / "state", disk or Disk())


def sent(text: str, at_ms: int = 1, cwd: str = "/here") -> Sent:
    return Sent(text, cwd, at_ms)


def path_in(tmp_path: Path) -> Path:
    return tmp_path / "state" / FILE_NAME


def test_the_newest_is_first_and_none_is_there_twice(tmp_path: Path) -> None:
    file = file_in(tmp_path)
    for at_ms, text in enumerate(("one", "two\nlines", "one")):
        file.add(sent(text, at_ms))
    assert file_in(tmp_path).texts() == [sent("one", 2), sent("two\nlines", 1)]


def test_only_the_user_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file_in(tmp_path).add(sent("secret"))
    finally:
        os.umask(before)
    path = path_in(tmp_path)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


def test_without_a_file_or_with_a_strange_one_there_is_nothing(tmp_path: Path) -> None:
    assert file_in(tmp_path).texts() == []
    path_in(tmp_path).mkdir(parents=True)
    file_in(tmp_path).add(sent("lost"))
    assert file_in(tmp_path).texts() == []


def test_a_torn_or_damaged_line_costs_no_other(tmp_path: Path) -> None:
    file_in(tmp_path).add(sent("one"))
    with path_in(tmp_path).open("ab") as raw:
        raw.write(b'\xff\xfe\n{"text": 5}\n[]\n{"text":"to')
    file_in(tmp_path).add(sent("two"))
    assert [found.text for found in file_in(tmp_path).texts()] == ["two", "one"]


def test_it_stays_bounded_and_loses_the_oldest(tmp_path: Path) -> None:
    file, count = file_in(tmp_path), FILE_LIMIT_BYTES // (64 << 10) + 3
    for number in range(count):
        file.add(sent(f"{number} " + "x" * (64 << 10), number))
    texts = file.texts()
    assert path_in(tmp_path).stat().st_size <= FILE_LIMIT_BYTES
    assert [found.at_ms for found in texts] == list(range(count - 1, count - 1 - len(texts), -1))
    assert len(texts) > count // 3


def test_a_text_without_bounds_is_left_to_its_session(tmp_path: Path) -> None:
    file_in(tmp_path).add(sent("x" * TEXT_LIMIT_BYTES))
    assert file_in(tmp_path).texts() == []


class Meddling(Disk):
    """Another process appends just before the file is replaced."""

    def replace(self, source: Path, target: Path) -> None:
        SentFile(target.parent, Disk()).add(sent("late"))
        super().replace(source, target)


def test_what_another_process_appends_while_it_is_shortened_is_kept(tmp_path: Path) -> None:
    file = file_in(tmp_path, Meddling())
    path_in(tmp_path).parent.mkdir()
    path_in(tmp_path).write_bytes((b'{"text":"' + b"x" * 100 + b'","cwd":"","at_ms":0}\n') * (FILE_LIMIT_BYTES // 120))
    file.add(sent("mine", 2))
    assert [found.text for found in file.texts()][:2] == ["late", "mine"]


class Replaced(Disk):
    """The file is replaced by another process just as a line is written to it."""

    def __init__(self) -> None:
        self.times = 0

    def write_all(self, fd: int, content: bytes) -> None:
        self.times += 1
        if self.times == 1:
            super().replace(self.other, self.target)
        super().write_all(fd, content)

    other: Path
    target: Path


def test_a_line_written_to_a_file_that_was_replaced_is_written_to_the_one_in_its_place(tmp_path: Path) -> None:
    file_in(tmp_path).add(sent("old"))
    disk = Replaced()
    disk.target, disk.other = path_in(tmp_path), tmp_path / "state" / "other"
    disk.other.write_bytes(path_in(tmp_path).read_bytes())
    file_in(tmp_path, disk).add(sent("mine"))
    assert [found.text for found in file_in(tmp_path).texts()] == ["mine", "old"]
