"""recall in a session: what was folded is one call away, in the words it had."""

from flowchat.agent.messages import CHECKPOINT_PREFACE
from flowchat.agent.out_of_sight import look
from flowchat.model.scripted import ScriptedModel, says
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.tools.registry import standard_tools
from flowchat.tools.rules import Rule
from flowchat.transcript.entries import ItemRef, ItemsSet, ToolAnswered
from flowchat.transcript.transcript import Transcript
from tests.desk import Desk, Sitting

SUMMARY = "## Done\nthings"
SENTENCE = "Where a detail is missing, the recall tool finds and reads the messages themselves."


def opened(desk: Desk, *script, **given) -> Sitting:
    transcript = Transcript(MemoryLog(), MemoryBlobs(), now_ms=desk.clock.now_ms)
    model = ScriptedModel(*script, others={"compact": [says(SUMMARY)], "title": []})
    return desk.seat(model, transcript, tools=standard_tools(look=lambda: look(transcript)), **given)


async def said(sitting: Sitting, *messages: str) -> None:
    for message in messages:
        await sitting.session.send(message)
        await sitting.session.idle()


async def test_a_folded_fact_is_found_and_read_by_the_model(desk: Desk) -> None:
    finds = says("", calls=[("recall", {"query": "launch code"})])
    sitting = opened(desk, says("Noted."), finds, says("It is 4711."))
    await sitting.session.rename("x")
    await said(sitting, "The launch code is 4711.")
    await sitting.session.compact()
    await said(sitting, "What was the code?")
    [answered] = sitting.branch(ToolAnswered)
    assert (answered.status, answered.summary) == ("ok", "1 line in 1 entry")
    assert "  The launch code is 4711." in answered.content.split("\n")
    assert "4711" not in sitting.requests()[1][0]
    assert SENTENCE in sitting.requests()[1][0]
    assert CHECKPOINT_PREFACE.endswith(SENTENCE)


async def test_looking_back_asks_nobody_in_any_mode(desk: Desk) -> None:
    for mode in ("default", "plan"):
        sitting = opened(desk, says("", calls=[("recall", {})]), says("Nothing."), mode=mode)
        await sitting.session.rename("x")
        await said(sitting, "What did I say first?")
        [answered] = sitting.branch(ToolAnswered)
        assert (answered.status, answered.summary) == ("ok", "nothing is out of view")


async def test_a_rule_takes_it_away(desk: Desk) -> None:
    sitting = opened(desk, says("", calls=[("recall", {})]), says("Then not."), rules=[Rule("recall", effect="deny")])
    await sitting.session.rename("x")
    await said(sitting, "What did I say first?")
    assert [answered.status for answered in sitting.branch(ToolAnswered)] == ["denied"]


async def test_a_pruned_answer_is_read_in_full_where_it_says(desk: Desk) -> None:
    reads = says("", calls=[("read_file", {"path": "a.txt"})])
    sitting = opened(desk, reads, says("Read."))
    await sitting.session.rename("x")
    await said(sitting, "Look at a.txt.")
    transcript = sitting.session.transcript
    [node] = [record.seq for record in transcript.branch() if record.type == "tool_answered"]
    await transcript.append(ItemsSet((ItemRef(node),), "pruned"))
    sitting.model.then(says("", calls=[("recall", {"from": node})]), says("alpha"))
    await said(sitting, "What was in it?")
    pruned = next(line for line in sitting.requests()[-1] if "left out to save room" in line)
    assert pruned.endswith(f"recall from {node} reads it]")
    found = sitting.branch(ToolAnswered)[-1].content.split("\n")
    assert found[0].startswith(f"[{node}] answer to read_file, ")
    assert [line.split() for line in found[1:3]] == [["1", "alpha"], ["2", "beta"]]
