"""How a run that did not end by itself is closed."""

from flowchat.runtime.recovery import closing, open_runs, partial_of
from flowchat.transcript.entries import AssistantSaid, CallCut, RunEnded, Text, Thinking, ToolAnswered, ToolStarted
from tests.growing import Grown


def test_a_run_without_anything_is_closed_with_its_end_alone() -> None:
    grown = Grown().user("hi").run()
    assert closing(grown.branch(), grown.started, "interrupted", 5_000) == [RunEnded(grown.started, "interrupted", 0, 3_000)]


def test_streamed_text_is_kept_and_its_calls_are_cut() -> None:
    grown = Grown().user("hi").run()
    partial = partial_of(grown.started, 1, 2, "m", [("thinking", "hm"), ("text", "Hel")], [("read_file", '{"pa')])
    expected = AssistantSaid(
        grown.started, 1, 2, "m", (Thinking("hm"), Text("Hel"), CallCut("read_file", '{"pa')), "interrupted"
    )  # fmt: skip
    assert closing(grown.branch(), grown.started, "crashed", 5_000, partial) == [
        expected,
        RunEnded(grown.started, "crashed", 1, 3_000),
    ]


def test_a_draft_of_a_step_that_was_committed_is_dropped() -> None:
    grown = Grown().user("hi").run().says("Hello")
    partial = partial_of(grown.started, 1, 1, "m", [("text", "Hel")], [])
    assert closing(grown.branch(), grown.started, "crashed", 5_000, partial) == [RunEnded(grown.started, "crashed", 1, 3_000)]


def test_each_open_call_gets_one_answer_that_tells_what_is_known_of_it() -> None:
    grown = Grown().user("hi").run().says("", "done", "running", "waiting").answers(0, "real")
    running = f"{grown.said}.1"
    grown.add(ToolStarted(running))
    crashed = closing(grown.branch(), grown.started, "crashed", 9_000, outputs={running: "line 1\n"})
    assert [(entry.call, entry.status) for entry in crashed[:-1]] == [(running, "unknown"), (f"{grown.said}.2", "not_run")]
    assert crashed[0].content.endswith("\nline 1\n")
    stopped = closing(grown.branch(), grown.started, "interrupted", 9_000)
    assert [entry.status for entry in stopped[:-1]] == ["interrupted", "not_run"]


def test_a_call_that_could_not_be_taken_back_gives_its_real_answer() -> None:
    grown = Grown().user("hi").run().says("", "write_file")
    call = f"{grown.said}.0"
    grown.add(ToolStarted(call))
    real = ToolAnswered(call, "ok", "+2 -1")
    assert closing(grown.branch(), grown.started, "interrupted", 9_000, answers={call: real})[0] == real


def test_runs_are_open_until_their_end_is_anywhere_in_the_file() -> None:
    grown = Grown().turn("one", "1").user("two").run()
    assert open_runs(grown.records) == [grown.started]
    grown.ends("crashed")
    assert open_runs(grown.records) == []
