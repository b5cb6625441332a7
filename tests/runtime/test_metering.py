"""What the meter is told, and when: nothing that will be sent is ever missing from it."""

from pathlib import Path

from flowchat.agent.tokens import MESSAGE_TOKENS, fixed_tokens, text_tokens
from flowchat.config import Settings
from flowchat.model.scripted import says, waits
from flowchat.runtime.workspace import Workspace
from flowchat.tools.registry import standard_tools
from flowchat.transcript.events import ContextUsed
from tests.desk import Desk

FIXED = fixed_tokens("You are a test.", standard_tools().schemas())
WORDS = "Where is the rounding done?"


async def test_a_session_before_its_first_message_weighs_what_is_always_sent(desk: Desk) -> None:
    context = desk.open().session.context.used
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


async def test_a_new_session_weighs_its_instructions_before_anything_is_said(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()

    async def weighs() -> int:
        workspace = Workspace(place, Settings(), None, environ={})
        session = await workspace.new(model="demo")
        context = session.context.used
        await workspace.close()
        assert context is not None
        return context.tokens

    before = await weighs()
    (place / "AGENTS.md").write_text("Be brief. <!-- not a word of this -->\n" * 100)
    assert await weighs() == before + MESSAGE_TOKENS + text_tokens(("Be brief. \n" * 100).strip())
