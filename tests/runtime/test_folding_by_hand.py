"""A compaction by hand with what the user makes of it: scored, pinned, handed off."""

import asyncio
import json

import pytest

from flowchat.agent.proposal import CompactionFailed
from flowchat.agent.recall_score import NoScore
from flowchat.errors import ReadOnly, StorageFailed
from flowchat.model.model import ModelFacts, Overloaded, Refused
from flowchat.model.scripted import Step, fails, says, waits
from flowchat.transcript.entries import AttemptUsed, Compacted, ItemRef, Usage
from tests.desk import Desk, Sitting, settle
from tests.runtime.paper import Paper

SMALL = ModelFacts("scripted", "scripted", 20_000, "config", max_output=2_000)
SUMMARY = says("## Done\n- port 8431\n- the rest\n\n## User directives\n- Use port 8431.", usage=Usage(100, 0, 10))
ASKS = says(json.dumps([{"question": "Which port?", "answer": "8431"}]), usage=Usage(50, 0, 5))
KNOWS = says('{"1": "8431"}', usage=Usage(20, 0, 2))


async def sitting(desk: Desk, *steps: Step, **given: object) -> Sitting:
    """Two turns have been said; `steps` are what compacting is answered."""
    made = desk.open(says("One."), says("Two."), others={"compact": steps, "title": [says("A title")]}, facts=SMALL, **given)
    for text in ("Use port 8431.", "Go on."):
        await made.session.send(text)
        await desk.clock.hurry(made.session.idle())
    return made


def spent(made: Sitting) -> list[tuple[int, int | None]]:
    """Attempt and input tokens of what compacting took."""
    used = [record.entry for record in made.session.transcript.records() if record.type == "attempt_used"]
    return [
        (entry.attempt, entry.usage.input if entry.usage else None)
        for entry in used
        if isinstance(entry, AttemptUsed) and entry.purpose == "compact"
    ]


async def test_scoring_asks_twice_and_what_it_took_is_written_down(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, ASKS, KNOWS)
    proposal = await made.session.folding.propose()
    score = await made.session.folding.score(proposal, proposal.summary)
    assert (score.right, score.asked) == (1, 1)
    assert spent(made) == [(1, 100), (2, 50), (3, 20)]
    assert made.session.transcript.facts.checkpoints == []


async def test_what_a_score_that_failed_took_is_written_down_too(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, ASKS, fails(Overloaded("busy")))
    proposal = await made.session.folding.propose()
    with pytest.raises(NoScore, match="busy"):
        await made.session.folding.score(proposal, proposal.summary)
    assert spent(made) == [(1, 100), (2, 50)]


async def test_what_a_call_of_a_score_took_that_failed_is_written_down_with_its_error(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, ASKS, fails(Overloaded("busy").having_used(Usage(30, 0, 1), 0.5)))
    proposal = await made.session.folding.propose()
    with pytest.raises(NoScore, match="busy"):
        await made.session.folding.score(proposal, proposal.summary)
    assert spent(made) == [(1, 100), (2, 50), (3, 30)]
    last = made.session.transcript.records()[-1].entry
    assert isinstance(last, AttemptUsed)
    assert (last.purpose, last.cost, last.error) == ("compact", 0.5, "overloaded")


async def test_what_is_asked_is_answered_from_the_users_words_and_what_travels_with_them(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, ASKS, KNOWS)
    proposal = await made.session.folding.propose()
    await made.session.folding.score(proposal, "my own words\n- a pinned line", ("- a pinned line",))
    text = made.model.asked("compact")[-1].messages[0].pieces[0].text
    assert text == (
        "<summary>\nmy own words\n\n## User directives\n- Use port 8431.\n- a pinned line\n</summary>\n\n1. Which port?"
    )


async def test_the_checkpoint_has_the_users_words_and_the_weight_that_was_shown(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY)
    proposal = await made.session.folding.propose()
    record = await made.session.folding.accept(proposal, "## Done\n- port 8431\n- mine" + " more" * 80, ("- port 8431",))
    written = record.entry
    assert isinstance(written, Compacted)
    assert (written.summary, written.pinned) == ("## Done\n- mine" + " more" * 80, ("port 8431",))
    assert written.tokens_after > proposal.tokens_after + 80


async def test_a_session_that_is_folded_whole_can_be_handed_off(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, SUMMARY)
    await made.session.compact()
    text = await made.session.folding.hand_off()
    assert "- port 8431" in text
    assert "- Use port 8431." in text


async def test_what_a_summary_took_that_failed_is_written_down_where_its_server_told(desk: Desk) -> None:
    made = await sitting(desk, fails(Refused("no").having_used(Usage(70, 0, 3), None)))
    with pytest.raises(CompactionFailed, match="no"):
        await made.session.folding.propose()
    assert spent(made) == [(1, 70)]


async def test_what_waits_for_an_answer_is_handed_off_in_the_words_it_was_edited_to(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY)
    made.model.then(fails(Refused("no")))
    await made.session.send("old words")
    await desk.clock.hurry(made.session.idle())
    await made.session.edit(made.session.user_messages()[2].seq, "new words", "save")
    assert (await made.session.folding.hand_off()).endswith("## Not answered yet\nnew words")


async def test_what_is_handed_off_names_the_files_that_would_travel(desk: Desk) -> None:
    paths = {"path": "a.txt"}
    marks = says("", calls=[("mark_read_required", paths), ("add_reference", paths), ("add_reference", {"path": "b.txt"})])
    made = await sitting(desk, marks, SUMMARY)
    assert (await made.session.folding.hand_off()).endswith("## References\n- a.txt\n- b.txt")


async def test_what_is_handed_off_has_the_lines_that_were_pinned(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, SUMMARY)
    await made.session.folding.accept(await made.session.folding.propose(), pinned=("- port 8431",))
    assert "## Pinned\n- port 8431" in await made.session.folding.hand_off()


async def test_what_is_handed_off_has_the_items_that_were_pinned(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY)
    said, answer = [row for row in made.session.context.rows() if row.kind in ("user", "answer")][:2]
    assert said.ref is not None
    assert answer.ref is not None
    await made.session.context.set([said.ref], "pinned")
    await made.session.context.set([answer.ref], "pinned")
    handed = await made.session.folding.hand_off()
    texts = [made.session.context.text(row) for row in (said, answer)]
    assert f"## Pinned items\nThe user said: {texts[0]}\n\nThe agent said: {texts[1]}" in handed


async def test_what_is_pinned_and_waits_is_handed_off_once(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY)
    made.model.then(fails(Refused("no")))
    await made.session.send("these words wait")
    await desk.clock.hurry(made.session.idle())
    waits = next(row for row in made.session.context.rows() if row.title == "these words wait")
    assert waits.ref is not None
    await made.session.context.set([waits.ref], "pinned")
    assert (await made.session.folding.hand_off()).count("these words wait") == 1


async def test_where_every_line_of_a_summary_is_pinned_it_is_folded(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY)
    proposal = await made.session.folding.propose()
    record = await made.session.folding.accept(
        proposal, "- Never touch prod.\n- Use tabs.", ("- Never touch prod.", "- Use tabs.")
    )
    assert isinstance(record.entry, Compacted)
    assert (record.entry.summary, record.entry.pinned) == ("", ("Never touch prod.", "Use tabs."))


async def test_an_empty_summary_is_none(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY)
    proposal = await made.session.folding.propose()
    with pytest.raises(CompactionFailed, match="the summary is empty"):
        await made.session.folding.accept(proposal, " \n")
    assert made.session.transcript.facts.checkpoints == []


async def test_what_is_said_while_a_proposal_is_looked_at_is_kept_when_it_is_accepted(desk: Desk) -> None:
    held = waits("Three.")
    made = await sitting(desk, SUMMARY)
    proposal = await made.session.folding.propose()
    made.model.then(held)
    await made.session.send("Said meanwhile.")
    await held.reached.wait()
    held.gate.set()
    await desk.clock.hurry(made.session.idle())
    await made.session.folding.accept(proposal)
    last = made.session.request_text()
    assert "Said meanwhile." in last
    assert "Go on." not in last


async def test_a_score_asks_nothing_of_what_is_left_out_of_requests(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, ASKS, KNOWS)
    await made.session.context.set([ItemRef(made.session.user_messages()[1].seq)], "excluded")
    proposal = await made.session.folding.propose()
    await made.session.folding.score(proposal, proposal.summary)
    text = made.model.asked("compact")[1].messages[0].pieces[0].text
    assert ("Use port 8431." in text, "Go on." in text) == (True, False)


async def test_a_proposal_is_not_accepted_while_the_log_cannot_be_written(desk: Desk) -> None:
    made = await sitting(desk, SUMMARY, log=Paper(b"no room", StorageFailed("the disk is full")))
    proposal = await made.session.folding.propose()
    with pytest.raises(StorageFailed):
        await made.session.rename("no room")
    with pytest.raises(StorageFailed, match="the disk is full"):
        await made.session.folding.accept(proposal)
    assert made.session.transcript.facts.checkpoints == []


async def test_one_that_waits_for_another_to_end_begins_no_more_when_the_session_is_closed(desk: Desk) -> None:
    hold = waits("", SUMMARY)
    heavy = says("word " * 3_000, usage=Usage(input=16_000, output=10))
    made = desk.open(says("One."), heavy, others={"compact": [hold, SUMMARY], "title": []}, facts=SMALL)
    await made.session.rename("x")
    await made.session.send("u1")
    await made.session.idle()
    await made.session.send("u2")
    await hold.reached.wait()
    asked = asyncio.create_task(made.session.compact())
    await settle()
    closing = asyncio.create_task(made.session.close())
    with pytest.raises(ReadOnly):
        await asked
    await closing
    assert len(made.model.asked("compact")) == 1
