"""What reaches the disk, in which order, and who sees it."""

import asyncio
import os
import stat
from errno import ENOSPC
from pathlib import Path

import pytest

from flowchat.errors import StorageFailed
from flowchat.store.log import FileLog, LogTaken
from flowchat.transcript.draft import DraftLine, DraftOutput, decode_draft, encode_draft
from flowchat.transcript.entries import Damaged, Forked, ForkPoint, HeadMoved
from tests.store.books import (
    NOW_MS,
    WORK,
    is_whole,
    log_of,
    note,
    read,
    reread,
    said,
    sessions,
    started,
    transcript,
    user,
    written,
)
from tests.store.disks import FaultyDisk, failing_at, torn_at


async def test_nothing_is_on_disk_before_the_first_append(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    opened.log.draft(b"x\n")
    opened.log.clear_draft()
    await opened.log.close()
    assert list(tmp_path.iterdir()) == []


async def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"), note("two"), HeadMoved(2), user("three"))
    assert await reread(store, sid) == [started(sid), user("one"), note("two"), HeadMoved(2), user("three")]
    assert [record.parent for record in read(log_of(store, sid))] == [0, 1, 2, None, 2]


async def test_a_hundred_appends_at_once_keep_their_order_and_share_fsyncs(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    heard: list[int] = []
    book.publish_to(lambda record: heard.append(record.seq))
    await asyncio.gather(book.append(started()), *(book.append(user(f"{number}")) for number in range(100)))
    await book.close()
    assert heard == list(range(1, 102))
    assert said(await reread(store, opened.sid)) == [f"{number}" for number in range(100)]
    assert disk.calls.count("fsync") < 30


async def test_two_sessions_write_to_their_own_logs_only(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    one, other = (store.new(NOW_MS, WORK) for _ in range(2))
    first, second = transcript(one), transcript(other)
    await asyncio.gather(first.append(started()), second.append(started()))
    await first.append(user("to the first"))
    await second.append(user("to the second"))
    await asyncio.gather(first.close(), second.close())
    assert said(await reread(store, one.sid)) == ["to the first"]
    assert said(await reread(store, other.sid)) == ["to the second"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
async def test_folders_and_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = sessions(tmp_path)
        await store.draft(WORK).keep_composer("unsent")
        opened = store.new(NOW_MS, WORK)
        book = transcript(opened)
        await book.append(started(), user("hi"))
        await book.blobs.put(b"x", "text/plain")
        opened.log.draft(b"x\n")
        await opened.shelf.write_meta(book)
        await opened.shelf.keep_composer("unsent")
        await book.close()
        with log_of(store, opened.sid).open("ab") as log:
            log.write(b"torn")
        await store.open(opened.sid).log.close()
        forked = store.fork(opened.sid, 2, NOW_MS, lambda sid: [Forked(sid, "/w", "1", ForkPoint(opened.sid, 2))])
        store.trash(forked)
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")
    }  # fmt: skip
    wrong = {path: mode for path, mode in modes.items() if mode != (0o700 if (tmp_path / path).is_dir() else 0o600)}
    names = {path.rpartition("/")[2] for path in modes}
    assert wrong == {}
    assert {"log.jsonl", "lock", "draft.jsonl", "meta.json", "composer.json", "blobs", "log.torn-1", "trash", "drafts"} <= names


async def test_a_folder_deleted_under_us_is_written_anew(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(), user("one"))
    opened.log.draft(b"gone\n")
    await book.append(note("not fsynced"))
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    await book.append(user("two"))
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert "has this session open" in (store.open(opened.sid).read_only or "")
    opened.log.draft(encode_draft([DraftLine(1, 1, 1, "drafted")]))
    await book.append(user("three"))
    await book.close()
    again = store.open(opened.sid)
    assert [again.read_only, again.draft] == [None, [DraftLine(1, 1, 1, "drafted")]]
    await again.log.close()
    assert said(await reread(store, opened.sid)) == ["one", "not fsynced", "two", "three"]


async def test_a_log_deleted_beside_its_lock_is_written_anew(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    opened = store.open(sid)
    book = transcript(opened)
    log_of(store, sid).unlink()
    await book.append(user("two"))
    assert "has this session open" in (store.open(sid).read_only or "")
    await book.close()
    assert said(await reread(store, sid)) == ["one", "two"]


async def test_a_folder_that_was_moved_away_takes_its_log_along(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(), user("one"))
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    await book.append(user("two"))
    await book.close()
    moved = tmp_path / "elsewhere" / "sessions" / opened.sid / "log.jsonl"
    assert said([record.entry for record in read(moved)]) == ["one", "two"]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("what", ["longer", "shorter", "another", "another, ours moved aside"])
async def test_a_log_that_somebody_else_wrote_to_is_left_alone(tmp_path: Path, what: str) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(), user("one"))
    log = log_of(store, opened.sid)
    if what.endswith("aside"):
        log.rename(log.with_name("aside"))
        log.write_bytes(log.with_name("aside").read_bytes())
    elif what == "another":
        log.with_name("new").write_bytes(log.read_bytes())
        log.with_name("new").rename(log)
    else:
        log.write_bytes(log.read_bytes() + b"theirs\n" if what == "longer" else log.read_bytes()[:-5])
    before = log.read_bytes()
    with pytest.raises(LogTaken):
        await book.append_or_withdraw(user("two"))
    await book.append(note("kept in memory"))
    await book.save_again()
    assert isinstance(book.unsaved, LogTaken)
    assert [record.entry for record in book.unsaved_records()] == [note("kept in memory")]
    await book.close()
    assert log.read_bytes() == before


async def test_a_name_that_is_taken_is_not_written_to(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    store.path(opened.sid).mkdir(parents=True)
    log_of(store, opened.sid).write_bytes(b"theirs\n")
    with pytest.raises(LogTaken):
        await transcript(opened).append_or_withdraw(started())
    await opened.log.close()
    assert log_of(store, opened.sid).read_bytes() == b"theirs\n"


async def test_a_closed_log_says_so(tmp_path: Path) -> None:
    disk = FaultyDisk()
    log = FileLog(tmp_path / "s", disk)
    await asyncio.gather(log.close(), log.close())
    await log.close()
    log.draft(b"x")
    with pytest.raises(StorageFailed, match="closed"):
        await log.write(b"x\n", sync=True)
    assert disk.calls == []


async def test_closing_makes_durable_what_was_not_yet(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(), user("one"))
    await book.append(note("two"))
    disk.calls.clear()
    await book.close()
    assert disk.calls == ["fsync"]


async def test_what_is_not_fsynced_is_bounded(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(), user("one"))
    disk.calls.clear()
    for _ in range(10):
        await book.append(note("x" * 1_000_000))
    assert disk.calls.count("fsync") == 2
    await book.close()


# --- the draft ---------------------------------------------------------------------------------------------------------
async def test_a_draft_is_there_for_the_next_opening_until_it_is_cleared(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    lines = [DraftLine(3, 1, 1, text="Hel"), DraftOutput("4.0", "out")]
    opened = store.open(sid)
    opened.log.draft(encode_draft(lines))
    await opened.log.close()
    again = store.open(sid)
    assert again.draft == lines
    again.log.clear_draft()
    await again.log.close()
    last = store.open(sid)
    assert last.draft == []
    await last.log.close()


async def test_a_draft_is_kept_while_the_entries_that_say_it_cannot_be_written(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(), user("one"))
    opened.log.draft(encode_draft([DraftLine(1, 1, 1, "said")]))
    await book.append(note("behind the draft"))
    disk.fault = failing_at(1, ENOSPC, lasting=True)
    await book.append(user("said"))
    book.clear_draft()
    await book.save_again()
    draft = store.path(opened.sid) / "draft.jsonl"
    assert decode_draft(draft.read_bytes()) == [DraftLine(1, 1, 1, "said")]
    disk.fault = lambda name, count: None
    await book.save_again()
    await book.close()
    assert (draft.read_bytes(), is_whole(log_of(store, opened.sid))) == (b"", True)


async def test_a_draft_line_that_found_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    opened = sessions(tmp_path, disk := FaultyDisk()).open(sid)
    disk.fault = torn_at(2)
    for text in ("a", "b" * 50, "c"):
        opened.log.draft(encode_draft([DraftLine(3, 1, 1, text)]))
    await opened.log.close()
    draft = (store.path(sid) / "draft.jsonl").read_bytes()
    assert draft == encode_draft([DraftLine(3, 1, 1, "a"), DraftLine(3, 1, 1, "c")])


async def test_a_draft_that_grows_is_written_anew_with_the_end_of_each_output(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    opened = store.open(sid)
    opened.log.draft(encode_draft([DraftLine(3, 1, 1, "a"), DraftLine(3, 1, 1, "b")]))
    for number in range(100):
        opened.log.draft(encode_draft([DraftOutput("4.0", f"{number:02}" * 32_000)]))
    await opened.log.close()
    draft = store.path(sid) / "draft.jsonl"
    assert draft.stat().st_size < 6 << 20
    lines = decode_draft(draft.read_bytes())
    outputs = "".join(line.output for line in lines if isinstance(line, DraftOutput))
    assert lines[0] == DraftLine(3, 1, 1, "ab")
    assert outputs.endswith("98" * 32_000 + "99" * 32_000)


async def test_a_line_that_cannot_be_read_any_more_is_damage_not_an_error(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    opened = store.open(sid)
    log_of(store, sid).write_bytes(b"")
    entry = opened.records[2 - 1].entry
    await opened.log.close()
    assert isinstance(entry, Damaged)


async def test_records_can_be_read_after_the_log_is_closed(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"), note("two"))
    opened = store.open(sid)
    await opened.log.close()
    store.trash(sid)
    assert [record.entry for record in opened.records] == [started(sid), user("one"), note("two")]
