"""Folding the conversation: a compaction proposed, accepted, taken back and made again, and a summary to hand off."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeGuard

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import measure, weigh
from flowchat.agent.compact import draft, fold, keep_known
from flowchat.agent.directives import with_directives
from flowchat.agent.items import chosen_on, items_in_force, pinned_texts, without
from flowchat.agent.prompt import checkpoint_in_force, checkpoint_line, edited_parts
from flowchat.agent.proposal import CompactionFailed, NothingToCompact, Proposal, edited_by_user
from flowchat.agent.recall_score import Score, folded_text, score
from flowchat.errors import Busy, NotFound
from flowchat.model.model import Reply, WireError, usable_tokens
from flowchat.runtime.activity import Activity
from flowchat.runtime.joining import Automatic
from flowchat.transcript.entries import AttemptUsed, CompactionUndone, Noticed, Record, Seq, UserSaid, text_of
from flowchat.transcript.events import AnyDelta, Toast
from flowchat.transcript.transcript import Transcript

_log = logging.getLogger(__name__)
JOINED = "A compaction is under way already; this one joins it."
JOINED_WITHOUT = "A compaction is under way already; this one joins it, and your instructions are not in it."
REPLACED = "The compaction under way is stopped; yours, with what you ask of it, takes its place."


class Folding:
    """A session's compactions outside its runs. Each command raises ReadOnly, NoModel, and Busy while a run goes on."""

    def __init__(
        self,
        transcript: Transcript,
        activity: Activity,
        agent: Callable[[], Agent],
        may_write: Callable[[], None],
        tell: Emit,
    ) -> None:
        self._transcript, self._activity, self._agent = transcript, activity, agent
        self._may_write, self._tell = may_write, tell
        self._drawing: asyncio.Future[Proposal] | None = None
        self._compacting: asyncio.Future[Record] | None = None
        self._automatic = Automatic()
        self._previews = 0

    def hear(self, delta: AnyDelta) -> None:
        """What a run or a compaction says in passing."""
        self._automatic.hear(delta)

    async def join(self, instructions: str = "") -> Record | None:
        """The checkpoint of a compaction that goes on by itself; None: none goes on, or it found nothing to fold where one by
        hand may, or it was stopped, as it knows nothing of `instructions`. Raises CompactionFailed where it fails, Busy where it
        is a run's, which goes on without those.
        """
        self._may_write()
        if not self._automatic.goes_on:
            return None
        if not instructions:
            self._tell(Toast("info", JOINED))
            try:
                await self._automatic.ended()
            except NothingToCompact:
                return None
            except CompactionFailed:
                self._may_write()  # it may have been closed, which stopped it
                raise
            return self._transcript.record(self._transcript.facts.checkpoints[-1][0])
        if self._activity.state.state != "compacting":
            raise Busy("the run under way is being compacted, without your instructions; /compact when it has ended")
        self._tell(Toast("info", REPLACED))
        await self._activity.come_to_rest()
        return None

    @asynccontextmanager
    async def preview(self, instructions: str = "") -> "AsyncGenerator[Proposal]":
        """As `propose`, for as long as the proposal is looked at: what is queued meanwhile goes on when that ends."""
        self._previews += 1
        try:
            yield await self.propose(instructions)
        finally:
            self._previews -= 1
        if not self._previews:
            self._may_write()
            await self._activity.follow()

    @property
    def owed(self) -> int:
        """How many messages go on when what is looked at is closed."""
        return 0 if self._transcript.facts.held else sum(map(self._activity.is_owed, self._transcript.facts.queue))

    async def propose(self, instructions: str = "") -> Proposal:
        """What a compaction would write, drawn up in state `compacting`; nothing is written but what asking took.

        One that is asked for while another is drawn up joins that. Raises CompactionFailed.
        """
        if self._joins(self._drawing, instructions):
            return await asyncio.shield(self._drawing)
        await self._ready()

        async def kept(proposal: Proposal) -> Proposal:
            if proposal.spent:
                await self._transcript.append(*proposal.spent)
            return proposal

        self._drawing = self._activity.fold(
            lambda agent: draft(agent, self._transcript, self._tell, "user", instructions), kept, lambda: not self._previews
        )
        return await asyncio.shield(self._drawing)

    async def accept(self, proposal: Proposal, summary: str | None = None, pinned: tuple[str, ...] = ()) -> Record:
        """Fold as proposed, with the user's words for the summary where there are any; `pinned` lines stay word for word.

        Raises CompactionFailed where the proposal fits no more, StorageFailed.
        """
        self._may_write()
        if self._activity.busy:
            raise Busy("a run is under way; fold when it has ended")
        if self._transcript.unsaved is not None:
            raise self._transcript.unsaved
        record = await fold(self._transcript, edited_by_user(proposal, summary, pinned), self._tell, paid=True)
        self._compacted()
        return record

    async def compact(self, instructions: str = "") -> Record:
        """Fold the older part of the conversation now. Raises CompactionFailed."""
        if self._joins(self._compacting, instructions):
            return await asyncio.shield(self._compacting)
        if (joined := await self.join(instructions)) is not None:
            return joined
        await self._ready()
        self._compacting = self._activity.fold(
            lambda agent: draft(agent, self._transcript, self._tell, "user", instructions), self._written
        )
        return await asyncio.shield(self._compacting)

    async def score(self, proposal: Proposal, summary: str, pinned: tuple[str, ...] = ()) -> Score:
        """How much of what a proposal folds can be told from these words for its summary. Raises NoScore.

        What asking took is written down, also where it comes to nothing.
        """
        self._may_write()
        agent, facts, branch = self._agent(), self._transcript.facts, self._transcript.branch()
        before = checkpoint_in_force(branch, facts)
        sent = without(branch, chosen_on(branch, items_in_force(facts, checkpoint_line(branch, facts))))
        made = edited_by_user(proposal, summary, pinned)
        told = with_directives(made.summary, (*made.directives, *made.pinned))
        name, window, spent = agent.compact_model.facts.name, agent.model.facts.window, list[Reply | WireError]()
        try:
            return await score(agent.compact_model, folded_text(sent, before, proposal.upto), told, spent=spent)
        finally:
            codes = [call.code if isinstance(call, WireError) else None for call in spent]
            attempts = enumerate(zip(spent, codes, strict=True), len(proposal.spent) + 1)
            keep_known(
                self._transcript,
                [AttemptUsed(0, 0, number, "compact", name, it.usage, it.cost, window, code) for number, (it, code) in attempts],
            )

    async def undo(self) -> Record:
        """Take the checkpoint in force back. Raises NotFound where there is none, CompactionFailed where what it stands for
        would pass the hard limit."""
        self._may_write()
        if self._activity.busy:
            raise Busy("a run is under way; /compact undo when it has ended")
        line = checkpoint_line(self._transcript.branch(), self._transcript.facts)
        if line is None:
            raise NotFound("there is no compaction to undo here")
        return await self._set(line, undone=True)

    async def redo(self) -> Record:
        """Put the checkpoint that was taken back last in force again. Raises NotFound, CompactionFailed."""
        self._may_write()
        if self._activity.busy:
            raise Busy("a run is under way; /compact redo when it has ended")
        line = self._undone_last()
        if line is None:
            raise NotFound("there is no undone compaction to redo here")
        return await self._set(line, undone=False)

    async def hand_off(self, instructions: str = "") -> str:
        """The text a new session starts from; nothing is folded. Raises CompactionFailed."""
        await self._ready("/handoff")

        async def told(proposal: Proposal) -> str:
            if proposal.spent:
                await self._transcript.append(*proposal.spent)
            return self._handed(proposal)

        return await asyncio.shield(
            self._activity.fold(lambda agent: draft(agent, self._transcript, self._tell, "user", instructions, whole=True), told)
        )

    async def after_run(self) -> None:
        """The compaction over the soft limit: a failure of it is a notice, and nothing else."""
        agent, facts = self._agent(), self._transcript.facts
        tokens = weigh(self._transcript.branch(), facts, agent.model.facts, agent.projection).tokens
        limit = agent.limits.soft_at(usable_tokens(agent.model.facts))
        if limit is None or tokens <= limit or facts.resting or self._transcript.unsaved is not None:
            return
        if self._activity.breaker.open or self._activity.next is not None:
            return
        self._automatic.begin()
        try:
            await self._written(await self._activity.draw(lambda agent: draft(agent, self._transcript, self._say, "soft")))
        except NothingToCompact as error:
            self._automatic.fail(error)
        except CompactionFailed as error:
            await self._tell_failed(str(error))
        except asyncio.CancelledError:
            if not self._activity.stopped:
                raise
            await self._transcript.append(Noticed("info", "compaction", "Compaction stopped; nothing was changed."))
        except Exception as error:  # a bug of ours ends the compaction, not the session
            _log.exception("compaction")
            await self._tell_failed(f"flowchat itself failed ({type(error).__name__})")

    def other_model(self) -> None:
        """Another model answers from now on: it may do what the last one could not."""
        self._activity.breaker.half_open()
        self._activity.breaker_changed()

    # --- inside ------------------------------------------------------------------------------------------------------
    def _joins(self, under_way: "asyncio.Future[Any] | None", instructions: str) -> TypeGuard["asyncio.Future[Any]"]:
        """Whether a compaction by hand goes on that another may join; the user is told."""
        self._may_write()
        if under_way is None or under_way.done():
            return False
        self._tell(Toast("info", JOINED_WITHOUT if instructions else JOINED))
        return True

    async def _ready(self, command: str = "/compact") -> None:
        """Until a compaction may begin. Raises Busy, NoModel, StorageFailed."""
        self._may_write()
        if self._activity.state.state == "running":
            raise Busy(f"a run is under way; {command} when it has ended")
        self._agent()
        await self._activity.idle()
        self._may_write()  # it may have been closed meanwhile
        if self._transcript.unsaved is not None:
            raise self._transcript.unsaved

    def _say(self, delta: AnyDelta) -> None:
        self.hear(delta)
        self._tell(delta)

    async def _tell_failed(self, why: str) -> None:
        more = self._activity.breaker.failed()
        await self._transcript.append(Noticed("warning", "compaction", f"Compaction failed; nothing was changed: {why}{more}"))

    async def _written(self, proposal: Proposal) -> Record:
        """Its checkpoint, in one piece with what drawing it took. Raises CompactionFailed."""
        record = await fold(self._transcript, proposal, self._say)
        self._compacted()
        return record

    def _compacted(self) -> None:
        self._activity.breaker.succeeded()
        self._activity.breaker_changed()
        self._measured()

    def _undone_last(self) -> Seq | None:
        """The checkpoint undone last that would be in force again."""
        branch, facts = self._transcript.branch(), self._transcript.facts
        for line in reversed(facts.undone):
            if checkpoint_line(branch, replace(facts, undone=_without(facts.undone, line))) == line:
                return line
        return None

    async def _set(self, line: Seq, undone: bool) -> Record:
        branch, facts, agent = self._transcript.branch(), self._transcript.facts, self._agent()
        after = replace(facts, undone={**facts.undone, line: 0} if undone else _without(facts.undone, line))
        tokens, usable = weigh(branch, after, agent.model.facts).tokens, usable_tokens(agent.model.facts)
        limit = agent.limits.hard_at(usable) or usable
        if tokens > limit:
            raise CompactionFailed(
                f"the next request would take {tokens:,} tokens, over the hard limit of {limit:,}; nothing was changed"
            )
        record = await self._transcript.append_or_withdraw(CompactionUndone(line, undone))
        self._measured()
        return record

    def _measured(self) -> None:
        """Let watchers hear what the next request would weigh."""
        agent = self._agent()
        self._tell(measure(self._transcript.branch(), self._transcript.facts, agent.model.facts, agent.projection))

    def _handed(self, proposal: Proposal) -> str:
        """Summary, directives, what is open of the todo list, what is pinned and what waits for an answer, as text."""
        branch, facts = self._transcript.branch(), self._transcript.facts
        said, edits = [self._transcript.record(seq) for seq in proposal.verbatim], edited_parts(branch, facts)
        waiting = [
            text_of(edits.get(record.seq, record.entry.parts))
            for record in said
            if record is not None and isinstance(record.entry, UserSaid)
        ]
        pieces = [with_directives(proposal.summary, proposal.directives)]
        if proposal.todo:
            pieces.append("## Todo\n" + "\n".join(f"- {item.text}" for item in proposal.todo))
        chosen = chosen_on(branch, items_in_force(facts, checkpoint_line(branch, facts)))
        if proposal.pinned:
            pieces.append("## Pinned\n" + "\n".join(f"- {line}" for line in proposal.pinned))
        if items := pinned_texts(branch, chosen, edits, proposal.verbatim):
            pieces.append("## Pinned items\n" + "\n\n".join(items))
        if paths := dict.fromkeys([*(copy.path for copy in proposal.files), *proposal.references]):
            pieces.append("## References\n" + "\n".join(f"- {path}" for path in paths))
        if waiting:
            pieces.append("## Not answered yet\n" + "\n\n".join(waiting))
        return "\n\n".join(pieces)


def _without(undone: Mapping[Seq, Seq], line: Seq) -> dict[Seq, Seq]:
    return {checkpoint: at for checkpoint, at in undone.items() if checkpoint != line}
