"""Edits, branches, names and settings."""

import pytest

from flowchat.agent.agent import Limits
from flowchat.errors import Busy, NoModel, NotFound, NotUserMessage, ReadOnly
from flowchat.model.scripted import says, waits
from flowchat.transcript.entries import Edited, QueueSet, Record, RunStarted, TitleSet, UserSaid
from tests.desk import Desk, said


async def two_turns(desk: Desk, *more: object) -> tuple:
    sitting = desk.open(says("a1"), says("a2"), *more)
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    first, second = sitting.session.user_messages()
    return sitting, first.seq, second.seq


async def test_only_user_messages_of_this_session_can_be_edited(desk: Desk) -> None:
    sitting, first, _ = await two_turns(desk)
    answer = next(record.seq for record in sitting.session.transcript.branch() if record.type == "assistant_said")
    with pytest.raises(NotUserMessage, match="only user messages can be edited"):
        await sitting.session.edit(answer, "x", "resend")
    with pytest.raises(NotFound):
        await sitting.session.edit(999, "x", "save")
    assert first


async def test_an_edit_saved_in_place_leaves_the_rest_and_runs_nothing(desk: Desk) -> None:
    sitting, first, _ = await two_turns(desk, says("a3"))
    await sitting.session.edit(first, "new u1", "save")
    assert len(sitting.model.asked()) == 2
    await sitting.session.send("u3")
    await sitting.session.idle()
    assert sitting.requests()[-1] == ["user: new u1", "assistant: a1", "user: u2", "assistant: a2", "user: u3"]
    assert len(sitting.branch(Edited)) == 1


async def test_resending_is_a_sibling_at_the_same_place_and_the_old_branch_stays(desk: Desk) -> None:
    sitting, first, second = await two_turns(desk, says("b1"))
    session = sitting.session
    old_head = session.transcript.head
    await session.edit(first, "other u1", "resend")
    await session.idle()
    new = session.user_messages()[0]
    assert isinstance(new.entry, UserSaid)
    assert (new.entry.edits, new.entry.delivery, new.parent) == (first, "edit", session.transcript.record(first).parent)
    assert sitting.requests()[-1] == ["user: other u1"]
    assert said(sitting.branch(UserSaid)) == ["other u1"]
    await session.walk_to(second)
    assert session.transcript.head == old_head
    assert said(sitting.branch(UserSaid)) == ["u1", "u2"]


async def test_queue_text_returns_to_the_composer_before_it_leaves_the_queue(desk: Desk) -> None:
    hold = waits("", says("x"))
    sitting = desk.open(says("a1"), hold, says("b1"))
    session = sitting.session
    await session.send("u1")
    await session.idle()
    await session.send("u2")
    await hold.reached.wait()
    await session.send("queued words")
    await session.edit(session.user_messages()[0].seq, "new", "resend", interrupt=True)
    assert (desk.shelf.text, session.queue) == ("queued words", ())
    await session.idle()
    facts = [event for event in sitting.ear.events if isinstance(event, Record)]
    emptied = next(i for i, record in enumerate(facts) if isinstance(record.entry, QueueSet) and not record.entry.items)
    assert [record.type for record in facts[emptied : emptied + 4]] == ["queue_set", "head_moved", "user_said", "run_started"]


async def test_an_edit_while_a_run_goes_on_needs_consent(desk: Desk) -> None:
    hold = waits("", says("x"))
    sitting = desk.open(hold, says("new answer"))
    session = sitting.session
    await session.send("u1")
    await hold.reached.wait()
    node = session.user_messages()[0].seq
    before = (session.transcript.last_seq, session.transcript.head, session.queue, session.state)
    for action in ("resend", "save"):
        with pytest.raises(Busy, match=f"run {session.state.run} is under way"):
            await session.edit(node, "new", action)
    assert (session.transcript.last_seq, session.transcript.head, session.queue, session.state) == before
    assert session.state.state == "running"
    await session.edit(node, "new", "resend", interrupt=True)
    await session.idle()
    assert said(sitting.branch(UserSaid)) == ["new"]
    assert [run.trigger for run in sitting.branch(RunStarted)] == ["edit"]


async def test_without_a_usable_model_an_edit_moves_nothing(desk: Desk) -> None:
    sitting, first, _ = await two_turns(desk)
    gone = desk.seat(sitting.model, sitting.session.transcript, no_model=True).session
    before = gone.transcript.last_seq
    with pytest.raises(NoModel):
        await gone.edit(first, "new", "resend")
    assert gone.transcript.last_seq == before


async def test_walking_while_a_run_goes_on_is_refused(desk: Desk) -> None:
    hold = waits("", says("x"))
    session = desk.open(hold).session
    await session.send("u1")
    await hold.reached.wait()
    with pytest.raises(Busy):
        await session.walk_to(2)


async def test_a_session_is_called_by_its_first_words_then_by_a_generated_title(desk: Desk) -> None:
    sitting = desk.open(says("Rounding."), others={"title": [says('"Fix invoice rounding."')]})
    await sitting.session.send("The invoice total is off by one cent")
    assert sitting.session.title == "The invoice total is off by…"
    await sitting.ear.until(lambda thing: isinstance(thing, TitleSet) and thing.origin == "generated")
    assert sitting.session.title == "Fix invoice rounding"


async def test_no_title_is_asked_for_where_nobody_would_see_it_come(desk: Desk) -> None:
    sitting = desk.open(says("Rounding."), limits=Limits(titles=False))
    await sitting.session.send("The invoice total is off by one cent")
    await sitting.session.idle()
    await sitting.session.close()
    assert (sitting.session.title, sitting.model.asked("title")) == ("The invoice total is off by…", [])


async def test_a_title_the_user_gave_is_never_overwritten(desk: Desk) -> None:
    sitting = desk.open(says("ok"), says("ok"), others={"title": []})
    await sitting.session.rename("Mine")
    await sitting.session.send("hi")
    await sitting.session.idle()
    assert sitting.session.title == "Mine"
    await sitting.session.rename("Still mine")
    await sitting.session.send("more")
    await sitting.session.idle()
    assert (sitting.session.title, sitting.model.asked("title")) == ("Still mine", [])


async def test_a_model_change_is_the_sessions_and_holds_from_the_next_run(desk: Desk) -> None:
    sitting, *_ = await two_turns(desk)
    await sitting.session.set_model("other/model")
    assert sitting.session.model == "other/model"


async def test_nothing_can_be_said_in_a_session_open_for_reading(desk: Desk) -> None:
    sitting, first, _ = await two_turns(desk)
    reader = desk.seat(sitting.model, sitting.session.transcript, read_only="another flowchat holds it").session
    for command in (reader.send("x"), reader.edit(first, "x", "save"), reader.rename("x"), reader.compact(), reader.retry()):
        with pytest.raises(ReadOnly, match="another flowchat holds it"):
            await command
