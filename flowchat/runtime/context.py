"""What the next request holds, item by item, and what is set of items: looked at before it is done, and taken back."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from flowchat.agent.agent import Agent, Emit
from flowchat.agent.budget import measure
from flowchat.agent.itemise import Row, cached_end, content, difference, itemise, provenance
from flowchat.agent.items import NOTHING, Change, Chosen, Effect, Taken, chosen_on, items_in_force, named, refusal, states_before
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import checkpoint_line, prompt_of
from flowchat.agent.reading import place_of
from flowchat.errors import Busy, CommandRefused
from flowchat.runtime.activity import Activity
from flowchat.runtime.beginning import Beginning, weight_of
from flowchat.transcript.entries import ItemRef, ItemsSet, Record, Seq, SessionStarted, text_of
from flowchat.transcript.events import ContextUsed
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.transcript import Transcript


class Context:
    """A session's next request. Commands raise ReadOnly, NoModel, and Busy while a run goes on."""

    def __init__(
        self,
        transcript: Transcript,
        beginning: Beginning,
        activity: Activity,
        agent: Callable[[], Agent],
        may_write: Callable[[], None],
        tell: Emit,
    ) -> None:
        self._transcript, self._beginning, self._activity = transcript, beginning, activity
        self._agent, self._may_write, self._tell = agent, may_write, tell

    # --- looking -----------------------------------------------------------------------------------------------------
    @property
    def used(self) -> ContextUsed | None:
        """What the next request would weigh; None without a model."""
        try:
            agent = self._agent()
        except CommandRefused:
            return None
        context = measure(self._transcript.branch(), self._transcript.facts, agent.model.facts, agent.projection)
        return context if self._transcript.head else msgspec.structs.replace(context, tokens=self._beginning.tokens)

    @property
    def chosen(self) -> Chosen:
        """What is set of the items of the head's branch."""
        facts = self._transcript.facts
        if not facts.items:
            return NOTHING
        branch = self._transcript.branch()
        return chosen_on(branch, items_in_force(facts, checkpoint_line(branch, facts)))

    def rows(self) -> list[Row]:
        """The items of the next request, in its order, and those that are left out of it. Raises NoModel."""
        agent, branch = self._agent(), self._transcript.branch()
        if branch:
            return itemise(branch, self._transcript.facts, agent.model.facts, agent.projection)
        start = self._beginning
        opened = SessionStarted(
            start.sid, str(start.workspace), start.app_version, start.model, start.mode, start.system, start.tools()
        )  # fmt: skip
        rows = itemise([Record(1, 0, 0, "session_started", opened)], SessionFacts(), agent.model.facts, Projection())
        for added in start.instructions:
            source, why = provenance(added)
            why = f"{why}, read with your first message"
            rows.append(Row(added.source, added.origin, weight_of(added), source, why, 0, detail=added.origin))
        return [msgspec.structs.replace(row, node=0) for row in rows]

    def effect(self, refs: Sequence[ItemRef], state: Change) -> Effect:
        """What setting this would do. Raises CommandRefused where it cannot be set, saying why."""
        return self._effect([ItemsSet(self._named(refs, state), state)])

    def last(self) -> Taken | None:
        """What `undo` would take back, and what that would do; None: nothing was set."""
        found = self._last()
        if found is None:
            return None
        return Taken(found[1].items, found[1].state, self._effect(self._inverse(*found)))

    def text(self, row: Row) -> str:
        """All of an item: what is sent of it, and of a call that is pruned what is not."""
        branch, facts, agent = self._transcript.branch(), self._transcript.facts, self._agent()
        if row.kind == "system":
            return prompt_of(branch, facts)[0] if branch else self._beginning.system
        if row.kind == "tools":
            tools = prompt_of(branch, facts)[1] if branch else self._beginning.tools()
            return msgspec.json.format(msgspec.json.encode(tools), indent=2).decode()
        if row.kind in ("instructions", "skill") and not branch:
            return next((text_of(added.parts) for added in self._beginning.instructions if added.origin == row.detail), "")
        agent.projection.follow(branch, facts, agent.model.facts.provider)
        return content(branch, agent.projection, row)

    # --- changing ----------------------------------------------------------------------------------------------------
    def may_change(self) -> None:
        """Raises ReadOnly, and Busy while a run goes on."""
        self._may_write()
        if self._activity.busy:
            what = "compaction" if self._activity.state.state == "compacting" else "run"
            raise Busy(f"a {what} is under way; change the context when it has ended")

    async def set(self, refs: Sequence[ItemRef], state: Change) -> Record:
        """Leave items out, cut them to their summary, keep them through compactions, or have them as they were.

        Raises CommandRefused where that cannot be, saying why.
        """
        self.may_change()
        line = ItemsSet(self._named(refs, state), state)
        record = await self._transcript.append_or_withdraw(line)
        self._told()
        return record

    async def undo(self) -> Record | None:
        """Take the last change back, the one before it when asked again; None: nothing is left to take back."""
        self.may_change()
        found = self._last()
        if found is None:
            return None
        record = await self._transcript.append_or_withdraw(*self._inverse(*found))
        self._told()
        return record

    # --- inside ------------------------------------------------------------------------------------------------------
    def _named(self, refs: Sequence[ItemRef], state: Change) -> tuple[ItemRef, ...]:
        """Every item these mean, each named as it is in the log. Raises CommandRefused."""
        branch, facts = self._transcript.branch(), self._transcript.facts
        line = checkpoint_line(branch, facts)
        upto = next((checkpoint.upto for at, checkpoint in facts.checkpoints if at == line), 0)
        states = items_in_force(facts, line)
        items = dict.fromkeys(item for ref in refs for item in named(branch, ref))
        for item in items:
            if why := refusal(branch, states, upto, item, state):
                raise CommandRefused(why)
        return tuple(items)

    def _effect(self, lines: Sequence[ItemsSet]) -> Effect:
        agent, branch, facts = self._agent(), self._transcript.branch(), self._transcript.facts
        model, at, seen, then = agent.model.facts, self._transcript.last_seq + 1, agent.projection, Projection()
        after = replace(facts, items=[*facts.items, *((at + place, line) for place, line in enumerate(lines))])
        seen.follow(branch, facts, model.provider)
        then.follow(branch, after, model.provider)
        more, same_up_to = difference(branch, seen, then, {item for line in lines for item in line.items}, model.name)
        tokens_at, cached = seen.timeline(model.name).tokens_at, cached_end(branch, facts, model, seen)
        before, lost = tokens_at(seen.end()), tokens_at(cached) - tokens_at(min(cached, same_up_to))
        prices = model.input_price, model.cached_price
        cost = None if None in prices else lost * ((prices[0] or 0.0) - (prices[1] or 0.0))
        return Effect(before, max(0, before + more), lost, cost)

    def _last(self) -> tuple[Seq, ItemsSet] | None:
        """The last line about this branch that can be taken back and was not; what came with a checkpoint goes with that."""
        branch, lines = self._transcript.branch(), self._transcript.facts.items
        undone = {line.undoes for _, line in lines}
        for seq, line in reversed(lines):
            if seq in undone or line.undoes is not None or line.with_checkpoint is not None:
                continue
            if any(place_of(branch, item.node) >= 0 for item in line.items):
                return seq, line
        return None

    def _inverse(self, seq: Seq, line: ItemsSet) -> list[ItemsSet]:
        """The lines that set of each item what was set before."""
        checkpoint = checkpoint_line(self._transcript.branch(), self._transcript.facts)
        before = states_before(self._transcript.facts, checkpoint, seq)
        by_state: dict[Change, list[ItemRef]] = {}
        for item in line.items:
            by_state.setdefault(before.get(item, "restored"), []).append(item)
        return [ItemsSet(tuple(items), state, undoes=seq) for state, items in by_state.items()]

    def _told(self) -> None:
        if used := self.used:
            self._tell(used)
