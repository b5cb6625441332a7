"""How much of a tool's output enters the conversation: both ends of it, with a line between that says what is missing."""

from flowchat.errors import StorageFailed
from flowchat.tools.tool import INLINE_LIMIT_BYTES, Keep, Outcome
from flowchat.transcript.entries import BlobRef, sound

_MIDDLE_BYTES = 512
_REASON_CHARS = 200
_END_BYTES = (INLINE_LIMIT_BYTES - _MIDDLE_BYTES) // 2


async def bound(outcome: Outcome, keep: Keep) -> tuple[str, BlobRef | None]:
    """What a ToolAnswered holds of an outcome: at most 16 KiB of UTF-8, and the blob with the whole where that was longer."""
    text = sound(outcome.content)
    whole = text.encode()
    if len(whole) <= INLINE_LIMIT_BYTES:
        return text, outcome.blob
    blob = outcome.blob
    try:
        blob = blob or await keep(whole, "text/plain")
        where = named(blob)
    except StorageFailed as error:
        where = unkept(error)
    return cut(text, text, len(whole), text.count("\n"), where), blob


def named(blob: BlobRef) -> str:
    """How a cut text tells the model of its whole."""
    return f"the full text is blob:{blob.sha256}, which read_file reads by lines"


def unkept(error: StorageFailed) -> str:
    """What a cut text says when the full text could not be kept."""
    return f"the full text could not be kept: {str(error)[:_REASON_CHARS]}"


def cut(head: str, tail: str, total_bytes: int, total_lines: int, where: str) -> str:
    """The first bytes of `head` and the last of `tail`, cut at lines where those are short enough, else at characters.

    `head` and `tail` are the ends of one text, or both the whole of it, of `total_bytes` UTF-8 bytes and `total_lines` newlines.
    """
    first, last = _first(head), _last(tail)
    lines = total_lines - first.count("\n") - last.count("\n")
    missing = total_bytes - len(first.encode()) - len(last.encode())
    amount = f"{lines:,} lines, {missing:,} bytes" if lines > 0 else f"{missing:,} bytes"
    gap = "" if first.endswith("\n") else "\n"
    return f"{first}{gap}[{amount} left out here; {where}]\n{last}"


def _first(text: str) -> str:
    part = text[:_END_BYTES].encode()[:_END_BYTES].decode("utf-8", "ignore")
    line_end = part.rfind("\n") + 1
    return part[:line_end] if line_end > len(part) // 2 else part


def _last(text: str) -> str:
    part = text[-_END_BYTES:].encode()[-_END_BYTES:].decode("utf-8", "ignore")
    line_start = part.find("\n") + 1
    return part[line_start:] if 0 < line_start < len(part) // 2 else part
