"""What the meter is told, and when: nothing that will be sent is ever missing from it."""

from flowchat.agent.tokens import MESSAGE_TOKENS, fixed_tokens, text_tokens
from flowchat.model.scripted import says, waits
from flowchat.tools.registry import standard_tools
from flowchat.transcript.events import ContextUsed
from tests.desk import Desk

FIXED = fixed_tokens("You are a test.", standard_tools().schemas())
WORDS = "Where is the rounding done?"


async def test_a_session_before_its_first_message_weighs_what_is_always_sent(desk: Desk) -> None:
    context = desk.open().session.context
    assert context is not None
    assert (context.tokens, context.source) == (FIXED, "no_data")


async def test_a_request_is_weighed_before_the_model_has_answered_a_word(desk: Desk) -> None:
    hold = waits("The rou", says("nding"))
    sitting = desk.open(hold)
    await sitting.session.send(WORDS)
    await hold.reached.wait()
    told = [event.tokens for event in sitting.ear.events if isinstance(event, ContextUsed)]
    assert told
    assert told[-1] >= FIXED + MESSAGE_TOKENS + text_tokens(WORDS)
    hold.gate.set()
    await sitting.session.idle()
