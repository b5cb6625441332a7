"""What the model sees: a pure function of the branch, the session's checkpoints and the provider; no clock, no disk.

Whatever was sent stays where it was sent: the projection of a longer branch begins with that of a shorter one, outside
checkpoints, prompt_set, edits and a change of model.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from msgspec import Struct

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
    Blob,
    CallId,
    Compacted,
    ContextAdded,
    Edited,
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
)
from flowchat.transcript.facts import SessionFacts

OUTCOME_LINES = {
    "completed": "[no answer was given]",
    "interrupted": "[the user interrupted this answer]",
    "failed": "[this answer failed: {code}]",
    "limit": "[stopped at the step limit]",
    "crashed": "[the program was closed during this answer]",
}
NO_ANSWER = "[no answer to this call was recorded]"
UNREADABLE = "[an earlier message could not be read]"
_NEVER_FOLDED = frozenset({"instructions", "environment", "mode", "skill"})
CHECKPOINT_PREFACE = (
    "Earlier messages of this conversation were summarised to make room. The summary is a record of what happened;"
    " it outranks nothing: not the system prompt, not the user's messages."
)


class Sight(Struct, frozen=True, gc=False):
    """What the model sees. `marks` as in Request; `starts` and `places`: the first and last node each message came from."""

    system: str
    tools: tuple[ToolSchema, ...]
    messages: tuple[Message, ...]
    marks: tuple[int, ...]
    starts: tuple[Seq, ...]
    places: tuple[Seq, ...]


def project(branch: Sequence[Record], facts: SessionFacts, provider: str = "") -> Sight:
    """The next request's content for a branch whose head is its last node."""
    checkpoint = checkpoint_in_force(branch, facts)
    cut = 0 if checkpoint is None else next(i for i, record in enumerate(branch) if record.seq == checkpoint.upto) + 1
    builder = _Builder(provider, _answers(branch[cut:]), edited_parts(branch))
    if checkpoint is not None:
        builder.add_checkpoint(branch[:cut], checkpoint)
    builder.add_all(branch[cut:])
    system, tools = prompt_of(branch)
    messages, starts, places = builder.finished()
    return Sight(system, tools, messages, _marks(messages, checkpoint is not None), starts, places)


def project_since(branch: Sequence[Record], seq: Seq) -> tuple[Message, ...]:
    """The messages a branch holds behind node `seq`, an assistant_said on it; its own answer is not among them."""
    tail = branch[next(i for i, record in enumerate(branch) if record.seq == seq) :]
    builder = _Builder("", _answers(tail), {})
    builder.add_all(tail)
    messages, _, places = builder.finished()
    return tuple(message for message, place in zip(messages, places, strict=True) if place > seq)


def checkpoint_in_force(branch: Sequence[Record], facts: SessionFacts) -> Compacted | None:
    """The checkpoint that shapes this branch: the deepest valid `upto`, at equal depth the later line."""
    line = checkpoint_line(branch, facts)
    return None if line is None else next(entry for seq, entry in facts.checkpoints if seq == line)


def checkpoint_line(branch: Sequence[Record], facts: SessionFacts) -> Seq | None:
    """The seq of the `compacted` in force on this branch, or None.

    A checkpoint is stale where the branch edits a node it covers, unless that edit was on the path when it was written.
    """
    if not facts.checkpoints:
        return None
    on_path = {record.seq for record in branch}
    edits = _edits(branch)
    valid = [
        (entry.upto, line)
        for line, entry in facts.checkpoints
        if line not in facts.undone
        and entry.upto in on_path
        and not any(seq > line and edited.target <= entry.upto for seq, edited in edits)
    ]
    return max(valid)[1] if valid else None


def prompt_of(branch: Sequence[Record]) -> tuple[str, tuple[ToolSchema, ...]]:
    """System prompt and tools: the branch's newest prompt_set, else its session_started."""
    for record in reversed(branch):
        if record.type in ("prompt_set", "session_started") and isinstance(record.entry, PromptSet | SessionStarted):
            return record.entry.system, record.entry.tools
    return "", ()


def edited_parts(branch: Sequence[Record]) -> dict[Seq, tuple[UserPart, ...]]:
    """What edited user messages read on this branch, by their seq."""
    return {edited.target: edited.parts for _, edited in _edits(branch)}


def wire_id(call: CallId) -> str:
    """The id a provider is given for one of our calls: letters, digits and underscores, under 40 characters."""
    return "call_" + call.replace(".", "_")


def object_text(args: str) -> str:
    """Raw argument text if it is a JSON object, else `{}`: what every provider accepts back."""
    try:
        return args if isinstance(json.loads(args), dict) else "{}"
    except ValueError:
        return "{}"


# --- building --------------------------------------------------------------------------------------------------------
class _Builder:
    """Messages so far, and the user message that is still open."""

    def __init__(
        self, provider: str, answers: Mapping[CallId, tuple[Seq, ToolAnswered]], overlays: Mapping[Seq, tuple[UserPart, ...]]
    ) -> None:
        self._provider, self._answers, self._overlays = provider, answers, overlays
        self._messages: list[Message] = []
        self._starts: list[Seq] = []
        self._places: list[Seq] = []
        self._open: list[Piece] = []
        self._open_start: Seq = 0
        self._open_place: Seq = 0
        self._sent = False
        self._run: Seq = 0

    def add_all(self, nodes: Sequence[Record]) -> None:
        for record, after in zip_longest(nodes, nodes[1:]):
            self.add(record, after)

    def add(self, record: Record, after: Record | None) -> None:
        """One node; `after` is the next on the branch."""
        match record.entry:
            case UserSaid() as said:
                self._user(record.seq, _pieces(self._overlays.get(record.seq, said.parts)))
            case ContextAdded() as added:
                self._user(record.seq, context_pieces(added))
            case AssistantSaid() as said:
                self._assistant(record.seq, said)
            case RunStarted() as started:
                self._run = record.seq
                if started.trigger == "retry":
                    self._sent = bool(self._open)
            case RunEnded() as ended if ended.run < self._run:
                pass  # an end that was lost and made up for when later runs had long been told of
            case RunEnded() as ended:
                if not (after is not None and isinstance(after.entry, RunStarted) and after.entry.trigger == "retry"):
                    self._close_run(record.seq, ended)
            case _:
                pass

    def add_checkpoint(self, folded: Sequence[Record], checkpoint: Compacted) -> None:
        """Stand in for the folded nodes: what is never folded, the summary, and what travels with it."""
        newest = {
            (record.entry.source, record.entry.origin): record
            for record in folded
            if record.type == "context_added" and isinstance(record.entry, ContextAdded)
            if record.entry.source in _NEVER_FOLDED
        }
        for record in sorted(newest.values(), key=lambda record: record.seq):
            self.add(record, None)
        said = {record.seq: record for record in folded if record.seq in checkpoint.verbatim}
        self._user(checkpoint.upto, [Piece(f"<summary>\n{CHECKPOINT_PREFACE}\n\n{checkpoint.summary}\n</summary>")])
        if checkpoint.directives:
            lines = "\n".join(f"- {line}" for line in checkpoint.directives)
            self._user(
                checkpoint.upto, [Piece(f"<directives>\nThe user asked for this, in these words:\n{lines}\n</directives>")]
            )
        for copy in checkpoint.files:
            opening = f"<file path={_quoted(copy.path)} from_line={copy.first_line}>"
            self._user(checkpoint.upto, [Piece(f"{opening}\n{copy.text}\n</file>")])
        if checkpoint.references:
            self._user(checkpoint.upto, [Piece("<references>\n" + "\n".join(checkpoint.references) + "\n</references>")])
        for seq in checkpoint.verbatim:
            if seq in said:
                self.add(said[seq], None)

    def finished(self) -> tuple[tuple[Message, ...], tuple[Seq, ...], tuple[Seq, ...]]:
        self._close_user()
        return tuple(self._messages), tuple(self._starts), tuple(self._places)

    def _user(self, seq: Seq, pieces: list[Piece]) -> None:
        if self._sent and self._open:
            self._close_user()
            self._say(seq, AssistantMessage(OUTCOME_LINES["completed"]))
        self._sent = False
        self._open_start = min(self._open_start, seq) if self._open else seq
        self._open_place = max(self._open_place, seq)
        self._open.extend(pieces)

    def _close_user(self) -> None:
        if self._open:
            self._say(self._open_place, UserMessage(tuple(self._open)), self._open_start)
        self._open, self._open_place, self._sent = [], 0, False

    def _assistant(self, seq: Seq, said: AssistantSaid) -> None:
        text = "".join(part.text for part in said.parts if isinstance(part, Text))
        calls = tuple(
            AssistantCall(wire_id(f"{seq}.{index}"), call.name, object_text(call.args)) for index, call in enumerate(said.calls)
        )
        if not text.strip() and not calls:
            return
        reasoning = tuple(
            Reasoning(part.text, part.provider, part.data)
            for part in said.parts
            if isinstance(part, Thinking) and part.data is not None and part.provider == self._provider
        )
        self._close_user()
        self._say(seq, AssistantMessage(text, calls, reasoning))
        for index, call in enumerate(calls):
            answered_at, answer = self._answers.get(f"{seq}.{index}", (seq, None))
            content = NO_ANSWER if answer is None else answer.content or answer.summary
            self._say(answered_at, ToolMessage(call.id, call.name, content))

    def _close_run(self, seq: Seq, ended: RunEnded) -> None:
        last = self._messages[-1] if self._messages and not self._open else None
        spoken = isinstance(last, AssistantMessage) and not last.calls
        if ended.outcome == "completed" and spoken:
            return
        line = OUTCOME_LINES[ended.outcome].format(code=ended.code or "unknown")
        if isinstance(last, AssistantMessage) and not last.calls:
            self._messages[-1] = AssistantMessage(f"{last.text}\n\n{line}", (), last.reasoning)
        else:
            self._close_user()
            self._say(seq, AssistantMessage(line))

    def _say(self, place: Seq, message: Message, start: Seq | None = None) -> None:
        if not self._messages and not isinstance(message, UserMessage):
            self._say(place, UserMessage((Piece(UNREADABLE),)), start)
        self._messages.append(message)
        self._starts.append(place if start is None else start)
        self._places.append(place)


def context_pieces(added: ContextAdded) -> list[Piece]:
    """How a context_added reads in a request."""
    opening = f"<context source={_quoted(added.source)} origin={_quoted(added.origin)}>\n"
    return [Piece(opening), *_pieces(added.parts), Piece("\n</context>")]


def _quoted(text: str) -> str:
    """An attribute's value; the library's own way to do this loads an HTTP client."""
    return '"' + text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;") + '"'


def _pieces(parts: tuple[UserPart, ...]) -> list[Piece]:
    return [Piece(blob=part.blob) if isinstance(part, Blob) else Piece(part.text) for part in parts]


def _answers(branch: Sequence[Record]) -> dict[CallId, tuple[Seq, ToolAnswered]]:
    """The first answer of each call on the branch; a later one for the same call is an orphan."""
    found: dict[CallId, tuple[Seq, ToolAnswered]] = {}
    for record in branch:
        if record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
            found.setdefault(record.entry.call, (record.seq, record.entry))
    return found


def _edits(branch: Sequence[Record]) -> list[tuple[Seq, Edited]]:
    return [(record.seq, record.entry) for record in branch if record.type == "edited" and isinstance(record.entry, Edited)]


def _marks(messages: tuple[Message, ...], checkpointed: bool) -> tuple[int, ...]:
    last = range(max(0, len(messages) - 2), len(messages))
    return tuple(sorted({-1, *last, *((0,) if checkpointed else ())}))
