"""A disk that fails anywhere, once or for a while: nothing is corrupt, nothing acknowledged is lost, the old is intact."""

from dataclasses import dataclass, field
from errno import EACCES, EINTR, EIO, ENOSPC, ENOTSUP, EROFS
from pathlib import Path

import pytest

from flowchat.errors import NotFound, ReadOnly, StorageFailed
from flowchat.store.sessions import Sessions
from flowchat.transcript.draft import DraftLine, encode_draft
from flowchat.transcript.entries import Blob, Forked, ForkPoint, UserSaid
from flowchat.transcript.transcript import Transcript
from tests.store.books import (
    NOW_MS,
    WORK,
    is_whole,
    log_of,
    note,
    reread,
    said,
    sessions,
    started,
    transcript,
    user,
    written,
)
from tests.store.disks import FaultyDisk, failing_at, short_writes, torn_at

TURNS = 4


@dataclass
class Told:
    """What a conversation was told about its messages: `durable` are those acknowledged while nothing was unsaved."""

    sid: str = ""
    acknowledged: list[str] = field(default_factory=list)
    durable: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def converse(store: Sessions, told: Told) -> Transcript:
    """Messages that are sent, notes that are made, a draft and a meta beside them."""
    opened = store.new(NOW_MS, WORK)
    told.sid, book = opened.sid, transcript(opened)
    for turn in range(TURNS):
        text = f"message {turn}"
        first = [] if book.head else [started(opened.sid)]
        try:
            await book.append_or_withdraw(*first, user(text))
            told.acknowledged.append(text)
            told.durable.append(text)
        except StorageFailed:
            told.refused.append(text)
        if book.head:
            await book.append(note(f"note {turn}"))
            told.acknowledged.append(f"note {turn}")
            book.draft(encode_draft([DraftLine(1, 1, 1, "drafted")]))
            await book.append(user(f"answer {turn}"))
            told.acknowledged.append(f"answer {turn}")
            if book.unsaved is None:
                told.durable.append(f"answer {turn}")
            book.clear_draft()
            await opened.shelf.write_meta(book)
    return book


@pytest.mark.parametrize(
    ("number", "lasting"),
    [(ENOSPC, False), (ENOSPC, True), (EIO, False), (EIO, True), (EACCES, False), (EACCES, True), (EINTR, False)],
)
async def test_when_the_disk_is_well_again_everything_acknowledged_is_on_it(tmp_path: Path, number: int, lasting: bool) -> None:
    healthy, fired, call = sessions(tmp_path), True, 0
    while fired:
        call += 1
        disk, told = FaultyDisk(failing_at(call, number, lasting=lasting)), Told()
        book = await converse(sessions(tmp_path, disk), told)
        fired = len(disk.calls) >= call
        disk.fault = lambda name, count: None
        await book.save_again()
        assert book.unsaved is None
        in_memory = said([record.entry for record in book.records()])
        await book.close()
        if told.acknowledged:
            assert is_whole(log_of(healthy, told.sid)), f"call {call}"
            assert said(await reread(healthy, told.sid)) == in_memory == told.acknowledged, f"call {call}"
            [card] = [card for card in healthy.cards() if card.sid == told.sid]
            assert card.messages == sum(not text.startswith("note") for text in told.acknowledged)
    assert call > 30


@pytest.mark.parametrize("number", [ENOSPC, EIO], ids=["ENOSPC", "EIO"])
async def test_when_the_disk_never_gets_well_the_log_is_what_was_durable(tmp_path: Path, number: int) -> None:
    healthy, fired, call = sessions(tmp_path), True, 0
    while fired:
        call += 1
        disk, told = FaultyDisk(failing_at(call, number, lasting=True)), Told()
        book = await converse(sessions(tmp_path, disk), told)
        fired = len(disk.calls) >= call
        await book.close()
        try:
            found = said(await reread(healthy, told.sid))
        except NotFound:
            found = []
        assert [text for text in found if text in told.durable] == told.durable, f"call {call}"
        assert len(found) == len(set(found))


async def test_a_line_of_which_half_was_written_is_cut_back_at_once(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(opened.sid), user("one"))
    await book.append(note("two"))
    disk.fault = torn_at(1)
    with pytest.raises(StorageFailed, match="No space left"):
        await book.append_or_withdraw(user("three"))
    assert is_whole(log_of(store, opened.sid))
    disk.fault = lambda name, count: None
    await book.append_or_withdraw(user("three"))
    await book.close()
    assert said(await reread(store, opened.sid)) == ["one", "two", "three"]


async def test_pages_whose_fsync_failed_are_cut_off_and_written_again(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(opened.sid), user("one"))
    await book.append(note("two"))
    disk.calls.clear()
    disk.fault = failing_at(1, EIO, of="fsync")
    await book.append(user("three"))
    assert (disk.calls, book.unsaved is None) == (["write", "fsync", "truncate"], False)
    assert said([record.entry for record in transcript(store.open(opened.sid)).records()]) == ["one"]
    disk.calls.clear()
    await book.append_or_withdraw(user("four"))
    assert disk.calls == ["truncate", "write", "fsync", "write", "fsync"]
    await book.close()
    assert said(await reread(store, opened.sid)) == ["one", "two", "three", "four"]


async def test_short_and_interrupted_writes_make_whole_lines(tmp_path: Path) -> None:
    disk = FaultyDisk(short_writes)
    book = await converse(sessions(tmp_path, disk), told := Told())
    await book.close()
    assert (told.refused, is_whole(log_of(sessions(tmp_path), told.sid))) == ([], True)


@pytest.mark.parametrize(
    ("number", "way"),
    [(ENOSPC, "make room there"), (EACCES, "make it writable"), (EROFS, "make it writable"), (EIO, "see what is wrong there")],
)
async def test_what_cannot_be_written_is_told_with_what_can_be_done(tmp_path: Path, number: int, way: str) -> None:
    opened = sessions(tmp_path, FaultyDisk(failing_at(1, number, lasting=True))).new(NOW_MS, WORK)
    book = transcript(opened)
    for refusal in (book.append_or_withdraw(started(), user("one")), opened.blobs.put(b"x", "text/plain")):
        with pytest.raises(StorageFailed, match=f"cannot be written .*; {way}$"):
            await refusal
    await book.close()


async def test_where_files_cannot_be_locked_new_sessions_are_written_and_old_ones_only_read(tmp_path: Path) -> None:
    store = sessions(tmp_path, FaultyDisk(failing_at(1, ENOTSUP, of="lock", lasting=True)))
    sid = await written(store, user("one"))
    opened = store.open(sid)
    assert said([record.entry for record in opened.records]) == ["one"]
    assert opened.read_only == "this session cannot be locked (Operation not supported); it can be read or forked"


async def test_a_blob_is_there_whole_or_refused(tmp_path: Path) -> None:
    content, call, fired = b"x" * 100_000, 0, True
    while fired:
        call += 1
        disk = FaultyDisk(failing_at(call, ENOSPC))
        blobs = sessions(tmp_path / str(call), disk).new(NOW_MS, WORK).blobs
        try:
            kept = await blobs.put(content, "text/plain")
            assert await blobs.get(kept.sha256) == content
        except StorageFailed:
            pass
        fired = len(disk.calls) >= call
        assert leftovers(tmp_path) == []
    assert call > 5


async def test_unsent_text_is_the_old_or_the_new(tmp_path: Path) -> None:
    call, fired = 0, True
    while fired:
        call += 1
        first = sessions(tmp_path)
        await first.draft(WORK).keep_composer("old")
        first.close()
        disk = FaultyDisk(failing_at(call, ENOSPC))
        store = sessions(tmp_path, disk)
        kept = {"new"}
        assert store.draft(WORK).composer_text() == "old"
        try:
            await store.draft(WORK).keep_composer("new")
        except StorageFailed:
            kept = {"old", "new"}
        store.close()
        after = sessions(tmp_path)
        assert after.draft(WORK).composer_text() in kept
        after.close()
        fired = len(disk.calls) >= call
        assert leftovers(tmp_path) == []
    assert call > 4


async def test_a_fork_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    healthy = sessions(tmp_path)
    opened = healthy.new(NOW_MS, WORK)
    book = transcript(opened)
    blob = await opened.blobs.put(b"picture", "image/png")
    await book.append(started(opened.sid), user("one"), UserSaid("b", (Blob(blob),)), user("three"))
    await book.close()
    call, fired = 0, True
    while fired:
        call += 1
        disk = FaultyDisk(failing_at(call, ENOSPC))
        try:
            sid = sessions(tmp_path, disk).fork(
                opened.sid, 3, NOW_MS, lambda new: [Forked(new, "/w", "1", ForkPoint(opened.sid, 3))]
            )
            forked = healthy.open(sid)
            assert [type(record.entry).__name__ for record in forked.records] == [
                "SessionStarted", "UserSaid", "UserSaid", "Forked"
            ]  # fmt: skip
            assert await forked.blobs.get(blob.sha256) == b"picture"
            await forked.log.close()
            healthy.trash(sid)
        except StorageFailed:
            pass
        fired = len(disk.calls) >= call
        assert [card.sid for card in healthy.cards()] == [opened.sid]
        assert leftovers(tmp_path) == []
    assert call > 8


async def test_a_torn_session_on_a_full_disk_can_still_be_read(tmp_path: Path) -> None:
    healthy = sessions(tmp_path)
    sid = await written(healthy, user("one"))
    whole = log_of(healthy, sid).read_bytes()
    call, fired = 0, True
    while fired:
        call += 1
        log_of(healthy, sid).write_bytes(whole + b'{"v":1,"seq":3')
        disk = FaultyDisk(failing_at(call, ENOSPC))
        try:
            opened = sessions(tmp_path, disk).open(sid)
            assert said([record.entry for record in opened.records]) == ["one"]
            await opened.log.close()
        except StorageFailed:
            pass
        fired = len(disk.calls) >= call
        assert log_of(healthy, sid).read_bytes().startswith(whole)
    assert call > 5


async def test_a_session_is_in_its_place_or_in_the_trash(tmp_path: Path) -> None:
    healthy, call, fired = sessions(tmp_path), 0, True
    while fired:
        call += 1
        sid = await written(healthy, user("one"))
        disk = FaultyDisk(failing_at(call, EIO))
        try:
            assert (sessions(tmp_path, disk).trash(sid) / "log.jsonl").is_file()
            assert healthy.cards() == []
        except StorageFailed:
            assert said(await reread(healthy, sid)) == ["one"]
            healthy.trash(sid)
        except ReadOnly:
            healthy.trash(sid)
        fired = len(disk.calls) >= call


def leftovers(folder: Path) -> list[Path]:
    """What a failed write left lying about."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".new")]
