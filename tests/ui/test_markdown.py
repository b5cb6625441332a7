"""Markdown as rows: what it looks like, and that the pieces it came in do not matter."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.style import Style
from textual.strip import Strip

from flowchat.ui.fences import SLAB_LIMIT_LINES, SLAB_LINES
from flowchat.ui.inline import inline_rows
from flowchat.ui.longline import PORTION_CHARS
from flowchat.ui.markdown import MarkdownFlow, strip_of_line
from flowchat.ui.palette import DARK, Palette


def drawn(pieces: Sequence[str], width: int = 60, palette: Palette = DARK) -> list[Strip]:
    flow = MarkdownFlow(width, palette)
    for piece in pieces:
        flow.feed(piece)
    flow.finish()
    return [flow.strip(number) for number in range(len(flow.lines))]


def shown(markdown: str, width: int = 60) -> str:
    """The rows as text, the left gutter and trailing blanks taken off."""
    rows = drawn([markdown], width)
    assert [row.cell_length for row in rows] == [width] * len(rows)
    assert all(row.text.startswith("  ") for row in rows)
    return "\n".join(row.text[2:].rstrip() for row in rows)


def style_of(markdown: str, word: str) -> Style:
    """The style in which a word is shown."""
    [style] = [segment.style for row in drawn([markdown]) for segment in row if word in segment.text]
    assert style is not None
    return style


LOOKS = {
    "headings stand close to what they head": ("# One\ntext\n\n## Two\n\ntext", "One\ntext\n\nTwo\n\ntext"),
    "a line of the source is a line": ("one\ntwo  \nthree", "one\ntwo\nthree"),
    "bullets, nested": ("- a\n- b\n  - c\n    over\n- d", "• a\n• b\n  • c\n    over\n• d"),
    "blank rows between items are the writer's": ("- a\n\n- b\n- c", "• a\n\n• b\n• c"),
    "numbers go on from the first": ("7. a\n1. b\n1. c", "7. a\n8. b\n9. c"),
    "tasks": ("- [ ] open\n- [x] done", "[ ] open\n[x] done"),
    "a quote with a list": ("> one\n>\n> - two", "│ one\n│\n│ • two"),
    "a rule": ("a\n\n---\n\nb", "a\n\n" + "─" * 56 + "\n\nb"),
    "a link says where it leads": ("see [the docs](http://x.test/a)", "see the docs (http://x.test/a)"),
    "a link that is its own target says it once": ("see <http://x.test/a>", "see http://x.test/a"),
    "a link that lies is found out": (
        "[https://good.example](http://127.0.0.1/?q=SECRET)",
        "https://good.example (http://127.0.0.1/?q=SECRET)",
    ),
    "an image is its words and its source": ("![a cat](http://x.test/p?d=1)", "a cat (http://x.test/p?d=1)"),
    "a script is no link": ("[x](javascript:alert)", "[x](javascript:alert)"),
    "html is text": ("<b>bold</b> <!-- c -->\n\n<div>\nx\n</div>", "<b>bold</b> <!-- c -->\n\n<div>\nx\n</div>"),
    "markup of others is text": ("[link=file:///etc/passwd]x[/link] [bold]y[/]", "[link=file:///etc/passwd]x[/link] [bold]y[/]"),
    "entities cannot smuggle": ("a&#x202e;b&#x200b;c &amp; d", "a�b�c & d"),
    "code keeps its blanks": ("```\n  a\n\n\tb\n```", "    a\n\n      b"),
    "code after a line without a blank one": ("text:\n```py\nx = 1\n```\nmore", "text:\n\n  x = 1\n\nmore"),
    "code in a list": ("1. a\n\n   ```py\n   x = 1\n   ```\n2. b", "1. a\n\n     x = 1\n2. b"),
    "indented code": ("a\n\n    x = 1", "a\n\n  x = 1"),
    "code that is still being written": ("```py\nx = 1\ny", "  x = 1\n  y"),
    "a table": ("|a|bb|\n|-|-:|\n|ccc|1|\n|d|22|", "a     bb\n────────\nccc    1\nd     22"),
    "inline code keeps stars": ("`a*b*c` **d** *e* ~~f~~", "a*b*c d e f"),
}


@pytest.mark.parametrize(("markdown", "rows"), LOOKS.values(), ids=LOOKS)
def test_markdown_looks_like_this(markdown: str, rows: str) -> None:
    assert shown(markdown) == rows


def test_emphasis_is_style() -> None:
    text = "a **strong** b *soft* c ~~gone~~ d `code` e"
    assert style_of(text, "strong") == Style(bold=True)
    assert style_of(text, "soft") == Style(italic=True)
    assert style_of(text, "gone") == Style(strike=True)
    assert style_of(text, "code") == DARK.inline_code
    assert style_of("# Head", "Head") == DARK.accent + Style(bold=True)


def test_a_target_is_dim_and_the_words_are_underlined() -> None:
    assert style_of("[words](http://x.test)", "words") == Style(underline=True)
    assert style_of("[words](http://x.test)", "(http://x.test)") == DARK.dim


def test_text_is_broken_between_words_and_no_wider_than_a_hundred_cells() -> None:
    assert shown("aaa bbb ccc ddd", width=12) == "aaa bbb\nccc ddd"
    assert max(len(row) for row in shown("word " * 100, width=160).split("\n")) == 99


def test_a_long_word_is_broken_where_the_row_is_full() -> None:
    assert shown("see abcdefghijkl now", width=12) == "see\nabcdefgh\nijkl now"


def test_wide_and_joined_characters_are_measured_and_never_torn() -> None:
    assert shown("日本語日本語", width=11) == "日本語\n日本語"
    assert (
        shown("ab 👨\u200d👩\u200d👧 👨\u200d👩\u200d👧 e\u0301f", width=10)
        == "ab 👨\u200d👩\u200d👧\n👨\u200d👩\u200d👧 e\u0301f"
    )


def test_a_table_too_wide_wraps_its_cells_and_keeps_rows_apart() -> None:
    table = "|name|what it does|\n|-|-|\n|alpha|one two three four|\n|b|five|"
    assert shown(table, width=24) == (
        "name    what it does\n────────────────────\nalpha   one two\n        three four\n\nb       five"
    )


def test_a_table_too_narrow_for_columns_becomes_a_list() -> None:
    table = "|key|value|note|\n|-|-|-|\n|alpha|something|wonderful|\n|beta|different|altogether|"
    assert shown(table, width=20) == (
        "key: alpha\nvalue: something\nnote: wonderful\n\nkey: beta\nvalue: different\nnote: altogether"
    )


@pytest.mark.parametrize("width", [40, 20])
def test_a_table_that_streams_in_is_one_from_its_header_on_and_never_loses_a_row(width: int) -> None:
    flow = MarkdownFlow(width, DARK)
    heights: list[int] = []
    for character in "Look:\n|key|value|note|\n|:-|-:|-|\n|alpha|some|wonder|\n|beta|one|more|\n":
        flow.feed(character)
        heights.append(len(flow.lines))
        rows = [flow.strip(number).text.strip() for number in range(len(flow.lines))]
        assert [row for row in rows if "|" in row and row != "|"] == []
    assert heights == sorted(heights)


@pytest.mark.parametrize(
    "text", ["> quoted\n|a|b", "- item\n  |a|b", "a\n|", "```\n|a|b|", "    |a|b", "|a|\n|b|\n|c", "|a|\n|b|\n|c|\n|"]
)
def test_what_is_shown_of_an_open_text_is_in_it(text: str) -> None:
    flow = MarkdownFlow(40, DARK)
    for character in text:
        flow.feed(character)
        assert not any("-|" in flow.strip(number).text for number in range(len(flow.lines)))


def test_a_line_with_bars_that_no_rule_follows_is_text_in_the_end() -> None:
    flow = MarkdownFlow(40, DARK)
    flow.feed("|a|b|")
    assert flow.strip(0).text.split() == ["a", "b"]
    flow.finish()
    assert [strip_of_line(line).text.strip() for line in flow.lines] == ["|a|b|"]


def test_rows_that_need_one_line_stay_together_beside_those_that_need_more() -> None:
    table = "|name|what|\n|-|-|\n|a|one|\n|b|two|\n|c|one two three four five|\n|d|six|"
    assert shown(table, width=24).split("\n")[2:] == [
        "a      one", "b      two", "", "c      one two three", "       four five", "", "d      six",
    ]  # fmt: skip


def test_code_is_coloured_and_an_unknown_language_is_not() -> None:
    assert style_of("```python\nclass Foo:\n```", "Foo") == DARK.accent
    assert style_of("```python\nx = 'text'\n```", "text") == DARK.good
    assert style_of("```nosuchlanguage\nclass Foo:\n```", "Foo") == Style.null()


def test_a_string_over_many_lines_is_one_string_once_the_fence_is_closed() -> None:
    lines = ['x = """', *["class not code"] * 60, '"""']
    rows = drawn([f"```python\n{line}\n" if not number else f"{line}\n" for number, line in enumerate(lines)] + ["```\n"])
    styles = {segment.style for row in rows[1:-1] for segment in row if segment.text.strip()}
    assert styles == {DARK.good}


def test_a_long_fence_is_coloured_from_where_code_begins_anew() -> None:
    one = ['def f():\n    """Class\n    words."""\n', "    return 1\n"]
    rows = drawn(["```python\n" + "\n".join("".join(one) for _ in range(300)) + "```"])
    assert len(rows) == 300 * 5 - 1
    assert {style_name(row) for row in rows if "words" in row.text} == {"good"}


def style_name(row: Strip) -> str:
    names = {DARK.good: "good", DARK.accent: "accent", DARK.text: "text"}
    [style] = [segment.style for segment in row if segment.text.strip()]
    return names[style or Style.null()]


def test_an_open_fence_of_five_thousand_lines_shows_each_line_once() -> None:
    flow = MarkdownFlow(60, DARK)
    flow.feed("```python\n")
    firsts = [flow.feed(f"line_{number} = {number}\n") for number in range(5000)]
    assert firsts == list(range(5000))
    assert [flow.strip(number).text.strip() for number in (0, 2500, 4999)] == [
        "line_0 = 0",
        "line_2500 = 2500",
        "line_4999 = 4999",
    ]


def test_only_the_open_block_may_still_change() -> None:
    flow = MarkdownFlow(60, DARK)
    assert flow.feed("one\n\ntwo\n\n- a\n") == 0
    assert flow.feed("- b\n") == 3
    assert flow.feed("- c\n") == 5


FRAGMENTS = [
    *("a", "word ", "two words", "\n", "\n\n", "\n  ", "    ", "- ", "* ", "+ ", "1. ", "2. ", "10) ", "3", ".", "> ", "# "),
    *("```", "```py\n", "~~~", "~~~\n", "```\n", "`", "**", "*", "~~", "---", "===", "|", "|-|-|\n", "a|b\n", "[x](y)", "["),
    *("](", ")", "![", "<b>", "&amp;", "&#x202e;", "\\", "\t", "日本", "👨\u200d👩", "é", "[ ] ", "[x] ", "def f():\n", '"""'),
    *("# c\n", "-", "=", "_", "$", ":", "]: http://x\n"),
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


@st.composite
def split_texts(draw: st.DrawFn) -> list[str]:
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(max_examples=300, deadline=None)
@given(split_texts(), st.sampled_from([12, 24, 60]))
@example(["1. a\n\n2", ". b"], 60)
@example(["- a\n\n-", "--\n"], 60)
@example(["a | b\n", "-", "|-\n1|2"], 60)
@example(["```py\nx\n``", "`\n", "y"], 60)
@example(["  ```\n \tx\n", "  ```"], 60)
@example(["1. a\n1. b\n", "1. c\n\n", "1. d"], 60)
@example(["para\n    code\n", "=", "=\n"], 60)
def test_the_pieces_a_text_comes_in_do_not_matter(pieces: list[str], width: int) -> None:
    assert drawn(pieces, width) == drawn(["".join(pieces)], width)


@settings(max_examples=100, deadline=None)
@given(texts, st.sampled_from([4, 12, 60]))
def test_every_row_is_exactly_as_wide_as_the_pane(text: str, width: int) -> None:
    assert {row.cell_length for row in drawn([text], width)} <= {width}


STRETCHES = [
    *("word " * 450, "**bold** words\n" * 150, "日本" * 1_100, "e\u0301" * 1_100, "x" * (PORTION_CHARS - 1), "x" * PORTION_CHARS),
    *("-" * 2_100, "=" * 2_100, " " * 2_100, "|-" * 1_100, "a|b\n" * 600, "a | " * 700, "=\n", "---\n", "|-|-|\n", "    code\n"),
    *("a line of a log\n" * 300, "> quoted words\n" * 400, "- item\n" * 700, "  - item of an item\n" * 300, "1. " * 800, "# "),
    *(
        "- " + "word " * 500,
        "# " + "word " * 500,
        "`" + "code " * 500 + "`",
        "```\n",
        "\n",
        "\n\n",
        "a",
        " ",
        "- ",
        "2. ",
        "    ",
    ),
]


@st.composite
def long_texts(draw: st.DrawFn) -> list[str]:
    text = "".join(draw(st.lists(st.sampled_from(STRETCHES), min_size=1, max_size=7)))
    near = st.integers(-2, 2).map(lambda more: PORTION_CHARS + more)
    cuts = sorted({min(cut, len(text)) for cut in draw(st.lists(st.integers(0, len(text)) | near, max_size=6))})
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(max_examples=80, deadline=None)
@given(long_texts(), st.sampled_from([24, 60, 120]))
@example(["a line of a log\n" * 150, "more\n", "===\n"], 60)
@example(["a line of a log\n" * 150, "a|b\n", "-|-\n1|2\n"], 60)
@example(["- top\n" + "  - item of an item\n" * 300, "  - the last\n"], 60)
@example(["word " * 600, "\n- item"], 60)
def test_the_pieces_a_long_text_comes_in_do_not_matter_either(pieces: list[str], width: int) -> None:
    assert drawn(pieces, width) == drawn(["".join(pieces)], width)


def test_a_long_paragraph_loses_nothing_and_breaks_between_words() -> None:
    words = [f"word{number}" for number in range(3_000)]
    rows = shown(" ".join(words)).split("\n")
    assert " ".join(rows).split(" ") == words
    assert [row for row, below in pairwise(rows) if len(row) + 1 + len(below.split(" ")[0]) <= 56] == []


def test_a_long_word_is_cut_between_what_is_drawn_as_one_character() -> None:
    rows = shown("x" + "e\u0301" * 2 * PORTION_CHARS).split("\n")
    assert [row for row in rows if row.startswith("\u0301")] == []
    assert sum(row.count("e\u0301") for row in rows) == 2 * PORTION_CHARS


def test_an_underline_makes_no_heading_of_a_long_paragraph() -> None:
    lines = ["a line of a log"] * 300
    assert shown("\n".join([*lines, "===", "", "text"])).split("\n") == [*lines, "", "text"]


def test_lines_of_a_long_paragraph_stay_lines_and_what_follows_is_its_own() -> None:
    lines = [f"12:00 line {number} of a log" for number in range(300)]
    assert shown("\n".join([*lines, "2. no list", "    no code", "- a list"])).split("\n") == [
        *lines,
        "2. no list",
        "no code",
        "• a list",
    ]


def test_of_a_long_paragraph_only_the_last_portion_may_still_change() -> None:
    flow = MarkdownFlow(60, DARK)
    for _ in range(200):
        flow.feed("12:00 a line of a log\n")
    assert 0 < len(flow.lines) - flow.feed("12:00 a line of a log\n") < PORTION_CHARS // 20
    flow = MarkdownFlow(60, DARK)
    for _ in range(2_000):
        flow.feed("word ")
    assert 0 < len(flow.lines) - flow.feed("word ") < PORTION_CHARS // 50


GROWING = {
    "a table": ("|a|b|\n|-|-|\n", "|some words|more of them|\n"),
    "a log": ("", "12:00 INFO module: a line of a log\n"),
    "a paragraph": ("", "words and **bold** ones "),
    "a word": ("", "QUJD" * 8),
    "a list in an item": ("- top\n", "  - an item with **words**\n"),
    "a quote": ("", "> a quoted line of words\n"),
    "an item": ("- ", "words and more of them "),
    "a heading": ("# ", "words and more of them "),
}


@pytest.mark.parametrize(("head", "piece"), GROWING.values(), ids=GROWING)
def test_a_block_of_twice_the_length_costs_about_twice_the_work(head: str, piece: str) -> None:
    once, twice = [work_of([head, *[piece] * count]) for count in (200, 400)]
    assert twice < 2.8 * once


def work_of(pieces: Sequence[str]) -> int:
    """Functions called to draw a text that comes in pieces."""
    calls = [0]

    def count(frame: FrameType, event: str, arg: object) -> None:
        calls[0] += event in ("call", "c_call")

    inline_rows.cache_clear()
    sys.setprofile(count)
    try:
        drawn(pieces)
    finally:
        sys.setprofile(None)
    return calls[0]


def test_slabs_are_bounded() -> None:
    assert SLAB_LINES < SLAB_LIMIT_LINES <= 256
