"""What is on disk before what: nothing is asked, run or heard that a crash could undo."""

import asyncio
import re
from collections.abc import AsyncGenerator

import pytest

from flowchat.agent.clock import Clock
from flowchat.model.model import ModelFacts, ModelPiece, Reply, Request, TextPiece
from flowchat.model.scripted import says, waits
from flowchat.store.memory import MemoryBlobs
from flowchat.transcript.entries import AssistantSaid, Record, RunEnded, Text, ToolAnswered, UserSaid
from flowchat.transcript.events import TextDelta
from flowchat.transcript.transcript import Transcript
from tests.desk import Desk, settle
from tests.runtime.paper import Paper

WRITE = ("write_file", {"path": "new.txt", "content": "new\n"})
_TYPE = re.compile(rb'"type":"(\w+)"')


class Ledger(Paper):
    """Takes everything at once and keeps which lines were written, and whether they were to be fsynced."""

    def __init__(self) -> None:
        super().__init__(b"\0")
        self.written: list[tuple[str, bool]] = []
        self.total_bytes = 0

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        self.written += [(found.decode(), sync) for found in _TYPE.findall(lines)]
        self.total_bytes += len(lines)
        return super().write(lines, sync)


class Dripping:
    """A model that says a word every 10 ms."""

    def __init__(self, clock: Clock, words: int) -> None:
        self.facts = ModelFacts("scripted", "scripted", 100_000, "config")
        self._clock, self._words = clock, words
        self.requests: list[Request] = []

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        if request.purpose != "run":
            yield Reply((Text("ok"),), "stop")
            return
        for _ in range(self._words):
            due = asyncio.Event()
            self._clock.call_later(0.01, due.set)
            await due.wait()
            yield TextPiece("word ")
        yield Reply((Text("word " * self._words),), "stop")


async def test_the_model_is_not_asked_before_its_message_is_on_disk(desk: Desk) -> None:
    log = Paper(b'"user_said"')
    sitting = desk.open(says("Hello."), log=log)
    sending = asyncio.create_task(sitting.session.send("hi"))
    await log.reached.wait()
    await settle()
    assert (sitting.model.requests, sitting.ear.entries(UserSaid), sending.done()) == ([], [], False)
    log.go_on.set()
    await sending
    await sitting.session.idle()
    assert len(sitting.model.asked()) == 1


async def test_no_tool_acts_before_its_start_is_on_disk(desk: Desk) -> None:
    log = Paper(b'"tool_started"')
    sitting = desk.open(says("", calls=[WRITE]), says("Done."), log=log, mode="accept-edits")
    await sitting.session.send("go")
    await log.reached.wait()
    await settle()
    assert not (desk.folder / "new.txt").exists()
    log.go_on.set()
    await sitting.session.idle()
    assert (desk.folder / "new.txt").read_text() == "new\n"


@pytest.mark.parametrize("kind", [UserSaid, AssistantSaid, ToolAnswered, RunEnded])
async def test_an_entry_is_heard_when_it_is_on_disk_and_not_before(desk: Desk, kind: type) -> None:
    word = str(kind.__struct_config__.tag)
    log = Paper(f'"{word}"'.encode())
    sitting = desk.open(says("", calls=[WRITE]), says("Done."), log=log, mode="accept-edits")
    sending = asyncio.create_task(sitting.session.send("go"))
    await log.reached.wait()
    await settle()
    assert sitting.ear.entries(kind) == []
    log.go_on.set()
    await sending
    await sitting.session.idle()
    assert sitting.ear.entries(kind)


async def test_what_was_said_answered_and_begun_is_fsynced(desk: Desk) -> None:
    log = Ledger()
    sitting = desk.open(says("", calls=[WRITE]), says("Done."), log=log, mode="accept-edits")
    await sitting.session.send("go")
    await sitting.session.idle()
    synced = {word for word, sync in log.written if sync}
    assert {"user_said", "run_started", "assistant_said", "tool_started", "tool_answered", "run_ended"} <= synced


async def test_while_an_answer_streams_it_is_drafted_four_times_a_second_and_the_log_left_alone(desk: Desk) -> None:
    log = Ledger()
    transcript = Transcript(log, MemoryBlobs(), now_ms=desk.clock.now_ms)
    sitting = desk.seat(Dripping(desk.clock, 300), transcript)
    await sitting.session.send("go")
    await desk.clock.hurry(sitting.ear.until(TextDelta))
    lines, drafts = len(log.written), len(log.drafts)
    await desk.clock.pass_seconds(2.5)
    assert len(log.written) == lines
    assert 9 <= len(log.drafts) - drafts <= 11
    words = b"".join(draft for draft in log.drafts if draft is not None).count(b"word")
    assert words >= 250 - 25
    await desk.clock.hurry(sitting.session.idle())
    said = sitting.branch(AssistantSaid)[-1]
    assert said.parts == (Text("word " * 300),)


async def test_a_step_that_is_in_the_log_leaves_no_draft_to_the_next(desk: Desk) -> None:
    log, hold = Ledger(), waits("", says("Done."))
    sitting = desk.open(says("Let me look.", calls=[WRITE]), hold, log=log, mode="accept-edits")
    await sitting.session.send("go")
    await hold.reached.wait()
    await desk.clock.pass_seconds(1)
    assert log.drafts[-1:] == [None]
    hold.gate.set()
    await sitting.session.idle()


async def test_a_turn_writes_as_much_at_the_hundredth_as_at_the_third(desk: Desk) -> None:
    log = Ledger()
    sitting = desk.open(*[says("It is there.")] * 100, log=log)
    sizes: list[int] = []
    for turn in range(100):
        before = log.total_bytes
        await sitting.session.send("where?", client_id=f"client-{turn:03}")
        await sitting.session.idle()
        sizes.append(log.total_bytes - before)
    digits = 6 * 2 * sum(isinstance(record, Record) for record in sitting.session.transcript.branch()[-5:])
    assert sizes[-1] <= sizes[2] + digits
