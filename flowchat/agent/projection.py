"""The projection of the branch a session stands on, kept as it grows: asked again it reads only what is new."""

from collections.abc import Sequence

from flowchat.agent.messages import Messages, Placed
from flowchat.agent.prompt import Edits, Line, Prompt, Sight, edits_of, line_in_force, prompt_of, read, sight_of
from flowchat.agent.tokens import fixed_tokens, message_tokens
from flowchat.model.model import AssistantMessage
from flowchat.transcript.entries import PromptSet, Record, Seq
from flowchat.transcript.facts import SessionFacts


class Projection:
    """Gives what `project` gives, and its weight. One session has one.

    It begins anew where the branch is another, a message was edited, another checkpoint is in force or another provider asks.
    """

    def __init__(self) -> None:
        self.checkpoint: Line | None = None
        """The checkpoint in force, with its line."""
        self._provider = ""
        self._count = 0
        self._last: tuple[Record, Seq] | None = None
        self._edits: Edits = ()
        self._prompt: Prompt = ("", ())
        self._prompt_tokens = 0
        self._messages = Messages("", {})
        self._sums = [0]

    @property
    def begun(self) -> bool:
        """Whether it has read a branch."""
        return self._last is not None

    def follow(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> None:
        """Come to where the branch ends. What `sight` and the rest say holds for that."""
        if not self._goes_on(branch, facts, provider):
            self._begin(branch, facts, provider)
        else:
            for record in branch[self._count :]:
                self._messages.add(record)
                if record.type == "prompt_set" and isinstance(record.entry, PromptSet):
                    self._take_prompt((record.entry.system, record.entry.tools))
        self._count = len(branch)
        self._last = (branch[-1], branch[-1].seq) if branch else None

    def sight(self) -> Sight:
        return sight_of(self._messages, self.checkpoint, self._prompt)

    def tokens(self) -> int:
        """The whole request by estimate."""
        index, ending = self._weigh()
        return self._prompt_tokens + self._sums[index] + sum(message_tokens(placed.message) for placed in ending)

    def tokens_behind(self, seq: Seq) -> int:
        """The messages that came behind node `seq`, an answer, by estimate; that answer is not among them."""
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
    def _goes_on(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> bool:
        """Whether the branch is the one last read, or a longer one, and nothing that was read reads otherwise now.

        A node's record is one object, and its seq changes with that of any before it: the last one vouches for all.
        """
        if self._last is None or provider != self._provider or len(branch) < self._count:
            return False
        record = branch[self._count - 1]
        if (record, record.seq) != self._last or any(record.type == "edited" for record in branch[self._count :]):
            return False
        return line_in_force(branch, facts, self._edits) == self.checkpoint

    def _begin(self, branch: Sequence[Record], facts: SessionFacts, provider: str) -> None:
        self._provider, self._edits = provider, edits_of(branch)
        self.checkpoint = line_in_force(branch, facts, self._edits)
        self._messages = read(branch, self.checkpoint, self._edits, provider)
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
