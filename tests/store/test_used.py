"""What requests took in a time, over all sessions."""

import os
from pathlib import Path

from flowchat.store.used import READ_BYTES, used_since
from flowchat.transcript.entries import AnyEntry, AttemptUsed, Forked, Record, Text, Usage, UserSaid, type_name
from flowchat.transcript.transcript import encode_line

DAY_MS, NOON = 24 * 3600 * 1000, 1_764_500_000_000


def used(tokens: int) -> AttemptUsed:
    return AttemptUsed(1, 1, 1, "run", "m", Usage(tokens), 0.5)


def session(folder: Path, name: str, *entries: tuple[int, AnyEntry], written: int = NOON) -> Path:
    place = folder / name
    place.mkdir()
    lines = [
        encode_line(Record(seq, at, 0 if isinstance(entry, UserSaid) else None, type_name(entry), entry))
        for seq, (at, entry) in enumerate(entries, 1)
    ]
    (place / "log.jsonl").write_bytes(b"".join(lines))
    os.utime(place / "log.jsonl", (written / 1000, written / 1000))
    return place


def test_what_came_since_counts_in_each_session_that_was_written_to(tmp_path: Path) -> None:
    folders = [
        session(tmp_path, "a", (NOON - DAY_MS, used(1)), (NOON, used(2)), (NOON + 5, used(3))),
        session(tmp_path, "idle", (NOON, UserSaid("c", (Text("hi"),)))),
        session(tmp_path, "old", (NOON - DAY_MS, used(4)), written=NOON - DAY_MS),
        tmp_path / "gone",
    ]
    assert used_since(folders, NOON) == {"a": [used(2), used(3)], "idle": []}


def test_of_a_copy_what_came_after_it_was_made_counts(tmp_path: Path) -> None:
    copied = Forked("b", "/w", "a", 1)
    assert used_since([session(tmp_path, "b", (NOON, used(1)), (NOON, copied), (NOON, used(2)))], NOON) == {"b": [used(2)]}


def test_a_line_that_is_damaged_counts_nothing_and_hides_no_other(tmp_path: Path) -> None:
    place = session(tmp_path, "a", (NOON, used(1)), (NOON, used(2)))
    log = place / "log.jsonl"
    first, second = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first.replace(b'"input":1', b'"input":9') + second)
    assert used_since([place], 0) == {"a": [used(2)]}


def test_of_a_very_long_log_the_end_is_read(tmp_path: Path) -> None:
    words = UserSaid("c", (Text("x" * (4 << 20)),))
    place = session(tmp_path, "a", (NOON, used(1)), *[(NOON, words)] * (READ_BYTES // (4 << 20)), (NOON, used(2)))
    assert used_since([place], 0) == {"a": [used(2)]}
