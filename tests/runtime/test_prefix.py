"""What was sent stays as it was sent: each request of a long conversation begins with the one before it, byte for byte."""

import asyncio
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.conversation import canonical, first_part, hold, kept, second_part


def test_each_request_of_a_long_conversation_begins_with_the_one_before(tmp_path: Path) -> None:
    """Steers, files, modes, instructions, interrupts, a failure, a retry and a reopening are in it."""
    requests = [*asyncio.run(hold(first_part, tmp_path)), *asyncio.run(hold(second_part, tmp_path))]
    assert len(requests) >= 40
    assert [number for number, (before, after) in enumerate(pairwise(requests)) if kept(before, after) < 1] == []


def test_a_changed_word_is_noticed_and_a_cache_mark_is_not() -> None:
    def body(word: str, **mark: object) -> dict[str, object]:
        return {"messages": [{"role": "system", "content": [{"text": "Help.", **mark}]}, {"role": "user", "content": word}]}

    before = canonical(body("blue"))
    assert kept(before, canonical(body("blue", cache_control={"type": "ephemeral"}))) == 1
    assert 0.5 < kept(before, canonical(body("green"))) < 1
