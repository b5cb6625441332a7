"""What becomes of foreign text before a screen shows it."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowchat.transcript.clean import COMBINING_LIMIT, PAYLOAD_LIMIT_CHARS, Clean, Cleaner, clean
from tests.injections import INJECTIONS


@pytest.mark.parametrize(("given_text", "shown"), INJECTIONS.values(), ids=INJECTIONS)
def test_what_could_act_on_the_terminal_becomes_a_mark(given_text: str, shown: str) -> None:
    assert clean(given_text) == shown
    assert type(clean(given_text)) is Clean


KEPT = [
    "plain text\n\twith a tab\n",
    "naïve café, Ελληνικά, кириллица, 日本語, 한국어",
    "e\u0301 n\u0303",
    "👨\u200d👩\u200d👧 family, ❤\ufe0f heart, 1\ufe0f\u20e3 keycap, 👍🏽 skin, 🇩🇪 flag",
    "می\u200cخواهم",
    "हिन्दी में, ไทย, עברית, العربية",
    "── ▎ ✓ ◐ �",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_only_shows_itself_stays(text: str) -> None:
    assert clean(text) == text


def test_a_joiner_stays_only_between_two_emoji() -> None:
    assert clean("a\u200db 👩\u200dx \u200d👧 rm\u200c") == "a�b 👩�x �👧 rm�"


def test_a_variation_selector_needs_something_to_select() -> None:
    assert clean("r\ufe0fm ☂\ufe0e ☂\ufe03") == "r�m ☂\ufe0e ☂�"


def test_a_character_carries_no_more_than_eight_marks() -> None:
    assert clean("a" + "\u0300" * 50 + "b") == "a" + "\u0300" * COMBINING_LIMIT + "�b"


def test_colours_of_a_program_go_without_a_mark_and_its_progress_becomes_lines() -> None:
    output = "\x1b[1;31mred\x1b[0m \x1b[38;5;4mblue\x1b[m\r10 %\r20 %\r\n\x1b[8mhidden\x1b[2K"
    assert clean(output, drop_colours=True) == "red blue\n10 %\n20 %\n␛hidden␛"


def test_a_sequence_split_over_two_pieces_is_one_sequence() -> None:
    cleaner = Cleaner()
    assert [cleaner.feed("a\x1b"), cleaner.feed("[2"), cleaner.feed("Jb"), cleaner.finish()] == ["a", "", "␛b", ""]


def test_an_unfinished_string_holds_back_no_more_than_its_bound() -> None:
    cleaner = Cleaner()
    assert cleaner.feed("\x1b]0;" + "x" * (PAYLOAD_LIMIT_CHARS - 2)) == ""
    assert cleaner.feed("xyz") == "␛0;" + "x" * (PAYLOAD_LIMIT_CHARS - 1) + "yz"


def test_what_was_held_back_comes_at_the_end() -> None:
    cleaner = Cleaner()
    assert (cleaner.feed("a\x1b]0;t"), cleaner.finish()) == ("a", "␛0;t")


PIECES = [
    "\x1b",
    "[",
    "2",
    "J",
    "m",
    "]",
    "0;",
    "\x07",
    "\\",
    "\r",
    "\n",
    "a",
    "\u200d",
    "👩",
    "\u0301",
    "\ufe0f",
    "م",
    "\x9b",
    "\x9c",
    " (",
    "\u20e3",
]
foreign = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=30)


@given(foreign, st.booleans())
@example(["👩", "\u200d", "👩"], False)
@example(["a", *["\u0301"] * 6, *["\u0301"] * 6], False)
def test_pieces_give_what_the_whole_gives(pieces: list[str], drop_colours: bool) -> None:
    cleaner = Cleaner(drop_colours)
    joined = "".join([*map(cleaner.feed, pieces), cleaner.finish()])
    assert joined == clean("".join(pieces), drop_colours)


@given(foreign, st.booleans())
def test_nothing_that_acts_is_left_and_a_second_time_changes_nothing(pieces: list[str], drop_colours: bool) -> None:
    shown = str(clean("".join(pieces), drop_colours))
    assert [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"] == []
    assert clean(shown, drop_colours) == shown
