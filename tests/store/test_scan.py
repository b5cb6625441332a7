"""Logs as they may lie on somebody's disk: flipped, cut, doubled, from the future; and what is read of them."""

import os
import random
import re
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowchat.errors import NotFound
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.entries import AnyEntry, Damaged, HeadMoved, Record, TodoItem, ToolAnswered, Unknown
from flowchat.transcript.transcript import RECORD_LIMIT_BYTES, Transcript
from tests.store.books import is_whole, kept, lines_for, note, read, said, sessions, started, transcript, user

TEXTS = [f"message {number} " + "x" * number for number in range(400)]
LINES = lines_for(*map(user, TEXTS))
FEW = lines_for(user("one"), note("two"), HeadMoved(2), user("three"))
FEW_ENTRIES = [started(), user("one"), note("two"), HeadMoved(2), user("three")]


def entries(records: Sequence[Record]) -> list[AnyEntry]:
    return [record.entry for record in records]


def sealed(body: str) -> bytes:
    """A line with a right crc, whatever it says."""
    raw = body.encode()
    return b'%b,"crc":%d}\n' % (raw, zlib.crc32(raw))


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_bit_flipped_in_each_of_200_lines_is_found_200_times_and_the_rest_is_read(tmp_path: Path) -> None:
    chance = random.Random(1)
    hit = set(chance.sample(range(1, 401), 200))
    lines = [flipped(line, chance.randrange(8 * (len(line) - 1))) if index in hit else line for index, line in enumerate(LINES)]
    records = read(kept(sessions(tmp_path), lines))
    assert {record.seq - 1 for record in records if record.type == "damaged"} == hit
    assert said(entries(records)) == [text for index, text in enumerate(TEXTS, 1) if index not in hit]


def test_any_flipped_bit_costs_one_line_at_most(tmp_path: Path) -> None:
    log = kept(sessions(tmp_path), FEW)
    raw = b"".join(FEW)
    for bit in range(8 * len(raw)):
        log.write_bytes(flipped(raw, bit))
        found = entries(read(log))
        lost = [(new, old) for new, old in zip(found, FEW_ENTRIES, strict=True) if new != old]
        assert len(lost) <= 1, f"bit {bit}"
        assert all(isinstance(new, Damaged) for new, _ in lost), f"bit {bit}"


async def test_a_log_cut_anywhere_in_its_last_2000_bytes_opens_with_every_whole_line(tmp_path: Path) -> None:
    store, raw = sessions(tmp_path), b"".join(LINES[:40])
    log = kept(store, raw)
    for end in range(len(raw) - 2000, len(raw)):
        log.write_bytes(raw[:end])
        opened = store.open(log.parent.name)
        ends = [match.end() for match in re.finditer(rb"\}(?=\n)", raw)]
        whole = sum(place <= end for place in ends)
        torn = opened.torn and (log.parent / opened.torn).read_bytes()
        await opened.log.close()
        assert (len(opened.records), is_whole(log)) == (whole, True), f"cut at {end}"
        assert raw.startswith(log.read_bytes() + (torn or b"")), f"cut at {end}"
        assert len(log.read_bytes() + (torn or b"")) in (end, end + 1), f"cut at {end}"
        if torn:
            (log.parent / "log.torn-1").unlink()


async def test_torn_bytes_are_kept_each_time_under_a_name_of_their_own(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    log = kept(store, FEW)
    names: list[str | None] = []
    for torn in (b"first", b'{"v":1,"seq":6,"t":1', b""):
        log.write_bytes(log.read_bytes() + torn)
        opened = store.open(log.parent.name)
        names.append(opened.torn)
        await opened.log.close()
    assert names == ["log.torn-1", "log.torn-2", None]
    assert [(log.parent / f"log.torn-{number}").read_bytes() for number in (1, 2)] == [b"first", b'{"v":1,"seq":6,"t":1']
    assert log.read_bytes() == b"".join(FEW)


async def test_who_only_reads_mends_nothing(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    log = kept(store, b"".join(FEW) + b"torn")
    writer = store.open(log.parent.name)
    log.write_bytes(b"".join(FEW) + b"torn")
    reader = store.open(log.parent.name)
    assert (entries(reader.records), reader.torn) == (FEW_ENTRIES, None)
    assert store.cards()[0].messages == 2
    assert log.read_bytes() == b"".join(FEW) + b"torn"
    await writer.log.close()


def test_a_missing_line_is_an_empty_node_at_the_head_as_it_was(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    moved = lines_for(user("one"), note("two"), HeadMoved(2), note("lost"), user("three"))
    log = kept(store, [*moved[:4], *moved[5:]])
    opened = store.open(log.parent.name)
    book = transcript(opened)
    assert opened.damaged == (5,)
    assert [(record.seq, record.type, record.parent) for record in book.records()][3:] == [
        (4, "head_moved", None),
        (5, "damaged", 2),
        (6, "user_said", 5),
    ]
    assert [record.seq for record in book.branch()] == [1, 2, 5, 6]


async def test_a_damaged_session_stays_writable(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    log = kept(store, [*FEW[:-1], FEW[-1].replace(b"three", b"THREE")])
    opened = store.open(log.parent.name)
    book = transcript(opened)
    await book.append(user("four"))
    await book.close()
    again = transcript(store.open(log.parent.name)).records()
    assert [(record.type, record.parent) for record in again][-2:] == [("damaged", 2), ("user_said", 5)]


@pytest.mark.parametrize(
    ("lines", "texts", "damaged"),
    [
        ([FEW[0], FEW[1], FEW[1], FEW[2]], ["one", "two"], []),
        ([*FEW, *FEW], ["one", "two", "three"], []),
        ([FEW[0], b"\n", FEW[1], b"garbage\n", b'{"a":1}\n', FEW[2]], ["one", "two"], []),
        ([FEW[0], FEW[2], FEW[1], FEW[4]], ["two", "three"], [2, 4]),
        ([FEW[0], FEW[1], b"garbage\n"], ["one"], [3]),
        ([FEW[0], FEW[1], FEW[2][:20] + b"\n" + FEW[2][21:]], ["one"], [3]),
        ([FEW[0], sealed('{"v":1,"seq":900000000,"t":1,"type":"noticed","parent":1'), FEW[1]], ["one"], []),
        ([FEW[0], sealed('{"v":1,"seq":0,"t":1,"type":"noticed"'), FEW[1]], ["one"], []),
        ([FEW[0], sealed('{"v":1,"seq":2,"t":1,"type":"noticed","parent":2'), FEW[1]], ["one"], []),
        ([FEW[0], FEW[1], sealed("[" * 50_000)], ["one"], [3]),
        ([FEW[0], b"\0" * 5_000 + b"\n", FEW[1], b"\0" * 5_000], ["one"], []),
        ([FEW[0], b"x" * (RECORD_LIMIT_BYTES + 10) + b"\n", FEW[1]], ["one"], []),
    ],
    ids=[
        "doubled line",
        "doubled log",
        "strange lines",
        "wrong order",
        "strange end",
        "a newline in the last line",
        "far ahead",
        "seq 0",
        "its own parent",
        "nested too deeply",
        "zeros",
        "too long",
    ],
)
def test_lines_that_are_not_what_they_should_be_hide_no_others(
    tmp_path: Path, lines: list[bytes], texts: list[str], damaged: list[int]
) -> None:
    records = read(kept(sessions(tmp_path), lines))
    assert said(entries(records)) == texts
    assert [record.seq for record in records if record.type == "damaged"] == damaged
    assert [record.seq for record in records] == list(range(1, len(records) + 1))


def test_a_line_without_an_end_takes_no_more_memory_than_the_longest_line(tmp_path: Path) -> None:
    log = kept(sessions(tmp_path), FEW)
    os.truncate(log, 4 * RECORD_LIMIT_BYTES)
    tracemalloc.start()
    try:
        records = read(log)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (entries(records), peak < 1.5 * RECORD_LIMIT_BYTES) == (FEW_ENTRIES, True)


def test_what_this_program_does_not_know_is_kept_as_unknown(tmp_path: Path) -> None:
    line = sealed('{"v":1,"seq":6,"t":1,"type":"from_the_future","parent":5,"a":[1]')
    records = read(kept(sessions(tmp_path), [*FEW, line]))
    assert (records[-1].entry, records[-1].parent) == (Unknown("from_the_future"), 5)


def test_a_line_of_a_known_type_that_does_not_follow_its_form_is_damage(tmp_path: Path) -> None:
    bad = ['"to":"x"', '"to":1.5', '"nothing":1']
    for fields in bad:
        line = sealed(f'{{"v":1,"seq":6,"t":1,"type":"head_moved",{fields}')
        log = kept(sessions(tmp_path), [*FEW, line])
        book = transcript(sessions(tmp_path).open(log.parent.name))
        assert isinstance(book.records()[-1].entry, Damaged)
        assert book.head == 5


def test_a_newer_version_is_only_read_and_never_rewritten(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    log = kept(store, [*FEW, sealed('{"v":2,"seq":6,"t":1,"type":"user_said","parent":5,"said":"anew"'), b"torn"])
    before = log.read_bytes()
    opened = store.open(log.parent.name)
    assert opened.read_only == "a newer flowchat wrote this session (version 2); only that version can continue it"
    assert entries(opened.records)[:5] == FEW_ENTRIES
    assert isinstance(opened.records[5].entry, Damaged)
    assert (log.read_bytes(), sorted(path.name for path in log.parent.iterdir())) == (before, ["lock", "log.jsonl"])


async def test_version_0_had_no_crc_and_is_read_as_it_is(tmp_path: Path) -> None:
    store = sessions(tmp_path)
    old = [re.sub(rb',"crc":\d+\}', b"}", line).replace(b'"v":1', b'"v":0') for line in FEW]
    log = kept(store, old)
    opened = store.open(log.parent.name)
    book = transcript(opened)
    assert (entries(opened.records), opened.read_only) == (FEW_ENTRIES, None)
    assert log.read_bytes() == b"".join(old)
    await book.append(user("new"))
    await book.close()
    assert log.read_bytes().startswith(b"".join(old))


def test_an_answer_with_a_todo_list_is_known_before_it_is_decoded(tmp_path: Path) -> None:
    plain, listed = ToolAnswered("2.0", "ok", "x"), ToolAnswered("2.1", "ok", "x", todo=(TodoItem("look", "done"),))
    cleared, failed = (
        ToolAnswered("2.2", "ok", "x", todo=()),
        sealed('{"v":1,"seq":6,"t":1,"type":"notes","parent":5,"todo":null'),
    )
    records = read(kept(sessions(tmp_path), [*lines_for(user("one"), plain, listed, cleared), failed]))
    assert [record.has_todo for record in records] == [False, False, False, True, True, False]
    assert [record.entry for record in records[3:5]] == [listed, cleared]
    assert [record.has_todo for record in records] == [False, False, False, True, True, False]


def test_order_is_by_number_not_by_time(tmp_path: Path) -> None:
    earlier = [sealed(re.sub(rb',"crc":\d+\}\n', b"", line).decode().replace('"t":17', '"t":16')) for line in FEW[3:]]
    assert entries(read(kept(sessions(tmp_path), [*FEW[:3], *earlier]))) == FEW_ENTRIES


@pytest.mark.parametrize("raw", [b"", b"\n", b"torn", FEW[0][:-10]])
def test_a_log_that_holds_nothing_is_no_session(tmp_path: Path, raw: bytes) -> None:
    store = sessions(tmp_path)
    log = kept(store, raw)
    assert store.cards() == []
    with pytest.raises(NotFound, match="no readable entries"):
        store.open(log.parent.name)
    assert log.read_bytes() == raw


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.lists(st.one_of(st.sampled_from(FEW), st.binary(max_size=60), st.just(b"\n"))).map(b"".join))
def test_whatever_a_file_holds_it_is_read_without_an_error(tmp_path: Path, raw: bytes) -> None:
    log = kept(sessions(tmp_path), raw)
    book = Transcript(MemoryLog(), MemoryBlobs(), read(log))
    assert [record.seq for record in book.records()] == list(range(1, book.last_seq + 1))
    assert all(record.entry is not None for record in book.branch())
