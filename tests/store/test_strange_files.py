"""Where a file of ours should be lies something else: nobody waits for it, one bad session hides no other."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.errors import NotFound
from flowchat.store.sessions import Sessions
from tests.store.books import NOW_MS, WORK, kept, lines_for, log_of, reread, said, sessions, transcript, user, written


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def nowhere(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


STRANGE = pytest.mark.parametrize("make", [pipe, device, folder, nowhere])


async def strange(store: Sessions, name: str, make: Callable[[Path], None]) -> str:
    """A session in which a file is something else; another one is well. Gives its sid."""
    sid = await written(store, user("one"))
    path = store.path(sid) / name
    path.unlink(missing_ok=True)
    make(path)
    await written(store, user("other"))
    return sid


@STRANGE
@pytest.mark.parametrize("name", ["meta.json", "composer.json", "draft.jsonl"])
async def test_what_lies_beside_a_log_is_as_if_it_were_not_there(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    store = sessions(tmp_path)
    sid = await strange(store, name, make)
    assert [card.messages for card in store.cards()] == [1, 1]
    opened = store.open(sid)
    book = transcript(opened)
    assert (opened.read_only, opened.shelf.composer_text(), list(opened.draft)) == (None, "", [])
    book.draft(b"{}\n")
    book.clear_draft()
    await book.append(user("two"))
    await opened.shelf.write_meta(book)
    await book.close()
    assert said(await reread(store, sid)) == ["one", "two"]


@STRANGE
async def test_a_log_that_is_no_file_is_no_session(tmp_path: Path, make: Callable[[Path], None]) -> None:
    store = sessions(tmp_path)
    sid = await strange(store, "log.jsonl", make)
    assert [card.first_message for card in store.cards()] == ["other"]
    assert store.newest(WORK) != sid
    with pytest.raises(NotFound):
        store.open(sid)


@pytest.mark.parametrize("make", [folder, nowhere])
async def test_a_session_whose_lock_is_no_file_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    store = sessions(tmp_path)
    opened = store.open(await strange(store, "lock", make))
    assert (opened.read_only or "").startswith("this session cannot be locked")
    assert said([record.entry for record in opened.records]) == ["one"]


@STRANGE
async def test_a_blob_that_is_no_file_is_missing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    opened = sessions(tmp_path).new(NOW_MS, WORK)
    blob = await opened.blobs.put(b"content", "text/plain")
    path = tmp_path / "data" / "sessions" / opened.sid / "blobs" / blob.sha256
    path.unlink()
    make(path)
    assert await opened.blobs.get(blob.sha256) is None


async def test_a_log_whose_lines_an_editor_ended_with_crlf_is_whole(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    log = kept(store, [line[:-1] + b"\r\n" for line in lines_for(user("one"), user("two"))])
    opened = store.open(log.parent.name)
    book = transcript(opened)
    assert (opened.damaged, opened.torn) == ((), None)
    await book.append(user("three"))
    await book.close()
    assert said(await reread(store, log.parent.name)) == ["one", "two", "three"]
    assert log_of(store, log.parent.name).read_bytes().count(b"\r\n") == 3
