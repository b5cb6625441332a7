"""One conversation while it is open: every command a front end can give, decided at once and kept on disk before it shows."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from flowchat.agent.agent import Agent
from flowchat.agent.clock import Clock
from flowchat.agent.inbox import Choice, Decision, Inbox, Queue, joined
from flowchat.agent.windows import within_bounds
from flowchat.errors import Busy, NotFound, NotRunning, ReadOnly
from flowchat.model.discover import DEMO
from flowchat.runtime.activity import Activity, Stop
from flowchat.runtime.background import Background
from flowchat.runtime.beginning import Beginning
from flowchat.runtime.boundary import Boundary
from flowchat.runtime.branches import newest_leaf, replayed, retried_from, unanswered
from flowchat.runtime.context import Context
from flowchat.runtime.folding import Folding
from flowchat.runtime.hearing import Hear, Hearing
from flowchat.runtime.keeping import Keeping
from flowchat.runtime.manner import Manner
from flowchat.runtime.outlook import request_text
from flowchat.runtime.saying import message, said_before, user_message
from flowchat.runtime.skills import Skills
from flowchat.runtime.titles import Titling
from flowchat.runtime.unsent import Shelf
from flowchat.runtime.user_commands import UserCommands
from flowchat.runtime.waiting import Waiting
from flowchat.store.jobs import JobFiles
from flowchat.tools.jobs import Jobs
from flowchat.tools.process import settled
from flowchat.transcript.entries import (
    CallId,
    Edited,
    Entry,
    HeadMoved,
    Mode,
    Outcome,
    QueueItem,
    QueueSet,
    Record,
    Seq,
    Trigger,
    UserPart,
    UserSaid,
    text_of,
)
from flowchat.transcript.events import AnyDelta, ApprovalAsked, QueueChanged, StateDelta, Toast
from flowchat.transcript.transcript import Transcript

CLOSE_SECONDS = 5.0
STOP_SECONDS = 4.0
"""Of these, what the run may take to stop."""


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
        jobs: Jobs | None = None,
        skills: Skills | None = None,
        files: JobFiles | None = None,
    ) -> None:
        """`agent` builds a run's means from the session's model and mode, or raises NoModel; `jobs` are those of its tools,
        `files` what lies beside the log of programs that run."""
        self.skills = skills or Skills(beginning.workspace)
        self.transcript = transcript
        self.read_only = read_only
        self._beginning = beginning
        self._boundary = Boundary(transcript, lambda: self._activity.busy)
        self.commands = UserCommands(transcript, beginning, self._boundary, self._may_write, files)
        self._make_agent: Callable[[], Agent] = lambda: within_bounds(self._boundary.joining(agent(self)), transcript)
        self._hearing = Hearing(clock)
        self.background = Background(jobs, transcript, self._boundary, self._hearing.emit)
        self._inbox = Inbox()
        self._activity = Activity(
            transcript, self._emit, self._inbox, self._make_agent, self._run_ended, lambda: self.folding.after_run()
        )
        self._titling = Titling(transcript)
        changed = self._activity.saving_changed
        self._keeping = Keeping(transcript, shelf, clock, self._hearing.emit, changed, writes=read_only is None)
        self._manner = Manner(beginning, transcript, self._keeping.card_changed)
        self.waiting = Waiting(transcript, self._activity, self._keeping.unsent, self._may_write, self._start, self._instead)
        self.context = Context(
            transcript, beginning, self._activity, self._make_agent, self._may_write, self._hearing.emit
        )  # fmt: skip
        self.folding = Folding(transcript, self._activity, self._make_agent, self._may_write, self._hearing.emit)
        self._closing: asyncio.Task[None] | None = None
        self.idle = self._activity.idle
        transcript.publish_to(self._published, self._keeping.saving.look)
        self._keeping.saving.look()

    # --- what a front end reads --------------------------------------------------------------------------------------
    @property
    def sid(self) -> str:
        return self._beginning.sid

    @property
    def workspace_path(self) -> Path:
        return self._beginning.workspace

    @property
    def title(self) -> str:
        return self._manner.title

    @property
    def model(self) -> str:
        return self._manner.model

    @property
    def demo(self) -> bool:
        return self.model == DEMO

    @property
    def mode(self) -> Mode:
        return self._manner.mode

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
    def can_take_back(self) -> bool:
        """Whether the last message is one that `take_back` would undo now."""
        return not self._activity.busy and self.read_only is None and unanswered(self.transcript.branch()) is not None

    @property
    def approval(self) -> ApprovalAsked | None:
        """The question that waits for the user, if one does."""
        return self._inbox.asked

    @property
    def composer_text(self) -> str:
        return self._keeping.unsent.text

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
        return request_text(self.transcript, self._make_agent())

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
            await self.waiting.set(joined(self.queue, item), self.held)
        return said.client_id

    def decide(self, call: CallId, decision: Choice, reason: str = "") -> bool:
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
        record = unanswered(self.transcript.branch())
        if record is None or not isinstance(record.entry, UserSaid):
            raise NotFound("there is no unanswered message to take back")
        async with self._keeping.unsent.returned(text_of(record.entry.parts)):
            if self._activity.busy or unanswered(self.transcript.branch()) is not record:
                raise Busy("another message or command came in meanwhile")
            await self.transcript.append_or_withdraw(HeadMoved(record.parent or 0))
        self.tell_context()
        return self.composer_text

    async def edit(
        self, node: Seq, parts: tuple[UserPart, ...] | str, action: Literal["resend", "save"], interrupt: bool = False
    ) -> None:
        """Send an earlier message again as a sibling and run, or replace its words on this branch.

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
        waiting = self.queue
        moved: list[Entry] = [HeadMoved(record.parent or 0), said]
        async with self._keeping.unsent.returned(*(text_of(item.parts) for item in waiting)):
            if self._activity.busy or self.queue != waiting:
                raise Busy("another message was sent or queued meanwhile; edit again")
            await self._start(lambda: [QueueSet((), held=False), *moved] if self.queue else moved, "edit", said)

    async def walk_to(self, node: Seq) -> None:
        """Stand at the newest end of the branch that holds `node`. Raises Busy, NotFound."""
        self._may_write(while_busy=False)
        await self.transcript.append_or_withdraw(HeadMoved(newest_leaf(self.transcript.records(), node)))
        self.tell_context()

    # --- settings of the session -------------------------------------------------------------------------------------
    async def rename(self, title: str) -> None:
        self._may_write()
        await self._manner.set_title(title)

    async def set_model(self, name: str) -> None:
        """From the next run on. A compaction under way is cancelled."""
        self._may_write()
        if is_compacting := self.state.state == "compacting":
            await self._activity.come_to_rest()
        await self._manner.set_model(name)
        self.folding.other_model()
        self.tell_context()
        if is_compacting:
            await self._activity.follow()

    async def set_mode(self, mode: Mode) -> None:
        """For calls not yet judged; it holds at once, even while the log cannot be written."""
        self._may_write()
        await self._manner.set_mode(mode)

    async def compact(self, instructions: str = "") -> None:
        """Fold the older part of the conversation now, as `folding.compact`."""
        await self.folding.compact(instructions)

    def keep_composer(self, text: str) -> None:
        """Unsent text: on disk soon, or as soon as the disk takes it, of which watchers hear a toast. Never waits or raises."""
        self._keeping.unsent.keep(text)

    async def composer_kept(self) -> None:
        """Until the unsent text is on disk. Raises StorageFailed."""
        await self._keeping.unsent.kept()

    async def close(self) -> None:
        """Interrupt, commit, write what is derived, release the lock; after 5 s without waiting any longer. Idempotent.

        An error in one of these keeps no other from being done.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    # --- inside ------------------------------------------------------------------------------------------------------
    async def _close(self) -> None:
        ends_at = asyncio.get_running_loop().time() + CLOSE_SECONDS
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(self.commands.close(), self._activity.close(), self.background.close())
        except TimeoutError:
            self._activity.abandon()
        await self._titling.stop()
        self._hearing.flush()
        try:
            await self._keeping.put_away(ends_at - asyncio.get_running_loop().time())
        finally:
            await settled()
            self._activity.closed()

    def _emit(self, delta: AnyDelta) -> None:
        """What the run says in passing is heard by watchers, and what is streamed drafted."""
        self._keeping.drafting.take(delta)
        self.folding.hear(delta)
        self._hearing.emit(delta)
        self._boundary.settle()

    def _may_write(self, while_busy: bool = True) -> None:
        if self.read_only is not None or self._closing is not None:
            raise ReadOnly(self.read_only or "this session is closed")
        if self._activity.busy and not while_busy:
            raise Busy("a run is under way; stop it first")

    async def _start(self, before: Callable[[], Sequence[Entry]], trigger: Trigger, said: UserSaid | None = None) -> None:
        """Reserve the run now, write it down, and let it go."""
        await self._activity.begin(self._beginning.start(self.transcript, before, trigger, said))

    async def _instead(self, before: Callable[[], Sequence[Entry]], trigger: Trigger, said: UserSaid | None = None) -> None:
        """Say it instead of what is under way, which is interrupted unless it is being so already."""
        await self._activity.instead(self._beginning.start(self.transcript, before, trigger, said))

    def _published(self, record: Record) -> None:
        self._keeping.drafting.settle(record)
        self._boundary.published(record.entry)
        self.background.published(record.entry)
        self.commands.published(record.entry)
        self._hearing.publish(record)
        if record.type in ("queue_set", "user_said"):
            self._hearing.emit(QueueChanged(self.queue, self.held))
        elif record.type == "session_started" or (record.type == "title_set" and self.state.state == "idle"):
            self._keeping.card_changed()

    def _run_ended(self, outcome: Outcome) -> None:
        self._keeping.card_changed()
        if outcome == "completed" and (agent := self._make_agent()).limits.titles:
            self._titling.begin(agent.compact_model)

    def tell(self, toast: Toast) -> None:
        self._hearing.emit(toast)

    def tell_context(self) -> None:
        """Let watchers hear what the next request would weigh."""
        if used := self.context.used:
            self._hearing.emit(used)
