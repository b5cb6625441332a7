"""A desk for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.desk import Desk


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()
