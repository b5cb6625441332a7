"""Sessions that live in memory: the same for whoever uses them, and nothing on disk."""

from pathlib import Path

from flowchat.store.memory import MemoryBlobs, MemoryLog, MemoryShelf
from flowchat.transcript.transcript import Transcript
from tests.store.books import note, said, started, user


async def test_a_session_in_memory_writes_nothing(tmp_path: Path) -> None:
    book, shelf = Transcript(MemoryLog(), MemoryBlobs()), MemoryShelf()
    heard: list[int] = []
    book.publish_to(lambda record: heard.append(record.seq))
    await book.append(started(), user("one"))
    await book.append_or_withdraw(note("two"))
    blob = await book.blobs.put(b"content", "text/plain")
    book.draft(b"x")
    book.clear_draft()
    await shelf.keep_composer("unsent")
    await shelf.write_meta(book)
    await book.close()
    assert said([record.entry for record in book.records()]) == ["one", "two"]
    assert (heard, shelf.composer_text(), await book.blobs.get(blob.sha256)) == ([1, 2, 3], "unsent", b"content")
    assert await book.blobs.get("0" * 64) is None
    assert list(tmp_path.iterdir()) == []
