"""What the terminal sends, as events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from flowchat.ui.intake import SEQUENCE_SECONDS, Intake
from flowchat.ui.keys import ESCAPE_SECONDS


def told(*reads: str, goes_on: bool = False) -> list[str]:
    """The events of some reads: keys by name, a paste as its text in brackets, others by class."""
    intake, out = Intake(), list[str]()
    for read in reads:
        for event in intake.feed(read, goes_on):
            match event:
                case events.Key():
                    out.append(event.key)
                case events.Paste():
                    out.append(f"[{event.text}]")
                case _:
                    out.append(type(event).__name__)
    return out


def test_a_bracketed_paste_comes_whole_however_it_was_cut() -> None:
    whole = "\x1b[200~one\rtwo\x1b[31m\x1b[201~x"
    for at in range(1, len(whole)):
        assert told(whole[:at], whole[at:]) == ["[one\ntwo\x1b[31m]", "x"], at


def test_a_pasted_megabyte_is_equal() -> None:
    text = "def f():\n\treturn 'ä'\n" * 50_000
    assert told("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~") == [f"[{text}]"]


def test_enter_in_one_burst_with_text_is_a_newline_and_alone_is_enter() -> None:
    assert told("\r") == ["enter"]
    assert told("one\rtwo\r") == ["[one\ntwo\n]"]
    assert told("a\r") == ["[a\n]"]
    assert told("\r", goes_on=True) == ["[\n]"]
    assert told("a", "\r") == ["a", "enter"]


def test_reports_of_the_terminal_make_no_burst() -> None:
    assert told("\x1b[<35;4;12M\r\x1b[<35;5;12M") == ["MouseMove", "enter", "MouseMove"]
    assert told("\x1b[I\r") == ["AppFocus", "enter"]


@pytest.mark.parametrize("end", ["\x07", "\x1b\\"])
def test_what_the_terminal_says_of_its_background_writes_nothing_however_it_was_cut(end: str) -> None:
    whole = f"\x1b]11;rgb:fdfd/f6f6/e3e3{end}"
    for at in range(1, len(whole)):
        assert told("a" + whole[:at], whole[at:] + "b") == ["a", "GroundTold", "b"], at


def test_garbled_mouse_reports_and_unknown_sequences_write_nothing() -> None:
    for garbage in (
        "\x1b[<NaN;NaN;NaNM",
        "\x1b[<35;NaN;12M",
        "\x1b[<35;1.5;2M",
        "\x1b[999;9q",
        "\x1b]10;rgb:1/2/3\x1b\\",
        "\x1b]11;?\x1b\\",
        "\x1bP1+r\x1b\\",
    ):
        assert told(garbage + "a") == ["a"], garbage
    assert told("\x1b[<35;Na", "N;12Ma") == ["a"]


@pytest.mark.parametrize("number", ["1114112", "99999999999", "99999999999999999999999", "0;;1114112", "97;;99999999999"])
def test_a_key_with_the_number_of_no_character_is_no_key(number: str) -> None:
    assert told(f"\x1b[{number}ua") == ["a"]


@pytest.mark.parametrize("size", ["24;80;0;0", "24;80;480;0", "0;0;0;0", "0;80;480;640", "24;0;480;640"])
def test_a_terminal_that_tells_no_size_in_pixels_or_none_at_all_has_a_mouse(size: str) -> None:
    assert told(f"\x1b[?2048;1$y\x1b[48;{size}t", "\x1b[<0;4;12M", "a")[-2:] == ["MouseDown", "a"]


def test_half_a_surrogate_pair_writes_nothing() -> None:
    events_of = [*Intake().feed("\x1b[55296u"), *Intake().feed("\x1b[97;;55296u")]
    assert [event.is_printable for event in events_of if isinstance(event, events.Key)] == [False] * len(events_of)


def test_a_long_sequence_that_is_cut_waits_longer_for_its_end_than_escape_does() -> None:
    for beginning, end in (("\x1b[<35;4", ";12M"), ("\x1b[13;", "2u"), ("\x1b]11;rgb:1", "/2/3\x07"), ("\x1b[20", "0~")):
        intake = Intake()
        assert intake.feed(beginning) == []
        waited = intake.wait_seconds
        assert waited is not None
        assert ESCAPE_SECONDS < waited <= SEQUENCE_SECONDS
        assert not any(isinstance(event, events.Key) and event.is_printable for event in intake.feed(end))


@pytest.mark.parametrize("broken", ["\x1b[<35;4", "\x1b[1;1;1", "\x1b]11;rgb:1/2", "\x1b[48;24;80"])
@pytest.mark.parametrize(("behind", "key"), [("\x1b[A", "up"), ("\x03", "ctrl+c"), ("\x1b]11;rgb:1\x07\t", "tab")])
def test_a_sequence_without_an_end_is_dropped_with_nothing_behind_it(broken: str, behind: str, key: str) -> None:
    assert told(broken + behind) == [key]
    assert told(broken, behind) == [key]


def test_every_way_to_write_a_newline_key_has_its_name() -> None:
    assert told("\n") == ["ctrl+j"]
    assert told("\x1b\r") == ["alt+enter"]
    assert told("\x1b[13;2u") == ["shift+enter"]
    assert told("\x1b[27;2;13~") == ["shift+enter"]
    assert told("\x1b[13;3u") == ["alt+enter"]


def test_alt_keys_and_sequences_cut_between_reads_are_one_key() -> None:
    assert told("\x1bb", "\x1bd", "\x1bZ", "\x1b\x7f") == ["alt+b", "alt+d", "alt+shift+z", "alt+backspace"]
    assert told("\x1b", "[1;3A") == ["alt+up"]
    assert told("\x1b\x1b[A") == ["escape", "up"]


def test_an_escape_that_nothing_follows_waits_for_the_tick() -> None:
    intake = Intake()
    assert intake.feed("\x1b") == []
    waited = intake.wait_seconds
    assert waited is not None
    assert 0 < waited <= 0.025
    assert intake.feed("a")[0].key == "alt+a"
    assert intake.wait_seconds is None


PIECES = st.sampled_from(
    ["\x1b", "[", "<", "?", ";", ":", "0", "1", "48", "97", "1114112", "M", "m", "u", "t", "~", "\r", "a", "]", "\x07", "P"]
)


@given(
    st.lists(st.one_of(st.binary(max_size=20).map(lambda read: read.decode("utf-8", "replace")), st.lists(PIECES).map("".join)))
)
def test_whatever_is_read_is_taken_in_without_an_error(reads: list[str]) -> None:
    intake = Intake()
    for read in reads:
        assert all(isinstance(event, Message) for event in intake.feed(read))
    assert [event.key for event in Intake().feed("a") if isinstance(event, events.Key)] == ["a"]
