"""What the parts of a request weigh: bytes, which a timeline turns into tokens, and the estimate where nothing was counted.

The canonical bytes of a request: its system prompt as UTF-8, its tools as JSON, and of each message the UTF-8 of what the model
reads of it and a fixed weight for what stands around that. They add up: a whole weighs what its parts weigh.
"""

from collections.abc import Iterable, Sequence

import msgspec

from flowchat.model.model import AssistantCall, AssistantMessage, Message, Piece, UserMessage
from flowchat.transcript.entries import BlobRef, ToolSchema

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
"""What a message costs beside its text (roles and separators)."""
CALL_TOKENS = 8
_AROUND = MESSAGE_TOKENS * BYTES_PER_TOKEN
IMAGE_TOKENS = 1_500
"""An image of unknown size: between what providers charge for 1 MP (about 1,300 to 1,600)."""
IMAGE_LEAST_TOKENS, PIXELS_PER_TOKEN = 85, 750
"""One of known size takes its pixels by 750, as Anthropic counts, at least what OpenAI takes for any, at most IMAGE_TOKENS:
every provider scales larger ones down."""


# --- bytes -----------------------------------------------------------------------------------------------------------
def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def system_bytes(system: str) -> int:
    return text_bytes(system)


def tool_bytes(tool: ToolSchema) -> int:
    return len(msgspec.json.encode(tool))


def fixed_bytes(system: str, tools: Iterable[ToolSchema]) -> int:
    """System prompt and tool schemas: where the first message begins."""
    return system_bytes(system) + sum(map(tool_bytes, tools))


def message_bytes(message: Message) -> int:
    """The fixed weight of a message, and the weight of its pieces, or of its text, calls and reasoning."""
    weight = _AROUND
    if type(message) is UserMessage:
        for piece in message.pieces:
            weight += piece_bytes(piece)
        return weight
    weight += text_bytes(message.text)
    if type(message) is AssistantMessage:
        for call in message.calls:
            weight += call_bytes(call)
        for part in message.reasoning:
            weight += text_bytes(part.text)
    return weight


def piece_bytes(piece: Piece) -> int:
    """A text by its UTF-8; a blob by its bytes, an image among them by what IMAGE_TOKENS and its like say."""
    if piece.blob is None:
        return text_bytes(piece.text)
    return image_tokens(piece.blob) * BYTES_PER_TOKEN if piece.blob.media.startswith("image/") else piece.blob.bytes


def call_bytes(call: AssistantCall) -> int:
    return CALL_TOKENS * BYTES_PER_TOKEN + text_bytes(call.name) + text_bytes(call.args)


# --- tokens where nothing was counted --------------------------------------------------------------------------------
def fixed_tokens(system: str, tools: Sequence[ToolSchema]) -> int:
    """System prompt and tool schemas, by their bytes."""
    return tokens_of(fixed_bytes(system, tools))


def message_tokens(message: Message) -> int:
    return tokens_of(message_bytes(message))


def text_tokens(text: str) -> int:
    return tokens_of(text_bytes(text))


def image_tokens(image: BlobRef) -> int:
    if image.size is None:
        return IMAGE_TOKENS
    width, height = image.size
    return min(IMAGE_TOKENS, max(IMAGE_LEAST_TOKENS, width * height // PIXELS_PER_TOKEN))


def tokens_of(byte_count: int) -> int:
    """Bytes by four, rounded up."""
    return -(-byte_count // BYTES_PER_TOKEN)
