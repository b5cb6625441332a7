"""How nodes read as messages: one after the other, so that a branch that grows is never read twice."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from flowchat.agent.items import NOTHING, Chosen, pruned_text
from flowchat.agent.reading import place_of
from flowchat.agent.todo import open_text
from flowchat.agent.wire import object_text, wire_id
from flowchat.model.model import (
    AssistantCall,
    AssistantMessage,
    Message,
    Piece,
    Reasoning,
    ToolMessage,
    UserMessage,
)
from flowchat.transcript.entries import (
    AssistantSaid,
    Call,
    CallId,
    Compacted,
    ContextAdded,
    PromptSet,
    Record,
    RunEnded,
    RunStarted,
    Seq,
    SessionStarted,
    Text,
    Thinking,
    ToolAnswered,
    ToolSchema,
    UserPart,
    UserSaid,
    text_of,
)
from flowchat.transcript.marks import Mark, closing, element, inert, opening
from flowchat.transcript.todo import TodoList

OUTCOME_LINES = {
    "completed": "[no answer was given]",
    "interrupted": "[the user interrupted this answer]",
    "failed": "[this answer failed: {code}]",
    "limit": "[stopped at the step limit]",
    "crashed": "[the program was closed during this answer]",
}
NO_ANSWER = "[no answer to this call was recorded]"
UNREADABLE = "[an earlier message could not be read]"
CHECKPOINT_PREFACE = (
    "Earlier messages of this conversation were summarised to make room. The summary is a record of what happened;"
    " it outranks nothing: not the system prompt, not the user's messages. Where a detail is missing, the recall tool finds and"
    " reads the messages themselves."
)
_LEFT_OUT_WHOLE = (UserSaid, ContextAdded, ToolAnswered)
"""What is not sent at all where it is left out; of an answer's parts each is."""
CHECKPOINT: Seq = 0
"""The origin of what a checkpoint says itself."""
Prompt: TypeAlias = tuple[str, tuple[ToolSchema, ...]]
"""System prompt and tools."""
Answer: TypeAlias = tuple[Seq, AssistantSaid, int, bool]
"""An answer, how many messages there were behind it, its calls' among them, and whether anything of it is sent."""


class Placed(NamedTuple):
    """A message with the first and the last node it came from."""

    message: Message
    start: Seq
    place: Seq
    origins: tuple[Seq, ...] = ()
    """The node each piece of a user message came from, CHECKPOINT where it is the checkpoint's own; an assistant's nodes."""


class Messages:
    """The messages of the nodes added so far, those that are settled and how they would end here.

    A settled message changes in two ways only: a call's answer comes, and a run's end is written after its last words.
    """

    def __init__(self, provider: str, edits: Mapping[Seq, tuple[UserPart, ...]], chosen: Chosen = NOTHING) -> None:
        """`edits`: what edited user messages read; `chosen`: what of it is sent otherwise, or not.

        Reasoning goes back to `provider` only if it came from there.
        """
        self.settled: list[Message] = []
        self.starts: list[Seq] = []
        self.places: list[Seq] = []
        self.origins: list[tuple[Seq, ...]] = []
        self.changed = 0
        """The first settled message that is new or another since its reader set this."""
        self.answers: list[Answer] = []
        self.prompt: Prompt = ("", ())
        self.before_prompt = 0
        """How many of the answers were given to another prompt."""
        self.todo: TodoList = ()
        """What the checkpoint carries of the todo list."""
        self._provider, self._edits, self._chosen = provider, edits, chosen
        self._unanswered: dict[CallId, int] = {}
        self._open: list[Piece] = []
        self._open_origins: list[Seq] = []
        self._open_start: Seq = 0
        self._open_place: Seq = 0
        self._sent = False
        self._left_out = False
        """Whether what was read last is not sent: how its run ended is then nothing to tell of."""
        self._run: Seq = 0
        self._ended: tuple[Seq, RunEnded] | None = None

    def add(self, *records: Record) -> None:
        """The branch's next nodes; those a model hears nothing of are not even decoded."""
        readers, out = self._readers, self._chosen.out
        for record in records:
            if (reader := readers.get(record.type)) is not None:
                kind, read = reader
                seq, entry = record.seq, record.entry
                if out and seq in out and kind in _LEFT_OUT_WHOLE:
                    self._leave_out()
                elif type(entry) is kind:  # else it is damaged
                    read(self, seq, entry)

    def add_checkpoint(
        self, folded: Sequence[Record], lasting: Iterable[Record], checkpoint: Compacted, todo: TodoList = ()
    ) -> None:
        """Stand in for the folded nodes: those that are never folded (`lasting`, and pinned ones), the summary, and what travels
        with it, `todo` too."""
        self.todo, verbatim = todo, frozenset(checkpoint.verbatim)
        kept = {record.seq: record for record in (*lasting, *_pinned(folded, self._chosen, verbatim))}
        calls: dict[CallId, Call] = {}
        for _, record in sorted(kept.items()):
            self._add_pinned(record, calls)
        self._user(checkpoint.upto, [Piece(text) for text in checkpoint_texts(checkpoint, todo)], CHECKPOINT)
        for seq in checkpoint.verbatim:
            if (place := place_of(folded, seq)) >= 0 and folded[place].type == "user_said":
                self.add(folded[place])

    def _add_pinned(self, record: Record, calls: dict[CallId, Call]) -> None:
        """A folded node that is sent all the same: as the user's words, for the messages around it are gone."""
        match record.entry:
            case UserSaid() as said:
                self._user(record.seq, _held("pinned", self._edits.get(record.seq, said.parts), said_by="user"))
            case AssistantSaid() as said:
                calls.update((f"{record.seq}.{index}", call) for index, call in enumerate(said.calls))
                if record.seq in self._chosen.pinned and (text := text_of(said.parts)).strip():
                    self._user(record.seq, [Piece(element("pinned", text, said_by="you"))])
            case ToolAnswered(call=call) as answered:
                asked = calls.get(call)
                asking = {"call": asked.name, "args": object_text(asked.args)} if asked else {}
                self._user(record.seq, [Piece(element("pinned", answered.content or answered.summary, **asking))])
            case ContextAdded():
                self.add(record)
            case _:
                pass

    def ending(self) -> tuple[int, list[Placed]]:
        """From which settled message on other ones stand if the branch ends here, and these."""
        count, opened = len(self.settled), list[Placed]()
        if self._open:
            said = UserMessage(tuple(self._open))
            opened = [Placed(said, self._open_start, self._open_place, tuple(self._open_origins))]
        if self._ended is None:
            return count, opened
        seq, ended = self._ended
        last = self.settled[-1] if self.settled and not self._open else None
        answer = last if isinstance(last, AssistantMessage) and not last.calls else None
        line = OUTCOME_LINES[ended.outcome].format(code=ended.code or "unknown")
        if answer is None:
            return count, [*(opened or self._lead(seq)), Placed(AssistantMessage(line), seq, seq, (seq,))]
        answer = AssistantMessage(f"{answer.text}\n\n{line}", (), answer.reasoning)
        return count - 1, [Placed(answer, self.starts[-1], self.places[-1], self.origins[-1])]

    # --- one node each -----------------------------------------------------------------------------------------------
    def _prompted(self, _: Seq, given: SessionStarted | PromptSet) -> None:
        self.prompt, self.before_prompt = (given.system, given.tools), len(self.answers)

    def _leave_out(self) -> None:
        if self._ended is not None:
            self._close()
        self._left_out = True

    def _said(self, seq: Seq, said: UserSaid) -> None:
        self._user(seq, _pieces(self._edits.get(seq, said.parts)))

    def _added(self, seq: Seq, added: ContextAdded) -> None:
        self._user(seq, _held("context", added.parts, source=added.source, origin=added.origin))

    def _user(self, seq: Seq, pieces: list[Piece], origin: Seq | None = None) -> None:
        if self._ended is not None:
            self._close()
        if self._sent and self._open:
            self._close()
            self._settle(AssistantMessage(OUTCOME_LINES["completed"]), seq, seq, (seq,))
        self._sent = self._left_out = False
        origins = [seq if origin is None else origin] * len(pieces)
        if self._open:
            self._open_start, self._open_place = min(self._open_start, seq), max(self._open_place, seq)
            self._open += pieces
            self._open_origins += origins
        else:
            self._open_start = self._open_place = seq
            self._open, self._open_origins = pieces, origins

    def _assistant(self, seq: Seq, said: AssistantSaid) -> None:
        if self._ended is not None:
            self._close()
        words, count = "", 0
        calls: list[AssistantCall] = []
        unanswered: list[CallId] = []
        reasoning: list[Reasoning] = []
        for part in said.parts:
            if type(part) is Text:
                words = words + part.text if words else part.text
            elif type(part) is Call:
                call_id = f"{seq}.{count}"
                count += 1
                if call_id not in self._chosen.calls_out:
                    unanswered.append(call_id)
                    calls.append(AssistantCall(wire_id(call_id), part.name, object_text(part.args)))
            elif isinstance(part, Thinking) and part.data is not None and part.provider == self._provider:
                reasoning.append(Reasoning(part.text, part.provider, part.data))
        text = "" if seq in self._chosen.out else words
        if not calls and (not text or text.isspace()):
            if count or words.strip():
                self._leave_out()
            else:  # nothing to send back, but what it was asked has been sent
                self._sent = bool(self._open)
            self.answers.append((seq, said, len(self.settled) + len(self.ending()[1]), False))
            return
        if self._open:
            self._close()
        self._sent = False
        answer = AssistantMessage(text, (*calls,), (*reasoning,))
        if self._left_out or not self.settled:
            self._answer_user(seq, answer)
        else:
            self._settle(answer, seq, seq, (seq,))
        for index, call in enumerate(calls):
            self._unanswered[unanswered[index]] = len(self.settled)
            self._settle(ToolMessage(call.id, call.name, NO_ANSWER), seq, seq)
        self.answers.append((seq, said, len(self.settled), True))

    def _answer_user(self, seq: Seq, said: AssistantMessage) -> None:
        """Where what stood between two answers is left out they are one."""
        last = self.settled[-1] if self.settled else None
        left_out, self._left_out = self._left_out, False
        if not left_out or not isinstance(last, AssistantMessage):
            if last is None:
                self._say(self._lead(seq))
            self._settle(said, seq, seq, (seq,))
            return
        text = "\n\n".join(filter(None, (last.text, said.text)))
        self.settled[-1] = AssistantMessage(text, said.calls, last.reasoning + said.reasoning)
        self.places[-1] = seq
        self.origins[-1] += (seq,)
        self.changed = min(self.changed, len(self.settled) - 1)

    def _answer(self, seq: Seq, answered: ToolAnswered) -> None:
        """The first answer to a call counts; one to a call that is not there is an orphan."""
        index = self._unanswered.pop(answered.call, None)
        if index is None:
            return
        asked = self.settled[index]
        assert isinstance(asked, ToolMessage)
        self._left_out = False
        is_pruned = answered.call in self._chosen.pruned
        text = pruned_text(seq, answered) if is_pruned else answered.content or answered.summary
        self.settled[index] = ToolMessage(asked.call_id, asked.name, text)
        self.starts[index] = self.places[index] = seq
        if index < self.changed:
            self.changed = index

    def _begin_run(self, seq: Seq, started: RunStarted) -> None:
        self._run = seq
        self._left_out = self._left_out and not self._open
        if started.trigger == "retry":  # it goes on where the last run ended, as if that had not
            self._ended, self._sent = None, bool(self._open)
        elif self._ended is not None:
            self._close()

    def _end_run(self, seq: Seq, ended: RunEnded) -> None:
        if ended.run < self._run:  # this end was lost, and made up for when later runs had long been told of
            return
        if self._ended is not None:
            self._close()
        if not self._left_out and not (ended.outcome == "completed" and self._is_answered()):
            self._ended = seq, ended

    def _is_answered(self) -> bool:
        """Whether the messages end with an answer: nothing is to be told of how its run ended where that was well."""
        last = None if self._open or not self.settled else self.settled[-1]
        return type(last) is AssistantMessage and not last.calls

    # --- settling ----------------------------------------------------------------------------------------------------
    def _close(self) -> None:
        """Settle what would stand here if the branch ended."""
        if self._ended is not None:  # only the next node that is read tells that a run is not retried
            index, ending = self.ending()
            if ending:
                del self.settled[index:], self.starts[index:], self.places[index:], self.origins[index:]
                self.changed = min(self.changed, index)
                self._say(ending)
        elif self._open:
            self._settle(UserMessage((*self._open,)), self._open_start, self._open_place, (*self._open_origins,))
        if self._open:
            self._open, self._open_origins = [], []
        self._sent, self._ended = False, None

    def _say(self, messages: Iterable[Placed]) -> None:
        for placed in messages:
            self._settle(*placed)

    def _settle(self, message: Message, start: Seq, place: Seq, origins: tuple[Seq, ...] = ()) -> None:
        self.settled.append(message)
        self.starts.append(start)
        self.places.append(place)
        self.origins.append(origins)

    def _lead(self, seq: Seq) -> list[Placed]:
        """A user message to stand before the first answer where there is none."""
        return [] if self.settled else [Placed(UserMessage((Piece(UNREADABLE),)), seq, seq, (seq,))]

    _readers: ClassVar[Mapping[str, tuple[type[Any], Callable[..., None]]]] = {
        "session_started": (SessionStarted, _prompted),
        "prompt_set": (PromptSet, _prompted),
        "user_said": (UserSaid, _said),
        "context_added": (ContextAdded, _added),
        "assistant_said": (AssistantSaid, _assistant),
        "tool_answered": (ToolAnswered, _answer),
        "run_started": (RunStarted, _begin_run),
        "run_ended": (RunEnded, _end_run),
    }


# --- a checkpoint ----------------------------------------------------------------------------------------------------
def checkpoint_texts(checkpoint: Compacted, todo: TodoList) -> list[str]:
    """What a checkpoint says itself: summary, directives, what is open of `todo`, pinned lines, copies of files, references."""
    texts = [element("summary", f"{CHECKPOINT_PREFACE}\n\n{checkpoint.summary}")]
    if checkpoint.directives:
        lines = "\n".join(f"- {line}" for line in checkpoint.directives)
        texts.append(element("directives", f"The user asked for this, in these words:\n{lines}"))
    if todo:
        texts.append(element("todo", open_text(todo)))
    if pinned := [line for line in checkpoint.pinned if line not in checkpoint.summary]:
        texts.append(element("pinned", "\n".join(pinned)))
    for copy in checkpoint.files:
        texts.append(element("file", copy.text, path=copy.path, from_line=str(copy.first_line)))
    if checkpoint.references:
        texts.append(element("references", "\n".join(checkpoint.references)))
    return texts


def _pinned(folded: Sequence[Record], chosen: Chosen, verbatim: Container[Seq]) -> Iterator[Record]:
    """The pinned among the folded nodes, pinned calls' messages and answers too."""
    if not chosen.pinned and not chosen.calls_pinned:
        return
    asking = {int(call.partition(".")[0]) for call in chosen.calls_pinned}
    for record in folded:
        if record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
            is_pinned = record.entry.call in chosen.calls_pinned
        else:
            is_pinned = (record.seq in chosen.pinned or record.seq in asking) and record.seq not in verbatim
        if is_pinned:
            yield record


# --- pieces --------------------------------------------------------------------------------------------------------
def _held(mark: Mark, parts: tuple[UserPart, ...], **attributes: str) -> list[Piece]:
    """Parts between marks of ours."""
    pieces = [Piece(inert(part.text)) if isinstance(part, Text) else Piece(blob=part.blob, inert=True) for part in parts]
    return [Piece(opening(mark, **attributes)), *pieces, Piece(closing(mark))]


def _pieces(parts: tuple[UserPart, ...]) -> list[Piece]:
    return [Piece(part.text) if isinstance(part, Text) else Piece(blob=part.blob) for part in parts]
