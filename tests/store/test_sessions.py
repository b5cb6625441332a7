"""The folder of sessions: names, lists, forks, the trash, and what lies beside a log."""

import os
import re
from pathlib import Path

import pytest

from flowchat.errors import NotFound, ReadOnly, StorageFailed
from flowchat.store.cards import WHOLE_BYTES, SessionCard, write_card
from flowchat.store.disk import Disk
from flowchat.store.sessions import NAMED_LIMIT, Sessions, new_sid
from flowchat.transcript.entries import (
    AttemptUsed,
    Blob,
    BlobRef,
    Forked,
    ForkPoint,
    HeadMoved,
    ModelSet,
    QueueItem,
    QueueSet,
    TitleSet,
    Usage,
    UserSaid,
)
from tests.store.books import (
    NOW_MS,
    WORK,
    kept,
    lines_for,
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
from tests.store.disks import FaultyDisk


def test_a_session_is_named_by_its_second_and_four_letters() -> None:
    names = {new_sid(NOW_MS) for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"20260921-141320-[a-z2-9]{4}", name) for name in names)


# --- cards ---------------------------------------------------------------------------------------------------------------
async def one(store: Sessions) -> SessionCard:
    """The card of a session with a little of everything."""
    sid = await written(
        store,
        user("first\n  words"),
        TitleSet("A title", "user"),
        ModelSet("other"),
        AttemptUsed(2, 1, 1, "run", usage=Usage(100, 50, 0, 7), cost=0.5),
        user("second"),
    )
    return SessionCard(
        sid, "A title", "/w", "other", NOW_MS, 2, 107, "first words", log_of(store, sid).stat().st_size, 0.5
    )  # fmt: skip


async def test_a_card_is_the_same_from_its_meta_and_from_its_log(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    card = await one(store)
    assert store.cards() == [card]
    (store.path(card.sid) / "meta.json").unlink()
    assert store.cards() == [card]
    assert sorted(path.name for path in store.path(card.sid).iterdir()) == ["lock", "log.jsonl"]


@pytest.mark.parametrize("meta", [b"", b"{", b"[" * 100_000, b'{"sid":"x"}', b"\xff", None])
async def test_a_meta_that_cannot_be_read_or_is_old_is_not_believed(tmp_path: Path, meta: bytes | None) -> None:
    store = sessions(tmp_path)
    card = await one(store)
    path = store.path(card.sid) / "meta.json"
    path.write_bytes(path.read_bytes().replace(b"A title", b"Another") if meta is None else meta)
    with log_of(store, card.sid).open("ab") as log:
        log.write(b"\n")
    [found] = store.cards()
    assert (found.title, found.messages) == ("A title", 2)


async def test_sessions_are_listed_newest_first_and_bad_ones_hide_no_others(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    good = [await written(store, user(f"{number}")) for number in range(3)]
    later = [line.replace(b'"t":17', b'"t":18') for line in lines_for(user("x"))]
    kept(store, b"\0" * 1000, "20260101-000000-zero")
    kept(store, b"", "20260101-000000-none")
    kept(store, later, "20260101-000000-flip")
    store.path("20260101-000000-dirs").joinpath("log.jsonl").mkdir(parents=True)
    (store.path("a file")).write_text("x")
    (store.path(".building")).mkdir()
    os.symlink(tmp_path / "nowhere", store.path("20260101-000000-link"))
    assert {card.sid for card in store.cards()} - {"20260101-000000-flip"} == set(good)
    assert [card.updated_ms for card in store.cards()] == sorted((card.updated_ms for card in store.cards()), reverse=True)


async def test_a_card_is_not_written_while_the_log_cannot_be(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = sessions(tmp_path, disk)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    await book.append(started(opened.sid), user("one"))

    def full(name: str, count: int) -> None:
        raise OSError(28, "No space left on device")

    disk.fault = full
    await book.append(user("two"))
    disk.fault = lambda name, count: None
    await opened.shelf.write_meta(book)
    assert [card.messages for card in sessions(tmp_path).cards()] == [1]
    await book.close()
    await opened.shelf.write_meta(book)
    assert [card.messages for card in sessions(tmp_path).cards()] == [2]


async def test_the_card_of_a_very_long_log_is_made_of_its_ends_and_says_so(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("first"), TitleSet("kept in the middle", "user"))
    opened = store.open(sid)
    book = transcript(opened)
    for _ in range(WHOLE_BYTES // 1_000_000 + 4):
        await book.append(note("x" * 1_000_000))
    await book.append(ModelSet("late"), user("last"))
    await book.close()
    [stale] = store.cards()
    size = log_of(store, sid).stat().st_size
    assert stale == SessionCard(sid, "kept in the middle", "/w", "late", NOW_MS, 2, 0, "first", size, at_least=True)
    await opened.shelf.write_meta(book)
    assert store.cards() == [
        SessionCard(sid, "kept in the middle", "/w", "late", NOW_MS, 2, 0, "first", size)
    ]  # fmt: skip


async def test_the_cards_of_a_workspace_are_those_that_began_or_were_forked_there(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    here, there = await written(store, user("a"), cwd="/here"), await written(store, user("b"), cwd="/there")
    forked = store.fork(there, 2, NOW_MS, lambda sid: [Forked(sid, "/here", "1", ForkPoint(there, 2))])
    assert {card.sid for card in store.cards(Path("/here"))} == {here, forked}


# --- finding ---------------------------------------------------------------------------------------------------------------
def named(store: Sessions, sid: str, title: str, cwd: str = "/w", at: int = 1) -> str:
    """A session of this title; gives its sid."""
    log = kept(store, lines_for(TitleSet(title, "user")), sid)
    write_card(log.parent, SessionCard(sid, title, cwd, "m", at, 1, 0, "", log.stat().st_size), Disk())
    return sid


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("20260101-000000-aaaa", "20260101-000000-aaaa"),
        ("20260101", "20260101-000000-aaaa"),
        ("20260202-000000-b", "20260202-000000-bbbb"),
        ("Fix the parser", "20260202-000000-cccc"),
        ("fix THE parser", "20260202-000000-cccc"),
        ("lexer", "20260202-000000-dddd"),
    ],
)
def test_a_session_is_found_by_its_id_its_beginning_or_its_title(tmp_path: Path, wanted: str, found: str) -> None:
    assert shelf_of_four(tmp_path).find(wanted) == found


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("20260202", "several sessions: 20260202-000000-dddd, 20260202-000000-cccc, 20260202-000000-bbbb"),
        ("fix", "several sessions: 20260202-000000-dddd, 20260202-000000-cccc, 20260101-000000-aaaa"),
        ("nothing like it", "there is no session 'nothing like it'"),
        ("", "there is no session ''"),
        ("../sessions", "there is no session"),
    ],
)
def test_what_names_no_session_or_several_is_answered_with_what_is_near(tmp_path: Path, wanted: str, sentence: str) -> None:
    with pytest.raises(NotFound, match=sentence):
        shelf_of_four(tmp_path).find(wanted)


def test_of_very_many_that_are_near_some_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    for second in range(NAMED_LIMIT + 3):
        named(store, f"20260202-00000{second}-aaaa", "same")
    with pytest.raises(NotFound, match=r": 20260202-000007-aaaa, .*20260202-000003-aaaa and 3 more$"):
        store.find("20260202")


def shelf_of_four(tmp_path: Path) -> Sessions:
    store = sessions(tmp_path)
    named(store, "20260101-000000-aaaa", "Fix the parser", at=1)
    named(store, "20260202-000000-bbbb", "20260101-000000", at=2)
    named(store, "20260202-000000-cccc", "Fix the parser", at=3)
    named(store, "20260202-000000-dddd", "Fix the lexer", at=4)
    return store


def test_of_equal_titles_the_newest_of_this_workspace_is_meant(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    for number, cwd in enumerate(("/here", "/here", "/there")):
        named(store, f"20260101-00000{number}-aaaa", "Same", cwd, at=number)
    assert [store.find("same", Path(cwd)) for cwd in ("/here", "/there", "/elsewhere")] == [
        "20260101-000001-aaaa",
        "20260101-000002-aaaa",
        "20260101-000002-aaaa",
    ]
    near = "20260101-000002-aaaa, 20260101-000001-aaaa, 20260101-000000-aaaa"
    with pytest.raises(NotFound, match=f"'same' matches several sessions: {near}"):
        store.find("same", alone=True)
    assert store.find("20260101-000001", alone=True) == "20260101-000001-aaaa"


@pytest.mark.parametrize("sid", ["20260101-000000-none", "..", "../x", ".", "", ".hidden"])
def test_a_session_that_is_not_there_is_not_made(tmp_path: Path, sid: str) -> None:
    store = sessions(tmp_path)
    (tmp_path / "data" / "x").mkdir(parents=True)
    (tmp_path / "data" / "x" / "log.jsonl").write_bytes(b"".join(lines_for()))
    (tmp_path / "data" / "sessions").mkdir()
    for act in (store.open, store.trash, lambda wanted: store.fork(wanted, 1, NOW_MS)):
        with pytest.raises(NotFound):
            act(sid)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data", "log.jsonl", "sessions", "x"]


# --- forks and the trash ---------------------------------------------------------------------------------------------------
async def test_a_fork_holds_the_raw_lines_their_blobs_and_what_it_goes_on_with(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    book = transcript(opened)
    early, late = await opened.blobs.put(b"early", "image/png"), await opened.blobs.put(b"late", "image/png")
    await book.append(started(opened.sid), UserSaid("a", (Blob(early),)), QueueSet((QueueItem("q", ()),)))
    await book.append(HeadMoved(1), user("branch"), UserSaid("b", (Blob(late),)), AttemptUsed(1, 1, 1, "run", usage=Usage(5)))
    before = log_of(store, opened.sid).read_bytes()
    new = store.fork(opened.sid, 5, NOW_MS, lambda sid: [Forked(sid, "/f", "1", ForkPoint(opened.sid, 5)), HeadMoved(2)])
    copy = transcript(forked := store.open(new))
    assert [record.entry for record in copy.records()] == [
        started(opened.sid),
        UserSaid("a", (Blob(early),)),
        QueueSet((QueueItem("q", ()),)),
        HeadMoved(1),
        user("branch"),
        Forked(new, "/f", "1", ForkPoint(opened.sid, 5)),
        HeadMoved(2),
    ]
    assert (copy.head, copy.facts.queue, copy.facts.usage, copy.facts.session) == (2, (), Usage(), new)
    assert [await forked.blobs.get(blob.sha256) for blob in (early, late)] == [b"early", None]
    assert log_of(store, opened.sid).read_bytes() == before
    assert log_of(store, new).read_bytes().startswith(b"".join(before.splitlines(keepends=True)[:5]))
    await forked.log.close()
    await book.close()


async def test_a_fork_of_a_damaged_log_is_damaged_at_the_same_place(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"), user("two"), user("three"), user("four"))
    log = log_of(store, sid)
    log.write_bytes(log.read_bytes().replace(b"two", b"TWO").replace(b"four", b"FOUR"))
    for upto, texts, damaged in ((4, ["one", "three"], (3,)), (5, ["one", "three"], (3, 5))):
        new = store.fork(sid, upto, NOW_MS, lambda sid: [Forked(sid, "/w", "1", ForkPoint(sid, 1))])
        opened = store.open(new)
        await opened.log.close()
        assert (said([record.entry for record in opened.records]), opened.damaged) == (texts, damaged)


async def test_a_session_that_is_open_is_not_trashed(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    opened = store.open(sid)
    with pytest.raises(ReadOnly, match="has this session open"):
        store.trash(sid)
    await opened.log.close()
    trashed = store.trash(sid)
    assert (trashed / "log.jsonl").is_file()
    assert [path.name for path in (tmp_path / "data" / "sessions").iterdir()] == []
    with pytest.raises(NotFound):
        store.open(sid)


# --- beside the log --------------------------------------------------------------------------------------------------------
async def test_unsent_text_moves_in_beside_the_log_once_there_is_one(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    await opened.shelf.keep_composer("unsent \ud800")
    assert store.draft(WORK).composer_text() == "unsent �"
    assert store.new(NOW_MS, WORK).shelf.composer_text() == "unsent �"
    assert store.new(NOW_MS, Path("/other")).shelf.composer_text() == ""
    book = transcript(opened)
    await opened.blobs.put(b"x", "text/plain")
    assert opened.shelf.composer_text() == "unsent �"
    await book.append(started(), user("one"))
    await opened.shelf.keep_composer("next")
    await book.close()
    again = store.open(opened.sid)
    await again.log.close()
    assert (again.shelf.composer_text(), store.draft(WORK).composer_text()) == ("next", "")
    await again.shelf.keep_composer("")
    assert again.shelf.composer_text() == ""


async def test_each_window_keeps_a_draft_of_its_own_and_takes_over_what_a_closed_one_left(tmp_path: Path) -> None:
    one, other = sessions(tmp_path), sessions(tmp_path)
    await one.draft(WORK).keep_composer("half a sentence")
    begun = other.new(NOW_MS, WORK)
    assert begun.shelf.composer_text() == ""
    await begun.shelf.keep_composer("of the other")
    book = transcript(begun)
    await book.append(started(), user("of the other"))
    await begun.shelf.keep_composer("")
    await book.close()
    assert one.draft(WORK).composer_text() == "half a sentence"
    assert sessions(tmp_path).draft(WORK).composer_text() == ""
    one.close()
    assert sessions(tmp_path).draft(WORK).composer_text() == "half a sentence"


async def test_of_several_drafts_left_the_newest_is_taken_and_the_next_window_gets_the_other(tmp_path: Path) -> None:
    windows = [sessions(tmp_path) for _ in range(2)]
    for window, text in zip(windows, ("older", "newer"), strict=True):
        await window.draft(WORK).keep_composer(text)
    for age, path in enumerate(sorted((tmp_path / "state" / "drafts").glob("*.json"))):
        os.utime(path, (age, age) if path.suffixes == [".json"] else (9, 9))
    for window in windows:
        window.close()
    after = [sessions(tmp_path) for _ in range(3)]
    assert [window.draft(WORK).composer_text() for window in after] == ["newer", "older", ""]


async def test_text_that_cannot_be_kept_says_where_and_why(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(StorageFailed, match=r"drafts/.* \((Not a directory|File exists)\)"):
        await store.draft(WORK).keep_composer("text")
    assert store.draft(WORK).composer_text() == ""


async def test_a_session_in_a_folder_that_cannot_be_written_is_only_read(tmp_path: Path) -> None:
    sid = await written(sessions(tmp_path), user("one"))

    def read_only(name: str, count: int) -> None:
        if name == "open" and count == 3:
            raise PermissionError(13, "Permission denied")

    opened = sessions(tmp_path, FaultyDisk(read_only)).open(sid)
    first = sessions(tmp_path, FaultyDisk(lambda name, count: read_only(name, count + 2))).open(sid)
    assert said([record.entry for record in opened.records]) == ["one"]
    assert [first.read_only, said([record.entry for record in first.records])] == [
        "this session cannot be locked (Permission denied); it can be read or forked",
        ["one"],
    ]


# --- blobs -----------------------------------------------------------------------------------------------------------------
async def test_a_blob_is_given_back_only_as_it_was_put(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    opened = store.new(NOW_MS, WORK)
    blob = await opened.blobs.put(b"content", "image/png", (3, 4))
    path = store.path(opened.sid) / "blobs" / blob.sha256
    assert blob == BlobRef("ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", 7, "image/png", (3, 4))
    assert await opened.blobs.get(blob.sha256) == b"content"
    path.write_bytes(b"c0ntent")
    assert await opened.blobs.get(blob.sha256) is None
    assert await opened.blobs.put(b"content", "image/png", (3, 4)) == blob
    assert path.read_bytes() == b"content"
    assert [await opened.blobs.get(name) for name in ("0" * 64, "../../../x", "", "Z" * 64)] == [None] * 4


async def test_two_sessions_of_one_beginning_are_two(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sids = [await written(store, user("same")) for _ in range(3)]
    assert [await reread(store, sid) for sid in sids] == [[started(sid), user("same")] for sid in sids]
