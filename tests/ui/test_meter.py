"""The one line at the bottom, at every width."""

import pytest
from msgspec.structs import replace

from flowchat.transcript.events import ContextUsed, RetryScheduled, StateDelta
from flowchat.ui.meter import Limits, Reading, draw
from flowchat.ui.palette import DARK

USED = ContextUsed(68_200, 200_000, 220_000, "server", "measured", 0.42)
IDLE = Reading(model="anthropic/sonnet-4-5", used=USED)
WRITING = replace(IDLE, state=StateDelta("running", "streaming", 5, 1), run_began=100.0)


def line(reading: Reading, width: int, now: float = 106.4) -> str:
    return draw(reading, DARK, width, now).text


def test_at_rest_everything_is_there_when_there_is_room() -> None:
    assert line(IDLE, 120).rstrip() == f"{'  ▰▰▰▱▱▱▯▱▱▱   34 %   68k of 200k   sonnet-4-5   $0.42   default':111}F1 help"


def test_the_bar_marks_the_lower_limit_whichever_that_is() -> None:
    def bar(*limits: int) -> str:
        return line(replace(IDLE, limits=Limits(*limits)), 120).split()[0]

    assert {limits: bar(*limits).find("▯") for limits in ((50, 90), (95, 60), (95, 40_000), (100, 80), (100, 100))} == {
        (50, 90): 4, (95, 60): 5, (95, 40_000): -1, (100, 80): 7, (100, 100): -1,
    }  # fmt: skip
    assert bar(95, 40_000) == "▰▮▰▱▱▱▱▱▱▱"


def test_what_a_run_has_no_room_for_stands_aside_at_rest() -> None:
    assert line(IDLE, 80) == "  34 %  68k of 200k  sonnet-4-5  default            ▰▰▰▱▱▱▯▱▱▱  $0.42  F1 help  "
    assert line(WRITING, 80) == "  34 %  68k of 200k  sonnet-4-5  default  ◑ answering  6 s            Esc stop  "


def test_what_yields_first_is_the_queue_then_cost_bar_duration_sizes() -> None:
    running = replace(WRITING, queued=2)
    assert {width: " ".join(line(running, width).split()) for width in (120, 92, 84, 72, 60)} == {
        120: "▰▰▰▱▱▱▯▱▱▱ 34 % 68k of 200k sonnet-4-5 $0.42 default ◑ answering 6 s 2 queued Esc stop",
        92: "▰▰▰▱▱▱▯▱▱▱ 34 % 68k of 200k sonnet-4-5 default ◑ answering 6 s Esc stop",
        84: "34 % 68k of 200k sonnet-4-5 default ◑ answering 6 s Esc stop",
        72: "34 % 68k of 200k sonnet-4-5 default ◑ answering Esc stop",
        60: "34 % sonnet-4-5 default ◑ answering Esc stop",
    }


@pytest.mark.parametrize("width", [60, 72, 80, 92, 100, 120, 160])
def test_a_run_moves_nothing_that_stands_before_its_state(width: int) -> None:
    phases = ("preparing", "requesting", "streaming", "tools", "compacting", "awaiting_approval")
    running = [replace(WRITING, state=StateDelta("running", phase, 5, 1)) for phase in phases]
    lines = [line(reading, width, now) for reading in running for now in (100.0, 112.0, 165.0, 699.0)]
    assert {text.partition("default")[0] for text in lines} == {line(IDLE, width).partition("default")[0]}


def test_the_glyph_of_a_run_turns_with_its_seconds() -> None:
    assert [line(WRITING, 80, now).split("default  ")[1][0] for now in (100.0, 101.2, 102.0, 103.0, 104.9)] == list("◐◓◑◒◐")


def test_at_forty_columns_state_and_mode_are_still_there() -> None:
    assert line(WRITING, 40) == "  34 %  default  ◑ answering  Esc stop  "
    compacting = replace(WRITING, state=StateDelta("compacting"))
    assert line(compacting, 40).split() == ["default", "◑", "compacting", "Esc", "stop"]
    waiting = replace(WRITING, state=StateDelta("running", "awaiting_approval", 5, 1), mode="accept-edits")
    assert line(waiting, 40).split() == ["34", "%", "accept-edits", "·", "waiting", "for", "you"]


def test_how_commands_are_confined_is_quiet_where_they_are_and_loud_where_not() -> None:
    lines = {
        told: [" ".join(line(replace(IDLE, sandbox=told), width).split()) for width in (120, 40)]
        for told in ("full", "partial", "none", None)
    }
    assert lines == {
        "full": ["▰▰▰▱▱▱▯▱▱▱ 34 % 68k of 200k sonnet-4-5 $0.42 default sandbox F1 help", "34 % sonnet-4-5 default F1 help"],
        "partial": ["▰▰▰▱▱▱▯▱▱▱ 34 % 68k of 200k sonnet-4-5 $0.42 default weak sandbox F1 help", "34 % default weak sandbox"],
        "none": ["▰▰▰▱▱▱▯▱▱▱ 34 % 68k of 200k sonnet-4-5 $0.42 default no sandbox F1 help", "34 % sonnet-4-5 default no sandbox"],
        None: ["▰▰▰▱▱▱▯▱▱▱ 34 % 68k of 200k sonnet-4-5 $0.42 default F1 help", "34 % sonnet-4-5 default F1 help"],
    }
    assert "no sandbox" in line(replace(IDLE, sandbox="full", mode="bypass"), 120)
    loud = [piece for piece in draw(replace(IDLE, sandbox="none"), DARK, 120, 0.0) if "no sandbox" in piece.text]
    assert [piece.style for piece in loud] == [DARK.bad]


def test_a_command_of_the_user_can_be_stopped_with_the_key_that_is_named() -> None:
    for width in (40, 80):
        assert line(replace(IDLE, commands=True), width).rstrip().endswith("Esc stop")
        assert "F1" not in line(replace(IDLE, commands=True), width)


def test_a_held_queue_says_what_goes_on_with_it_even_at_forty_columns() -> None:
    assert line(replace(IDLE, queued=2, held=True), 40) == "  34 %  default   Enter send the first  "


def test_the_words_tell_when_compaction_comes() -> None:
    soft, hard = (replace(USED, tokens=tokens) for tokens in (150_000, 190_000))
    assert "75 %   150k of 200k   compacts after this run" in line(replace(WRITING, used=soft), 120)
    assert "compacts next" in line(replace(WRITING, used=hard), 120)
    assert "compacts" not in line(replace(WRITING, used=soft, limits=Limits(100, 100)), 120)


def test_after_an_undone_compaction_none_is_announced_before_the_hard_limit() -> None:
    resting = replace(USED, tokens=150_000, resting=True)
    assert "compacts" not in line(replace(WRITING, used=resting), 120)
    assert "compacts next" in line(replace(WRITING, used=replace(resting, tokens=190_000)), 120)


def test_compaction_that_failed_too_often_is_said_to_be_off_and_what_tries_again() -> None:
    soft = replace(USED, tokens=150_000)
    off = replace(IDLE, used=soft, state=StateDelta("idle", compaction_off=True))
    assert "75 %   150k of 200k   compaction off: failed 3 times, /compact tries again   sonnet-4-5" in line(off, 140)
    assert line(off, 40).split() == ["75", "%", "compaction", "off", "default"]
    assert "compacts" not in line(replace(off, state=StateDelta("running", "tools", 5, 1, compaction_off=True)), 120)


def test_an_assumed_window_a_demo_and_what_is_wrong_are_said_in_words() -> None:
    assert "68k of 200k assumed" in line(replace(IDLE, used=replace(USED, window_source="assumed")), 120)
    assert "  default  read-only  " in line(replace(IDLE, read_only=True), 40)
    assert "no model" in line(replace(IDLE, model=""), 80)
    assert "  bypass   unsaved  " in line(replace(IDLE, mode="bypass", state=StateDelta("idle", unsaved=True)), 120)
    assert line(replace(IDLE, mode="bypass", state=StateDelta("idle", unsaved=True)), 40).split()[-2:] == ["bypass", "unsaved"]


@pytest.mark.parametrize("source", ["interpolated", "extrapolated", "no_data"])
def test_what_the_model_did_not_count_is_about_so_much(source: str) -> None:
    assert " ~68k of 200k " in line(replace(IDLE, used=replace(USED, source=source)), 120)


@pytest.mark.parametrize("width", [120, 80, 40])
def test_a_server_that_cuts_requests_is_told_of_at_every_width(width: int) -> None:
    assert " cut to 4.1k " in line(replace(IDLE, used=replace(USED, source="no_data", cut_to=4_096)), width)


def test_a_retry_counts_down_with_its_reason() -> None:
    waiting = replace(
        WRITING,
        state=StateDelta("running", "retry_wait", 5, 1),
        retry=RetryScheduled(5, 1, 2, 4000, "rate limited"),
        retry_at=110.0,
    )
    assert "· retry 2 in 4 s: rate limited" in line(waiting, 100, now=106.0)
    assert "· retry 2 in 1 s: rate limited" in line(waiting, 100, now=109.2)
    assert "· retry 2 in 4 s" in line(waiting, 40, now=106.0)
    assert line(waiting, 80, now=106.0) == "  34 %  default  · retry 2 in 4 s: rate limited        Enter try now  Esc stop  "
    assert line(waiting, 64, now=106.0) == "  34 %  default  · retry 2 in 4 s      Enter try now  Esc stop  "


def test_a_long_reason_is_cut_and_takes_no_other_words_place() -> None:
    waiting = replace(
        WRITING,
        state=StateDelta("running", "retry_wait", 5, 1),
        retry=RetryScheduled(5, 1, 2, 4000, "the server at http://127.0.0.1:9/v1 cannot be reached: " + "why " * 40),
        retry_at=110.0,
    )
    assert "34 %   68k of 200k" in line(waiting, 140, now=106.0)
    assert "retry 2 in 4 s: the server at http://127.0.0.1:9/v1 cannot be r…" in line(waiting, 140, now=106.0)
    cut = "  34 %  default  · retry 2 in 4 s: the server at htt…  Enter try now  Esc stop  "
    assert line(waiting, 80, now=106.0) == cut
    assert line(waiting, 40, now=106.0).split() == ["default", "·", "retry", "2", "in", "4", "s", "Esc", "stop"]


def test_a_message_that_can_be_taken_back_is_hinted_at_even_at_forty_columns() -> None:
    assert line(replace(IDLE, unanswered=True), 40).split() == ["34", "%", "default", "Ctrl+U", "take", "it", "back"]


def test_limits_in_tokens_are_shown_where_they_are_in_the_window() -> None:
    limits = Limits(soft=60_000, hard=180_000)
    assert "▰▰▯▱▱▱▱▱▱▱" in line(replace(IDLE, used=replace(USED, tokens=40_000), limits=limits), 120)
    assert "34 %   68k of 200k   compacts after this run" in line(replace(WRITING, limits=limits), 120)
    assert "compacts next" in line(replace(WRITING, used=replace(USED, tokens=190_000), limits=limits), 120)
