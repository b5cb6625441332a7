"""What `-p` prints of a session, and what it gives back."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowchat.agent.agent import Limits
from flowchat.errors import NoModel
from flowchat.model.model import AuthFailed, ModelFacts, RateLimited
from flowchat.model.scripted import Step, fails, says, waits
from flowchat.serve import schema
from flowchat.serve.headless import DENIED, answer, refuse
from flowchat.serve.stream import OutputFormat
from flowchat.transcript.entries import AssistantSaid, RunEnded, Text, ToolAnswered, Usage
from tests.desk import Desk, Sitting

READ_A = ("read_file", {"path": "a.txt"})
WRITE_C = ("write_file", {"path": "c.txt", "content": "delta\n"})


class Printed:
    """A file to print into, and what was warned of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.out = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.warned: list[str] = []

    @property
    def text(self) -> str:
        return self._path.read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]

    async def answer(self, sitting: Sitting, output_format: OutputFormat, prompt: str = "hi") -> int:
        return await answer(sitting.session, prompt, output_format, self.out, self.warned.append)


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[Printed]:
    printed = Printed(tmp_path / "printed")
    yield printed
    os.close(printed.out)


async def test_text_is_the_last_answer_alone_and_fit_for_a_terminal(desk: Desk, printed: Printed) -> None:
    sitting = desk.open(says("Let me look.", calls=[READ_A]), says("It is \x1b]0;x\x07alpha.\n"))
    assert await printed.answer(sitting, "text") == 0
    assert printed.text == "It is \u241balpha.\n"
    assert printed.warned == []


async def test_json_is_one_object_with_every_field(desk: Desk, printed: Printed) -> None:
    script = (
        says("Look.", calls=[READ_A], usage=Usage(input=100, cached=60, output=5)),
        says("Alpha.", usage=Usage(input=120, output=7)),
    )
    assert await printed.answer(desk.open(*script), "json") == 0
    [result] = printed.lines
    assert result | {"duration_ms": 0} == {
        "type": "result",
        "session_id": "20260101-000000-test",
        "result": "Alpha.",
        "is_error": False,
        "outcome": "completed",
        "num_steps": 2,
        "duration_ms": 0,
        "usage": {"input": 220, "cached": 60, "cache_write": 0, "output": 12, "reasoning": 0},
        "total_cost_usd": None,
    }


SMALL = ModelFacts("scripted", "scripted", 10_000, "config")
SCRIPTS: dict[str, tuple[tuple[Step, ...], dict[str, Any], int, set[str]]] = {
    "thinking and a call": (
        (says("Look.", thinking="Hm.", calls=[READ_A]), says("Alpha.")), {}, 0, {"thinking", "call", "tool_answered"},
    ),
    "parallel calls": ((says(calls=[READ_A, READ_A]), says("Both.")), {}, 0, {"tool_answered"}),
    "a retry": ((fails(RateLimited("busy"), after="Hal"), says("Whole.")), {}, 0, {"retry_scheduled", "attempt_withdrawn"}),
    "a failure": ((fails(AuthFailed("the key was refused")),), {}, 1, {"attempt_used"}),
    "nothing said": ((says(""), says("")), {}, 1, {"attempt_used"}),
    "arguments that are no JSON": ((says(calls=[("read_file", '{"pa')]), says("Sorry.")), {}, 0, {"tool_answered"}),
    "a tool that is not there": ((says(calls=[("teleport", {})]), says("Sorry.")), {}, 0, {"tool_answered"}),
    "a denied call": ((says(calls=[WRITE_C]), says("Then not.")), {"attended": False}, 0, {"tool_answered"}),
    "a denied question": ((says(calls=[WRITE_C]), says("Then not.")), {}, 0, {"approval_asked", "approval_decided"}),
    "a write": ((says(calls=[WRITE_C]), says("Written.")), {"mode": "bypass"}, 0, {"tool_started", "tool_answered"}),
    "a command": (
        (says(calls=[("shell", {"command": "seq 30000"})]), says("Counted.")), {"mode": "bypass"}, 0, {"output", "tool_answered"},
    ),
    "the limit": ((says(calls=[READ_A]),), {"limits": Limits(steps=1)}, 53, {"run_ended"}),
    "a compaction": (
        (says("word " * 3_000, calls=[READ_A]), says("word " * 3_000, calls=[READ_A]), says("Alpha.")),
        {"facts": SMALL}, 0, {"compaction", "compacted"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_stream_is_numbered_follows_its_schema_and_ends_with_the_result(
    desk: Desk, printed: Printed, script: str
) -> None:
    steps, given, code, types = SCRIPTS[script]
    sitting = desk.open(*steps, **given)
    answering = asyncio.ensure_future(printed.answer(sitting, "stream-json"))
    await desk.clock.hurry(answering)
    lines = printed.lines
    assert [line["i"] for line in lines] == list(range(1, len(lines) + 1))
    assert {(line["session"], line["opening"]) for line in lines} == {("20260101-000000-test", lines[0]["opening"])}
    assert [line["type"] for line in lines].index("result") == len(lines) - 1
    checker = jsonschema.Draft202012Validator(json.loads(schema.shipped()))
    assert [line for line in lines if not checker.is_valid(line)] == []
    entries = [(line["seq"], line["type"]) for line in lines if "seq" in line]
    assert entries == [(record.seq, record.type) for record in sitting.session.transcript.records()]
    [ended] = sitting.branch(RunEnded)
    assert (answering.result(), lines[-1]["outcome"], lines[-1]["num_steps"]) == (code, ended.outcome, ended.steps)
    assert types - {str(line["type"]) for line in lines} == set()


async def test_the_text_of_a_stream_is_the_answer_whole(desk: Desk, printed: Printed) -> None:
    assert await printed.answer(desk.open(says("Look.", calls=[READ_A]), says("It is alpha.")), "stream-json") == 0
    assert "".join(str(line["text"]) for line in printed.lines if line["type"] == "text") == "Look.It is alpha."


async def test_what_nobody_allowed_is_denied_and_the_model_goes_on(desk: Desk, printed: Printed) -> None:
    sitting = desk.open(says(calls=[WRITE_C]), says("Then not."), attended=False)
    assert await printed.answer(sitting, "text") == 0
    [answered] = sitting.branch(ToolAnswered)
    assert (answered.status, (desk.folder / "c.txt").exists()) == ("denied", False)
    assert printed.text == "Then not.\n"


async def test_a_question_that_is_asked_all_the_same_is_answered_no(desk: Desk, printed: Printed) -> None:
    sitting = desk.open(says(calls=[WRITE_C]), says("Then not."), attended=True)
    assert await printed.answer(sitting, "text") == 0
    [answered] = sitting.branch(ToolAnswered)
    assert answered.status == "denied"
    assert DENIED in answered.content


async def test_the_step_limit_is_53(desk: Desk, printed: Printed) -> None:
    sitting = desk.open(says("One.", calls=[READ_A]), says("Two.", calls=[READ_A]), limits=Limits(steps=2))
    assert await printed.answer(sitting, "json") == 53
    [result] = printed.lines
    assert (result["outcome"], result["is_error"], result["num_steps"], result["result"]) == ("limit", True, 2, "Two.")
    assert printed.warned == ["stopped after 2 steps: --max-steps N allows more"]


@pytest.mark.parametrize(("output_format", "text"), [("text", ""), ("json", "the key was refused; set OPENAI_API_KEY")])
async def test_a_failed_run_is_1_and_says_why(desk: Desk, printed: Printed, output_format: OutputFormat, text: str) -> None:
    sitting = desk.open(fails(AuthFailed("the key was refused; set OPENAI_API_KEY")))
    assert await printed.answer(sitting, output_format) == 1
    assert [line["result"] for line in printed.lines] == ([text] if text else [])
    assert printed.warned[-1] == "the key was refused; set OPENAI_API_KEY"


async def test_a_session_that_refuses_is_1_and_has_a_result(desk: Desk, printed: Printed) -> None:
    sitting = desk.open(no_model=True)
    assert await printed.answer(sitting, "stream-json") == 1
    assert (printed.lines[-1]["type"], printed.lines[-1]["result"]) == ("result", "no model is set")
    assert printed.warned == ["no model is set"]


async def test_a_retry_is_told_on_the_side(desk: Desk, printed: Printed) -> None:
    sitting = desk.open(fails(RateLimited("the provider is busy", retry_after_seconds=3)), says("Ok."))
    answering = asyncio.ensure_future(printed.answer(sitting, "text"))
    await desk.clock.hurry(answering)
    assert (await answering, printed.text) == (0, "Ok.\n")
    assert [warning for warning in printed.warned if "again in 3 s" in warning] == printed.warned


async def test_a_wait_nobody_can_end_is_not_waited_for(desk: Desk, printed: Printed) -> None:
    limited = RateLimited("slow down; it asks us to wait 86,400 s", retry_after_seconds=86_400)
    sitting = desk.open(fails(limited), says("Never."), limits=Limits(longest_wait_seconds=60))
    assert await printed.answer(sitting, "text") == 1
    assert printed.warned == ["slow down; it asks us to wait 86,400 s"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_ends_the_run_and_keeps_what_came(desk: Desk, printed: Printed, number: int, code: int) -> None:
    hold = waits("Half", says("never"))
    sitting = desk.open(hold)
    answering = asyncio.ensure_future(printed.answer(sitting, "stream-json"))
    await hold.reached.wait()
    os.kill(os.getpid(), number)
    assert await answering == code
    assert sitting.branch(AssistantSaid)[-1].parts == (Text("Half"),)
    assert sitting.types()[-1] == "run_ended"
    assert (printed.lines[-1]["outcome"], printed.lines[-1]["result"]) == ("interrupted", "Half")
    assert printed.warned == []


async def test_a_reader_that_has_gone_ends_the_run_quietly(desk: Desk) -> None:
    hold = waits("Half", says("never"))
    sitting = desk.open(hold)
    reader, out = os.pipe()
    os.close(reader)
    warned: list[str] = []
    assert await answer(sitting.session, "hi", "stream-json", out, warned.append) == 1
    os.close(out)
    assert (warned, sitting.types()[-1]) == ([], "run_ended")


async def test_a_pipe_that_is_full_is_waited_for(desk: Desk) -> None:
    """Descriptors are shared: another program may have made ours non-blocking."""
    long = "word " * 60_000
    reader, out = os.pipe()
    os.set_blocking(out, False)
    received = asyncio.create_task(asyncio.to_thread(read_all, reader))
    code = await answer(desk.open(says(long)).session, "hi", "text", out, lambda sentence: None)
    os.close(out)
    assert (code, await received) == (0, long.rstrip("\n") + "\n")


def read_all(reader: int) -> str:
    with os.fdopen(reader, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("output_format", ["text", "json", "stream-json"])
def test_a_run_that_cannot_begin_has_a_result_all_the_same(printed: Printed, output_format: OutputFormat) -> None:
    refuse(NoModel("no model is set"), output_format, printed.out)
    results = [(line["type"], line["session_id"], line["is_error"], line["result"]) for line in printed.lines]
    assert results == ([] if output_format == "text" else [("result", "", True, "no model is set")])
