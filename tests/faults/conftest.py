"""Homes for sessions whose disk fails."""

from pathlib import Path

import pytest

from tests.faults.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)
