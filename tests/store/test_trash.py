"""The trash: what goes in comes back as it was, nothing leaves it but by command, and what sessions take and would free."""

import os
from errno import EIO
from functools import partial
from pathlib import Path

import pytest

from flowchat.errors import NotFound, ReadOnly, StorageFailed
from flowchat.store.sizes import Size, freed_by, size_of
from flowchat.store.trash import Restored
from tests.store.books import (
    NOW_MS,
    WORK,
    exit_code,
    in_child,
    log_of,
    reread,
    said,
    sessions,
    started,
    transcript,
    user,
    written,
)
from tests.store.disks import KILLED, FaultyDisk, failing_at, killed_at


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_what_is_restored_is_as_it_was_to_the_byte(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await opened.blobs.put(b"an image", "image/png")
    await book.append(started(opened.sid), user("one"))
    await opened.shelf.keep_composer("unsent")
    await opened.shelf.write_meta(book)
    await book.close()
    card, before = store.card(opened.sid), tree(store.path(opened.sid))
    trashed = store.trash(opened.sid)
    assert store.cards() == []
    [known] = store.trashed.contents()
    assert (known.name, known.sid, known.card, known.title) == (trashed.name, opened.sid, card, "one")
    assert store.restore(opened.sid) == Restored(opened.sid, opened.sid)
    assert tree(store.path(opened.sid)) == {**before, "lock": (store.path(opened.sid) / "lock").read_bytes()}
    assert (store.cards(), store.trashed.contents()) == ([card], [])


async def test_a_restored_session_takes_another_id_where_its_own_is_taken(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    store.trash(sid)
    log_of(store, sid).parent.mkdir()
    log_of(store, sid).write_bytes(b"".join([]))
    restored = store.restore(sid)
    assert (restored.was, restored.sid != sid, log_of(store, sid).read_bytes()) == (sid, True, b"")
    assert said(await reread(store, restored.sid)) == ["one"]
    assert [card.sid for card in store.cards()] == [restored.sid]


async def test_an_empty_folder_of_its_name_is_not_replaced_by_a_restored_session(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    store.trash(sid)
    store.path(sid).mkdir()
    assert (store.restore(sid).sid != sid, list(store.path(sid).iterdir())) == (True, [])


async def test_the_same_id_can_be_trashed_twice_and_the_last_comes_back_first(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    first = await written(store, user("one"))
    second = await written(store, user("two"))
    store.trash(first)
    os.rename(store.path(second), store.path(first))
    store.trash(first)
    assert len(store.trashed.contents()) == 2
    assert said(await reread(store, store.restore(first).sid)) == ["two"]
    again = store.restore(first)
    assert (again.was, said(await reread(store, again.sid))) == (first, ["one"])


async def test_trashed_sessions_are_found_by_id_its_beginning_name_or_title(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    one, two = await written(store, user("one")), await written(store, user("two"))
    name = store.trash(one).name
    store.trash(two)
    assert [store.trashed.find(wanted).sid for wanted in (one, one[:-1], name, "ONE")] == [one] * 4
    for wanted, sentence in (("2", "matches several"), ("k3", "there is no session 'k3' in the trash"), ("", "no session ''")):
        with pytest.raises(NotFound, match=sentence):
            store.trashed.find(wanted)


async def test_a_session_another_process_has_open_is_marked_and_stays(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    held, free = await written(store, user("held")), await written(store, user("free"))
    told, tell = os.pipe()
    wait, go = os.pipe()

    async def hold() -> None:
        sessions(tmp_path).open(held)
        os.close(go)  # so that a test that fails ends this, too
        os.write(tell, b".")
        os.read(wait, 1)

    child = in_child(hold)
    os.read(told, 1)
    assert store.held([held, free]) == {held}
    with pytest.raises(ReadOnly, match=f"process {child}.* has this session open; close it there first"):
        store.trash(held)
    assert len(store.cards()) == 2
    os.write(go, b".")
    assert (exit_code(child), store.held([held, free])) == (0, set())
    store.trash(held)


async def test_emptying_frees_what_it_says_and_no_blob_that_a_fork_has(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    blob = await opened.blobs.put(b"x" * 1000, "text/plain")
    await book.append(started(opened.sid), user("one"))
    await book.close()
    fork = store.fork(opened.sid, 2, NOW_MS)
    (store.path(fork) / "blobs").mkdir()
    os.link(store.path(opened.sid) / "blobs" / blob.sha256, store.path(fork) / "blobs" / blob.sha256)
    size = size_of(store.path(opened.sid))
    assert (size.log, size.blobs) == (log_of(store, opened.sid).stat().st_size, 1000)
    assert size.total > size.log + size.blobs
    both = [store.path(opened.sid), store.path(fork)]
    assert freed_by(both) == size.total + size_of(store.path(fork)).total - 1000
    store.trash(opened.sid)
    [trashed] = store.trashed.contents()
    assert store.trashed.frees([trashed]) == size_of(tmp_path / "data" / "trash" / trashed.name).total - 1000
    assert (store.trashed.empty([trashed]), list((tmp_path / "data" / "trash").iterdir())) == (1, [])
    assert (store.path(fork) / "blobs" / blob.sha256).read_bytes() == b"x" * 1000
    assert size_of(tmp_path / "nowhere") == Size()


async def test_an_emptying_cut_short_leaves_whole_sessions_or_none_and_the_next_ends_it(tmp_path: Path) -> None:
    healthy, call, fired = sessions(tmp_path), 0, True
    while fired:
        call += 1
        for text in ("one", "two"):
            healthy.trash(await written(healthy, user(text)))
        disk = FaultyDisk(failing_at(call, EIO))
        store = sessions(tmp_path, disk)
        try:
            store.trashed.empty(store.trashed.contents())
        except StorageFailed:
            for trashed in healthy.trashed.contents():
                assert said(await reread(healthy, healthy.restore(trashed.name).sid)) in (["one"], ["two"])
            for card in healthy.cards():
                healthy.trash(card.sid)
            healthy.trashed.empty(healthy.trashed.contents())
        assert list((tmp_path / "data" / "trash").iterdir()) == []
        fired = len(disk.calls) >= call
    assert call > 3


async def test_what_was_put_back_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    store.trash(sid)
    trashed = store.trashed.contents()
    store.restore(sid)
    assert (store.trashed.empty(trashed), said(await reread(store, sid))) == (0, ["one"])


async def test_a_restore_that_fails_leaves_the_session_in_the_trash(tmp_path: Path) -> None:
    healthy = sessions(tmp_path)
    sid = await written(healthy, user("one"))
    healthy.trash(sid)
    with pytest.raises(StorageFailed, match="it is still in the trash"):
        sessions(tmp_path, FaultyDisk(failing_at(1, EIO))).restore(sid)
    assert [trashed.sid for trashed in healthy.trashed.contents()] == [sid]


async def test_of_a_link_to_a_session_the_trash_has_the_link_alone(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    linked, other = await written(store, user("one")), await written(store, user("two"))
    elsewhere = tmp_path / "elsewhere"
    store.path(linked).rename(elsewhere)
    store.path(linked).symlink_to(elsewhere)
    before = tree(elsewhere)
    for sid in (linked, other):
        store.trash(sid)
    assert store.trashed.empty(store.trashed.contents()) == 2
    assert list((tmp_path / "data" / "trash").iterdir()) == []
    assert {**tree(elsewhere), "lock": b""} == {**before, "lock": b""}


async def test_whoever_is_killed_while_putting_back_or_emptying_leaves_whole_sessions(tmp_path: Path) -> None:
    async def restoring(call: int) -> None:
        sessions(tmp_path, FaultyDisk(killed_at(call))).restore("2")

    async def emptying(call: int) -> None:
        store = sessions(tmp_path, FaultyDisk(killed_at(call)))
        store.trashed.empty(store.trashed.contents())

    store = sessions(tmp_path)
    for act in (restoring, emptying):
        code, call, killed = 0, 0, True
        while killed:
            call += 1
            sid = await written(store, user("one"))
            store.trash(sid)
            code = exit_code(in_child(partial(act, call)))
            killed = code == KILLED
            left = [trashed.sid for trashed in store.trashed.contents()]
            assert left + [card.sid for card in store.cards()] in ([sid], [] if act is emptying else [sid])
            if left:
                store.restore(sid)
            if store.cards():
                assert said(await reread(store, sid)) == ["one"]
                store.trash(sid)
            store.trashed.empty(store.trashed.contents())
            assert list((tmp_path / "data" / "trash").iterdir()) == []
        assert (code, call > 2) == (0, True)
