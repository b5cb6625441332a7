"""What a call is answered with when it was not run."""

from flowchat.model.scripted import says
from flowchat.transcript.entries import ToolAnswered
from flowchat.transcript.events import ApprovalAsked
from tests.desk import Desk, Sitting

LONG = "é" * 20_000


def bounded(sitting: Sitting) -> ToolAnswered:
    (answered,) = sitting.branch(ToolAnswered)
    assert len(answered.content.encode()) <= 16 * 1024
    assert answered.content.endswith("… (cut at 4,000 characters)")
    return answered


async def test_a_refusal_that_quotes_the_user_is_cut(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[("shell", {"command": "touch c.txt"})]), says("I see"))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    sitting.session.decide(asked.call, "deny", LONG)
    await sitting.session.idle()
    assert bounded(sitting).content.startswith("the user denied this call: éé")
