"""The projection of the branch a session stands on, kept as it grows: asked again it reads only what is new."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from flowchat.agent.items import NOTHING, States, chosen_on, items_in_force
from flowchat.agent.messages import Messages, Placed
from flowchat.agent.prompt import Edits, Line, Prompt, Sight, begin, edits_on, line_in_force, line_of, sight_of
from flowchat.agent.reading import Bookmark, end_of
from flowchat.agent.timeline import Timeline, Weighed
from flowchat.agent.tokens import fixed_bytes, message_bytes, text_bytes
from flowchat.model.model import AssistantMessage, ToolMessage
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    ItemsSet,
    Record,
    Seq,
    UserPart,
    text_of,
)
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.todo import TodoList

FEW_ANSWERS = 16


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
        self._facts = SessionFacts()
        self._heard: dict[str, _Heard] = {}

    @property
    def begun(self) -> bool:
        """Whether it has read a branch."""
        return self._mark.length > 0

    @property
    def todo(self) -> TodoList:
        """What the checkpoint carries of the todo list."""
        return self._messages.todo

    @property
    def edited(self) -> dict[Seq, tuple[UserPart, ...]]:
        """What edited user messages read on this branch, by their seq."""
        return {edited.target: edited.parts for _, edited in self._edits}

    @property
    def answers(self) -> int:
        """How many answers it has read."""
        return len(self._messages.answers)

    @property
    def length(self) -> int:
        """How many nodes it has read."""
        return self._mark.length

    def follow(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> None:
        """Come to where the branch ends. What `sight` and the rest say holds for that."""
        new = self._mark.behind(branch)
        if new is None or not self._goes_on(branch, new, facts, provider):
            new = self._begin(branch, facts, provider)
        self._facts = facts
        self._messages.add(*new)
        if self._messages.prompt is not self._prompt:
            self._begin_elsewhere()
        self._mark = end_of(branch)

    def sight(self) -> Sight:
        return sight_of(self._messages, self.checkpoint)

    def placed(self) -> list[Placed]:
        """The messages of `sight`, with the nodes they came from."""
        messages = self._messages
        index, ending = messages.ending()
        columns = messages.settled[:index], messages.starts[:index], messages.places[:index], messages.origins[:index]
        return [*map(Placed, *columns), *ending]

    def timeline(self, model: str) -> Timeline:
        """What a model counted of this request; a count of another request is none of it."""
        self._weigh()
        heard = self._heard.setdefault(model, _Heard())
        for index in range(heard.answers, len(self._messages.answers)):
            self._hear(index, model, heard.timeline)
        heard.answers = len(self._messages.answers)
        return heard.timeline

    def weigh(self, model: str) -> Weighed:
        """What its timeline says of the whole request; one that has heard of nothing yet need not begin for it."""
        end, heard = self.end(), self._heard.get(model) or _Heard()
        if heard.answers or len(self._messages.answers) < FEW_ANSWERS:
            return self.timeline(model).weigh(end)
        latest, rate = Timeline(), None
        for index in range(len(self._messages.answers) - 1, -1, -1):
            self._hear(index, model, latest)
            rate = rate or latest.rate
            if latest.end:
                break
        latest.rate = rate or heard.timeline.rate
        return latest.weigh(end)

    def cut(self, model: str) -> AttemptUsed | None:
        """The last request to a model, if its server cut it."""
        told = (used_by(said, self._facts) for _, said, _, _ in reversed(self._messages.answers) if said.model == model)
        used = next((used for used in told if used is not None and used.counted != "part"), None)
        return used if used is not None and used.counted == "cut" else None

    def first_cut(self, model: str) -> AttemptUsed | None:
        """The first request that was cut since this projection began."""
        told = (used_by(said, self._facts) for _, said, _, _ in self._messages.answers if said.model == model)
        return next((used for used in told if used is not None and used.counted == "cut"), None)

    @property
    def fixed(self) -> int:
        """The position the first message begins at, behind system prompt and tools."""
        return self._edges[0]

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
        if self.checkpoint is not None and new and new[0].seq < self.checkpoint[0]:
            return False  # one of these may hold the todo list in the place of which it carries an older one
        if facts.items and facts.items[-1] is not self._items:
            if items_in_force(facts, line_of(self.checkpoint)) != self.states:
                return False
            self._items = facts.items[-1]
        return not new or self._items is None or new[0].seq > self._items[0]  # of what is older something may be set

    def _begin(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> Sequence[Record]:
        """Start over; gives what is still to be taken."""
        self._provider, self._edits = provider, edits_on(branch, facts)
        self.checkpoint = line_in_force(branch, facts, self._edits)
        self._items = facts.items[-1] if facts.items else None
        self.states = items_in_force(facts, line_of(self.checkpoint))
        self.chosen = chosen_on(branch, self.states)
        self._messages, cut = begin(branch, facts, self.checkpoint, self._edits, provider, self.chosen)
        self._heard = {}
        self._begin_elsewhere()
        for record in reversed(branch[:cut]):
            if record.type != "assistant_said" or not isinstance(said := record.entry, AssistantSaid):
                continue
            if (used := used_by(said, facts)) and is_count(used):
                self._heard[said.model] = _Heard(_rate(used))
                break
        return branch[cut:]

    def _begin_elsewhere(self) -> None:
        """The messages stand behind another prompt."""
        for heard in self._heard.values():
            heard.forget(0, 0)
        self._prompt, self._messages.changed = self._messages.prompt, 0
        self._edges = [fixed_bytes(*self._prompt)]

    # --- weighing ----------------------------------------------------------------------------------------------------
    def _hear(self, index: int, model: str, timeline: Timeline) -> None:
        """Take what a model counted for one of its answers, where that was the beginning of what would be sent now."""
        seq, said, behind, is_sent = self._messages.answers[index]
        used = used_by(said, self._facts) if said.model == model else None
        if used is None or used.usage is None or not is_count(used):
            return
        before, after, is_whole = self._stands(seq, said, behind) if is_sent else self._asked(said, behind)
        if index < self._messages.before_prompt or used.sent_bytes != before or (self._edits and self._is_edited(seq)):
            timeline.rate = _rate(used)
        else:
            timeline.count(before, after, used.usage.input, used.usage.output if is_whole and not used.error else 0)

    def _stands(self, seq: Seq, said: AssistantSaid, behind: int) -> tuple[int, int, bool]:
        """Where an answer begins and ends, and whether it stands there as it was given, whatever is told behind it."""
        settled, place = self._messages.settled, behind - 1
        while isinstance(settled[place], ToolMessage):
            place -= 1
        answer, text = settled[place], text_of(said.parts)
        assert isinstance(answer, AssistantMessage)
        if not answer.text.startswith(text) or len(answer.calls) != len(said.calls):
            return self._edges[place], self._edges[place + 1], False
        return self._edges[place], self._edges[place + 1] - text_bytes(answer.text[len(text) :]), True

    def _asked(self, said: AssistantSaid, behind: int) -> tuple[int, int, bool]:
        """Where the request ended whose answer is not sent, and whether there is nothing of it that could be."""
        if behind < len(self._edges):
            end = self._edges[behind]
        else:  # the message it ended with is not settled yet
            end = self._edges[-1] + message_bytes(self._messages.ending()[1][0].message)
        return end, end, not said.calls and not text_of(said.parts).strip()

    def _is_edited(self, seq: Seq) -> bool:
        """Whether something that answer `seq` was given to was edited since."""
        return any(edited.target < seq < line for line, edited in self._edits)

    def _weigh(self) -> tuple[int, list[Placed]]:
        """Bring the edges up to date; gives how the messages end."""
        messages = self._messages
        if messages.changed < len(self._edges) - 1:
            self._forget(messages.changed)
            del self._edges[messages.changed + 1 :]
        new = [message_bytes(message) for message in messages.settled[len(self._edges) - 1 :]]
        self._edges.extend(accumulate(new, initial=self._edges.pop()))
        messages.changed = len(messages.settled)
        return messages.ending()

    def _forget(self, place: int) -> None:
        """What stands from message `place` on reads differently now."""
        still = bisect_right(self._messages.answers, place, key=lambda answer: answer[2])
        for heard in self._heard.values():
            heard.forget(self._edges[place], still)


class _Heard:
    """A timeline, and how many of the answers it has heard of; `rate`: what is known without any."""

    def __init__(self, rate: tuple[int, int] | None = None) -> None:
        self._rate = rate
        self._begin()

    def forget(self, position: int, answers: int) -> None:
        """What stands behind a position reads differently now; it hears again of all answers but the first so many."""
        if self.timeline.forget(position):
            self._begin()
        self.answers = min(self.answers, answers)

    def _begin(self) -> None:
        self.timeline, self.answers = Timeline(), 0
        self.timeline.rate = self._rate


def used_by(said: AssistantSaid, facts: SessionFacts) -> AttemptUsed | None:
    """What the request of an answer took, where its server told."""
    return facts.attempts.get((said.run, said.step, said.attempt))


def is_count(used: AttemptUsed) -> bool:
    """Whether it says how many tokens the whole request took."""
    return used.counted == "all" and used.sent_bytes > 0 and used.usage is not None and used.usage.input > 0


def _rate(used: AttemptUsed) -> tuple[int, int] | None:
    return (used.usage.input, used.sent_bytes) if used.usage else None
