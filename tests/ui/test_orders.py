"""Keys that ask something of the session."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flowchat.transcript.entries import Mode
from flowchat.ui.orders import next_mode
from tests.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()


@pytest.mark.parametrize(
    ("confined", "modes"),
    [(False, ["accept-edits", "plan", "default"]), (True, ["accept-edits", "plan", "auto", "default"])],
)
async def test_the_modes_are_walked_through_and_auto_only_where_a_sandbox_holds(
    desk: Desk, confined: bool, modes: list[Mode]
) -> None:
    session = desk.open().session
    found: list[Mode] = []
    for _ in modes:
        await next_mode(session, confined)
        found.append(session.mode)
    assert found == modes


async def test_a_mode_beside_those_is_followed_by_the_first(desk: Desk) -> None:
    session = desk.open(mode="bypass").session
    await next_mode(session, confined=True)
    assert session.mode == "default"
