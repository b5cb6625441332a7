"""A session whose disk fails, at each call, in each way: it lives on, says so, and loses nothing it has told."""

import pytest

from tests.desk import Ear
from tests.faults.house import House, live, records_of, saved, script
from tests.faulty import FailingDisk, Fault

FAULTS: tuple[Fault, ...] = ("ENOSPC", "EIO", "EACCES", "EINTR", "short")
SITES = ("open", "write", "fsync", "truncate", "rename", "link", "mkdir", "flock")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_disk_that_fails_once_costs_nothing(house: House, fault: Fault) -> None:
    wrong: dict[int, list[str]] = {}
    for first in range(1, 1_000):
        disk = FailingDisk(first, fault, names=SITES)
        there = house.workspace(script(), disk)
        session = await there.new(model="scripted")
        ear = Ear(session.watch)
        await live(house, session)
        found = await saved(house, session)
        await there.close()
        found += await house.wrong(session.sid, records_of(ear))
        wrong |= {first: found} if found else {}
        if not disk.fired:
            break
    print(f"\n{fault}: {first - 1} places")
    assert (wrong, first > 60) == ({}, True)


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
async def test_a_disk_that_stays_full_is_said_and_everything_is_saved_when_there_is_room(house: House, fault: Fault) -> None:
    wrong: dict[int, list[str]] = {}
    for first in range(1, 1_000):
        disk = FailingDisk(first, fault, count=None, names=SITES)
        there = house.workspace(script(), disk)
        session = await there.new(model="scripted")
        ear = Ear(session.watch)
        refused = await live(house, session)
        found = [] if session.state.unsaved or not disk.fired or not refused else ["it does not say that it is not saved"]
        found += [] if set(refused) <= {"storage", "not_found"} else [f"{refused}"]
        disk.mend()
        found += await saved(house, session)
        await session.send("there is room again")
        await house.clock.hurry(session.idle())
        await there.close()
        found += await house.wrong(session.sid, records_of(ear))
        wrong |= {first: found} if found else {}
        if not disk.fired:
            break
    assert (wrong, first > 60) == ({}, True)


async def test_a_disk_that_stays_full_to_the_end_leaves_what_was_durable(house: House) -> None:
    wrong: dict[int, list[str]] = {}
    for first in range(1, 1_000):
        disk = FailingDisk(first, "ENOSPC", count=None, names=SITES)
        there = house.workspace(script(), disk)
        session = await there.new(model="scripted")
        before = house.ran()
        await live(house, session)
        await there.close()
        listed = [card.sid for card in house.cards()]
        found = await house.wrong(session.sid, (), lost=True) if session.sid in listed else []
        found += [f"the command ran {house.ran() - before} times"] if house.ran() - before > 1 else []
        wrong |= {first: found} if found else {}
        if not disk.fired:
            break
    assert (wrong, first > 60) == ({}, True)
