"""The projection of the branch a session stands on, kept as it grows: asked again it reads only what is new."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from flowchat.agent.items import NOTHING, States, chosen_on, items_in_force
from flowchat.agent.messages import Messages, Placed
from flowchat.agent.prompt import Edits, Line, Prompt, Sight, begin, edits_of, line_in_force, line_of, prompt_of, sight_of
from flowchat.agent.reading import Bookmark, end_of
from flowchat.agent.timeline import Timeline
from flowchat.agent.tokens import fixed_bytes, message_bytes
from flowchat.model.model import AssistantMessage
from flowchat.transcript.entries import AssistantSaid, AttemptUsed, ItemsSet, PromptSet, Record, Seq, SessionStarted, text_of
from flowchat.transcript.facts import SessionFacts

MOST_BYTES_PER_TOKEN = 16
"""No text takes fewer tokens in any tokenizer we know of, blanks aside, and none more than one a byte."""


class Projection:
    """Gives what `project` gives, and what models counted of it. One session has one.

    It starts over where the branch is another, a message was edited, something else was set of an item, another checkpoint is in
    force or another provider asks.
    """

    def __init__(self) -> None:
        self.checkpoint: Line | None = None
        """The checkpoint in force, with its line."""
        self.states: States = {}
        """What is set of items."""
        self._items: tuple[Seq, ItemsSet] | None = None
        """The last line about items that was looked at."""
        self.chosen = NOTHING
        """What of that is on the branch that was read."""
        self._provider = ""
        self._mark = Bookmark()
        self._edits: Edits = ()
        self._prompt: Prompt = ("", ())
        self._messages = Messages("", {})
        self._edges = [0]
        """Where each settled message begins, by canonical bytes, and where the last of them ends."""
        self._asked: list[_Asked] = []
        """The answers whose requests were counted, of whatever model."""
        self._timelines: dict[str, _Kept] = {}
        self._cuts: dict[str, tuple[AttemptUsed, AttemptUsed | None]] = {}

    @property
    def begun(self) -> bool:
        """Whether it has read a branch."""
        return self._mark.length > 0

    def follow(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> None:
        """Come to where the branch ends. What `sight` and the rest say holds for that."""
        new = self._mark.behind(branch)
        if new is None or not self._goes_on(branch, new, facts, provider):
            new = self._begin(branch, facts, provider)
        for record in new:
            self._take(record, facts)
        self._mark = end_of(branch)

    def sight(self) -> Sight:
        return sight_of(self._messages, self.checkpoint, self._prompt)

    def placed(self) -> list[Placed]:
        """The messages of `sight`, with the nodes they came from."""
        messages = self._messages
        index, ending = messages.ending()
        columns = messages.settled[:index], messages.starts[:index], messages.places[:index], messages.origins[:index]
        return [*map(Placed, *columns), *ending]

    def timeline(self, model: str) -> Timeline:
        """What a model counted of this request; a count of another request is none of it."""
        self._weigh()
        kept = self._timelines.setdefault(model, _Kept(Timeline()))
        for asked in self._asked[kept.read :]:
            if asked.said.model == model:
                self._count(kept.timeline, asked)
        kept.read = len(self._asked)
        return kept.timeline

    @property
    def fixed(self) -> int:
        """The position the first message begins at, behind system prompt and tools."""
        return self._edges[0]

    def cut(self, model: str) -> tuple[AttemptUsed, AttemptUsed | None] | None:
        """The first request that the server of a model cut down, and the last if that was cut; None: none was."""
        return self._cuts.get(model)

    def end(self) -> int:
        """The position the request ends at."""
        index, ending = self._weigh()
        return self._edges[index] + sum(message_bytes(placed.message) for placed in ending)

    def edges(self) -> list[int]:
        """Where each message of `sight` begins, and where the last of them ends; before the first: system prompt and tools."""
        index, ending = self._weigh()
        behind = accumulate((message_bytes(placed.message) for placed in ending), initial=self._edges[index])
        return [*self._edges[:index], *behind]

    # --- reading -----------------------------------------------------------------------------------------------------
    def _goes_on(self, branch: Sequence[Record], new: Sequence[Record], facts: SessionFacts, provider: str) -> bool:
        """Whether nothing that was read before `new` reads differently now."""
        if provider != self._provider or any(record.type == "edited" for record in new):
            return False
        if self.chosen.waits and any(record.type == "assistant_said" for record in new):
            return False
        if line_in_force(branch, facts, self._edits) != self.checkpoint:
            return False
        if facts.items and facts.items[-1] is not self._items:
            if items_in_force(facts, line_of(self.checkpoint)) != self.states:
                return False
            self._items = facts.items[-1]
        return not new or self._items is None or new[0].seq > self._items[0]  # of what is older something may be set

    def _begin(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> Sequence[Record]:
        """Start over; gives what is still to be taken."""
        self._provider, self._edits = provider, edits_of(branch)
        self.checkpoint = line_in_force(branch, facts, self._edits)
        self._items = facts.items[-1] if facts.items else None
        self.states = items_in_force(facts, line_of(self.checkpoint))
        self.chosen = chosen_on(branch, self.states)
        self._messages, cut = begin(branch, self.checkpoint, self._edits, provider, self.chosen)
        self._timelines, self._asked, self._cuts = {}, [], {}
        self._set_prompt(prompt_of(branch[:cut]))
        for record in reversed(branch[:cut]):
            if isinstance(said := record.entry, AssistantSaid) and (used := used_by(said, facts)) and is_count(used):
                self._timelines[said.model] = kept = _Kept(Timeline())
                _remember_rate(kept.timeline, used)
                break
        return branch[cut:]

    def _take(self, record: Record, facts: SessionFacts) -> None:
        self._messages.add(record)
        match record.type:
            case "assistant_said" if isinstance(record.entry, AssistantSaid):
                self._hear(record.seq, record.entry, used_by(record.entry, facts))
            case "prompt_set" | "session_started" if isinstance(record.entry, PromptSet | SessionStarted):
                self._set_prompt((record.entry.system, record.entry.tools))
            case _:
                pass

    def _set_prompt(self, prompt: Prompt) -> None:
        """Everything begins elsewhere now."""
        for model in {asked.said.model for asked in self._asked}:
            self.timeline(model).forget(0)
        self._prompt, self._edges, self._messages.changed = prompt, [fixed_bytes(*prompt)], 0

    def _hear(self, seq: Seq, said: AssistantSaid, used: AttemptUsed | None) -> None:
        """Take note of what the server of an answer counted."""
        if used is not None and is_count(used):
            self._asked.append(self._placed(seq, said, used))
            if (cut := self._cuts.get(said.model)) is not None:
                self._cuts[said.model] = cut[0], None
        elif used is not None and used.counted == "cut":
            first, _ = self._cuts.get(said.model, (used, used))
            self._cuts[said.model] = first, used

    def _placed(self, seq: Seq, said: AssistantSaid, used: AttemptUsed) -> "_Asked":
        """The answer `seq`, the last node that was read, at its place among the messages."""
        messages = self._messages
        place = len(messages.settled) - 1
        while place >= 0 and messages.places[place] == seq:
            if isinstance(answer := messages.settled[place], AssistantMessage):
                is_whole = messages.starts[place] == seq and seq not in self.chosen.out and len(answer.calls) == len(said.calls)
                return _Asked(seq, said, used, place, answer, is_whole)
            place -= 1
        is_whole = not said.calls and not text_of(said.parts).strip()
        return _Asked(seq, said, used, len(messages.settled) + len(messages.ending()[1]), None, is_whole)

    # --- weighing ----------------------------------------------------------------------------------------------------
    def _count(self, timeline: Timeline, asked: "_Asked") -> None:
        """Take what a model counted, where that was the beginning of what would be sent now."""
        place, usage, settled = asked.place, asked.used.usage, self._messages.settled
        assert usage is not None
        before = self._edge(place)
        after = before if asked.answer is None else self._edge(place + 1)
        if asked.used.sent_bytes != before or any(edited.target < asked.seq < line for line, edited in self._edits):
            _remember_rate(timeline, asked.used)
        else:
            is_whole = asked.is_whole and not asked.used.error and (asked.answer is None or settled[place] is asked.answer)
            timeline.count(before, after, usage.input, usage.output if is_whole else 0)

    def _edge(self, place: int) -> int:
        """Where message `place` begins, or would behind a message that is not settled yet."""
        if place < len(self._edges):
            return self._edges[place]
        return self._edges[-1] + message_bytes(self._messages.ending()[1][0].message)

    def _weigh(self) -> tuple[int, list[Placed]]:
        """Bring the edges up to date; gives how the messages end."""
        messages = self._messages
        if messages.changed < len(self._edges) - 1:
            self._forget(messages.changed)
            del self._edges[messages.changed + 1 :]
        self._edges.extend(accumulate(map(message_bytes, messages.settled[len(self._edges) - 1 :]), initial=self._edges.pop()))
        messages.changed = len(messages.settled)
        return messages.ending()

    def _forget(self, place: int) -> None:
        """What stands from message `place` on reads differently now."""
        still = bisect_left(self._asked, place, key=lambda asked: asked.place)
        for kept in self._timelines.values():
            kept.timeline.forget(self._edges[place])
            kept.read = min(kept.read, still)


class _Asked(NamedTuple):
    """An answer whose request was counted. `place`: that of its message, or where one would be.

    `answer`: the message as it was placed, if anything of it is sent; `is_whole`: all of it is.
    """

    seq: Seq
    said: AssistantSaid
    used: AttemptUsed
    place: int
    answer: AssistantMessage | None
    is_whole: bool


class _Kept:
    """A timeline, and how many of the answers it has heard of."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline, self.read = timeline, 0


def used_by(said: AssistantSaid, facts: SessionFacts) -> AttemptUsed | None:
    """What the request of an answer took, where its server told."""
    return facts.attempts.get((said.run, said.step, said.attempt))


def is_count(used: AttemptUsed) -> bool:
    """Whether it says how many tokens the whole request took."""
    return used.counted == "all" and used.sent_bytes > 0 and used.usage is not None and used.usage.input > 0


def _remember_rate(timeline: Timeline, used: AttemptUsed) -> None:
    """What a byte of another request took says something of this one, too, unless that one held what is not ours."""
    if (usage := used.usage) and used.sent_bytes <= usage.input * MOST_BYTES_PER_TOKEN and usage.input <= used.sent_bytes:
        timeline.rate = usage.input, used.sent_bytes
