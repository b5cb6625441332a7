"""What outlives a compaction, and a second one."""

from flowchat.model.scripted import says
from flowchat.transcript.entries import Compacted, Record
from tests.desk import Desk

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
