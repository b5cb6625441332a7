"""Programs on pseudo terminals that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ui.terminals import Terminal


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Begins a program, flowchat with nothing said, and waits until it can be written in."""
    started: list[Terminal] = []

    def begin(*words: str, **how: Any) -> Terminal:
        terminal = Terminal(tmp_path, *(words or ("-m", "flowchat")), **how)
        started.append(terminal)
        terminal.read_until(lambda seen: b"Write a message" in seen)
        return terminal

    yield begin
    for terminal in started:
        terminal.close()
