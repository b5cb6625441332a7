"""One conversation while it is open: every command a front end can give, decided at once and kept on disk before it shows."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from flowchat.agent.agent import Agent
from flowchat.agent.budget import measure
from flowchat.agent.clock import Clock
from flowchat.agent.inbox import Decision, Inbox, Queue, item_of, joined, without
from flowchat.agent.prompt import project
from flowchat.errors import BlankMessage, Busy, CommandRefused, NotFound, NotRunning, ReadOnly
from flowchat.model.discover import DEMO
from flowchat.model.model import Request
from flowchat.runtime.activity import Activity, Stop, said_of, unsteered
from flowchat.runtime.beginning import Beginning
from flowchat.runtime.branches import newest_leaf, replayed, retried_from, taken_back
from flowchat.runtime.drafting import Drafting
from flowchat.runtime.hearing import Hear, Hearing
from flowchat.runtime.saving import Saving
from flowchat.runtime.saying import message, said_before, user_message
from flowchat.runtime.titles import Titling
from flowchat.runtime.unsent import Shelf, Unsent
from flowchat.tools.process import settled
from flowchat.transcript.entries import (
    CallId,
    Edited,
    Entry,
    HeadMoved,
    Mode,
    ModelSet,
    ModeSet,
    Outcome,
    QueueItem,
    QueueSet,
    Record,
    Seq,
    TitleSet,
    Trigger,
    UserPart,
    UserSaid,
    text_of,
)
from flowchat.transcript.events import AnyDelta, ApprovalAsked, ContextUsed, QueueChanged, StateDelta
from flowchat.transcript.transcript import Transcript

CLOSE_SECONDS = 5.0


class Session:
    """`read_only` is the sentence why nothing can be said here, or None."""

    def __init__(
        self,
        beginning: Beginning,
        transcript: Transcript,
        shelf: Shelf,
        clock: Clock,
        agent: "Callable[[Session], Agent]",
        read_only: str | None = None,
    ) -> None:
        """`agent` builds a run's means from the session's model and mode, or raises NoModel."""
        self.transcript = transcript
        self.read_only = read_only
        self._beginning, self._shelf = beginning, shelf
        self._make_agent: Callable[[], Agent] = lambda: agent(self)
        self._hearing, self._drafting = Hearing(clock), Drafting(transcript, clock)
        self._inbox = Inbox()
        self._activity = Activity(transcript, self._emit, self._inbox, self._make_agent, self._run_ended)
        self._titling = Titling(transcript)
        self._unsent = Unsent(shelf, writes=read_only is None)
        self._saving = Saving(transcript, clock, self._activity.saving_changed)
        self.idle = self._activity.idle
        self._closed = False
        transcript.publish_to(self._published, self._saving.look)
        self._saving.look()

    # --- what a front end reads --------------------------------------------------------------------------------------
    @property
    def sid(self) -> str:
        return self._beginning.sid

    @property
    def workspace_path(self) -> Path:
        return self._beginning.workspace

    @property
    def title(self) -> str:
        return self.transcript.facts.title or self._beginning.title

    @property
    def model(self) -> str:
        return self.transcript.facts.model or self._beginning.model

    @property
    def demo(self) -> bool:
        return self.model == DEMO

    @property
    def mode(self) -> Mode:
        return self.transcript.facts.mode if self.transcript.head else self._beginning.mode

    @property
    def state(self) -> StateDelta:
        return self._activity.state

    @property
    def queue(self) -> Queue:
        return self.transcript.facts.queue

    @property
    def held(self) -> bool:
        return self.transcript.facts.held

    @property
    def approval(self) -> ApprovalAsked | None:
        """The question that waits for the user, if one does."""
        return self._inbox.asked

    @property
    def context(self) -> ContextUsed | None:
        """What the next request would weigh; None without a model."""
        try:
            agent = self._make_agent()
        except CommandRefused:
            return None
        context = measure(self.transcript.branch(), self.transcript.facts, agent.model.facts, agent.projection)
        return context if self.transcript.head else msgspec.structs.replace(context, tokens=self._beginning.tokens)

    @property
    def composer_text(self) -> str:
        return self._unsent.text

    def watch(self, hear: Hear) -> Callable[[], None]:
        """Hear every event from now on; gives the way to stop."""
        return self._hearing.watch(hear)

    def replay(self) -> list[Record]:
        """What the pane shows of the head's branch, in order."""
        return replayed(self.transcript.records(), self.transcript.branch())

    def user_messages(self) -> list[Record]:
        """The user's messages on the head's branch; number n of `/edit n` is at n - 1."""
        return [record for record in self.transcript.branch() if record.type == "user_said"]

    def request_text(self) -> str:
        """The exact next request as readable JSON. Raises NoModel."""
        sight = project(self.transcript.branch(), self.transcript.facts, self._make_agent().model.facts.provider)
        request = Request("run", sight.system, sight.tools, sight.messages, sight.marks)
        return msgspec.json.format(msgspec.json.encode(request), indent=2).decode()

    # --- saying things -----------------------------------------------------------------------------------------------
    async def send(
        self,
        parts: tuple[UserPart, ...] | str,
        deliver: Literal["queue", "steer", "interrupt"] = "queue",
        client_id: str | None = None,
    ) -> str:
        """Say something: at once while idle; else queued, said at the next step boundary, or instead of what runs.

        Gives the message's client id when it is on disk. Raises CommandRefused or StorageFailed with nothing changed.
        """
        said = message(parts, client_id)
        self._may_write()
        if self.transcript.unsaved is not None:
            await self.transcript.save_again()
        if said_before(said, self.transcript, self.queue, self._activity.next):
            return said.client_id
        state = self.state.state
        if state == "idle":
            if deliver == "steer":
                raise NotRunning("there is no run to steer; send the message instead")
            await self._start(lambda: [said], "send", said)
        elif (deliver == "interrupt" or state == "interrupting") and self._activity.next is None:
            await self._instead(lambda: [said], "send", said)
        else:
            item = QueueItem(said.client_id, said.parts, "steer" if deliver == "steer" else "queue")
            await self.set_queue(joined(self.queue, item), self.held)
        return said.client_id

    async def set_queue(self, items: Queue, held: bool) -> None:
        """Edit, reorder and hold in one: the queue as it shall be."""
        self._may_write()
        await self.transcript.append_or_withdraw(QueueSet(tuple(items), held))

    async def unqueue(self, client_id: str) -> QueueItem | None:
        """Take a message out of the queue; gives it, or None where it is not in it (any more)."""
        item = next((item for item in self.queue if item.client_id == client_id), None)
        if item is not None:
            await self.set_queue(without(self.queue, client_id), self.held)
        return item

    async def promote(self, client_id: str) -> None:
        """Say a queued message now; what runs is interrupted first. Raises NotFound."""
        self._may_write()
        item = item_of(self.queue, client_id)
        if self._activity.next is not None:
            await self.set_queue((item, *without(self.queue, client_id)), held=False)
        elif self.state.state == "idle":
            await self._start(lambda: self._from_queue(client_id), "promote")
        else:
            await self._instead(lambda: self._from_queue(client_id), "promote")

    async def release(self) -> None:
        """Enter on the empty composer: while idle the queue goes on; while busy its head becomes a steer. Raises NotFound."""
        self._may_write()
        item = next(iter(unsteered(self.queue)), None)
        if item is None:
            raise NotFound("the queue is empty")
        if self.state.state == "idle":
            await self._start(lambda: self._from_queue(item.client_id), "queue")
        else:
            steer = QueueItem(item.client_id, item.parts, "steer")
            await self.set_queue((steer, *without(self.queue, item.client_id)), self.held)

    def decide(self, call: CallId, decision: Literal["once", "session", "deny"], reason: str = "") -> bool:
        """Answer the open question; False where it is not about this call."""
        return self._inbox.decide(call, Decision(decision, reason))

    def retry_now(self) -> bool:
        """End the countdown to the next attempt (phase `retry_wait`): the request goes out at once. False where there is none."""
        return self._inbox.end_pause()

    # --- going back --------------------------------------------------------------------------------------------------
    async def interrupt(self) -> None:
        """Stop what is under way, keeping what came of it; the queue is held. Raises NotRunning while idle."""
        await asyncio.shield(self._activity.interrupt(Stop(hold=True)))

    async def retry(self) -> None:
        """Run the failed or interrupted step again, or go on after it. Raises Busy, NotFound."""
        self._may_write()
        if self.state.state == "running":
            raise Busy("a run is under way; there is nothing to retry yet")
        await self._activity.come_to_rest()
        to = retried_from(self.transcript.branch())
        await self._start(lambda: [] if to is None else [HeadMoved(to)], "retry")

    async def take_back(self) -> str:
        """Undo a message nothing has answered: it leaves the branch, its text is unsent again. Raises Busy, NotFound."""
        self._may_write(while_busy=False)
        record = taken_back(self.transcript.branch())
        assert isinstance(record.entry, UserSaid)
        with self._unsent.returned(text_of(record.entry.parts)):
            await self.transcript.append_or_withdraw(HeadMoved(record.parent or 0))
        self.tell_context()
        return self.composer_text

    async def edit(
        self, node: Seq, parts: tuple[UserPart, ...] | str, action: Literal["resend", "save"], interrupt: bool = False
    ) -> None:
        """Say an earlier message anew as a sibling and run, or lay the new words over it on this branch.

        Raises NotFound, NotUserMessage, and Busy while a run goes on (save: always; resend: without `interrupt`).
        """
        self._may_write()
        said = message(parts, delivery="edit", edits=node)
        record = user_message(self.transcript, node, on_branch=action == "save")
        if self.state.state == "running" and (action == "save" or not interrupt):
            raise Busy(f"run {self.state.run} is under way; stop it first")
        if action == "resend":
            self._make_agent()
        await self._activity.come_to_rest()
        if action == "save":
            await self.transcript.append_or_withdraw(Edited(node, said.parts))
            self.tell_context()
            return
        returned = [text_of(item.parts) for item in self.queue]
        moved: list[Entry] = [HeadMoved(record.parent or 0), said]
        with self._unsent.returned(*returned):
            await self._start(lambda: [QueueSet((), held=False), *moved] if self.queue else moved, "edit", said)

    async def walk_to(self, node: Seq) -> None:
        """Stand at the newest end of the branch that holds `node`. Raises Busy, NotFound."""
        self._may_write(while_busy=False)
        await self.transcript.append_or_withdraw(HeadMoved(newest_leaf(self.transcript.records(), node)))
        self.tell_context()

    # --- settings of the session -------------------------------------------------------------------------------------
    async def rename(self, title: str) -> None:
        self._may_write()
        words = " ".join(title.split())
        if not words:
            raise BlankMessage("a title needs at least one letter: /rename TITLE")
        self._beginning.title = words
        if self.transcript.head:
            await self.transcript.append_or_withdraw(TitleSet(words, "user"))
            self._shelf.write_meta(self.transcript)

    async def set_model(self, name: str) -> None:
        """From the next run on. A compaction under way is cancelled."""
        self._may_write()
        if self.state.state == "compacting":
            await self._activity.come_to_rest()
        self._beginning.model = name
        if self.transcript.head:
            await self.transcript.append_or_withdraw(ModelSet(name))
            self._shelf.write_meta(self.transcript)
        self.tell_context()

    async def set_mode(self, mode: Mode) -> None:
        """For calls not yet judged; it holds at once, even while the log cannot be written."""
        self._may_write()
        self._beginning.mode = mode
        if self.transcript.head:
            await self.transcript.append(ModeSet(mode))

    async def compact(self, instructions: str = "") -> None:
        """Fold the older part of the conversation now. Raises Busy, CompactionFailed, NoModel."""
        self._may_write()
        if self.state.state == "running":
            raise Busy("a run is under way; /compact when it has ended")
        self._make_agent()
        await self._activity.idle()
        if self.transcript.unsaved is not None:
            raise self.transcript.unsaved
        await asyncio.shield(self._activity.compact(instructions))

    def keep_composer(self, text: str) -> None:
        """Unsent text, on disk when this returns."""
        self._unsent.keep(text)

    async def close(self) -> None:
        """Interrupt, commit, write what is derived, release the lock; after 5 s without waiting any longer. Idempotent.

        An error in one of these keeps no other from being done.
        """
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._activity.close()
        except TimeoutError:
            self._activity.abandon()
        await self._titling.stop()
        await self._saving.stop()
        try:
            if self.read_only is None and self.transcript.head:
                self._shelf.write_meta(self.transcript)
            self._hearing.flush()
            self._drafting.flush()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.transcript.close()
            await settled()
            self._activity.closed()

    # --- inside ------------------------------------------------------------------------------------------------------
    def _emit(self, delta: AnyDelta) -> None:
        """What the run says in passing is heard by watchers, and what is streamed drafted."""
        self._drafting.take(delta)
        self._hearing.emit(delta)

    def _may_write(self, while_busy: bool = True) -> None:
        if self.read_only is not None or self._closed:
            raise ReadOnly(self.read_only or "this session is closed")
        if self._activity.busy and not while_busy:
            raise Busy("a run is under way; stop it first")

    async def _start(self, before: Callable[[], Sequence[Entry]], trigger: Trigger, said: UserSaid | None = None) -> None:
        """Reserve the run now, write it down, and let it go."""
        start = self._beginning.start(self.transcript, before, trigger, said)
        self._activity.start(start)
        await asyncio.shield(start.done)

    async def _instead(self, before: Callable[[], Sequence[Entry]], trigger: Trigger, said: UserSaid | None = None) -> None:
        """Say it instead of what is under way, which is interrupted unless it is being so already."""
        self._make_agent()
        self._activity.next = start = self._beginning.start(self.transcript, before, trigger, said)
        if self.state.state != "interrupting":
            self._activity.interrupt(Stop())
        await asyncio.shield(start.done)

    def _from_queue(self, client_id: str) -> list[Entry]:
        """A queued message as it is said, the queue no longer held. Raises NotFound where it was deleted meanwhile."""
        said = said_of(item_of(self.queue, client_id))
        return [QueueSet(self.queue, held=False), said] if self.held else [said]

    def _published(self, record: Record) -> None:
        self._drafting.settle(record)
        self._hearing.publish(record)
        if record.type in ("queue_set", "user_said"):
            self._hearing.emit(QueueChanged(self.queue, self.held))
        elif record.type == "title_set" and self.state.state == "idle":
            self._shelf.write_meta(self.transcript)

    def _run_ended(self, outcome: Outcome) -> None:
        self._shelf.write_meta(self.transcript)
        if outcome == "completed":
            self._titling.begin(self._make_agent().compact_model)

    def tell_context(self) -> None:
        """Let watchers hear what the next request would weigh."""
        if context := self.context:
            self._hearing.emit(context)
