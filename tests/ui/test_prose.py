"""Text broken into rows: what goes where, and that a long line is read once."""

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flowchat.ui.prose import wrapped

TEXTS = st.lists(st.sampled_from([" ", "a", "b", "é", "日", "本", "👩\u200d🚀", "e\u0301", "\n"]), max_size=60).map("".join)


def test_words_stay_whole_and_a_longer_one_is_broken_where_the_row_is_full() -> None:
    assert wrapped("one two three\n\nfourteen", 7) == ["one two", "three", "", "fourtee", "n"]


def test_what_is_drawn_as_one_character_is_never_torn() -> None:
    assert wrapped("e\u0301" * 3 + "👩\u200d🚀" * 2, 4) == ["e\u0301" * 3, "👩\u200d🚀" * 2]


@given(TEXTS, st.integers(2, 20))
def test_rows_hold_all_but_blanks_and_none_is_wider_than_asked(text: str, width: int) -> None:
    rows = wrapped(text, width)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert [row for row in rows if cell_len(row.rstrip(" ")) > width] == []


@pytest.mark.parametrize("unit", ["QUJD", "word ", "日本", "é ", "e\u0301", " "])
def test_twice_the_text_is_twice_the_work(unit: str) -> None:
    once, twice = [work_of(unit * count) for count in (5_000, 10_000)]
    assert twice < 2.5 * once


def work_of(text: str) -> int:
    """Characters read and functions called to break a text, as far as they are called from Python."""
    calls = [0]

    def count(frame: FrameType, event: str, arg: object) -> None:
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        wrapped(text, 76)
    finally:
        sys.setprofile(None)
    return calls[0]
