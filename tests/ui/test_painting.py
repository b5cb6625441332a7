"""What a frame paints: from the left edge of a row as far as it differs."""

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from flowchat.ui.painting import badged, changed_regions, marked, selected

RED = Style(color="red")


def strip(*pieces: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in pieces])


def plain(text: str, width: int = 20) -> Strip:
    return Strip([Segment(text.ljust(width), Style.null())], width)


def test_equal_rows_are_not_painted() -> None:
    assert changed_regions([plain("a"), plain("b")], [plain("a"), plain("b")]) == []


def test_a_row_that_grew_is_painted_as_far_as_its_text_goes() -> None:
    assert changed_regions([plain("a"), plain("one two")], [plain("a"), plain("one two three")]) == [Region(0, 1, 13, 1)]


def test_a_row_that_shrank_is_painted_as_far_as_the_old_text_went() -> None:
    assert changed_regions([plain("one two")], [plain("one")]) == [Region(0, 0, 7, 1)]


def test_a_turning_glyph_paints_its_own_cells_only() -> None:
    before = strip(("  ", Style.null()), ("◐ ", RED), ("shell  make", Style.null()))
    after = strip(("  ", Style.null()), ("◓ ", RED), ("shell  make", Style.null()))
    assert changed_regions([before], [after]) == [Region(0, 0, 4, 1)]


def test_another_colour_is_a_difference() -> None:
    assert changed_regions([plain("abc")], [strip(("abc", RED), (" " * 17, Style.null()))]) == [Region(0, 0, 3, 1)]


def test_coloured_blanks_count() -> None:
    raised = Style(bgcolor="blue")
    assert changed_regions([plain("")], [strip((" " * 5, raised), (" " * 15, Style.null()))]) == [Region(0, 0, 5, 1)]


def test_wide_characters_count_their_cells() -> None:
    assert changed_regions([plain("")], [strip(("日本", Style.null()), (" " * 16, Style.null()))]) == [Region(0, 0, 4, 1)]


def test_a_mark_takes_the_first_cell_and_a_badge_the_last_ones() -> None:
    assert marked(plain("  text", 10), "▌", RED).text == "▌ text    "
    assert badged(plain("  a long text", 14), [(" new ", RED)], 1).text == "  a long new  "
    assert badged(plain("abc", 3), [(" new ", RED)], 1).text == "abc"


def test_a_selection_colours_the_characters_it_holds() -> None:
    row = selected(strip(("a日b", Style.null()), ("  ", Style.null())), 1, -1, RED)
    assert [(segment.text, segment.style) for segment in row] == [("a", Style.null()), ("日b", RED), ("  ", Style.null())]
