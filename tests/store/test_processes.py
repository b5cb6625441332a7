"""Processes that are killed anywhere, and processes that meet at one session."""

import os
import signal
from pathlib import Path

from flowchat.errors import NotFound
from flowchat.store.sessions import Sessions
from flowchat.transcript.draft import DraftLine, encode_draft
from flowchat.transcript.entries import Forked, ForkPoint
from tests.store.books import (
    NOW_MS,
    WORK,
    exit_code,
    in_child,
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
from tests.store.disks import KILLED, FaultyDisk, killed_at

ROUNDS = 200


async def converse(store: Sessions, acknowledged: int) -> None:
    """Tells the descriptor each message once it is durable, the session's id first."""
    opened = store.new(NOW_MS, WORK)
    os.write(acknowledged, f"{opened.sid}\n".encode())
    book = transcript(opened)
    for turn in range(3):
        first = [] if book.head else [started(opened.sid)]
        await book.append_or_withdraw(*first, user(f"message {turn}"))
        os.write(acknowledged, f"message {turn}\n".encode())
        book.draft(encode_draft([DraftLine(1, 1, 1, "drafted")]))
        await book.append(note(f"note {turn}"))
        await book.append(user(f"answer {turn}"))
        os.write(acknowledged, f"answer {turn}\n".encode())
        book.clear_draft()
        await opened.shelf.write_meta(book)
        await opened.shelf.keep_composer("unsent")
    await book.close()


async def test_a_process_killed_at_any_call_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    store, call, code = sessions(tmp_path), 0, KILLED
    while code == KILLED:
        call += 1
        reading, writing = os.pipe()
        code = exit_code(in_child(lambda: converse(sessions(tmp_path, FaultyDisk(killed_at(call))), writing)))  # noqa: B023
        os.close(writing)
        sid, *acknowledged = os.read(reading, 10_000).decode().split("\n")[:-1]
        os.close(reading)
        try:
            opened = store.open(sid)
        except NotFound:
            assert (acknowledged, store.cards()) == ([], []), f"call {call}"
            continue
        assert opened.read_only is None
        book = transcript(opened)
        found = said([record.entry for record in book.records()])
        durable = [text for text in found if not text.startswith("note")]
        assert durable[: len(acknowledged)] == acknowledged, f"call {call}"
        assert (len(durable) <= len(acknowledged) + 1, len(found)) == (True, len(set(found))), f"call {call}"
        await book.append(user("goes on"))
        await book.close()
        assert is_whole(log_of(store, sid))
        assert said(await reread(store, sid)) == [*found, "goes on"]
        assert [card.sid for card in store.cards()] == [sid]
        store.trash(sid)
    assert (code, call > 40) == (0, True)


async def test_a_fork_killed_at_any_call_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid, call, code = await written(store, user("one"), user("two")), 0, KILLED

    async def fork() -> None:
        disk = FaultyDisk(killed_at(call))
        sessions(tmp_path, disk).fork(sid, 2, NOW_MS, lambda new: [Forked(new, "/w", "1", ForkPoint(sid, 2))])

    while code == KILLED:
        call += 1
        code = exit_code(in_child(fork))
        for card in store.cards():
            if card.sid != sid:
                types = [type(entry).__name__ for entry in await reread(store, card.sid)]
                assert types == ["SessionStarted", "UserSaid", "Forked"], f"call {call}"
                store.trash(card.sid)
    assert (code, call > 8) == (0, True)
    store.trash(store.fork(sid, 2, NOW_MS))
    assert [path.name for path in (tmp_path / "data" / "sessions").iterdir()] == [sid]


async def test_a_trashing_killed_at_any_call_leaves_the_session_in_one_of_two_places(tmp_path: Path) -> None:
    store, call, code = sessions(tmp_path), 0, KILLED
    while code == KILLED:
        call += 1
        sid = await written(store, user("one"))

        async def trash() -> None:
            sessions(tmp_path, FaultyDisk(killed_at(call))).trash(sid)  # noqa: B023

        code = exit_code(in_child(trash))
        trashed = list((tmp_path / "data").glob(f"trash/{sid}.*/log.jsonl"))
        there = [card.sid for card in store.cards()]
        assert (there, len(trashed)) in (([sid], 0), ([], 1)), f"call {call}"
        if there:
            store.trash(sid)
    assert code == 0


async def test_two_processes_at_one_session_never_mix_their_lines(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store)

    async def visit(name: str) -> None:
        opened = sessions(tmp_path).open(sid)
        if opened.read_only is not None:
            raise PermissionError(opened.read_only)
        book = transcript(opened)
        await book.append(user(f"{name} came"))
        await book.append(note(f"{name} goes"))
        await book.close()

    visits: list[str] = []
    for number in range(ROUNDS):
        names = (f"{number} one", f"{number} other")
        children = [in_child(lambda name=name: visit(name)) for name in names]
        visits += [name for name, child in zip(names, children, strict=True) if exit_code(child) == 0]
    found = said(await reread(store, sid))
    assert found[::2] == [text.replace("goes", "came") for text in found[1::2]]
    assert sorted(found[1::2]) == sorted(f"{name} goes" for name in visits)
    assert (len(visits) >= ROUNDS, is_whole(log_of(store, sid))) == (True, True)


async def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    sid = await written(store, user("one"))
    reading, writing = os.pipe()

    async def hold() -> None:
        opened = sessions(tmp_path).open(sid)
        await transcript(opened).append(user("two"))
        os.write(writing, b"held")
        signal.pause()

    holder = in_child(hold)
    os.read(reading, 4)
    refused = store.open(sid)
    os.kill(holder, signal.SIGKILL)
    exit_code(holder)
    free = store.open(sid)
    os.close(reading)
    os.close(writing)
    sentence = f"another flowchat (process {holder}) has this session open; it can be read or forked"
    assert (refused.read_only, free.read_only) == (sentence, None)
    assert said([record.entry for record in refused.records]) == ["one", "two"]
    await free.log.close()
