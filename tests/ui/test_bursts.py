"""Keys that arrive in one burst act one after another: the program on a real terminal, each burst one write."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowchat.ui.approval import GUARD_SECONDS
from tests.ui.terminals import Terminal

ENTER, ESCAPE, F1 = b"\x1b[13u", b"\x1b[27u", b"\x1bOP"
"""As terminals with kitty's keyboard protocol send them: a plain Enter in a burst is a newline, a plain Escape waits for more."""
UP, DOWN, ALT_UP, CTRL_UP = b"\x1b[A", b"\x1b[B", b"\x1b[1;3A", b"\x1b[1;5A"
PAGE_UP, SHIFT_TAB, TAB = b"\x1b[5~", b"\x1b[Z", b"\t"


@pytest.mark.parametrize(
    ("burst", "written"),
    [
        (b"abc\x03list", ["list"]),
        (b"abc\x03def\x03ghi", ["ghi"]),
        (b"abc\x0cdef", ["abcdef"]),
        (b"abc" + PAGE_UP + b"def", ["abcdef"]),
        (b"abc" + CTRL_UP + ESCAPE + b"def", ["abcdef"]),
        (b"one" + CTRL_UP + b"two", ["onetwo"]),
        (b"abc" + SHIFT_TAB + SHIFT_TAB + b"def", ["abcdef"]),
        (b"abc\x04", ["abc"]),
        (b"one\ntwo\x1b\rthree", ["one", "two", "three"]),
        (b"/hel" + TAB + b"x", ["/helpx"]),
        (b"/" + DOWN + DOWN + TAB + b"x", ["/resume x"]),
        (b"abc" + F1 + ESCAPE + b"def", ["abcdef"]),
        (b"/help" + ENTER + ESCAPE + b"abc", ["abc"]),
        (b"/resume" + ENTER + ESCAPE + b"abc", ["abc"]),
        (b"/context" + ENTER + ESCAPE + b"abc", ["abc"]),
        (b"/model" + ENTER + ESCAPE + b"abc", ["abc"]),
        (b"/frok" + ENTER + b"abc", ["/frokabc"]),
        (b"/new" + ENTER + b"abc", ["abc"]),
        (b"/edit 7" + ENTER + b"abc", ["/edit 7abc"]),
        (b"abc" + ESCAPE + b"def", ["abcdef"]),
        (b"abc\x1b[200~def\x1b[201~ghi", ["abcdefghi"]),
        (b"abc\x03\x1b[200~def\x1b[201~", ["def"]),
        (b"abc\x15def\x19", ["defabc"]),
    ],
)
def test_every_key_of_a_burst_finds_what_those_before_it_did(
    start: Callable[..., Terminal], burst: bytes, written: list[str]
) -> None:
    program = start()
    program.write(burst + b"~")
    written = [*written[:-1], written[-1] + "~"]
    program.show_until(lambda _: any("~" in row for row in program.written))
    program.show_until(lambda _: program.written == written)


@pytest.mark.parametrize(("command", "title"), [(b"/resume", "Resume"), (b"/model", "Model")])
def test_a_text_typed_behind_a_command_that_opens_a_list_is_sought_in_it(
    start: Callable[..., Terminal], command: bytes, title: str
) -> None:
    program = start()
    program.write(command + ENTER + b"no such one")
    program.show_until(lambda rows: rows[0].startswith(f"  {title}   no such one"))
    program.write(b"\x15" + ESCAPE + b"written")
    program.show_until(lambda _: program.written == ["written"])


def test_what_is_typed_behind_a_sent_message_is_the_next_and_escape_stops_its_run(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"long" + ENTER + b"more")
    program.show_until(lambda rows: program.written == ["more"] and any("Esc stop" in row for row in rows))
    program.write(ESCAPE + ESCAPE + b"x")
    program.show_until(lambda rows: program.written == ["morex"] and not any("Esc stop" in row for row in rows))
    program.write(b"\x03long" + ENTER + ESCAPE + b"then")
    program.show_until(lambda rows: program.written == ["then"] and not any("Esc stop" in row for row in rows))


def test_the_mode_walks_as_often_as_its_key_was_pressed(start: Callable[..., Terminal]) -> None:
    """Round three modes or, where there is a full sandbox, four: which of them is known before the first key here."""
    program = start()
    program.show_until(lambda rows: "sandbox" in rows[-1])
    program.write(SHIFT_TAB * (3 * 4 + 2))
    program.show_until(lambda rows: "plan" in rows[-1])
    program.write(SHIFT_TAB * (3 * 4 - 1))
    program.show_until(lambda rows: "accept-edits" in rows[-1])


@pytest.mark.parametrize("burst", [b"\x03\x03", b"abc\x03\x03\x03", b"abc\x03\x04", b"/quit" + ENTER])
def test_a_burst_that_ends_in_leaving_leaves(start: Callable[..., Terminal], burst: bytes) -> None:
    program = start()
    program.write(burst + b"not written any more")
    assert program.wait() == 0


def test_escape_twice_opens_the_messages_and_what_follows_is_done_there(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"list" + ENTER)
    program.show_until(lambda rows: any("Demo model" in row for row in rows) and not any("Esc stop" in row for row in rows))
    program.write(ESCAPE + ESCAPE + ENTER + b" again")
    program.show_until(lambda _: program.written == ["list again"])
    program.write(ESCAPE + ESCAPE + ESCAPE + ESCAPE + b"abc")
    program.show_until(lambda _: program.written == ["abc"])


def test_a_queue_is_walked_and_left_in_one_burst(start: Callable[..., Terminal]) -> None:
    program = start()
    program.write(b"long" + ENTER + b"one" + ENTER + b"two" + ENTER + b"three" + ENTER)
    program.show_until(lambda rows: any("3 queued   three" in row for row in rows))
    program.write(ALT_UP + UP + b"d" + ESCAPE + b"abc")
    program.show_until(lambda rows: any("2 queued   three" in row for row in rows) and program.written == ["abc"])
    program.write(b"\x03" + ALT_UP + b"e" + b" and four")
    program.show_until(lambda _: program.written == ["three and four"])


@pytest.mark.parametrize(
    ("burst", "written", "is_done"),
    [
        (b"yhello", "hello", True),
        (b"shello", "hello", True),
        (b"nhello", "hello", False),
        (b"\tnot now" + ENTER + b"hello", "hello", False),
        (ESCAPE + b"hello", "hello", False),
    ],
)
def test_behind_a_decision_typing_goes_on_in_the_composer(
    start: Callable[..., Terminal], tmp_path: Path, burst: bytes, written: str, is_done: bool
) -> None:
    program = start()
    program.write(b"write notes.txt: hi" + ENTER)
    program.show_until(lambda rows: any("this session" in row for row in rows))
    program.rest(2 * GUARD_SECONDS)
    program.write(burst)
    program.show_until(lambda rows: program.written == [written] and not any("Esc stop" in row for row in rows))
    assert (tmp_path / "notes.txt").exists() is is_done


def test_a_letter_that_forks_is_a_letter_behind_others(start: Callable[..., Terminal]) -> None:
    first = start()
    first.write(b"list" + ENTER)
    first.show_until(lambda rows: any("Demo model" in row for row in rows))
    second = start("-m", "flowchat", "-c")
    second.show_until(lambda rows: any("f opens a copy" in row for row in rows))
    second.write(b"if")
    second.show_until(lambda _: second.written == ["if"])
    second.write(b"\x03fix")
    second.show_until(lambda rows: second.written == ["ix"] and not any("f goes on" in row for row in rows))
