import json
import sys
import unicodedata

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.serve import schema
from flowchat.serve.stream import Result, Spent, event_line, json_line, record_line
from flowchat.transcript.entries import TYPES, Entry, Record, Text, TitleSet, UserSaid
from flowchat.transcript.events import DELTAS, TextDelta

RESULT = Result("s", "Blue it is.", False, "completed", 2, 1500, Spent(input=10, output=3), None)
ENVELOPE = {"i", "opening", "session", "t", "type", "seq", "parent"}


def test_an_entry_says_where_it_stands_and_a_delta_does_not() -> None:
    said = UserSaid("c1", (Text("hi"),))
    assert json.loads(event_line(4, "op", "sid", 1000, Record(3, 999, 2, "user_said", said))) == {
        "i": 4,
        "opening": "op",
        "session": "sid",
        "t": 1000,
        "type": "user_said",
        "seq": 3,
        "parent": 2,
        "client_id": "c1",
        "parts": [{"kind": "text", "text": "hi"}],
    }
    fact = Record(4, 999, None, "title_set", TitleSet("Blue", "user"))
    assert json.loads(event_line(5, "op", "sid", 1001, fact)) == {
        "i": 5, "opening": "op", "session": "sid", "t": 1001, "type": "title_set", "seq": 4, "title": "Blue", "origin": "user",
    }  # fmt: skip
    assert json.loads(event_line(6, "op", "sid", 1002, TextDelta(1, 1, 1, "Bl"))) == {
        "i": 6, "opening": "op", "session": "sid", "t": 1002, "type": "text", "run": 1, "step": 1, "attempt": 1, "text": "Bl",
    }  # fmt: skip


def test_a_kept_record_is_a_line_with_its_own_time() -> None:
    assert record_line(Record(3, 999, 2, "user_said", UserSaid("c1", (Text("hi"),)))) == (
        '{"seq":3,"parent":2,"t":999,"type":"user_said","client_id":"c1","parts":[{"kind":"text","text":"hi"}]}\n'
    )


def test_the_result_has_all_its_fields_whatever_their_values() -> None:
    assert json.loads(event_line(7, "op", "s", 1003, RESULT)) == {
        "i": 7,
        "opening": "op",
        "session": "s",
        "t": 1003,
        "type": "result",
        "session_id": "s",
        "result": "Blue it is.",
        "is_error": False,
        "outcome": "completed",
        "num_steps": 2,
        "duration_ms": 1500,
        "usage": {"input": 10, "cached": 0, "cache_write": 0, "output": 3, "reasoning": 0},
        "total_cost_usd": None,
    }


@pytest.mark.parametrize("kind", [*TYPES.values(), *DELTAS.values()], ids=lambda kind: kind.__name__)
def test_no_event_has_a_field_that_the_envelope_would_hide(kind: type[Entry]) -> None:
    """`session` is the exception: where an entry names one it is the session the line is of."""
    assert set(kind.__struct_encode_fields__) & ENVELOPE <= {"session"}


@given(st.text())
def test_what_is_printed_reads_back_as_it_was(text: str) -> None:
    assert json.loads(json_line({"text": text})) == {"text": text}


def test_no_character_that_a_terminal_obeys_or_hides_is_printed_as_it_is() -> None:
    printed = json_line({"text": "".join(map(chr, range(sys.maxunicode + 1)))})
    bad = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    assert sorted(hex(ord(c)) for c in set(printed.rstrip("\n")) if unicodedata.category(c) in bad) == []
    assert printed.count("\n") == 1
    for letter in "aé漢🙂\u0301":
        assert letter in printed


def test_the_shipped_schema_is_the_one_of_the_structs() -> None:
    assert schema.shipped() == schema.generate(), "run: python -m flowchat.serve.schema"


def test_the_schema_accepts_real_lines_and_refuses_others() -> None:
    checker = jsonschema.Draft202012Validator(json.loads(schema.shipped()))
    checker.check_schema(checker.schema)
    good = [
        event_line(1, "op", "sid", 1000, Record(3, 999, 2, "user_said", UserSaid("c1", (Text("hi"),)))),
        event_line(2, "op", "sid", 1000, TextDelta(1, 1, 1, "Bl")),
        event_line(3, "op", "sid", 1000, RESULT),
    ]
    assert [checker.is_valid(json.loads(line)) for line in good] == [True, True, True]
    said, text, result = (json.loads(line) for line in good)
    del said["seq"]
    text["text"] = 3
    result["outcome"] = "fine"
    assert [checker.is_valid(line) for line in (said, text, result)] == [False, False, False]
