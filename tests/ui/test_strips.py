"""A screen line out of pieces: which blanks have a look of their own."""

from rich.style import Style

from flowchat.ui.strips import cut_front, line

SWAPPED, DIM = Style(reverse=True), Style(color="red")


def looks(*pieces: tuple[str, Style]) -> list[tuple[str, str]]:
    return [(segment.text, str(segment.style)) for segment in line(8, pieces)]


def test_a_blank_after_a_word_looks_as_the_word_and_costs_no_change_of_colour() -> None:
    assert looks(("a", DIM), (" ", Style()), ("b", DIM)) == [("a b     ", "red")]


def test_a_blank_after_a_word_whose_ink_and_paper_change_places_stays_plain() -> None:
    assert looks(("a", SWAPPED), (" ", Style()), ("b", DIM)) == [("a", "reverse"), (" ", "none"), ("b     ", "red")]


def test_a_blank_whose_ink_and_paper_change_places_is_seen() -> None:
    assert looks(("a", DIM), (" ", SWAPPED)) == [("a", "red"), (" ", "reverse"), ("      ", "none")]


def test_of_what_is_too_long_to_be_written_the_end_is_left() -> None:
    assert [cut_front("abcdef", width) for width in (0, 1, 3, 6)] == ["", "…", "…ef", "abcdef"]
    assert [cut_front("漢字漢字", width) for width in (3, 4, 8)] == ["…字", "…字", "漢字漢字"]
