"""Rows of the written text."""

from hypothesis import given
from hypothesis import strategies as st

from flowchat.ui.wrapping import CHUNK_CHARS, cells, column_at, row_of, rows_of

LINES = st.text(st.sampled_from("ab  漢\t-"), max_size=40)


def rows(line: str, width: int) -> list[str]:
    return [line[start:end] for start, end in rows_of(line, width)]


def test_a_line_breaks_after_a_space_and_a_long_word_anywhere() -> None:
    assert rows("one two three", 8) == ["one two ", "three"]
    assert rows("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert rows("漢字漢字", 5) == ["漢字", "漢字"]
    assert rows("", 5) == [""]


def test_a_line_of_a_megabyte_gives_its_first_rows_without_the_rest() -> None:
    line = "x" * 1_000_000
    first = rows_of(line, 80)
    assert [next(first) for _ in range(3)] == [(0, 80), (80, 160), (160, 240)]
    assert row_of(line, CHUNK_CHARS, 80) == (13, (CHUNK_CHARS, CHUNK_CHARS + 80))


@given(LINES, st.integers(4, 12))
def test_rows_are_the_whole_line_and_only_spaces_hang_over(line: str, width: int) -> None:
    parts = rows(line, width)
    assert "".join(parts) == line
    assert all(cells(part.rstrip(" ")) <= width for part in parts)


@given(LINES, st.integers(4, 12), st.integers(0, 40))
def test_the_place_of_a_caret_leads_back_to_its_column(line: str, width: int, column: int) -> None:
    column = min(column, len(line))
    number, span = row_of(line, column, width)
    assert list(rows_of(line, width))[number] == span
    assert span[0] <= column <= span[1]
    assert column_at(line, span, cells(line[span[0] : column])) == column
