"""How a run that did not end by itself is closed, and what an opening puts right."""

import pytest

from flowchat.runtime.opening import recovery
from flowchat.runtime.recovery import InFlight, closing, open_runs, partial_of
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.entries import (
    AssistantSaid,
    CallCut,
    Outcome,
    QueueItem,
    QueueSet,
    Recovered,
    RunEnded,
    Text,
    Thinking,
    ToolAnswered,
    ToolStarted,
)
from flowchat.transcript.transcript import Transcript
from tests.growing import Grown


def test_a_run_without_anything_is_closed_with_its_end_alone() -> None:
    grown = Grown().user("hi").run()
    assert closing(grown.branch(), RunEnded(grown.started, "interrupted"), 5_000, InFlight()) == [
        RunEnded(grown.started, "interrupted", 0, 3_000)
    ]


def test_streamed_text_is_kept_and_its_calls_are_cut() -> None:
    grown = Grown().user("hi").run()
    partial = partial_of(grown.started, 1, 2, "m", [("thinking", "hm"), ("text", "Hel")], [("read_file", '{"pa')])
    expected = AssistantSaid(
        grown.started, 1, 2, "m", (Thinking("hm"), Text("Hel"), CallCut("read_file", '{"pa')), "interrupted"
    )  # fmt: skip
    assert closing(grown.branch(), RunEnded(grown.started, "crashed"), 5_000, InFlight(partial)) == [
        expected,
        RunEnded(grown.started, "crashed", 1, 3_000),
    ]


def test_a_draft_of_a_step_that_was_committed_is_dropped() -> None:
    grown = Grown().user("hi").run().says("Hello")
    partial = partial_of(grown.started, 1, 1, "m", [("text", "Hel")], [])
    closed = closing(grown.branch(), RunEnded(grown.started, "crashed"), 5_000, InFlight(partial))
    assert closed == [RunEnded(grown.started, "crashed", 1, 3_000)]


def test_each_open_call_gets_one_answer_that_tells_what_is_known_of_it() -> None:
    grown = Grown().user("hi").run().says("", "done", "running", "waiting").answers(0, "real")
    running = f"{grown.said}.1"
    grown.add(ToolStarted(running))
    left = InFlight(outputs={running: "line 1\n"})
    crashed = closing(grown.branch(), RunEnded(grown.started, "crashed"), 9_000, left)
    assert [(entry.call, entry.status) for entry in crashed[:-1]] == [(running, "unknown"), (f"{grown.said}.2", "not_run")]
    assert crashed[0].content.endswith("\nline 1\n")
    stopped = closing(grown.branch(), RunEnded(grown.started, "interrupted"), 9_000, InFlight())
    assert [entry.status for entry in stopped[:-1]] == ["interrupted", "not_run"]


def test_a_call_that_could_not_be_taken_back_gives_its_real_answer() -> None:
    grown = Grown().user("hi").run().says("", "write_file")
    call = f"{grown.said}.0"
    grown.add(ToolStarted(call))
    real = ToolAnswered(call, "ok", "+2 -1")
    stopped = RunEnded(grown.started, "interrupted", code="closed", message="why")
    assert closing(grown.branch(), stopped, 9_000, InFlight(answers={call: real})) == [
        real,
        RunEnded(grown.started, "interrupted", 1, 7_000, "closed", "why"),
    ]


def test_runs_are_open_until_their_end_is_anywhere_in_the_file() -> None:
    grown = Grown().turn("one", "1").user("two").run()
    assert open_runs(grown.records) == [grown.started]
    grown.ends("crashed")
    assert open_runs(grown.records) == []


STEER, PLAIN = QueueItem("s", (Text("steer"),), "steer"), QueueItem("q", (Text("queue"),))


def recovered(grown: Grown) -> list[object]:
    return [*recovery(Transcript(MemoryLog(), MemoryBlobs(), grown.records), (), None, ())]


def test_a_queue_whose_turn_had_come_when_the_program_ended_is_held() -> None:
    """It was killed between the end of the run before and the run of the queue's head."""
    grown = Grown().user("hi").run().says("Hello").ends("completed").add(QueueSet((PLAIN,), held=False))
    assert recovered(grown) == [QueueSet((PLAIN,), held=True)]


@pytest.mark.parametrize("outcome", ["failed", "limit"])
def test_a_queue_that_waits_behind_a_failed_run_waits_as_before(outcome: Outcome) -> None:
    grown = Grown().user("hi").run().says("Hello").add(QueueSet((PLAIN,), held=False)).ends(outcome)
    assert recovered(grown) == []


def test_a_queue_that_was_held_stays_so_without_a_word() -> None:
    grown = Grown().user("hi").run().says("Hello").ends("completed").add(QueueSet((PLAIN,), held=True))
    assert recovered(grown) == []


def test_a_steer_whose_run_is_over_waits_at_the_head_of_the_queue() -> None:
    grown = Grown().user("hi").run().add(QueueSet((PLAIN, STEER), held=False))
    run = grown.started
    assert recovered(grown)[-2:] == [
        QueueSet((QueueItem("s", STEER.parts), PLAIN), held=True),
        Recovered((run,), None, ()),
    ]
    failed = Grown().user("hi").run().ends("failed").add(QueueSet((PLAIN, STEER), held=False))
    assert recovered(failed) == [QueueSet((QueueItem("s", STEER.parts), PLAIN), held=False)]
