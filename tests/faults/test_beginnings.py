"""A session whose very first write fails: there is nothing of it, and it can still be written."""

import pytest

from flowchat.errors import StorageFailed
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from tests.desk import Ear
from tests.faults.house import House, records_of, saved, script
from tests.faulty import FailingDisk


@pytest.mark.parametrize("count", [1, None], ids=["once", "for a while"])
async def test_a_session_that_could_not_begin_leaves_nothing_and_can_begin_later(house: House, count: int | None) -> None:
    wrong: dict[int, list[str]] = {}
    for first in range(1, 100):
        disk = FailingDisk(first, "ENOSPC", count=count, names=("open", "write", "fsync", "mkdir", "flock"))
        there = house.workspace(script(), disk)
        session = await there.new(model="scripted")
        ear = Ear(session.watch)
        found = await _begun_later(house, there, session, disk)
        session.keep_composer("")
        await session.composer_kept()
        found += await saved(house, session)
        found += [] if there.writing.kept_draft() == "" else ["the text that was said is still kept"]
        await there.close()
        found += await house.wrong(session.sid, records_of(ear))
        wrong |= {first: found} if found else {}
        if not disk.fired:
            break
        for path in sorted((house.folders.data / "sessions").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    assert (wrong, first > 8) == ({}, True)


async def _begun_later(house: House, there: Workspace, session: Session, disk: FailingDisk) -> list[str]:
    """Say something until it is said; what is wrong where that was refused first."""
    found: list[str] = []
    try:
        await session.send("look at it")
    except StorageFailed:
        found = [f"{path} is left" for path in (house.folders.data / "sessions").glob("*")]
        disk.mend()
        session.keep_composer("look at it")
        await session.composer_kept()
        found += [] if there.writing.kept_draft() == "look at it" else ["the text is not where the next session finds it"]
        await session.send("look at it")
    disk.mend()
    await house.clock.hurry(session.idle())
    return found
