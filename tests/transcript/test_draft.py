"""The draft of a step: lines that say again what was streamed, and the same in fewer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.transcript.draft import (
    OUTPUT_LIMIT_CHARS,
    AnyDraft,
    CallFragment,
    DraftLine,
    DraftOutput,
    decode_draft,
    encode_draft,
    shortened,
)
from tests.transcript.building import TEXTS

PLACES = st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
LINES = st.one_of(
    st.builds(lambda place, text: DraftLine(*place, text=text), PLACES, TEXTS),
    st.builds(lambda place, text: DraftLine(*place, thinking=text), PLACES, TEXTS),
    st.builds(
        lambda place, call: DraftLine(*place, fragment=call), PLACES, st.builds(CallFragment, st.integers(0, 2), TEXTS, TEXTS)
    ),
    st.builds(DraftOutput, st.sampled_from(["1.0", "1.1"]), TEXTS),
)


def told(lines: list[AnyDraft]) -> list[object]:
    """What a draft says of each attempt and call, however it is cut into lines."""
    said: dict[object, list[object]] = {}
    for line in lines:
        if isinstance(line, DraftOutput):
            said.setdefault(line.call, [""])[0] = f"{said.setdefault(line.call, [''])[0]}{line.output}"
            continue
        for kind, piece in (("text", line.text), ("thinking", line.thinking), ("call", line.fragment)):
            if piece is None:
                continue
            pieces = said.setdefault("lines", [])
            place = (line.run, line.step, line.attempt, kind, piece.index if isinstance(piece, CallFragment) else 0)
            words = (piece.name, piece.args) if isinstance(piece, CallFragment) else ("", piece)
            if pieces and pieces[-1][0] == place:
                name, before = pieces[-1][1]
                pieces[-1] = (place, (name or words[0], before + words[1]))
            else:
                pieces.append((place, words))
    return sorted(map(repr, said.items()))


@given(st.lists(LINES, max_size=20))
def test_a_draft_is_read_as_it_was_written(lines: list[AnyDraft]) -> None:
    assert decode_draft(encode_draft(lines)) == lines


@given(st.lists(LINES, max_size=20))
def test_a_shortened_draft_says_the_same_once_and_for_all(lines: list[AnyDraft]) -> None:
    short = shortened(lines)
    assert (told(short), len(short) <= len(lines), shortened(short)) == (told(lines), True, short)


def test_of_a_long_output_the_end_is_kept() -> None:
    pieces: list[AnyDraft] = [DraftOutput("1.0", letter * 40_000) for letter in "abc"]
    assert shortened(pieces) == [DraftOutput("1.0", "b" * (OUTPUT_LIMIT_CHARS - 40_000) + "c" * 40_000)]


@pytest.mark.parametrize(
    "torn",
    [b'{"run":1,"step":1,"att', b"\xff\xfe", b"[" * 100_000, b'{"call":5}', b'{"run":"x","step":1,"attempt":1}', b"\0\0", b""],
)
def test_a_line_that_cannot_be_read_hides_no_others(torn: bytes) -> None:
    lines: list[AnyDraft] = [DraftLine(1, 1, 1, "a"), DraftOutput("2.0", "b")]
    raw = encode_draft(lines[:1]) + torn + b"\n" + encode_draft(lines[1:]) + torn
    assert decode_draft(raw) == lines
