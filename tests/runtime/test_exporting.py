"""Writing a document: whole or not at all, and in no other file's place."""

import stat
from pathlib import Path

import pytest

from flowchat.errors import AlreadyExists, CommandRefused, StorageFailed
from flowchat.runtime.exporting import OUTPUT_LIMIT_BYTES, document, write_document
from flowchat.store.memory import MemoryBlobs
from flowchat.transcript.entries import Blob, BlobRef, Record, UserSaid
from flowchat.transcript.facts import SessionFacts


def test_a_file_is_written_whole_and_replaced_only_by_force(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    assert write_document(file, ["one\n", "two\n"]) == file
    with pytest.raises(AlreadyExists, match="is there already; nothing was written"):
        write_document(file, ["three"])
    assert (file.read_text(), write_document(file, ["three"], force=True), file.read_text()) == ("one\ntwo\n", file, "three")
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_a_file_that_is_replaced_leaves_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.touch(0o600)
    write_document(file, ["one"], force=True)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("one", 0o600)


def test_a_name_as_long_as_a_disk_takes_is_written(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 255)
    assert write_document(file, ["one"]).read_text() == "one"


def test_pieces_that_fail_leave_no_file(tmp_path: Path) -> None:
    def pieces() -> object:
        yield "one"
        raise StorageFailed("gone")

    with pytest.raises(StorageFailed):
        write_document(tmp_path / "a.md", pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_and_a_folder_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real.md")
    assert write_document(tmp_path / "link", ["x"]) == tmp_path / "real.md"
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(CommandRefused, match="a folder: name a file"):
        write_document(tmp_path, ["x"], force=True)


async def test_a_long_text_beside_the_log_is_cut_and_says_so_and_what_is_missing_is_told() -> None:
    blobs = MemoryBlobs()
    long = await blobs.put(b"x" * (OUTPUT_LIMIT_BYTES + 1), "text/plain")
    image = await blobs.put(b"i", "image/png")
    parts = (Blob(long), Blob(image), Blob(BlobRef("0" * 64, 9, "text/plain")))
    records = [Record(1, 0, 0, "user_said", UserSaid("a", parts))]
    text = "".join(await document(records, records, SessionFacts(), blobs))
    assert (text.count("x" * OUTPUT_LIMIT_BYTES), f"cut here; {OUTPUT_LIMIT_BYTES + 1:,} bytes in all" in text) == (1, True)
    assert ("\\[" in text, "[image/png, 1 bytes" in text, "[9 bytes that have gone" in text) == (False, True, True)
