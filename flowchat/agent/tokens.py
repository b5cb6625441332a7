"""How many tokens unmeasured text takes: an estimate by bytes."""

from collections.abc import Sequence

from flowchat.model.model import AssistantMessage, Message, Piece, ToolMessage, UserMessage
from flowchat.transcript.entries import ToolSchema

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 1_500
"""An image's weight where nothing was measured: between what providers charge for 1 MP (about 1,300 to 1,600)."""
MESSAGE_TOKENS = 4
"""What a message costs beside its text (roles and separators)."""


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
