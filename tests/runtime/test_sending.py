"""Saying things: at once, queued, steered, instead of what runs."""

import pytest

from flowchat.errors import AlreadyExists, BlankMessage, NoModel, NotFound, NotRunning, QueueFull
from flowchat.model.model import ConnectionLost, Refused
from flowchat.model.scripted import fails, says, waits
from flowchat.transcript.entries import AssistantSaid, QueueItem, RunEnded, RunStarted, Text, UserSaid
from flowchat.transcript.events import QueueChanged
from tests.desk import Desk, said


async def test_a_message_and_its_run_are_on_disk_before_the_model_is_asked(desk: Desk) -> None:
    hold = waits("Hel", says("lo"))
    session, model, ear = desk.open(hold)
    await session.send("hi")
    assert [record.type for record in session.transcript.branch()] == ["session_started", "user_said", "run_started"]
    assert model.requests == []
    assert session.state.state == "running"
    await hold.reached.wait()
    hold.gate.set()
    await session.idle()
    assert ear.entries(RunEnded)[-1].outcome == "completed"


async def test_a_turn_is_said_answered_and_closed(desk: Desk) -> None:
    sitting = desk.open(says("Hello there."))
    await sitting.session.send("hi")
    await sitting.session.idle()
    assert sitting.types() == [
        "session_started",
        "user_said",
        "run_started",
        "context_added",
        "assistant_said",
        "run_ended",
    ]  # fmt: skip
    assert sitting.branch(AssistantSaid)[0].parts == (Text("Hello there."),)
    assert sitting.requests() == [["user: hi"]]
    assert sitting.session.state.state == "idle"


async def test_sending_while_a_run_goes_on_queues_and_leaves_the_run_alone(desk: Desk) -> None:
    hold = waits("Hel", says("lo"))
    sitting = desk.open(hold, says("second"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    await session.send("two", client_id="q1")
    assert session.queue == (QueueItem("q1", (Text("two"),)),)
    assert sitting.ear.entries(QueueChanged)[-1].items == session.queue
    assert said(sitting.branch(UserSaid)) == ["one"]
    hold.gate.set()
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["one", "two"]
    assert sitting.requests()[1] == ["user: one", "assistant: Hello", "user: two"]
    assert session.queue == ()


async def test_the_twenty_first_queued_message_is_refused_and_nothing_is_written(desk: Desk) -> None:
    hold = waits("", says("done"))
    session = desk.open(hold, *[says("ok")] * 20).session
    await session.send("go")
    await hold.reached.wait()
    for number in range(20):
        await session.send(f"m{number}")
    before, seq = session.queue, session.transcript.last_seq
    with pytest.raises(QueueFull, match="20"):
        await session.send("one too many")
    assert (session.queue, session.transcript.last_seq) == (before, seq)


async def test_the_queue_of_a_failed_run_waits_for_the_next_one_that_completes(desk: Desk) -> None:
    hold = waits("", fails(Refused("no")))
    sitting = desk.open(hold, says("ok"), says("a done"))
    session = sitting.session
    await session.send("go")
    await hold.reached.wait()
    await session.send("a")
    hold.gate.set()
    await session.idle()
    assert [item.parts[0].text for item in session.queue] == ["a"]
    await session.send("again")
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["go", "again", "a"]


async def test_a_promoted_message_is_said_next_and_the_rest_keeps_its_order(desk: Desk) -> None:
    hold = waits("par", says("tial"))
    sitting = desk.open(hold, says("b done"), says("a done"), says("c done"))
    session = sitting.session
    await session.send("go")
    await hold.reached.wait()
    for name in "abc":
        await session.send(name, client_id=name)
    await session.waiting.promote("b")
    assert [item.client_id for item in session.queue] == ["a", "c"]
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["go", "b", "a", "c"]
    first = sitting.branch(AssistantSaid)[0]
    assert (first.parts, first.finish) == ((Text("par"),), "interrupted")
    assert next(ended.outcome for ended in sitting.branch(RunEnded)) == "interrupted"


async def test_a_message_taken_out_of_the_queue_can_be_put_back_at_its_place(desk: Desk) -> None:
    hold = waits("", says("one"))
    sitting = desk.open(hold, *[says("ok")] * 22)
    session = sitting.session
    await session.send("now")
    await hold.reached.wait()
    for name in "abc":
        await session.send(name, client_id=name)
    taken = await session.waiting.take("b")
    assert taken is not None
    places: list[str] = []
    for place in (1, 0, 99, -1, 1):
        await session.waiting.put(QueueItem("b", (Text("better"),)), place)
        places.append("".join(item.client_id for item in session.queue))
    assert places == ["abc", "bac", "acb", "bac", "abc"]
    for number in range(17):
        await session.send(f"and {number}", client_id=str(number))
    with pytest.raises(QueueFull):
        await session.waiting.put(QueueItem("one too many", (Text("x"),)), 0)
    hold.gate.set()
    await session.idle()
    assert said(sitting.branch(UserSaid))[:4] == ["now", "a", "better", "c"]
    with pytest.raises(AlreadyExists, match="sent already"):
        await session.waiting.put(taken, 0)


async def test_promoting_what_is_not_queued_is_refused_and_changes_nothing(desk: Desk) -> None:
    hold = waits("", says("x"))
    session = desk.open(hold, says("a")).session
    await session.send("go")
    await hold.reached.wait()
    await session.send("a", client_id="a")
    with pytest.raises(NotFound):
        await session.waiting.promote("nope")
    assert [item.client_id for item in session.queue] == ["a"]
    assert session.state.state == "running"


async def test_the_same_message_sent_twice_is_one_message(desk: Desk) -> None:
    sitting = desk.open(says("ok"))
    session = sitting.session
    assert await session.send("hi", client_id="x") == await session.send("hi", client_id="x")
    with pytest.raises(AlreadyExists, match="already exists"):
        await session.send("other", client_id="x")
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["hi"]


async def test_a_queued_message_sent_twice_is_queued_once(desk: Desk) -> None:
    hold = waits("", says("x"))
    session = desk.open(hold, says("ok")).session
    await session.send("go")
    await hold.reached.wait()
    await session.send("q", client_id="q")
    await session.send("q", client_id="q")
    assert len(session.queue) == 1


async def test_there_is_nothing_to_steer_while_idle(desk: Desk) -> None:
    session = desk.open().session
    with pytest.raises(NotRunning):
        await session.send("left", deliver="steer")
    assert session.transcript.last_seq == 0


@pytest.mark.parametrize("blank", ["", "  \n\t"])
async def test_a_blank_message_is_refused_and_nothing_is_written(desk: Desk, blank: str) -> None:
    session = desk.open().session
    with pytest.raises(BlankMessage):
        await session.send(blank)
    assert session.transcript.last_seq == 0


async def test_without_a_model_nothing_is_written(desk: Desk) -> None:
    session = desk.open(no_model=True).session
    with pytest.raises(NoModel):
        await session.send("hi")
    assert (session.transcript.last_seq, session.state.state) == (0, "idle")


async def test_a_steer_during_two_parallel_calls_comes_after_both_answers(desk: Desk) -> None:
    hold = waits("", says("", calls=[("read_file", {"path": "a.txt"}), ("read_file", {"path": "b.txt"})]))
    sitting = desk.open(hold, says("Blue it is."))
    session = sitting.session
    await session.send("Pick a colour.")
    await hold.reached.wait()
    await session.send("Blue, please.", deliver="steer")
    hold.gate.set()
    await session.idle()
    last = sitting.requests()[1]
    assert last[0] == "user: Pick a colour."
    assert last[1].startswith("assistant:  [call_")
    assert last[2].startswith("tool call_")
    assert last[3].startswith("tool call_")
    assert last[4] == "user: Blue, please."
    assert len(sitting.branch(RunStarted)) == 1


async def test_a_steer_that_finds_no_step_boundary_goes_on_in_the_same_run(desk: Desk) -> None:
    hold = waits("All ", says("done."))
    sitting = desk.open(hold, says("Blue then."))
    session = sitting.session
    await session.send("go")
    await hold.reached.wait()
    await session.send("Blue.", deliver="steer")
    hold.gate.set()
    await session.idle()
    assert sitting.requests()[1] == ["user: go", "assistant: All done.", "user: Blue."]
    assert len(sitting.branch(RunStarted)) == 1
    assert session.queue == ()


async def test_two_quick_steers_are_both_said_in_order(desk: Desk) -> None:
    hold = waits("", says("", calls=[("read_file", {"path": "a.txt"})]))
    sitting = desk.open(hold, says("ok"))
    await sitting.session.send("go")
    await hold.reached.wait()
    await sitting.session.send("left", deliver="steer")
    await sitting.session.send("right", deliver="steer")
    hold.gate.set()
    await sitting.session.idle()
    assert said(sitting.branch(UserSaid)) == ["go", "left", "right"]


async def test_sending_instead_commits_the_partial_first_and_then_says_the_message(desk: Desk) -> None:
    hold = waits("half an ans", says("wer"))
    sitting = desk.open(hold, says("new answer"))
    session = sitting.session
    await session.send("one")
    await hold.reached.wait()
    await session.send("two", deliver="interrupt")
    await session.idle()
    assert sitting.types()[3:] == [
        "context_added",
        "assistant_said",
        "run_ended",
        "user_said",
        "run_started",
        "assistant_said",
        "run_ended",
    ]
    assert session.held is False


async def test_enter_on_the_empty_composer_steers_the_head_of_the_queue(desk: Desk) -> None:
    hold = waits("", says("", calls=[("read_file", {"path": "a.txt"})]))
    sitting = desk.open(hold, says("ok"), says("and the other"))
    session = sitting.session
    await session.send("go")
    await hold.reached.wait()
    await session.send("first")
    await session.send("second")
    await session.waiting.release()
    hold.gate.set()
    await session.idle()
    deliveries = [(entry.parts[0].text, entry.delivery) for entry in sitting.branch(UserSaid)]
    assert deliveries == [("go", "send"), ("first", "steer"), ("second", "queue")]


async def test_a_send_while_the_queue_is_held_runs_at_once_and_the_rest_stays_held(desk: Desk) -> None:
    hold = waits("", says("x"))
    sitting = desk.open(hold, says("ok"), says("kept done"))
    session = sitting.session
    await session.send("go")
    await hold.reached.wait()
    await session.send("kept")
    await session.interrupt()
    assert session.held is True
    await session.send("now")
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["go", "now"]
    assert ([item.parts[0].text for item in session.queue], session.held) == (["kept"], True)
    await session.waiting.release()
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["go", "now", "kept"]
    assert session.held is False


async def test_a_lone_surrogate_is_replaced_where_it_enters(desk: Desk) -> None:
    sitting = desk.open(says("ok"))
    await sitting.session.send("a\ud800b")
    await sitting.session.idle()
    assert said(sitting.branch(UserSaid)) == ["a\ufffdb"]


async def test_a_model_that_cannot_be_reached_ends_the_run_with_its_code(desk: Desk) -> None:
    sitting = desk.open(*[fails(ConnectionLost("no route to 127.0.0.1:9"))] * 5)
    await sitting.session.send("hi")
    await desk.clock.hurry(sitting.session.idle())
    ended = sitting.branch(RunEnded)[0]
    assert (ended.outcome, ended.code, ended.message) == ("failed", "connection", "no route to 127.0.0.1:9")
