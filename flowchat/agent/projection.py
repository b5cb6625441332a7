"""The projection of the branch a session stands on, kept as it grows: asked again it reads only what is new."""

from collections.abc import Sequence

from flowchat.agent.items import NOTHING, States, chosen_on, items_in_force
from flowchat.agent.messages import Messages, Placed
from flowchat.agent.prompt import Edits, Line, Prompt, Sight, edits_of, line_in_force, line_of, prompt_of, read, sight_of
from flowchat.agent.reading import Bookmark, end_of
from flowchat.agent.tokens import fixed_tokens, message_tokens
from flowchat.model.model import AssistantMessage
from flowchat.transcript.entries import ItemsSet, PromptSet, Record, Seq
from flowchat.transcript.facts import SessionFacts


class Projection:
    """Gives what `project` gives, and its weight. One session has one.

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
        self._chosen = NOTHING
        self._provider = ""
        self._mark = Bookmark()
        self._edits: Edits = ()
        self._prompt: Prompt = ("", ())
        self._prompt_tokens = 0
        self._messages = Messages("", {})
        self._sums = [0]

    @property
    def begun(self) -> bool:
        """Whether it has read a branch."""
        return self._mark.length > 0

    def follow(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> None:
        """Come to where the branch ends. What `sight` and the rest say holds for that."""
        new = self._mark.behind(branch)
        if new is None or not self._goes_on(branch, new, facts, provider):
            self._begin(branch, facts, provider)
        else:
            for record in new:
                self._messages.add(record)
                if record.type == "prompt_set" and isinstance(record.entry, PromptSet):
                    self._take_prompt((record.entry.system, record.entry.tools))
        self._mark = end_of(branch)

    def sight(self) -> Sight:
        return sight_of(self._messages, self.checkpoint, self._prompt)

    def tokens(self) -> int:
        """The whole request by estimate."""
        index, ending = self._weigh()
        return self._prompt_tokens + self._sums[index] + sum(message_tokens(placed.message) for placed in ending)

    def tokens_behind(self, seq: Seq) -> int:
        """The messages that came after node `seq`, an answer, by estimate; that answer is not among them."""
        index, ending = self._weigh()
        tokens = sum(message_tokens(placed.message) for placed in ending if placed.place > seq)
        while index > 0:
            index -= 1
            if self._messages.places[index] > seq:
                tokens += self._sums[index + 1] - self._sums[index]
            elif isinstance(self._messages.settled[index], AssistantMessage):
                break
        return tokens

    # --- inside ------------------------------------------------------------------------------------------------------
    def _goes_on(self, branch: Sequence[Record], new: Sequence[Record], facts: SessionFacts, provider: str) -> bool:
        """Whether nothing that was read before `new` reads differently now."""
        if provider != self._provider or any(record.type == "edited" for record in new):
            return False
        if self._chosen.waits and any(record.type == "assistant_said" for record in new):
            return False
        if line_in_force(branch, facts, self._edits) != self.checkpoint:
            return False
        if facts.items and facts.items[-1] is not self._items:
            if items_in_force(facts, line_of(self.checkpoint)) != self.states:
                return False
            self._items = facts.items[-1]
        return not new or self._items is None or new[0].seq > self._items[0]  # of what is older something may be set

    def _begin(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> None:
        self._provider, self._edits = provider, edits_of(branch)
        self.checkpoint = line_in_force(branch, facts, self._edits)
        self._items = facts.items[-1] if facts.items else None
        self.states = items_in_force(facts, line_of(self.checkpoint))
        self._chosen = chosen_on(branch, self.states)
        self._messages = read(branch, self.checkpoint, self._edits, provider, self._chosen)
        self._sums = [0]
        self._take_prompt(prompt_of(branch))

    def _take_prompt(self, prompt: Prompt) -> None:
        self._prompt, self._prompt_tokens = prompt, fixed_tokens(*prompt)

    def _weigh(self) -> tuple[int, list[Placed]]:
        """Bring the sums up to date: entry n is what the first n settled messages weigh. Gives how the messages end."""
        messages = self._messages
        del self._sums[messages.changed + 1 :]
        for message in messages.settled[len(self._sums) - 1 :]:
            self._sums.append(self._sums[-1] + message_tokens(message))
        messages.changed = len(messages.settled)
        return messages.ending()
