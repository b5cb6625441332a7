"""Whatever is ordered at whatever moment of a run: it ends once, each call is answered once, and what is sent next is sound."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from flowchat.agent.prompt import project
from flowchat.errors import CommandRefused
from flowchat.model.model import AssistantMessage, ConnectionLost, ContextOverflow
from flowchat.model.scripted import ScriptedModel, Step, fails, says
from flowchat.runtime.session import Session
from flowchat.store.memory import MemoryBlobs
from flowchat.transcript.entries import AssistantSaid, RunEnded, ToolAnswered
from flowchat.transcript.events import ApprovalAsked, Heard, RetryScheduled
from flowchat.transcript.transcript import Transcript
from tests.desk import Desk, Sitting, settle
from tests.growing import texts
from tests.validating import broken_log, broken_rules

Order = Callable[[Session], Awaitable[None]]
READ = ("read_file", {"path": "a.txt"})
OUTSIDE = ("read_file", {"path": "/etc/hostname"})


class Held:
    """A log that holds its write number `stop` until it is let go."""

    def __init__(self, stop: int) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self._left = stop
        self._waiting: list[asyncio.Future[None]] = []

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left -= 1
        if self._left == 0:
            self.reached.set()
        if self._left > 0 or self.go_on.is_set():
            written.set_result(None)
        else:
            self._waiting.append(written)
        return written

    def release(self) -> None:
        self.go_on.set()
        for written in self._waiting:
            written.set_result(None)

    def resume(self) -> None:
        return

    def draft(self, lines: bytes) -> None:
        return

    def clear_draft(self) -> None:
        return

    async def close(self) -> None:
        return


def story() -> list[Step]:
    """An attempt that is withdrawn, parallel calls of which one asks, an overflow, an end; and answers for whatever follows."""
    return [
        fails(ConnectionLost("cut"), "withdrawn words"),
        says("Reading.", thinking="hm", calls=[READ, OUTSIDE, READ]),
        fails(ContextOverflow("too long")),
        says("Done."),
        *[says(f"Later {number}.") for number in range(9)],
    ]


async def interrupt(session: Session) -> None:
    await session.interrupt()


async def say_instead(session: Session) -> None:
    await session.send("instead", "interrupt")


async def steer(session: Session) -> None:
    await session.send("steered", "steer")


async def edit(session: Session) -> None:
    await session.edit(session.user_messages()[0].seq, "edited", "resend", interrupt=True)


async def retry(session: Session) -> None:
    await session.interrupt()
    await session.retry()


async def all_at_once(session: Session) -> None:
    await asyncio.gather(session.interrupt(), session.send("instead", "interrupt"), session.interrupt())


def attend(sitting: Sitting) -> None:
    """Deny what is asked and end every wait."""

    def hear(heard: Heard) -> None:
        if isinstance(heard.event, ApprovalAsked):
            asyncio.get_running_loop().call_soon(sitting.session.decide, heard.event.call, "deny", "not there")
        elif isinstance(heard.event, RetryScheduled):
            asyncio.get_running_loop().call_soon(sitting.session.retry_now)

    sitting.session.watch(hear)


def broken(sitting: Sitting) -> list[str]:
    """What cannot be in a session's log, nor in a request made of it."""
    transcript = sitting.session.transcript
    records, branch = transcript.records(), transcript.branch()
    found = broken_log(records)
    answered = {record.entry.call for record in branch if isinstance(record.entry, ToolAnswered)}
    calls = {f"{r.seq}.{i}" for r in branch if isinstance(r.entry, AssistantSaid) for i in range(len(r.entry.calls))}
    found += [f"{call} has no answer" for call in calls - answered]
    said = [entry for entry in (record.entry for record in records) if isinstance(entry, AssistantSaid)]
    kept = Counter((entry.run, entry.step) for entry in said)
    found += [f"step {step} has {count} answers" for step, count in kept.items() if count > 1]
    found += [f"{ended} is a bug" for ended in sitting.branch(RunEnded) if ended.code == "internal"]
    requests = [request.messages for request in sitting.model.asked()]
    found += [rule for messages in [*requests, project(branch, transcript.facts).messages] for rule in broken_rules(messages)]
    return found + [f"{texts(messages)} asks nothing" for messages in requests if isinstance(messages[-1], AssistantMessage)]


async def ordered_at(desk: Desk, write: int, order: Order) -> Sitting:
    """A run of `story`; at its write of this number the order is given, then the log goes on."""
    log = Held(write)
    model = ScriptedModel(*story(), others={"title": [], "compact": [says("## Done\nread")] * 9})
    sitting = desk.seat(model, Transcript(log, MemoryBlobs(), now_ms=desk.clock.now_ms))
    session = sitting.session
    attend(sitting)
    await session.rename("x")
    saying = asyncio.create_task(session.send("a first question"))
    await log.reached.wait()
    ordering = asyncio.create_task(order(session))
    await settle()
    log.release()
    await saying
    with suppress(CommandRefused):
        await ordering
    await session.idle()
    if session.queue:
        await session.send("and then")
        await session.idle()
    return sitting


@pytest.mark.parametrize("write", range(2, 15))
@pytest.mark.parametrize("order", [interrupt, say_instead, steer, edit, retry, all_at_once])
async def test_an_order_at_any_write_of_a_run_leaves_a_sound_session(desk: Desk, order: Order, write: int) -> None:
    """Number 1 is the title's, 2 the first message's, 14 the end of the run's."""
    async with asyncio.timeout(10):
        sitting = await ordered_at(desk, write, order)
    assert broken(sitting) == []
    assert (sitting.session.state.state, sitting.session.queue) == ("idle", ())
