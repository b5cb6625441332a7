"""The todo list in a session: it survives every compaction word for word, and what the branch says is what there is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flowchat.agent.agent import Limits
from flowchat.errors import CommandRefused
from flowchat.model.model import ModelFacts
from flowchat.model.scripted import Says, ScriptedModel, Step, says, waits
from flowchat.runtime.session import Session
from flowchat.tools.rules import parse_rule
from flowchat.transcript.entries import Mode, ToolAnswered, Usage
from flowchat.transcript.todo import newest
from tests.desk import Desk, Sitting
from tests.growing import todo_list
from tests.staging import workspace_at

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)
SUMMARY = says("## Done\nread things")
PLAN = ("done read the  code", "now change `total` (all of it)", "next run the tests")
TODO = """<todo>
Your todo list as it stood here, 1 of 3 done; what is open of it, word for word:
- [in_progress] change `total` (all of it)
- [pending] run the tests
</todo>"""


def plans(*items: str, usage: Usage | None = None) -> Says:
    """A step that gives its list."""
    given = [{"text": item.text, "status": item.status} for item in todo_list(*items)]
    return says("", calls=[("todo", {"items": given})], usage=usage)


def sitting_on(desk: Desk, *steps: Step, **given: object) -> Sitting:
    others = {"compact": [SUMMARY] * 3, "title": []}
    return desk.open(*steps, others=others, **{"limits": Limits(titles=False), **given})


async def said(session: Session, *messages: str) -> None:
    for message in messages:
        await session.send(message)
        await session.idle()


def triggers(sitting: Sitting) -> list[str]:
    return [checkpoint.trigger for _, checkpoint in sitting.session.transcript.facts.checkpoints]


def lists_sent(sitting: Sitting) -> list[bool]:
    """Of each request, whether the list stands in its checkpoint as it was given."""
    return [TODO in request[0].split("|") for request in sitting.requests()]


# --- compactions -----------------------------------------------------------------------------------------------------
async def test_a_compaction_by_hand_keeps_what_is_open_and_its_undo_and_redo_give_the_requests_of_before(desk: Desk) -> None:
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."), says("On."), says("Off."))
    session = sitting.session
    await said(session, "Do it.")
    whole = session.request_text()
    assert (await session.folding.propose()).todo == todo_list(*PLAN[1:])
    await session.compact()
    folded = session.request_text()
    await session.folding.undo()
    assert session.request_text() == whole
    await session.folding.redo()
    assert session.request_text() == folded
    await said(session, "Go on.")
    await session.compact()
    await said(session, "And on.")
    assert (triggers(sitting), lists_sent(sitting)) == (["user", "user"], [False, False, True, True])


async def test_a_compaction_after_a_run_keeps_it(desk: Desk) -> None:
    much = says("word " * 3_000, usage=Usage(input=16_000, output=10))
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."), much, says("On."), facts=SMALL)
    await said(sitting.session, "Do it.", "More.", "Go on.")
    assert (triggers(sitting), lists_sent(sitting)) == (["soft"], [False, False, False, True])


async def test_a_compaction_during_a_run_keeps_it(desk: Desk) -> None:
    reads = says("", calls=[("read_file", {"path": "a.txt"})], usage=Usage(input=17_500, output=10))
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."), reads, says("Done."), facts=SMALL)
    await said(sitting.session, "Do it.", "More.")
    assert (triggers(sitting), lists_sent(sitting)) == (["hard"], [False, False, False, True])


async def test_a_list_that_was_finished_is_folded_for_good(desk: Desk) -> None:
    sitting = sitting_on(desk, plans(*PLAN), plans("done read", "done change"), says("Done."), says("On."))
    await said(sitting.session, "Do it.")
    await sitting.session.compact()
    await said(sitting.session, "Go on.")
    assert "<todo>" not in str(sitting.requests()[-1])


async def test_the_rows_of_the_map_add_up_and_the_summarys_says_what_it_carries(desk: Desk) -> None:
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."))
    await said(sitting.session, "Do it.")
    context = sitting.session.context
    before = context.used
    await sitting.session.compact()
    [row] = [row for row in context.rows() if row.kind == "checkpoint"]
    assert row.why.endswith("; with 2 open items of the todo list")
    assert TODO in context.text(row)
    assert context.used is not None
    assert before != context.used
    assert sum(row.tokens for row in context.rows()) == context.used.tokens


async def test_a_hand_off_tells_what_is_open(desk: Desk) -> None:
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."))
    await said(sitting.session, "Do it.")
    handed = await sitting.session.folding.hand_off()
    assert handed == "## Done\nread things\n\n## Todo\n- change `total` (all of it)\n- run the tests"


# --- branches --------------------------------------------------------------------------------------------------------
async def test_an_edit_before_the_newest_list_brings_back_the_older_and_the_way_back_the_newest(desk: Desk) -> None:
    sitting = sitting_on(desk, plans("now one"), says("1"), plans("done one"), says("2"), says("3"))
    session = sitting.session
    await said(session, "First.", "Second.")
    assert newest(session.transcript.branch()) == todo_list("done one")
    second = session.user_messages()[1].seq
    await session.edit(second, "Another.", "resend")
    await session.idle()
    assert newest(session.transcript.branch()) == newest(session.replay()) == todo_list("now one")
    await session.walk_to(second)
    assert newest(session.transcript.branch()) == newest(session.replay()) == todo_list("done one")


async def test_a_list_that_was_never_answered_is_none(desk: Desk) -> None:
    held = waits("", plans("now one"))
    sitting = sitting_on(desk, held)
    await sitting.session.send("Do it.")
    await held.reached.wait()
    await sitting.session.interrupt()
    assert newest(sitting.session.transcript.branch()) == ()


async def test_a_list_left_out_of_requests_stays_the_users(desk: Desk) -> None:
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."), says("On."))
    session = sitting.session
    await said(session, "Do it.")
    [call] = [row.ref for row in session.context.rows() if row.kind == "call"]
    assert call is not None
    await session.context.set([call], "excluded")
    await session.compact()
    await said(session, "Go on.")
    assert "run the tests" not in str(sitting.requests()[-1])
    assert newest(session.transcript.branch()) == todo_list("done read the code", *PLAN[1:])


async def test_a_list_that_was_left_out_is_not_handed_off_and_none_is_ever_pruned(desk: Desk) -> None:
    """It stands in the call, which pruning leaves whole, and its answer is one line already."""
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."))
    session = sitting.session
    await said(session, "Do it.")
    [call] = [row.ref for row in session.context.rows() if row.kind == "call" and row.ref]
    with pytest.raises(CommandRefused, match="no longer than what pruning would leave"):
        await session.context.set([call], "pruned")
    await session.context.set([call], "excluded")
    assert await session.folding.hand_off() == "## Done\nread things"


async def test_a_session_opened_again_has_its_list_and_its_next_request_carries_it(tmp_path: Path) -> None:
    model = ScriptedModel(plans(*PLAN), says("Planned."), says("On."), others={"compact": [SUMMARY], "title": [says("x")]})
    workspace = workspace_at(tmp_path, model)
    session = await workspace.new()
    await said(session, "Do it.")
    await session.compact()
    before = session.request_text()
    await session.close()
    again = await workspace.open(session.sid)
    assert newest(again.replay()) == newest(again.transcript.branch()) == todo_list("done read the code", *PLAN[1:])
    assert again.request_text() == before
    fork = await workspace.fork(again)
    assert newest(fork.replay()) == newest(again.replay())
    await again.close()
    await fork.close()
    await workspace.close()


# --- the call --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["default", "plan"])
async def test_it_asks_nobody_in_any_mode(desk: Desk, mode: Mode) -> None:
    sitting = sitting_on(desk, plans(*PLAN), says("Planned."), mode=mode, attended=False)
    await said(sitting.session, "Do it.")
    [answered] = sitting.branch(ToolAnswered)
    assert (answered.status, answered.summary) == ("ok", "1 of 3 done · now: change `total` (all of it)")
    assert answered.todo == todo_list("done read the code", *PLAN[1:])


async def test_a_bad_list_is_said_back_in_a_sentence_and_the_one_before_stands(desk: Desk) -> None:
    bad: Mapping[str, Sequence[object]] = {"items": [{"text": "x", "status": "doing"}, {"text": "y", "status": "doing"}]}
    sitting = sitting_on(desk, plans(*PLAN), says("", calls=[("todo", bad)]), says("Oh."))
    await said(sitting.session, "Do it.")
    answered = sitting.branch(ToolAnswered)[1]
    assert (answered.status, answered.todo) == ("error", None)
    assert answered.content == "todo: items 1 and 2 are both in_progress; at most one may be"
    assert len(newest(sitting.session.transcript.branch())) == 3


async def test_a_rule_takes_it_away_by_either_name(desk: Desk) -> None:
    for name in ("todo", "TodoWrite"):
        sitting = sitting_on(desk, plans(*PLAN), says("Then not."), rules=[parse_rule(name, "deny")])
        await said(sitting.session, "Do it.")
        assert [answered.status for answered in sitting.branch(ToolAnswered)] == ["denied"]
        assert newest(sitting.session.transcript.branch()) == ()
