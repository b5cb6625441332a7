"""What the meter is told, and when: nothing that will be sent is ever missing from it."""

from pathlib import Path

import pytest

from flowchat.agent.budget import measure
from flowchat.agent.projection import Projection
from flowchat.agent.tokens import MESSAGE_TOKENS, fixed_tokens, text_tokens
from flowchat.config import Settings
from flowchat.model.model import EmptyResponse, ModelFacts
from flowchat.model.scripted import fails, says, waits
from flowchat.runtime.workspace import Workspace
from flowchat.tools.registry import standard_tools
from flowchat.transcript.entries import AttemptUsed, Noticed, ToolStarted, Usage
from flowchat.transcript.events import ContextUsed
from tests.desk import Desk
from tests.staging import folders_at, project_folder

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


async def test_before_anything_is_said_the_map_names_each_file_of_instructions_and_shows_it(tmp_path: Path) -> None:
    place, folders = project_folder(tmp_path), folders_at(tmp_path)
    (place / ".git").mkdir()
    (place / "AGENTS.md").write_text("Be brief.")
    folders.config.mkdir(parents=True)
    (folders.config / "AGENTS.md").write_text("Be kind. <!-- hidden -->")
    workspace = Workspace(place, Settings(), folders, environ={})
    context = (await workspace.new(model="demo")).context
    rows = [row for row in context.rows() if row.kind == "instructions"]
    assert [row.title for row in rows] == [str(folders.config / "AGENTS.md"), str(place / "AGENTS.md")]
    assert [context.text(row) for row in rows] == ["Be kind.", "Be brief."]
    assert context.used is not None
    assert sum(row.tokens for row in context.rows()) == context.used.tokens
    await workspace.close()


# --- what a server counts --------------------------------------------------------------------------------------------
LONG = "The rounding happens before the discount is taken off, which is why the totals differ by a cent. " * 700
LOCAL = ModelFacts("ollama/qwen", "ollama", 32_768, "assumed")


async def test_after_an_answer_the_meter_is_what_the_model_counted_and_behind_a_tool_it_is_estimated(desk: Desk) -> None:
    looks = says("", calls=[("read_file", {"path": "a.txt"})], usage=Usage(input=3_000, output=40))
    hold = waits("done", says("", usage=Usage(input=3_100, output=7)))
    sitting = desk.open(looks, hold)
    await sitting.session.send(WORDS)
    await hold.reached.wait()
    assert sitting.session.context.used is not None
    assert sitting.session.context.used.source == "extrapolated"
    assert 3_040 < sitting.session.context.used.tokens < 3_100
    hold.gate.set()
    await sitting.session.idle()
    assert (sitting.session.context.used.tokens, sitting.session.context.used.source) == (3_107, "measured")
    assert [used.sent_bytes > 0 for used in sitting.ear.entries(AttemptUsed) if used.purpose == "run"] == [True, True]


async def test_a_server_that_cuts_a_request_is_told_of_once_and_shown_until_it_reads_all(desk: Desk) -> None:
    cut, whole = Usage(input=4_096, output=9), Usage(input=19_000, output=9)
    sitting = desk.open(says("a", usage=cut), says("b", usage=cut), says("c", usage=whole), facts=LOCAL)
    shown: list[int | None] = []
    for text in (LONG, "And then?", "And now?"):
        await sitting.session.send(text)
        await sitting.session.idle()
        assert sitting.session.context.used is not None
        shown.append(sitting.session.context.used.cut_to)
    assert shown == [4_096, 4_096, None]
    (notice,) = sitting.branch(Noticed)
    assert notice.text.startswith("ollama/qwen read 4,096 of about ")
    assert 'num_ctx or OLLAMA_CONTEXT_LENGTH, llama.cpp: -c), or set it in config.toml: [models."ollama/qwen"]' in notice.text


async def test_what_a_withdrawn_attempt_took_is_on_the_bill_and_not_in_the_meter(desk: Desk) -> None:
    empty = EmptyResponse("nothing").having_used(Usage(input=900, output=300), 0.5)
    sitting = desk.open(fails(empty), says("a", usage=Usage(input=3_000, output=40)))
    await sitting.session.send(WORDS)
    await desk.clock.hurry(sitting.session.idle())
    runs = [(used.attempt, used.usage, used.cost) for used in sitting.ear.entries(AttemptUsed) if used.purpose == "run"]
    assert runs == [(1, Usage(input=900, output=300), 0.5), (2, Usage(input=3_000, output=40), None)]
    assert sitting.session.transcript.facts.usage == Usage(input=3_900, output=340)
    assert sitting.session.context.used is not None
    assert (sitting.session.context.used.tokens, sitting.session.context.used.source) == (3_040, "measured")


async def test_a_session_that_is_opened_again_shows_what_it_showed(desk: Desk) -> None:
    looks = says("", calls=[("read_file", {"path": "a.txt"})], usage=Usage(input=3_000, output=40))
    sitting = desk.open(looks, says("done"))
    await sitting.session.send(WORDS)
    await sitting.session.idle()
    transcript, facts = sitting.session.transcript, sitting.model.facts
    again = measure(transcript.branch(), transcript.facts, facts, Projection())
    assert again == sitting.session.context.used == measure(transcript.branch(), transcript.facts, facts)


@pytest.mark.parametrize("words", ["", "The rou"])
async def test_an_attempt_that_was_stopped_is_told_of_once_with_or_without_words(desk: Desk, words: str) -> None:
    hold = waits(words, says("nding"))
    sitting = desk.open(hold)
    await sitting.session.send(WORDS)
    await hold.reached.wait()
    await sitting.session.interrupt()
    (used,) = sitting.ear.entries(AttemptUsed)
    assert (used.purpose, used.attempt, used.error, used.usage) == ("run", 1, "interrupted", None)
    assert used.sent_bytes > 0


async def test_between_two_requests_nothing_is_under_way_that_a_stop_could_tell_of(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[("shell", {"command": "sleep 30"})]), mode="bypass")
    await sitting.session.send(WORDS)
    await sitting.ear.until(ToolStarted)
    await sitting.session.interrupt()
    assert [used.error for used in sitting.ear.entries(AttemptUsed)] == [None]
