"""What is withdrawn stays withdrawn."""

from flowchat.model.model import RateLimited
from flowchat.model.scripted import fails, says
from tests.desk import Desk
from tests.runtime.paper import Paper


async def test_withdrawn_text_is_in_no_draft_however_long_the_attempts_entry_takes(desk: Desk) -> None:
    log = Paper(b'"attempt_used"')
    sitting = desk.open(fails(RateLimited("slow down"), "wrong words"), says("right"), log=log)
    await sitting.session.send("hi")
    await log.reached.wait()
    await desk.clock.pass_seconds(0.3)
    assert log.drafts[-1] is None
    log.go_on.set()
    await desk.clock.hurry(sitting.session.idle())
