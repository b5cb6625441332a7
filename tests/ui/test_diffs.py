"""Diffs as rows: one below the other or side by side, what changed within a line, and lines of every width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flowchat.ui.diffs import NUMBERED_CELLS, SIDE_BY_SIDE_CELLS, DiffLine, changed_within, diff_rows, read_diff
from flowchat.ui.palette import Palette
from flowchat.ui.prose import row_cells, row_text

DARK = Palette()
DIFF = """--- a/total.py
+++ b/total.py
@@ -9,4 +9,5 @@
 def total(lines):
-    return sum(round(l.net * l.rate, 2) for l in lines)
+    return sum(exact(l.net * l.rate, 2) for l in lines)
+    # rounded once
 context
-gone
@@ -40 +41 @@
-日本語のテキスト
+日本語の文
"""


def texts(diff: str, width: int) -> list[str]:
    return [row_text(row).rstrip() for row in diff_rows(read_diff(diff), DARK, width)]


def test_what_was_stands_above_what_is_where_there_is_little_room() -> None:
    assert texts(DIFF, SIDE_BY_SIDE_CELLS - 1) == [
        " 9   def total(lines):",
        "10 -     return sum(round(l.net * l.rate, 2) for l in lines)",
        "10 +     return sum(exact(l.net * l.rate, 2) for l in lines)",
        "11 +     # rounded once",
        "12   context",
        "12 - gone",
        "     …",
        "40 - 日本語のテキスト",
        "41 + 日本語の文",
    ]


def test_where_there_is_least_room_the_lines_have_all_of_it() -> None:
    assert texts("@@ -7 +7 @@\n-one two three four five\n+one two\n", 20) == ["- one two three four", "   five", "+ one two"]


def test_what_was_stands_beside_what_is_where_there_is_room() -> None:
    rows = texts(DIFF, SIDE_BY_SIDE_CELLS)
    assert [[half.rstrip() for half in row.split(" │ ")] for row in rows] == [
        [" 9   def total(lines):", " 9   def total(lines):"],
        [
            "10 -     return sum(round(l.net * l.rate, 2) for l in line",
            "10 +     return sum(exact(l.net * l.rate, 2) for l in line",
        ],
        ["     s)", "     s)"],
        ["", "11 +     # rounded once"],
        ["11   context", "12   context"],
        ["12 - gone" + " " * 50 + "│"],
        ["     …"],
        ["40 - 日本語のテキスト", "41 + 日本語の文"],
    ]
    assert {cell_len(row.partition("│")[0]) for row in rows if "│" in row} == {59}


def test_what_changed_within_a_line_is_underlined_and_not_only_coloured() -> None:
    lines = [DiffLine("-", "\tsum(round(x))", 1), DiffLine("+", "\tsum(exact(x), y)", 1)]
    for width in (80, 160):
        pieces = [piece for row in diff_rows(lines, DARK, width) for piece in row]
        assert [text for text, style in pieces if style.underline] == ["round(x)", "exact(x), y"]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("a = 1", "a = 12", ("1", "12")),
        ("call(one, two)", "call(one, two, three)", ("", ", three")),
        ("rounded", "round", None),
        ("return x", "raise ValueError(x, y, z)", None),
        ("same", "same", None),
        ("e\u0301 tail", "e\u0300 tail", ("e\u0301", "e\u0300")),
        ("a 👩\u200d💻 tail of it", "a 👩\u200d🚀 tail of it", ("👩\u200d💻", "👩\u200d🚀")),
        ("x" * 2000, "x" * 2000 + "y", None),
        ("", "something", None),
    ],
)
def test_what_changed_is_whole_words_and_only_told_of_lines_that_are_alike(
    old: str, new: str, changed: tuple[str, str] | None
) -> None:
    spans = changed_within(old, new)
    assert (spans and (old[slice(*spans[0])], new[slice(*spans[1])])) == changed


def test_a_part_of_a_diff_loses_no_line() -> None:
    assert read_diff(" a\n-b\n+c\nd\n@@ -3 +3 @@\n e", is_whole=False) == [
        DiffLine(" ", "a"),
        DiffLine("-", "b"),
        DiffLine("+", "c"),
        DiffLine("", "d"),
        DiffLine("", "…"),
        DiffLine(" ", "e", 3, 3),
    ]


WORDS = st.lists(st.sampled_from(["a", " ", "日本", "\t", "👩\u200d🚀", "e\u0301", "कि", "🇩🇪", "\x1b[2J"]), max_size=40).map(
    "".join
)


@given(st.lists(st.tuples(st.sampled_from(" +-"), WORDS), min_size=1, max_size=8), st.sampled_from([12, 30, 80, 120, 161]))
def test_no_row_is_wider_than_the_room_and_nothing_is_lost(lines: list[tuple[str, str]], width: int) -> None:
    diff = "@@ -1 +1 @@\n" + "\n".join(sign + text for sign, text in lines)
    read = read_diff(diff)
    rows = diff_rows(read, DARK, width)
    assert [row_text(row) for row in rows if row_cells(row) > width] == []
    if width < SIDE_BY_SIDE_CELLS:
        shown = "".join(row_text(row)[4 if width >= NUMBERED_CELLS else 2 :] for row in rows)
        assert shown.replace(" ", "") == "".join(line.text.expandtabs(4) for line in read).replace(" ", "")
