"""The text being written: every edit, against plain strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.ui.editing import TextBuffer, grapheme_after, grapheme_before
from flowchat.ui.folds import shown as shown_folds

ACTS = (
    *("delete_left", "delete_right", "kill_word_left", "kill_word_right", "kill_to_line_end", "kill_to_line_start", "yank"),
    *("yank_earlier", "transpose", "open_fold"),
    *("move_left", "move_right", "move_word_left", "move_word_right", "move_line_start", "move_line_end", "move_end"),
)
TEXTS = st.text(st.sampled_from("ab \n漢e\u0301👩\u200d👧-."), max_size=12)


def written(text: str, *acts: str) -> str:
    """The text after some acts, the caret shown as |."""
    buffer = TextBuffer()
    before, _, after = text.partition("|")
    buffer.insert(before + after)
    row = before.count("\n")
    buffer.move_to((row, len(before.rpartition("\n")[2])))
    for act in acts:
        getattr(buffer, act)()
    return shown(buffer)


def shown(buffer: TextBuffer) -> str:
    row, column = buffer.caret
    lines = list(buffer.lines)
    lines[row] = lines[row][:column] + "|" + lines[row][column:]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "act", "expected"),
    [
        ("ab|c", "delete_left", "a|c"),
        ("a\n|b", "delete_left", "a|b"),
        ("|ab", "delete_left", "|ab"),
        ("a|\nb", "delete_right", "a|b"),
        ("e\u0301|x", "delete_left", "|x"),
        ("👩\u200d👧|", "delete_left", "|"),
        ("one two|", "kill_word_left", "one |"),
        ("one two  |", "kill_word_left", "one |"),
        ("one| two three", "kill_word_right", "one| three"),
        ("one| two\nthree", "kill_to_line_end", "one|\nthree"),
        ("one|\nthree", "kill_to_line_end", "one|three"),
        ("one two|", "kill_to_line_start", "|"),
        ("a\n|b", "kill_to_line_start", "a|b"),
        ("one two|", "move_word_left", "one |two"),
        ("|one two", "move_word_right", "one| two"),
        ("a\n|b", "move_left", "a|\nb"),
        ("a|\nb", "move_right", "a\n|b"),
        ("ab|c", "transpose", "acb|"),
        ("abc|", "transpose", "acb|"),
        ("|abc", "transpose", "|abc"),
        ("a|", "transpose", "a|"),
        ("e\u0301|x", "transpose", "xe\u0301|"),
        ("a\nbc|", "move_start", "|a\nbc"),
        ("|a\nbc", "move_end", "a\nbc|"),
    ],
)
def test_an_act_does_to_the_text_what_its_name_says(text: str, act: str, expected: str) -> None:
    assert written(text, act) == expected


def test_what_was_killed_last_comes_back_where_the_caret_is() -> None:
    assert written("one two|", "kill_word_left", "move_start", "yank") == "two|one "


def test_what_is_killed_piece_by_piece_comes_back_as_one() -> None:
    assert written("one two three|", "kill_word_left", "kill_word_left", "yank") == "one two three|"
    assert written("|one two three", "kill_word_right", "kill_word_right", "yank") == "one two| three"


def test_a_yank_can_be_changed_to_what_was_killed_before_and_round_again() -> None:
    killed = ("kill_word_left", "move_start", "kill_word_right", "yank")
    assert written("one two|", *killed) == "one| "
    assert written("one two|", *killed, "yank_earlier") == "two| "
    assert written("one two|", *killed, "yank_earlier", "yank_earlier") == "one| "
    assert written("one two|", *killed, "move_start", "yank_earlier") == "|one "
    assert written("one two|", *killed, "yank_earlier", "undo") == "| "


LONG = "\n".join(f"line {number}" for number in range(1_234))


def test_a_long_paste_is_one_piece_that_reads_whole() -> None:
    buffer = TextBuffer()
    buffer.insert("see  here")
    buffer.move_to((0, 4))
    buffer.paste(LONG)
    assert [shown_folds(line) for line in buffer.lines] == ["see [pasted 1,234 lines] here"]
    assert buffer.text == f"see {LONG} here"
    buffer.move_left()
    assert buffer.caret == (0, 4)
    buffer.move_right()
    buffer.delete_left()
    assert buffer.text == "see  here"
    buffer.undo()
    assert buffer.text == f"see {LONG} here"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("x\n" * 9 + "x", ""),
        ("x\n" * 10 + "x", "[pasted 11 lines]"),
        ("x" * 2_000, ""),
        ("x" * 2_001, "[pasted 2,001 characters]"),
    ],
)
def test_a_paste_is_folded_from_eleven_lines_or_two_thousand_and_one_characters_on(text: str, folded: str) -> None:
    buffer = TextBuffer()
    buffer.paste(text)
    assert "\n".join(map(shown_folds, buffer.lines)) == (folded or text)
    assert buffer.text == text


def test_words_stop_at_a_folded_paste_and_kills_take_it_whole() -> None:
    buffer = TextBuffer()
    buffer.insert("see ")
    buffer.paste(LONG)
    buffer.insert(" twice ")
    buffer.paste("x" * 3_000)
    buffer.kill_word_left()
    assert buffer.text == f"see {LONG} twice "
    buffer.kill_word_left()
    buffer.kill_word_left()
    buffer.kill_word_left()
    assert buffer.text == "see "
    buffer.yank()
    assert buffer.text == f"see {LONG} twice " + "x" * 3_000
    buffer.move_start()
    buffer.move_word_right()
    buffer.move_word_right()
    buffer.move_word_right()
    assert buffer.text[: sum(map(len, buffer.lines)) and 4] == "see "
    assert shown_folds(buffer.lines[0][: buffer.caret[1]]).rstrip() == "see [pasted 1,234 lines]"


def test_a_folded_paste_is_opened_where_the_caret_touches_it_and_no_other_is() -> None:
    buffer = TextBuffer()
    buffer.paste(LONG)
    buffer.insert(" and ")
    buffer.paste("x" * 3_000)
    assert buffer.open_fold()
    assert [shown_folds(line) for line in buffer.lines] == ["[pasted 1,234 lines] and " + "x" * 3_000]
    buffer.move_to((0, len(buffer.lines[0]) - 1))
    assert not buffer.open_fold()
    buffer.undo()
    assert [shown_folds(line) for line in buffer.lines] == ["[pasted 1,234 lines] and [pasted 3,000 characters]"]


def test_a_paste_in_two_pieces_is_one_and_two_pastes_are_two() -> None:
    buffer = TextBuffer()
    buffer.paste(LONG)
    buffer.paste(LONG, goes_on=True)
    assert [shown_folds(line) for line in buffer.lines] == ["[pasted 2,467 lines]"]
    buffer.paste(LONG)
    assert [shown_folds(line) for line in buffer.lines] == ["[pasted 2,467 lines][pasted 1,234 lines]"]
    assert buffer.text == LONG * 3


def test_a_text_that_comes_back_has_its_pastes_folded_again_unless_they_were_opened() -> None:
    buffer = TextBuffer()
    buffer.paste(LONG)
    text = buffer.text
    buffer.replace("")
    buffer.replace(f"{text}\nmore")
    assert [shown_folds(line) for line in buffer.lines] == ["[pasted 1,234 lines]", "more"]
    buffer.move_start()
    buffer.open_fold()
    buffer.replace(text)
    assert len(buffer.lines) == 1_234


def test_a_word_typed_is_undone_in_one_step_and_done_again() -> None:
    buffer = TextBuffer()
    for character in "two words":
        buffer.insert(character, typed=True)
    seen = []
    for act in (buffer.undo, buffer.undo, buffer.redo, buffer.redo, buffer.redo):
        act()
        seen.append(buffer.text)
    assert seen == ["two", "", "two", "two words", "two words"]


@given(TEXTS, st.lists(st.sampled_from(ACTS), max_size=20))
def test_undoing_everything_gives_the_empty_text_and_redoing_the_last_one(text: str, acts: list[str]) -> None:
    buffer = TextBuffer()
    buffer.insert(text)
    for act in acts:
        getattr(buffer, act)()
        row, column = buffer.caret
        assert 0 <= row < len(buffer.lines)
        assert 0 <= column <= len(buffer.lines[row])
        assert not any("\n" in line for line in buffer.lines)
    last = buffer.text
    for _ in range(len(acts) + 1):
        buffer.undo()
    assert buffer.text == ""
    for _ in range(len(acts) + 1):
        buffer.redo()
    assert buffer.text == last


@given(TEXTS, TEXTS, st.integers(0, 3), st.integers(0, 12))
def test_inserting_in_the_middle_is_what_strings_do(text: str, more: str, row: int, column: int) -> None:
    buffer = TextBuffer()
    buffer.insert(text)
    buffer.move_to((row, column))
    row, column = buffer.caret
    at = sum(len(line) + 1 for line in text.split("\n")[:row]) + column
    buffer.insert(more)
    assert buffer.text == text[:at] + more + text[at:]


@given(st.text(st.sampled_from("a漢e\u0301👩\u200d👧🏽"), min_size=1, max_size=12))
def test_graphemes_walked_from_either_end_are_the_same(text: str) -> None:
    forth, back = [0], [len(text)]
    while forth[-1] < len(text):
        forth.append(grapheme_after(text, forth[-1]))
    while back[-1] > 0:
        back.append(grapheme_before(text, back[-1]))
    assert forth == back[::-1]
