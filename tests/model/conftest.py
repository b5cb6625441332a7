"""What the tests of this room share: keys that mean nothing, and litellm's connections closed behind each test."""

import os
from collections.abc import AsyncIterator

import pytest

from flowchat.model import provider
from tests.model.asking import KEYS


@pytest.fixture(autouse=True)
def keys(home: object) -> None:
    os.environ.update(KEYS)


@pytest.fixture
async def wire() -> AsyncIterator[None]:
    """litellm, loaded once for all tests."""
    await provider.loaded()
    yield
    await provider.close()
