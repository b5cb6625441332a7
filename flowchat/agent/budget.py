"""How much of the window the next request takes: the last measured usage of this branch plus an estimate of what came since."""

from collections.abc import Sequence

from msgspec import Struct

from flowchat.agent.prompt import Sight, checkpoint_line, project, project_since
from flowchat.model.model import (
    AssistantMessage,
    Message,
    ModelFacts,
    Piece,
    ToolMessage,
    UserMessage,
    usable_tokens,
)
from flowchat.transcript.entries import AssistantSaid, Record, Seq, ToolSchema, Usage
from flowchat.transcript.events import ContextUsed, Measurement
from flowchat.transcript.facts import SessionFacts

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 1_500
"""An image's weight where nothing was measured: between what providers charge for 1 MP (about 1,300 to 1,600)."""
MESSAGE_TOKENS = 4
"""What a message costs beside its text (roles and separators)."""


class Weighed(Struct, frozen=True, gc=False):
    """Tokens of the next request, and how they are known."""

    tokens: int
    source: Measurement


def weigh(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, sight: Sight | None = None) -> Weighed:
    """Tokens of the branch's next request: measured up to the last answer that reported usage, estimated after it.

    `sight`: its projection, where that is at hand already.
    """
    measured = _last_measured(branch, facts)
    if measured is None:
        whole = sight or project(branch, facts, model.provider)
        return Weighed(fixed_tokens(whole.system, whole.tools) + sum(map(message_tokens, whole.messages)), "no_data")
    seq, usage = measured
    since = project_since(branch, seq)
    known = usage.input + usage.output
    return Weighed(known + sum(map(message_tokens, since)), "extrapolated" if since else "measured")


def measure(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts) -> ContextUsed:
    """What the meter shows for a branch."""
    weighed = weigh(branch, facts, model)
    usable = usable_tokens(model)
    return ContextUsed(weighed.tokens, usable, model.window, model.window_source, weighed.source, facts.cost)


def fixed_tokens(system: str, tools: Sequence[ToolSchema]) -> int:
    """System prompt and tool schemas."""
    schema_bytes = sum(len(tool.name) + len(tool.description) + len(repr(tool.parameters)) + 40 for tool in tools)
    return (len(system.encode()) + schema_bytes) // BYTES_PER_TOKEN


def message_tokens(message: Message) -> int:
    """An estimate by bytes; images by a fixed weight."""
    match message:
        case UserMessage(pieces=pieces):
            return MESSAGE_TOKENS + sum(map(_piece_tokens, pieces))
        case AssistantMessage(text=text, calls=calls, reasoning=reasoning):
            weight = text_tokens(text) + sum(text_tokens(call.name) + text_tokens(call.args) + 8 for call in calls)
            return MESSAGE_TOKENS + weight + sum(text_tokens(part.text) for part in reasoning)
        case ToolMessage(text=text):
            return MESSAGE_TOKENS + text_tokens(text)


def text_tokens(text: str) -> int:
    """UTF-8 bytes by four, rounded up."""
    return -(-(len(text) if text.isascii() else len(text.encode())) // BYTES_PER_TOKEN)


def _piece_tokens(piece: Piece) -> int:
    if piece.blob is None:
        return text_tokens(piece.text)
    return IMAGE_TOKENS if piece.blob.media.startswith("image/") else -(-piece.blob.bytes // BYTES_PER_TOKEN)


def _last_measured(branch: Sequence[Record], facts: SessionFacts) -> tuple[Seq, Usage] | None:
    """The newest answer on the branch whose attempt reported usage, if no checkpoint has changed the request since."""
    line = checkpoint_line(branch, facts) or 0
    for record in reversed(branch):
        if record.seq < line:
            return None
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid):
            said = record.entry
            usage = facts.attempts.get((said.run, said.step, said.attempt))
            if usage is not None and usage.input > 0:
                return record.seq, usage
        elif record.type == "edited":
            return None
    return None
