"""The newest session of a workspace is found without looking at all of them, and is the right one whatever the hint says."""

from pathlib import Path

import pytest

from flowchat.store.disk import Disk
from flowchat.store.recent import FILE_LIMIT_BYTES, RECENT_LIMIT, Recent, name_of
from flowchat.store.sessions import Sessions
from flowchat.transcript.entries import Record, SessionStarted, type_name
from flowchat.transcript.transcript import encode_line
from tests.store.books import WORK, kept, sessions, user, written

HERE = Path("/here")


def made(store: Sessions, number: int, at_ms: int, cwd: str = "/here") -> str:
    """A session begun as the n-th, last used at a time."""
    sid = f"20260101-{number:06d}-aaaa"
    begun = SessionStarted(sid, cwd, "1", "demo", "default", "You are a test.", ())
    said = user("hi")
    records = [Record(1, at_ms, 0, type_name(begun), begun), Record(2, at_ms, 1, type_name(said), said)]
    kept(store, [encode_line(record) for record in records], sid)
    return sid


def hint(tmp_path: Path) -> Path:
    return tmp_path / "state" / "recent" / name_of(HERE)


def test_without_a_hint_all_are_looked_at_once(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sids = [made(store, number, at_ms) for number, at_ms in enumerate((5, 9, 7))]
    made(store, 9, 99, "/there")
    assert (store.newest(HERE), hint(tmp_path).read_text()) == (sids[1], f"{sids[1]}\n")


def test_the_newest_is_among_those_used_last_and_those_begun_last(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    old = made(store, 0, 50)
    for number in range(1, RECENT_LIMIT + 5):
        made(store, number, 1_000 + number, "/there")
    Recent(tmp_path / "state" / "recent", Disk()).used(HERE, old)
    assert store.newest(HERE) == old
    copied = made(store, 999_999, 60)
    assert store.newest(HERE) == copied
    made(store, 1, 55)
    assert store.newest(HERE) == copied


@pytest.mark.parametrize("content", [b"", b"gone\n", b"\xff\0../../etc\n\n", b"20260101-000000-aaaa/../x\n"])
def test_a_hint_that_names_nothing_here_misleads_nobody(tmp_path: Path, content: bytes) -> None:
    store = sessions(tmp_path)
    newest = [made(store, number, at_ms) for number, at_ms in enumerate((5, 9))][1]
    for number in range(2, RECENT_LIMIT + 5):
        made(store, number, 1_000 + number, "/there")
    hint(tmp_path).parent.mkdir(parents=True)
    hint(tmp_path).write_bytes(content)
    assert store.newest(HERE) == newest


def test_a_hint_that_cannot_be_read_or_written_is_no_hint(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    newest = made(store, 1, 5)
    hint(tmp_path).mkdir(parents=True)
    assert (store.newest(HERE), sessions(tmp_path / "nothing").newest(HERE)) == (newest, None)


async def test_a_session_is_noted_with_its_card_and_a_long_hint_is_made_short(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    recent = Recent(tmp_path / "state" / "recent", Disk())
    assert recent.of(WORK) == [sid]
    for number in range(FILE_LIMIT_BYTES // 8):
        recent.used(WORK, f"other-{number % 30:02d}")
    assert (tmp_path / "state" / "recent" / name_of(WORK)).stat().st_size <= FILE_LIMIT_BYTES
    last = (FILE_LIMIT_BYTES // 8 - 1) % 30
    assert recent.of(WORK) == [f"other-{(last - back) % 30:02d}" for back in range(RECENT_LIMIT)]
