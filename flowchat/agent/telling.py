"""What a summariser is told of a conversation: words, calls by name, answers by their summary line, no reasoning."""

from collections.abc import Iterator, Mapping, Sequence

from flowchat.agent.prompt import edited_parts
from flowchat.agent.tokens import text_tokens
from flowchat.transcript.entries import (
    AssistantSaid,
    Call,
    ContextAdded,
    Record,
    RunEnded,
    Seq,
    ToolAnswered,
    UserPart,
    UserSaid,
    text_of,
)

SAID_BY_USER = "User: "
_INDENT = "  "
_TOLD = frozenset({"user_said", "context_added", "assistant_said", "tool_answered", "run_ended"})


def told(branch: Sequence[Record], after: Seq, upto: Seq, edits: Mapping[Seq, tuple[UserPart, ...]] | None = None) -> list[str]:
    """A line, which may be long, for each thing said behind node `after` and at or before node `upto`. `edits` are the branch's.

    Where what was said has lines of its own all but the first are indented: none of them can pass for something else said.
    """
    edits = edited_parts(branch) if edits is None else edits
    return [line for record in branch if after < record.seq <= upto and record.type in _TOLD for line in _lines_of(record, edits)]


def passages(lines: Sequence[str], room_tokens: int) -> Iterator[str]:
    """The lines in pieces of at most `room_tokens`; a line longer than that is cut in the middle."""
    passage: list[str] = []
    weight = 0
    for line in lines:
        line = cut_text(line, room_tokens)
        tokens = text_tokens(line) + 1
        if passage and weight + tokens > room_tokens:
            yield "\n".join(passage)
            passage, weight = [], 0
        passage.append(line)
        weight += tokens
    if passage:
        yield "\n".join(passage)


def split_recent(lines: Sequence[str], room_tokens: int) -> tuple[Sequence[str], str]:
    """What comes first, and the end of it as one text of at most `room_tokens`; both may be empty.

    A long line of the agent is cut to half of that; the user's are left whole.
    """
    start, left = len(lines), room_tokens
    recent: list[str] = []
    while start > 0:
        line = lines[start - 1]
        if not line.startswith(SAID_BY_USER):
            line = cut_text(line, room_tokens // 2)
        tokens = text_tokens(line) + 1
        if tokens > left:
            break
        recent.append(line)
        left -= tokens
        start -= 1
    return lines[:start], "\n".join(reversed(recent))


def cut_text(text: str, tokens: int) -> str:
    """At most `tokens` by estimate, the middle left out and said so."""
    if text_tokens(text) <= tokens:
        return text
    keep = max(1, tokens * 4 // 2 - 40) // (1 if text.isascii() else 2)
    return f"{text[:keep]}\n[... {len(text) - 2 * keep:,} characters left out ...]\n{_INDENT}{text[-keep:]}"


def _lines_of(record: Record, edits: Mapping[Seq, tuple[UserPart, ...]]) -> Iterator[str]:
    match record.entry:
        case UserSaid(parts=parts):
            yield f"{SAID_BY_USER}{_indented(text_of(edits.get(record.seq, parts)))}"
        case ContextAdded(source="file" | "job" | "hook" | "command", origin=origin):
            yield f"[{_indented(origin)} was shown to the agent]"
        case AssistantSaid(parts=parts):
            if text := text_of(parts).strip():
                yield f"Agent: {_indented(text)}"
            yield from (f"[call {_indented(part.name)}]" for part in parts if isinstance(part, Call))
        case ToolAnswered(status=status, summary=line):
            yield f"[answer {status}: {_indented(line)}]"
        case RunEnded(outcome=outcome) if outcome != "completed":
            yield f"[the run ended: {outcome}]"
        case _:
            return


def _indented(text: str) -> str:
    return f"\n{_INDENT}".join(text.splitlines())
