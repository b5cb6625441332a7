"""What is withdrawn stays withdrawn."""

import pytest

from flowchat.model.model import RateLimited
from flowchat.model.scripted import Says, fails, says
from flowchat.transcript.entries import Noticed
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


@pytest.mark.parametrize(
    ("answer", "notices"),
    [
        (says("As far as", finish="length"), ["The answer was cut at the model's output limit. Send `continue` for the rest."]),
        (
            says("As far as", finish="filtered"),
            ["The rest of the answer was withheld (the provider's content filter). Rephrase, or change the model with /model."],
        ),
        (says(thinking="Hm."), ["The model thought but did not answer. Send `continue` for an answer."]),
        (says("Yes.", thinking="Hm."), []),
    ],
)
async def test_an_answer_that_is_not_all_of_it_says_so(desk: Desk, answer: Says, notices: list[str]) -> None:
    sitting = desk.open(answer)
    await sitting.session.send("hi")
    await desk.clock.hurry(sitting.session.idle())
    assert [notice.text for notice in sitting.branch(Noticed)] == notices
