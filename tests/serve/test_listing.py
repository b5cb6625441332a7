"""`flowchat sessions` over logs as they are, and as a crash or a hand may leave them."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from flowchat.errors import NotFound, StorageFailed
from flowchat.serve.listing import delete_session, list_sessions, session_path, show_session
from flowchat.serve.trashing import list_trash, restore_session
from flowchat.store.cards import write_card
from flowchat.store.disk import Disk
from flowchat.store.sessions import Sessions
from flowchat.transcript.entries import RunEnded, TitleSet
from tests.store.books import log_of, note, sessions, user, written


@pytest.fixture
def store(tmp_path: Path) -> Sessions:
    return sessions(tmp_path)


async def test_a_session_is_shown_as_somebody_reads_it_who_was_not_there(store: Sessions) -> None:
    ended = RunEnded(3, "failed", 1, 10, message="the key was\nrefused")
    sid = await written(store, user("one\ntwo \x1b[2J"), note("a  notice"), ended)
    assert list(show_session(store, sid, False)) == [
        "> one\n> two ␛\n\n",
        "(a notice)\n\n",
        "(failed: the key was refused)\n\n",
    ]


async def test_a_line_that_cannot_be_read_is_shown_as_one(store: Sessions) -> None:
    sid = await written(store, user("one"), user("two"))
    log = log_of(store, sid)
    log.write_bytes(log.read_bytes().replace(b'"one"', b'"eno"'))
    shown = list(show_session(store, sid, False))
    assert [line.partition(":")[0] for line in shown] == ["(unreadable line", "> two\n\n"]


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_log_that_holds_nothing_is_told(store: Sessions, as_json: bool) -> None:
    sid = await written(store, user("one"))
    log_of(store, sid).write_bytes(b"")
    with pytest.raises(StorageFailed, match=f"session '{sid}' has no readable entries"):
        list(show_session(store, sid, as_json))


async def test_showing_and_listing_write_nothing(store: Sessions, tmp_path: Path) -> None:
    sid = await written(store, user("one"))
    log = log_of(store, sid)
    log.write_bytes(log.read_bytes()[:-3])
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    list(show_session(store, sid, False))
    list(show_session(store, sid, True))
    list(list_sessions(store, False))
    list(session_path(store, sid, False))
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_without_sessions_the_list_is_empty_and_none_is_found(store: Sessions) -> None:
    assert list(list_sessions(store, False)) == []
    with pytest.raises(NotFound, match="there is no session 'k3f9'"):
        list(session_path(store, "k3f9", False))


async def test_a_title_is_one_line_of_at_most_fifty_characters(store: Sessions) -> None:
    sid = await written(store, user("a\nb\x1b" + "c" * 60))
    [line] = list_sessions(store, False)
    assert line.startswith(f"{sid}  ")
    assert f"  a b␛{'c' * 45}…  /w\n" in line


async def test_a_time_no_calendar_has_hides_no_session(store: Sessions) -> None:
    sid = await written(store, user("one"))
    card = store.card(sid)
    assert card is not None
    write_card(store.path(sid), replace(card, updated_ms=10**17), Disk())
    assert list(list_sessions(store, False)) == [f"{sid}  at unknown time       1 messages  {'one':<50}  /w\n"]
    store.trash(sid).rename(store.path("x").parents[1] / "trash" / f"{sid}.{10**17}")
    [line] = list_trash(store, False)
    assert line.startswith(f"{sid}  deleted at unknown time ")
    assert list(restore_session(store, sid, False)) == [f"{sid} is back; `flowchat -r {sid}` resumes it\n"]


async def test_of_several_of_one_title_none_is_deleted(store: Sessions) -> None:
    sids = sorted([await written(store, user("one"), TitleSet("Same", "user")) for _ in range(2)], reverse=True)
    with pytest.raises(NotFound, match=f"'same' matches several sessions: {', '.join(sids)}"):
        list(delete_session(store, "same", False))
    list(delete_session(store, sids[0], False))
    assert list(delete_session(store, "same", True)) == [
        f'{{"sid":"{sids[1]}","trashed":"{store.trashed.find(sids[1]).name}"}}\n'
    ]
