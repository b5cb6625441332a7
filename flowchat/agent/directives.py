"""What the user asked for that still holds: the words that outlive every compaction."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from flowchat.agent.tokens import text_tokens
from flowchat.transcript.entries import Record, Seq, UserPart, UserSaid, text_of

DIRECTIVES_HEADING = "## User directives"


def with_directives(summary: str, directives: Sequence[str]) -> str:
    """A checkpoint's summary as its summariser wrote it, the directives under their heading."""
    return "\n".join([summary, "", DIRECTIVES_HEADING, *(f"- {line}" for line in directives)]) if directives else summary


def split_directives(summary: str) -> tuple[str, tuple[str, ...]]:
    """The summary without its directives, and the directives."""
    before, heading, after = summary.partition(DIRECTIVES_HEADING)
    if not heading:
        return summary.strip(), ()
    block, next_heading, rest = after.partition("\n## ")
    offered = (line.strip().removeprefix("-").removeprefix("*").strip().strip('"“”') for line in block.splitlines())
    return (before.rstrip() + ("\n\n## " + rest if next_heading else "")).strip(), tuple(filter(None, offered))


def still_said(
    directives: Sequence[str], branch: Sequence[Record], upto: Seq, edits: Mapping[Seq, tuple[UserPart, ...]], tokens: int
) -> tuple[tuple[str, ...], int]:
    """Those that really are words of a user message at or before `upto`, each once, where it was said last.

    At most `tokens` of them, the newest; the second value is how many were left out for that.
    """
    if not directives:
        return (), 0
    texts = [
        text_of(edits.get(record.seq, record.entry.parts))
        for record in branch
        if record.type == "user_said" and record.seq <= upto and isinstance(record.entry, UserSaid)
    ]
    newest_first = list(dict.fromkeys(line for line in reversed(directives) if any(line in text for text in texts)))
    weights = accumulate(text_tokens(line) + 1 for line in newest_first)
    kept = [line for line, weight in zip(newest_first, weights, strict=True) if weight <= tokens]
    return tuple(reversed(kept)), len(newest_first) - len(kept)
