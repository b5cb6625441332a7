"""One line of text and the keys that change it."""

import pytest
from textual import events

from flowchat.ui.one_line_edit import LINE_LIMIT_CHARS, edited, pasted


@pytest.mark.parametrize(
    ("text", "key", "character", "after"),
    [
        ("ab", "c", "c", "abc"),
        ("ab", "space", " ", "ab "),
        ("ab", "backspace", None, "a"),
        ("", "backspace", None, ""),
        ("one two  ", "ctrl+w", None, "one "),
        ("one", "ctrl+w", None, ""),
        ("  ", "ctrl+w", None, ""),
        ("", "alt+backspace", None, ""),
        ("one two", "ctrl+u", None, ""),
        ("one", "down", None, None),
        ("one", "f2", None, None),
    ],
)
def test_a_key_changes_the_end_of_the_line_or_not_at_all(text: str, key: str, character: str | None, after: str | None) -> None:
    assert edited(text, events.Key(key, character)) == after


def test_a_paste_stands_at_the_end_on_one_line_and_clean() -> None:
    assert pasted("a", events.Paste("b\nc\x1b[31m")) == "ab c␛"


def test_of_a_paste_that_no_line_has_room_for_the_beginning_is_taken() -> None:
    assert pasted("a", events.Paste("b" * 10_000_000)) == "a" + "b" * (LINE_LIMIT_CHARS - 1)
