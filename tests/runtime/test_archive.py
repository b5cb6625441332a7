"""What is done with sessions that are not open: their titles, and that nothing else in them changes."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from flowchat.errors import BlankMessage, NotFound, ReadOnly
from flowchat.model.scripted import ScriptedModel, says, waits
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import TitleSet
from tests.staging import FACTS, workspace_at


async def kept(workspace: Workspace, text: str = "a question") -> str:
    """The id of a closed session."""
    session = await workspace.new(model="scripted")
    await session.send(text)
    await session.idle()
    await session.close()
    return session.sid


def workspace(folder: Path) -> Workspace:
    return workspace_at(folder, ScriptedModel(says("One."), says("Two."), says("Three."), facts=FACTS))


async def test_a_renamed_session_has_one_entry_more_and_the_title_stays_the_users(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    sid = await kept(space)
    before = next(card for card in space.cards())
    await space.archive.rename(sid, "  Mine   now ")
    [card] = space.cards()
    assert (card.title, card.messages, card.model) == ("Mine now", before.messages, before.model)
    session = await space.open(sid)
    assert (session.read_only, session.transcript.records()[-1].entry) == (None, TitleSet("Mine now", "user"))
    await session.send("more")
    await session.idle()
    assert session.title == "Mine now"
    await space.close()


async def test_a_rename_nobody_waits_for_is_finished_before_the_session_is_opened(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    sid = await kept(space)
    renaming = asyncio.create_task(space.archive.rename(sid, "Mine"))
    await asyncio.sleep(0)
    renaming.cancel()
    with suppress(asyncio.CancelledError):
        await renaming
    session = await space.open(sid)
    assert (session.read_only, session.title) == (None, "Mine")
    await space.close()


async def test_what_cannot_be_renamed_is_refused_with_a_sentence(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    sid = await kept(space)
    session = await space.open(sid)
    with pytest.raises(ReadOnly, match="cannot be renamed: another flowchat"):
        await space.archive.rename(sid, "Mine")
    await session.close()
    with pytest.raises(BlankMessage):
        await space.archive.rename(sid, " \n ")
    with pytest.raises(NotFound):
        await space.archive.rename("k3f9", "Mine")
    [card] = space.cards()
    assert card.title != "Mine"
    await space.close()


async def test_a_title_given_while_one_is_being_generated_stays(tmp_path: Path) -> None:
    hold = waits("Gener", says("ated"))
    space = workspace_at(tmp_path, ScriptedModel(says("One."), others={"title": [hold]}, facts=FACTS))
    session = await space.new(model="scripted")
    await session.send("a question")
    await session.idle()
    await hold.reached.wait()
    await session.rename("Mine")
    hold.gate.set()
    while not any(getattr(record.entry, "purpose", "") == "title" for record in session.transcript.records()):
        await asyncio.sleep(0)
    await session.close()
    assert (session.title, [card.title for card in space.cards()]) == ("Mine", ["Mine"])
    await space.close()
