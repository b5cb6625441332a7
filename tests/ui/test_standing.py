"""What is not as usual with a session, in the sentences above the composer."""

from pathlib import Path

import pytest

from flowchat.ui.meter import Limits
from flowchat.ui.standing import Standing


@pytest.mark.parametrize(
    ("read_only", "sentence"),
    [
        (
            "another flowchat (process 7) has this session open; it can be read or forked",
            "Another flowchat (process 7) has this session open. f opens a copy",
        ),
        (
            "a newer flowchat wrote this session (version 2); only that version can continue it",
            "A newer flowchat wrote this session (version 2). Only that version can continue it",
        ),
    ],
)
def test_a_copy_is_offered_where_one_can_be_made(read_only: str, sentence: str) -> None:
    standing = Standing("demo", "default", True, "", (), False, True, Path("/w"), Limits(), read_only)
    assert standing.sentences() == [(sentence, "warn")]
