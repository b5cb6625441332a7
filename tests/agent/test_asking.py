"""One step's answer when it does not come as it should: too long, too late, twice."""

from collections.abc import AsyncGenerator

from flowchat.agent.step import ANSWER_LIMIT_CHARS
from flowchat.model.model import ModelFacts, ModelPiece, Reply, Request, TextPiece
from flowchat.model.scripted import says, waits
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    CallCut,
    RunEnded,
    Text,
    Thinking,
    ToolAnswered,
    Usage,
)
from flowchat.transcript.events import TextDelta
from flowchat.transcript.transcript import RECORD_LIMIT_BYTES, Transcript
from tests.desk import Desk, Sitting

STOPPED = f"the answer was stopped at {ANSWER_LIMIT_CHARS:,} characters; ask for less at once"
PAGE = "\0" * (ANSWER_LIMIT_CHARS // 8)
"""An eighth of the longest answer, of the characters that take most room in a log."""


def ended(sitting: Sitting) -> list[tuple[str, str | None, str | None]]:
    return [(entry.outcome, entry.code, entry.message) for entry in sitting.branch(RunEnded)]


async def test_an_answer_without_end_is_stopped_and_what_came_stays(desk: Desk) -> None:
    """The longest text there can be, then more: the log takes what came, the model is not asked again, the next message is."""
    sitting = desk.open(says(" ".join([PAGE] * 9)), says("shorter"))
    await sitting.session.send("go")
    await sitting.session.idle()
    said = sitting.branch(AssistantSaid)[0]
    assert (said.parts, said.finish) == ((Text((PAGE + " ") * 7),), "failed")
    assert "".join(delta.text for delta in sitting.ear.entries(TextDelta)) == said.parts[0].text
    assert ended(sitting) == [("failed", "malformed", STOPPED)]
    await sitting.session.send("less, please")
    await sitting.session.idle()
    assert ended(sitting)[1:] == [("completed", None, None)]


async def test_arguments_without_end_are_cut_and_never_run(desk: Desk) -> None:
    raw = '{"path": "' + "a" * ANSWER_LIMIT_CHARS * 2
    sitting = desk.open(says("Reading.", calls=[("read_file", raw)]))
    await sitting.session.send("go")
    await sitting.session.idle()
    assert ended(sitting) == [("failed", "malformed", STOPPED)]
    assert sitting.branch(AssistantSaid)[0].parts == (Text("Reading."),)
    assert sitting.branch(ToolAnswered) == []


async def test_more_calls_than_are_kept_of_an_answer_end_it(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[("t", "")] * (ANSWER_LIMIT_CHARS // 16)))
    await sitting.session.send("go")
    await sitting.session.idle()
    assert ended(sitting) == [("failed", "malformed", STOPPED)]
    assert set(sitting.branch(AssistantSaid)[0].parts) == {CallCut("t", "")}


async def test_an_interrupt_of_the_longest_answer_keeps_it(desk: Desk) -> None:
    hold = waits(" ".join([PAGE] * 7) + " ", says("never"))
    sitting = desk.open(hold)
    await sitting.session.send("go")
    await hold.reached.wait()
    await sitting.session.interrupt()
    assert sitting.branch(AssistantSaid)[0].parts == (Text((PAGE + " ") * 7),)
    assert ended(sitting) == [("interrupted", None, None)]


class Burdened:
    """Says a word, and hands over hidden reasoning that no log takes."""

    facts = ModelFacts("burdened", "scripted", 100_000, "config")

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        yield TextPiece("Here.")
        hidden = Thinking("", "scripted", {"encrypted": "x" * RECORD_LIMIT_BYTES})
        yield Reply((hidden, Text("Here.")), "stop", Usage(input=10, output=5))


async def test_an_answer_whose_hidden_part_is_too_large_ends_the_run_and_its_words_stay(desk: Desk) -> None:
    sitting = desk.seat(Burdened(), Transcript(MemoryLog(), MemoryBlobs(), now_ms=desk.clock.now_ms))
    await sitting.session.send("go")
    await sitting.session.idle()
    assert [(said.parts, said.finish) for said in sitting.branch(AssistantSaid)] == [((Text("Here."),), "failed")]
    assert [(used.usage, used.error) for used in sitting.ear.entries(AttemptUsed) if used.purpose == "run"] == [
        (Usage(input=10, output=5), "malformed")
    ]
    sentence = "the answer and its hidden reasoning are larger than a session keeps; ask for less at once"
    assert ended(sitting) == [("failed", "malformed", sentence)]
