"""Where the reader is, as heights come and go."""

from hypothesis import given
from hypothesis import strategies as st

from flowchat.ui.viewport import Viewport


def viewport(heights: list[int], rows: int) -> Viewport:
    made = Viewport(lambda: len(heights), lambda thing: heights[thing])
    made.rows = rows
    return made


def test_what_is_shorter_than_the_view_stands_at_its_top() -> None:
    view = viewport([1, 0, 2], 5)
    view.keep(0)
    assert list(view.places()) == [(0, 0), (2, 0), (2, 1), None, None]
    assert (view.shows_end, view.follows) == (True, True)


def test_the_end_is_followed_in_jumps_that_leave_rows_free() -> None:
    heights = [10]
    view = viewport(heights, 10)
    tops: list[int] = []
    for height in range(10, 18):
        heights[0] = height
        view.keep(3)
        tops.append(view.top[1])
    assert tops == [0, 4, 4, 4, 4, 8, 8, 8]


def test_a_reader_above_the_end_does_not_move_while_it_grows() -> None:
    heights = [30]
    view = viewport(heights, 10)
    view.keep(0)
    view.scroll(-5)
    heights[0], before = 60, view.top
    view.keep(0)
    assert (view.top, view.follows, before) == ((0, 15), False, (0, 15))


def test_scrolling_down_ends_with_the_end_in_the_last_row_and_follows_again() -> None:
    view = viewport([4, 4, 4], 5)
    view.scroll(3)
    assert (view.top, view.follows) == ((0, 3), False)
    view.scroll(100)
    assert (view.top, view.follows) == ((1, 3), True)


def test_what_shrinks_far_pulls_the_view_back_to_the_end() -> None:
    heights = [20, 30]
    view = viewport(heights, 10)
    view.keep(0)
    heights[1] = 1
    view.keep(0)
    assert view.top == (0, 11)


def test_showing_a_place_moves_as_little_as_it_takes() -> None:
    view = viewport([5] * 10, 10)
    view.show((1, 0), 5)
    assert view.top == (0, 0)
    view.show((2, 0), 5)
    assert view.top == (1, 0)
    view.show((6, 0), 50)
    assert view.top == (6, 0)
    view.show((0, 2), 1)
    assert view.top == (0, 2)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(1, 9), st.lists(st.integers(-12, 12), max_size=8))
def test_the_view_is_always_a_stretch_of_all_rows(heights: list[int], rows: int, moves: list[int]) -> None:
    view = viewport(heights, rows)
    everything = [(thing, row) for thing, height in enumerate(heights) for row in range(height)]
    top = max(0, len(everything) - rows)
    view.to_end()
    for move in moves:
        view.scroll(move)
        top = max(0, min(top + move, len(everything) - rows)) if move > 0 else max(0, top + move)
    shown = [place for place in view.places() if place is not None]
    assert shown == everything[top : top + rows]
    assert view.shows_end == (top + rows >= len(everything))
