"""A summary longer than it may be: asked for once more, and then cut at the ends of its sections."""

from hypothesis import given
from hypothesis import strategies as st

from flowchat.agent.compact import SUMMARY_TOKENS
from flowchat.agent.shortening import CUT_OFF, TOO_LONG, shortened
from flowchat.agent.tokens import text_tokens
from flowchat.model.model import ModelFacts, ToolMessage, UserMessage
from flowchat.model.scripted import Says, Step, says
from flowchat.transcript.entries import Compacted
from tests.desk import Desk

LONG = "\n".join(["## Done", *(f"- did thing number {number}" for number in range(600)), "## Current work", "- a.py, line 3"])
SHORT = "## Done\n- all of it\n## Current work\n- a.py, line 3"
ASKED = TOO_LONG.format(tokens=SUMMARY_TOKENS)
PLAIN = ModelFacts("plain", "scripted", 100_000, "config", calls_tools=False)
SECTIONS = st.lists(st.lists(st.text("abc é\u4e2d", max_size=120), max_size=30), min_size=1, max_size=6)


async def folded(desk: Desk, *steps: Step, facts: ModelFacts | None = None) -> tuple[str, list[str]]:
    """The summary that was kept, and the last thing each request asked or answered."""
    sitting = desk.open(says("a1"), others={"compact": steps, "title": []}, facts=facts)
    await sitting.session.rename("x")
    await sitting.session.send("u1")
    await sitting.session.idle()
    made = (await sitting.session.folding.compact()).entry
    assert isinstance(made, Compacted)
    ends = [request.messages[-1] for request in sitting.model.asked("compact")]
    return made.summary, [
        end.text if isinstance(end, ToolMessage) else end.pieces[-1].text
        for end in ends
        if isinstance(end, ToolMessage | UserMessage)
    ]


def writes(text: str) -> Says:
    return says("", calls=[("write_summary", {"text": text})])


async def test_what_is_too_long_is_written_again(desk: Desk) -> None:
    summary, asked = await folded(desk, writes(LONG), writes(SHORT), says("done"))
    assert (summary, asked[1]) == (SHORT, f"error: {ASKED}")


async def test_what_is_too_long_in_plain_words_is_written_again(desk: Desk) -> None:
    summary, asked = await folded(desk, says(LONG), says(SHORT))
    assert (summary, asked[1]) == (SHORT, ASKED)


async def test_what_is_too_long_twice_keeps_the_beginning_of_each_section(desk: Desk) -> None:
    for steps in ((writes(LONG), writes(LONG), says("done")), (says(LONG), says(LONG))):
        summary, asked = await folded(desk, *steps)
        assert summary.startswith("## Done\n- did thing number 0\n- did thing number 1\n")
        assert summary.endswith("lines left out to keep this short]\n## Current work\n- a.py, line 3")
        assert SUMMARY_TOKENS - 30 < text_tokens(summary) <= SUMMARY_TOKENS
        assert len(asked) == len(steps)


async def test_what_a_model_without_tools_did_not_finish_is_written_again(desk: Desk) -> None:
    summary, asked = await folded(desk, says(LONG[:400], finish="length"), says(SHORT), facts=PLAIN)
    assert (summary, asked[1]) == (SHORT, ASKED)


async def test_what_is_not_finished_twice_says_so(desk: Desk) -> None:
    summary, _ = await folded(desk, *[says(LONG[:400], finish="length")] * 2, facts=PLAIN)
    assert summary == f"{LONG[:400].strip()}\n\n{CUT_OFF}"


@given(SECTIONS, st.integers(200, 900))
def test_it_fits_keeps_every_heading_and_tells_of_every_line_that_is_gone(sections: list[list[str]], tokens: int) -> None:
    text = "\n".join(line for number, lines in enumerate(sections) for line in (f"## {number}", *lines))
    short = shortened(text, tokens)
    assert text_tokens(short) <= tokens
    assert [line for line in short.split("\n") if line.startswith("## ")] == [f"## {number}" for number in range(len(sections))]
    assert (short == text) == (text_tokens(text) <= tokens)
    gone = sum(int(line.split()[1]) for line in short.split("\n") if line.startswith("[... "))
    assert len(short.split("\n")) - short.count("[... ") + gone == len(text.split("\n"))


def test_one_long_line_is_cut_and_says_so() -> None:
    short = shortened("## Done\n" + "word " * 2_000, 200)
    assert (short.startswith("## Done\nword word "), short.endswith("[...]"), text_tokens(short) <= 200) == (True, True, True)


def test_a_summary_without_sections_loses_its_end() -> None:
    assert shortened("a line\n" * 400 + "the end", 100).startswith("a line\na line\n")
