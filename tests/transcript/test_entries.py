"""The entry table: every entry there can be survives being written and read."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.store.scan import header_of
from flowchat.transcript.entries import (
    TYPES,
    AnyEntry,
    AssistantSaid,
    Call,
    Damaged,
    Forked,
    ForkPoint,
    HeadMoved,
    ItemRef,
    ItemsSet,
    Node,
    Noticed,
    Record,
    Text,
    Thinking,
    Unknown,
    UserSaid,
    decode_entry,
    sound_entry,
    type_name,
)
from flowchat.transcript.transcript import encode_line
from tests.transcript.building import ENTRIES, WRITTEN


@given(ENTRIES, st.integers(1, 2**40), st.integers(0, 2**42))
def test_an_entry_is_read_as_it_was_written(entry: AnyEntry, seq: int, at_ms: int) -> None:
    parent = seq - 1 if isinstance(entry, Node) else None
    line = encode_line(Record(seq, at_ms, parent, type_name(entry), entry))
    header = header_of(line[:-1])
    assert header is not None
    assert (header.v, header.seq, header.t, header.type, header.parent) == (1, seq, at_ms, type_name(entry), parent)
    assert decode_entry(line, header.type) == entry
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")


def test_every_entry_has_a_type_of_its_own() -> None:
    assert (len(TYPES), set(TYPES.values())) == (len(WRITTEN) + 2, {*WRITTEN, Unknown, Damaged})


@pytest.mark.parametrize(
    ("record", "body"),
    [
        (Record(2, 5, 1, "user_said", UserSaid("c", (Text("é"),))),
         '{"v":1,"seq":2,"t":5,"type":"user_said","parent":1,"client_id":"c","parts":[{"kind":"text","text":"é"}]'),
        (Record(3, 5, None, "head_moved", HeadMoved(1)), '{"v":1,"seq":3,"t":5,"type":"head_moved","to":1'),
        (Record(4, 5, None, "items_set", ItemsSet((ItemRef(1),), "pruned", 3)),
         '{"v":1,"seq":4,"t":5,"type":"items_set","items":[{"node":1}],"state":"pruned","with":3'),
        (Record(5, 5, None, "forked", Forked("s", "/", "1", ForkPoint("r", 4))),
         '{"v":1,"seq":5,"t":5,"type":"forked","session":"s","cwd":"/","app_version":"1","from":{"session":"r","seq":4}'),
        (Record(1, 5, 0, "noticed", Noticed("info", "", "")),
         '{"v":1,"seq":1,"t":5,"type":"noticed","parent":0,"level":"info","source":"","text":""'),
    ],
)  # fmt: skip
def test_a_line_is_plain_json_with_its_place_first_and_its_crc_last(record: Record, body: str) -> None:
    assert encode_line(record) == b'%b,"crc":%d}\n' % (body.encode(), zlib.crc32(body.encode()))


@pytest.mark.parametrize(
    ("line", "type_", "entry"),
    [
        (b'{"type":"hologram","parent":1}', "hologram", Unknown("hologram")),
        (b'{"type":"damaged","reason":"x"}', "damaged", Unknown("damaged")),
        (b'{"type":"unknown","name":"x"}', "unknown", Unknown("unknown")),
        (b'{"type":"head_moved","to":3,"and":"more"}', "head_moved", HeadMoved(3)),
    ],
)
def test_what_a_later_program_wrote_is_unknown_or_read_as_far_as_it_is_known(line: bytes, type_: str, entry: AnyEntry) -> None:
    assert decode_entry(line, type_) == entry


@given(st.binary(max_size=80) | st.just(b"[" * 100_000), st.sampled_from(sorted(TYPES)))
def test_bytes_that_are_no_line_are_damage_or_unknown(raw: bytes, type_: str) -> None:
    assert isinstance(decode_entry(raw, type_), Damaged | Unknown)


def test_text_that_utf_8_cannot_hold_is_made_sound_wherever_it_stands() -> None:
    parts = (Text("a\ud800b"), Thinking("ok", "p", {"\udfff": ["\ud801"]}), Call("i", "n", "{}"))
    sound = (Text("a�b"), Thinking("ok", "p", {"�": ["�"]}), Call("i", "n", "{}"))
    assert sound_entry(AssistantSaid(1, 1, 1, "m", parts, "stop")) == AssistantSaid(1, 1, 1, "m", sound, "stop")


@given(ENTRIES)
def test_sound_text_stays_as_it_is(entry: AnyEntry) -> None:
    assert sound_entry(entry) == entry


def test_a_record_is_decoded_once_and_only_when_somebody_looks() -> None:
    looked: list[int] = []

    def read(record: Record) -> AnyEntry:
        looked.append(record.seq)
        return HeadMoved(record.seq)

    record = Record(7, 0, None, "head_moved", read=read, size=40)
    assert (record.is_node, record.size, looked) == (False, 40, [])
    assert (record.entry, record.entry, looked) == (HeadMoved(7), HeadMoved(7), [7])
    assert msgspec.json.encode(record.entry) == b'{"type":"head_moved","to":7}'
