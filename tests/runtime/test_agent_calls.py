"""A step's calls when things go wrong around them: each is answered once, and none outlives the step."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from flowchat.errors import StorageFailed
from flowchat.model.scripted import says
from flowchat.tools.registry import Registry
from flowchat.tools.tool import BadArguments, Outcome, Reach
from flowchat.tools.tool import Desk as Given
from flowchat.transcript.entries import RunEnded, ToolAnswered, ToolSchema, ToolStarted
from flowchat.transcript.events import Preview
from tests.desk import Desk, settle
from tests.runtime.paper import Paper


async def done() -> Outcome:
    return Outcome("done", "done")


class Tool:
    """Does what it was made for; `ran` counts how often it began."""

    def __init__(
        self,
        name: str,
        act: Callable[[], Awaitable[Outcome]] = done,
        read_only: bool = True,
        reach: Callable[[], Reach] = lambda: Reach("read"),
        preview: Callable[[], Preview] = lambda: Preview("Do it?"),
    ) -> None:
        self.schema = ToolSchema(name, "A tool.", {"type": "object"})
        self.read_only, self.ran = read_only, 0
        self._act, self._reach, self._preview = act, reach, preview

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return self._reach()

    def preview(self, args: Mapping[str, object], desk: Given) -> Preview:
        return self._preview()

    async def run(self, args: Mapping[str, object], desk: Given) -> Outcome:
        self.ran += 1
        return await self._act()


class Slow:
    """An act that ends when it is let, and takes its time to end when it is stopped."""

    def __init__(self, rounds: int = 1) -> None:
        self.begun, self.ended, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._rounds = rounds

    async def __call__(self) -> Outcome:
        self.begun.set()
        try:
            await self.go_on.wait()
            return Outcome("slow", "slow")
        finally:
            for _ in range(self._rounds):
                await settle()
            self.ended.set()


def answers(sitting) -> list[tuple[str, str]]:
    return [(answer.status, answer.summary) for answer in sitting.branch(ToolAnswered)]


async def test_a_tool_that_writes_does_not_run_when_its_start_could_not_be_written_down(desk: Desk) -> None:
    writer = Tool("writer", read_only=False)
    log = Paper(b'"tool_started"', fails=StorageFailed("no room"))
    sitting = desk.open(says("", calls=[("writer", {})]), says("never"), tools=Registry([writer]), log=log)
    await sitting.session.send("go")
    await sitting.session.idle()
    sentence = "not run: the session cannot be saved, and until it can nothing may be changed"
    assert (writer.ran, answers(sitting)) == (0, [("not_run", sentence)])
    assert (sitting.branch(RunEnded)[0].outcome, sitting.branch(RunEnded)[0].code) == ("failed", "storage")


async def test_a_tool_that_reads_runs_even_where_nothing_can_be_written(desk: Desk) -> None:
    reader = Tool("reader")
    log = Paper(b'"tool_started"', fails=StorageFailed("no room"))
    sitting = desk.open(says("", calls=[("reader", {})]), says("never"), tools=Registry([reader]), log=log)
    await sitting.session.send("go")
    await sitting.session.idle()
    assert (reader.ran, answers(sitting)) == (1, [("ok", "done")])


def breaks(*_: object) -> object:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("place", ["reach", "preview"])
async def test_a_bug_beside_a_tools_run_answers_its_call_and_its_siblings_go_on(desk: Desk, place: str) -> None:
    outside = {"reach": lambda: Reach("read", (Path("/outside"),))} if place == "preview" else {}
    broken = Tool("broken", **{**outside, place: breaks})
    slow = Slow()
    tools = Registry([broken, Tool("slow", slow)])
    sitting = desk.open(says("", calls=[("slow", {}), ("broken", {})]), says("I see"), tools=tools)
    await sitting.session.send("go")
    await sitting.ear.until(ToolAnswered)
    slow.go_on.set()
    await sitting.session.idle()
    assert answers(sitting) == [("error", "the call failed: RuntimeError: a bug"), ("ok", "slow")]
    assert sitting.branch(RunEnded)[0].outcome == "completed"


async def test_a_tool_that_leaks_a_cancellation_of_its_own_is_answered(desk: Desk) -> None:
    async def leak() -> Outcome:
        raise asyncio.CancelledError

    sitting = desk.open(says("", calls=[("leaky", {})]), says("I see"), tools=Registry([Tool("leaky", leak)]))
    await sitting.session.send("go")
    await sitting.session.idle()
    assert [status for status, _ in answers(sitting)] == ["error"]
    assert sitting.branch(RunEnded)[0].outcome == "completed"


async def test_no_call_outlives_its_run_whatever_happens_to_its_siblings(desk: Desk) -> None:
    """The log fails as it never should when the first answer is written: the run ends, but only behind the second call."""
    slow = Slow()
    tools = Registry([Tool("quick"), Tool("slow", slow)])
    log = Paper(b'"tool_answered"', fails=RuntimeError("a bug in the log"))
    sitting = desk.open(says("", calls=[("slow", {}), ("quick", {})]), tools=tools, log=log)
    await sitting.session.send("go")
    async with asyncio.timeout(5):
        await slow.ended.wait()
    assert sitting.branch(RunEnded) == []
    slow.go_on.set()
    await settle()
    assert sitting.types()[-3:] == ["tool_answered", "tool_answered", "run_ended"]


async def test_every_call_of_a_step_has_ended_when_an_interrupt_has(desk: Desk) -> None:
    first, second = Slow(rounds=0), Slow(rounds=9)
    tools = Registry([Tool("first", first), Tool("second", second)])
    sitting = desk.open(says("", calls=[("first", {}), ("second", {})]), tools=tools)
    await sitting.session.send("go")
    await first.begun.wait()
    await second.begun.wait()
    stopping = asyncio.create_task(sitting.session.interrupt())
    await sitting.ear.until(RunEnded)
    assert (first.ended.is_set(), second.ended.is_set()) == (True, True)
    assert [status for status, _ in answers(sitting)] == ["interrupted", "interrupted"]
    await stopping


async def test_a_call_stopped_before_its_tool_began_did_nothing_and_says_so(desk: Desk) -> None:
    writer = Tool("writer", read_only=False)
    log = Paper(b'"tool_started"')
    sitting = desk.open(says("", calls=[("writer", {})]), tools=Registry([writer]), log=log)
    await sitting.session.send("go")
    await log.reached.wait()
    stopping = asyncio.create_task(sitting.session.interrupt())
    await settle()
    log.go_on.set()
    await stopping
    assert len(sitting.branch(ToolStarted)) == 1
    assert (writer.ran, answers(sitting)) == (0, [("not_run", "not run: the run was stopped first")])


async def test_an_error_as_long_as_what_it_quotes_is_cut(desk: Desk) -> None:
    def quote() -> Reach:
        raise BadArguments("é" * 20_000)

    sitting = desk.open(says("", calls=[("quoting", {})]), says("I see"), tools=Registry([Tool("quoting", reach=quote)]))
    await sitting.session.send("go")
    await sitting.session.idle()
    [answered] = sitting.branch(ToolAnswered)
    assert (answered.status, answered.content) == ("error", f"{'é' * 4000}… (cut at 4,000 characters)")
