"""What outlives a compaction, and a second one."""

from flowchat.model.model import ContextOverflow, ModelFacts
from flowchat.model.scripted import fails, says
from flowchat.transcript.entries import Compacted, CompactionUndone, Record, RunEnded, Usage
from tests.desk import Desk

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)

TABS = "## Done\nread\n\n## User directives\n- always use tabs"
QUOTES = "## Done\nwrote\n\n## User directives\n- single quotes only"


def checkpoints(sitting) -> list[Compacted]:
    return [event.entry for event in sitting.ear.events if isinstance(event, Record) and isinstance(event.entry, Compacted)]


def told(sitting) -> list[str]:
    """What the summariser was told, request by request."""
    return ["".join(piece.text for piece in request.messages[0].pieces) for request in sitting.model.asked("compact")]


async def test_what_the_user_asked_for_outlives_a_second_compaction(desk: Desk) -> None:
    """The next summariser hears it, and it holds although that one forgets it."""
    sitting = desk.open(says("a1"), says("a2"), others={"compact": [says(TABS), says(QUOTES)], "title": []})
    session = sitting.session
    await session.rename("x")
    for text in ("always use tabs, please", "single quotes only"):
        await session.send(text)
        await session.idle()
        await session.compact()
    assert [checkpoint.directives for checkpoint in checkpoints(sitting)] == [
        ("always use tabs",),
        ("always use tabs", "single quotes only"),
    ]
    assert "Summary so far:\n## Done\nread\n\n## User directives\n- always use tabs\n" in told(sitting)[1]


async def test_words_that_were_edited_away_are_not_told_to_the_summariser_nor_kept(desk: Desk) -> None:
    sitting = desk.open(says("a1"), others={"compact": [says(TABS)], "title": []})
    session = sitting.session
    await session.rename("x")
    await session.send("always use tabs")
    await session.idle()
    await session.edit(session.user_messages()[0].seq, "always use spaces", "save")
    await session.compact()
    assert "always use spaces" in told(sitting)[0]
    assert "tabs" not in told(sitting)[0]
    assert checkpoints(sitting)[0].directives == ()


async def softly_compacted(desk: Desk, *then):
    """A session that was folded after its second run, and has not been asked since."""
    heavy = says("word " * 3_000, usage=Usage(input=16_000, output=10))
    summaries = [says(TABS), says(QUOTES)]
    sitting = desk.open(says("a1"), heavy, *then, others={"compact": summaries, "title": []}, facts=SMALL)
    await sitting.session.rename("x")
    for text in ("u1", "u2"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert [checkpoint.trigger for checkpoint in checkpoints(sitting)] == ["soft"]
    return sitting


async def test_a_message_too_long_right_after_a_compaction_brings_no_second_one(desk: Desk) -> None:
    sitting = await softly_compacted(desk)
    await sitting.session.send("word " * 14_000)
    await sitting.session.idle()
    assert len(checkpoints(sitting)) == 1
    assert (sitting.branch(RunEnded)[-1].outcome, sitting.branch(RunEnded)[-1].code) == ("failed", "thrash")
    assert len(sitting.model.asked()) == 2


async def test_an_overflow_right_after_a_compaction_brings_no_second_one(desk: Desk) -> None:
    sitting = await softly_compacted(desk, fails(ContextOverflow("too long")))
    await sitting.session.send("u3")
    await sitting.session.idle()
    assert len(checkpoints(sitting)) == 1
    assert (sitting.branch(RunEnded)[-1].outcome, sitting.branch(RunEnded)[-1].code) == ("failed", "thrash")


async def test_behind_an_answer_a_conversation_may_be_compacted_again(desk: Desk) -> None:
    sitting = await softly_compacted(desk, says("a3"), says("a4"))
    await sitting.session.send("u3")
    await sitting.session.idle()
    await sitting.session.send("word " * 10_500)
    await sitting.session.idle()
    assert [checkpoint.trigger for checkpoint in checkpoints(sitting)] == ["soft", "hard"]
    assert sitting.branch(RunEnded)[-1].outcome == "completed"


async def test_a_compaction_taken_back_may_be_made_again(desk: Desk) -> None:
    sitting = await softly_compacted(desk, says("a3"))
    transcript = sitting.session.transcript
    await transcript.append(CompactionUndone(transcript.facts.checkpoints[0][0]))
    await sitting.session.send("u3 " + "word " * 500)
    await sitting.session.idle()
    assert [checkpoint.trigger for checkpoint in checkpoints(sitting)] == ["soft", "hard"]
    assert sitting.branch(RunEnded)[-1].outcome == "completed"
