"""What of a tool's output enters the conversation."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.errors import StorageFailed
from flowchat.tools.bounds import bound
from flowchat.tools.tool import INLINE_LIMIT_BYTES, Outcome
from flowchat.transcript.entries import BlobRef

_pieces = st.lists(st.sampled_from(["a", "é", "漢", "😀", "\n", "x" * 997, "word " * 40 + "\n", "\ud800"]), max_size=60)


async def _keep(content: bytes, media: str) -> BlobRef:
    return BlobRef(hashlib.sha256(content).hexdigest(), len(content), media)


@given(_pieces, st.integers(0, 40))
async def test_output_is_never_over_the_limit_and_says_what_was_cut(pieces: list[str], times: int) -> None:
    text = "".join(pieces) * (times + 1)
    whole = text.replace("\ud800", "\ufffd")
    content, blob = await bound(Outcome("", text), _keep)
    size = len(content.encode())
    if len(whole.encode()) <= INLINE_LIMIT_BYTES:
        assert (content, blob) == (whole, None)
        return
    assert blob is not None
    before, _, after = content.partition("[")
    middle, _, tail = after.partition("]\n")
    lines = int(middle.split(" lines, ")[0].replace(",", "")) if " lines, " in middle else 0
    missing = int(middle.split(" bytes")[0].split(" lines, ")[-1].replace(",", ""))
    head = before if whole.startswith(before) else before.removesuffix("\n")
    assert size <= INLINE_LIMIT_BYTES
    assert (blob.sha256, blob.bytes) == (hashlib.sha256(whole.encode()).hexdigest(), len(whole.encode()))
    assert f"blob:{blob.sha256}" in middle
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head.encode()) + missing + len(tail.encode()) == len(whole.encode())
    assert head.count("\n") + lines + tail.count("\n") == whole.count("\n")


async def test_lines_are_cut_whole_where_they_are_short() -> None:
    content, _ = await bound(Outcome("", "".join(f"line {number}\n" for number in range(10_000))), _keep)
    lines = content.splitlines()
    middle = next(index for index, line in enumerate(lines) if "left out" in line)
    assert lines[:middle] == [f"line {number}" for number in range(middle)]
    assert lines[middle + 1 :] == [f"line {number}" for number in range(10_000 - (len(lines) - middle - 1), 10_000)]
    assert f"[{10_000 - len(lines) + 1:,} lines, " in lines[middle]


async def test_an_output_that_cannot_be_kept_is_still_shown_and_says_so() -> None:
    async def refuse(content: bytes, media: str) -> BlobRef:
        raise StorageFailed("the disk is full")

    content, blob = await bound(Outcome("", "line\n" * 10_000), refuse)
    assert blob is None
    assert "left out here; the full text could not be kept: the disk is full]" in content


async def test_an_outcome_that_kept_its_whole_itself_is_passed_on() -> None:
    kept = BlobRef("0" * 64, 9, "text/plain")
    assert await bound(Outcome("", "cut already", blob=kept), _keep) == ("cut already", kept)


@pytest.mark.parametrize("size", [INLINE_LIMIT_BYTES - 1, INLINE_LIMIT_BYTES])
async def test_what_just_fits_is_whole(size: int) -> None:
    assert await bound(Outcome("", "x" * size), _keep) == ("x" * size, None)
