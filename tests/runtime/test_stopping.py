"""Interrupts, failures and what is kept of them."""

import asyncio

import pytest

from flowchat.agent.agent import Limits
from flowchat.agent.calls import NAME_SHOWN_CHARS
from flowchat.errors import NotFound, NotRunning
from flowchat.model.model import AuthFailed, ConnectionLost, EmptyResponse, Overloaded, RateLimited, UnknownModel
from flowchat.model.scripted import fails, says, waits
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    CallCut,
    Record,
    RunEnded,
    RunStarted,
    Text,
    Thinking,
    ToolAnswered,
    Usage,
    UserSaid,
)
from flowchat.transcript.events import ApprovalAsked, AttemptWithdrawn, RetryScheduled, StateDelta, TextDelta, Toast
from tests.desk import Desk, said

READ_A = ("read_file", {"path": "a.txt"})


async def test_an_interrupt_before_any_text_leaves_no_empty_answer(desk: Desk) -> None:
    hold = waits("", says("never"))
    sitting = desk.open(hold)
    await sitting.session.send("hi")
    await hold.reached.wait()
    await sitting.session.interrupt()
    assert sitting.types()[-1] == "run_ended"
    assert sitting.branch(AssistantSaid) == []
    assert sitting.branch(RunEnded)[0].outcome == "interrupted"
    assert said(sitting.branch(UserSaid)) == ["hi"]
    assert sitting.session.state.state == "idle"


async def test_a_message_nothing_has_answered_can_be_taken_back_into_the_composer(desk: Desk) -> None:
    hold = waits("", says("never"))
    sitting = desk.open(says("a1"), hold, says("ok"))
    await sitting.session.send("first")
    await sitting.session.idle()
    with pytest.raises(NotFound, match="no unanswered message"):
        await sitting.session.take_back()
    can = [sitting.session.can_take_back]
    await sitting.session.send("hasty words")
    await hold.reached.wait()
    can.append(sitting.session.can_take_back)
    await sitting.session.interrupt()
    assert [*can, sitting.session.can_take_back] == [False, False, True]
    assert await sitting.session.take_back() == "hasty words"
    assert desk.shelf.text == "hasty words"
    await sitting.session.send("better words")
    await sitting.session.idle()
    assert sitting.requests()[-1] == ["user: first", "assistant: a1", "user: better words"]


async def test_an_interrupt_keeps_the_text_that_was_streamed(desk: Desk) -> None:
    hold = waits("Half an answer", says("never"))
    sitting = desk.open(hold, says("ok"))
    await sitting.session.send("hi")
    await hold.reached.wait()
    await sitting.session.interrupt()
    assert sitting.branch(AssistantSaid)[0].parts == (Text("Half an answer"),)
    await sitting.session.send("go on")
    await sitting.session.idle()
    assert sitting.requests()[1] == ["user: hi", "assistant: Half an answer\n\n[the user interrupted this answer]", "user: go on"]


async def test_an_interrupt_writes_what_is_left_in_one_piece(desk: Desk) -> None:
    hold = waits("Half", says("never"))
    sitting = desk.open(hold)
    await sitting.session.send("hi")
    await hold.reached.wait()
    await sitting.session.interrupt()
    tail = [event for event in sitting.ear.events if isinstance(event, Record)][-3:]
    assert [record.type for record in tail] == ["attempt_used", "assistant_said", "run_ended"]


async def test_of_two_parallel_calls_the_finished_one_keeps_its_answer(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[READ_A, ("read_file", {"path": "/etc/hostname"})]), says("ok"))
    await sitting.session.send("read both")
    await sitting.ear.until(ApprovalAsked)
    await sitting.ear.until(ToolAnswered)
    await sitting.session.interrupt()
    answers = sitting.branch(ToolAnswered)
    assert [(answer.call[-1], answer.status) for answer in answers] == [("0", "ok"), ("1", "not_run")]
    await sitting.session.send("next")
    await sitting.session.idle()
    last = sitting.requests()[-1]
    assert [line.split(":")[0].split("_")[-1] for line in last[2:4]] == ["0", "1"]


@pytest.mark.parametrize("wait", ["retry", "approval"])
async def test_an_interrupt_ends_a_wait_at_once(desk: Desk, wait: str) -> None:
    script = (
        [fails(RateLimited("slow down", 3600.0))]
        if wait == "retry"
        else [says("", calls=[("shell", {"command": "touch c.txt"})])]
    )
    sitting = desk.open(*script)
    await sitting.session.send("go")
    await sitting.ear.until(RetryScheduled if wait == "retry" else ApprovalAsked)
    async with asyncio.timeout(1):
        await sitting.session.interrupt()
    assert sitting.session.state.state == "idle"
    assert sitting.session.approval is None


async def test_there_is_nothing_to_interrupt_while_idle(desk: Desk) -> None:
    session = desk.open(says("ok")).session
    with pytest.raises(NotRunning):
        await session.interrupt()
    await session.send("hi")
    await session.idle()
    with pytest.raises(NotRunning):
        await session.interrupt()


async def test_a_cut_call_is_kept_to_be_seen_and_never_run(desk: Desk) -> None:
    hold = waits("", fails(ConnectionLost("cut"), ""))
    sitting = desk.open(hold)
    await sitting.session.send("hi")
    await hold.reached.wait()
    await sitting.session.interrupt()
    assert sitting.branch(ToolAnswered) == []


async def test_a_refused_key_is_not_tried_again(desk: Desk) -> None:
    sitting = desk.open(fails(AuthFailed("OpenAI refused the key in OPENAI_API_KEY; set another one")))
    await sitting.session.send("hi")
    await sitting.session.idle()
    ended = sitting.branch(RunEnded)[0]
    assert (ended.outcome, ended.code) == ("failed", "auth")
    assert len(sitting.model.requests) == 1
    assert sitting.ear.entries(RetryScheduled) == []


async def test_an_unknown_model_ends_the_run_and_keeps_the_message(desk: Desk) -> None:
    sitting = desk.open(fails(UnknownModel("no provider knows 'x/y'")))
    await sitting.session.send("hi")
    await sitting.session.idle()
    assert sitting.branch(RunEnded)[0].code == "unknown_model"
    assert said(sitting.branch(UserSaid)) == ["hi"]


async def test_failed_attempts_are_withdrawn_and_only_the_last_one_counts(desk: Desk) -> None:
    busy = RateLimited("too many requests")
    used = Usage(input=10, output=2)
    sitting = desk.open(fails(busy, "wrong "), fails(busy), says("right", usage=used))
    await sitting.session.send("hi")
    await desk.clock.hurry(sitting.session.idle())
    assert [(gone.attempt, gone.reason) for gone in sitting.ear.entries(AttemptWithdrawn)] == [
        (1, "too many requests"),
        (2, "too many requests"),
    ]
    assert [retry.delay_ms for retry in sitting.ear.entries(RetryScheduled)] == [1000, 2000]
    assert [answer.parts for answer in sitting.branch(AssistantSaid)] == [(Text("right"),)]
    assert [(use.attempt, use.error, use.usage) for use in sitting.ear.entries(AttemptUsed) if use.purpose == "run"] == [
        (1, "rate_limited", None),
        (2, "rate_limited", None),
        (3, None, used),
    ]
    assert len({str(request.messages) for request in sitting.model.asked()}) == 1


async def test_a_server_that_asks_for_more_time_gets_it_and_never_less_than_ours(desk: Desk) -> None:
    sitting = desk.open(fails(RateLimited("a", 7.0)), fails(RateLimited("b", 0.0)), says("ok"))
    await sitting.session.send("hi")
    await desk.clock.hurry(sitting.session.idle())
    assert [retry.delay_ms for retry in sitting.ear.entries(RetryScheduled)] == [7000, 2000]


async def test_a_long_wait_for_the_server_is_told_at_once_and_ends_when_the_user_says_so(desk: Desk) -> None:
    sitting = desk.open(fails(RateLimited("slow down", 3600.0)), says("ok"))
    session = sitting.session
    assert not session.retry_now()
    await session.send("hi")
    await sitting.ear.until(RetryScheduled)
    await sitting.ear.until(lambda event: isinstance(event, StateDelta) and event.phase == "retry_wait")
    assert ([retry.delay_ms for retry in sitting.ear.entries(RetryScheduled)], session.retry_now()) == ([3_600_000], True)
    await session.idle()
    assert [answer.parts for answer in sitting.branch(AssistantSaid)] == [(Text("ok"),)]
    assert (desk.clock.seconds(), session.retry_now()) == (0.0, False)


async def test_five_attempts_are_made_and_the_last_ones_text_is_kept(desk: Desk) -> None:
    sitting = desk.open(*[fails(Overloaded("busy"), f"try {number}") for number in range(1, 6)])
    await sitting.session.send("hi")
    await desk.clock.hurry(sitting.session.idle())
    assert [answer.parts for answer in sitting.branch(AssistantSaid)] == [(Text("try 5"),)]
    assert sitting.branch(AssistantSaid)[0].finish == "failed"
    assert sitting.branch(RunEnded)[0].code == "overloaded"


async def test_an_empty_answer_is_asked_for_once_more(desk: Desk) -> None:
    sitting = desk.open(says(""), says(""), says("ok"))
    await sitting.session.send("hi")
    await desk.clock.hurry(sitting.session.idle())
    assert sitting.branch(RunEnded)[0].code == "empty_response"
    assert len(sitting.model.asked()) == 2
    await sitting.session.send("again")
    await sitting.session.idle()
    assert sitting.requests()[-1] == ["user: hi", "assistant: [this answer failed: empty_response]", "user: again"]
    assert issubclass(EmptyResponse, Exception)


async def test_text_of_a_failed_step_is_sent_with_one_failure_line(desk: Desk) -> None:
    sitting = desk.open(fails(AuthFailed("no"), "Half an"), says("ok"))
    await sitting.session.send("hi")
    await sitting.session.idle()
    await sitting.session.send("again")
    await sitting.session.idle()
    assert sitting.requests()[-1] == ["user: hi", "assistant: Half an\n\n[this answer failed: auth]", "user: again"]


async def test_retry_goes_on_from_the_last_committed_step_without_a_second_message(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[READ_A]), fails(AuthFailed("no"), "partial"), says("done"))
    await sitting.session.send("read")
    await sitting.session.idle()
    await sitting.session.retry()
    await sitting.session.idle()
    assert said(sitting.branch(UserSaid)) == ["read"]
    requests = [request.messages for request in sitting.model.asked()]
    assert requests[2] == requests[1]
    assert [run.trigger for run in sitting.branch(RunStarted)] == ["send", "retry"]
    assert sitting.branch(AssistantSaid)[-1].parts == (Text("done"),)
    assert "partial" not in str(sitting.branch(AssistantSaid))


async def test_there_is_nothing_to_retry_after_a_completed_run(desk: Desk) -> None:
    session = desk.open(says("ok")).session
    await session.send("hi")
    await session.idle()
    with pytest.raises(NotFound, match="nothing to retry"):
        await session.retry()


async def test_a_run_ends_at_its_step_limit_with_every_call_answered(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[READ_A]), says("", calls=[READ_A]), says("more"), limits=Limits(steps=2))
    await sitting.session.send("loop")
    await sitting.session.send("queued")
    await sitting.session.idle()
    assert len(sitting.model.asked()) == 2
    ended = sitting.branch(RunEnded)[0]
    assert (ended.outcome, ended.steps) == ("limit", 2)
    assert len(sitting.branch(ToolAnswered)) == 2
    assert [item.parts[0].text for item in sitting.session.queue] == ["queued"]


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("no_such_tool", "{}", "there is no tool 'no_such_tool'"),
        ("x" * 10_000, "{}", f"there is no tool '{'x' * NAME_SHOWN_CHARS}…'; the tools are"),
        ("read_file", "{not json", "not JSON"),
        ("read_file", "[1]", "must be one JSON object"),
        ("read_file", '{"path": "missing.txt"}', "missing.txt"),
    ],
)
async def test_a_call_that_goes_wrong_is_answered_and_the_run_goes_on(desk: Desk, name: str, args: str, words: str) -> None:
    sitting = desk.open(says("", calls=[(name, args)]), says("I see."))
    await sitting.session.send("go")
    await sitting.session.idle()
    answer = sitting.branch(ToolAnswered)[0]
    assert answer.status == "error"
    assert words in answer.content
    assert sitting.branch(RunEnded)[0].outcome == "completed"


async def test_thinking_is_kept_with_the_time_it_took(desk: Desk) -> None:
    sitting = desk.open(says("So.", thinking="Let me see."))
    await sitting.session.send("why")
    await sitting.session.idle()
    assert sitting.branch(AssistantSaid)[0].parts == (Thinking("Let me see."), Text("So."))


async def test_an_answer_cut_at_the_output_limit_says_so_and_its_cut_call_is_not_run(desk: Desk) -> None:
    sitting = desk.open(says("Writing", calls=[("write_file", '{"path": "x", "cont')], finish="length"))
    await sitting.session.send("go")
    await sitting.session.idle()
    answer = sitting.branch(AssistantSaid)[0]
    assert answer.parts == (Text("Writing"), CallCut("write_file", '{"path": "x", "cont'))
    assert sitting.types()[-2:] == ["noticed", "run_ended"]


async def test_new_or_quit_while_a_run_goes_on_keeps_the_partial_and_releases_everybody(desk: Desk) -> None:
    hold = waits("Half", says("never"))
    sitting = desk.open(hold)
    await sitting.session.send("hi")
    await hold.reached.wait()
    await sitting.session.send("later")
    await sitting.session.close()
    assert sitting.branch(AssistantSaid)[0].parts == (Text("Half"),)
    assert sitting.branch(RunEnded)[0].outcome == "interrupted"
    assert sitting.session.held is True
    assert sitting.ear.entries(StateDelta)[-1].state == "closed"


async def test_events_are_numbered_without_a_gap_and_text_comes_before_its_entry(desk: Desk) -> None:
    sitting = desk.open(says("one two three"))
    await sitting.session.send("count")
    await sitting.session.idle()
    assert [heard.i for heard in sitting.ear.heard] == list(range(1, len(sitting.ear.heard) + 1))
    streamed = "".join(delta.text for delta in sitting.ear.entries(TextDelta))
    kinds = [type(event).__name__ if not isinstance(event, Record) else event.type for event in sitting.ear.events]
    assert streamed == "one two three"
    assert kinds.index("TextDelta") < kinds.index("assistant_said")


async def test_a_long_silence_is_hinted_at_once_and_not_again(desk: Desk) -> None:
    hold = waits("word ", says("more"))
    sitting = desk.open(hold)
    await sitting.session.send("hi")
    await hold.reached.wait()
    await desk.clock.pass_seconds(19)
    assert sitting.ear.entries(Toast) == []
    await desk.clock.pass_seconds(30)
    assert [toast.text for toast in sitting.ear.entries(Toast)] == ["Nothing from scripted for 20 s; Esc stops."]
    hold.gate.set()
    await sitting.session.idle()
