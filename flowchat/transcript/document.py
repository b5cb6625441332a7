"""A conversation as a markdown document: every message, every call with its output folded, whatever they contain."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from flowchat.transcript.clean import clean
from flowchat.transcript.entries import (
    AssistantSaid,
    BlobRef,
    Call,
    CallCut,
    CallId,
    Compacted,
    Damaged,
    Edited,
    Noticed,
    Record,
    RunEnded,
    Seq,
    SessionStarted,
    Text,
    Thinking,
    ToolAnswered,
    UserPart,
    UserSaid,
)
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.times import minute

SUMMARY_CHARS = 200
"""Of what stands for a folded block."""
_TICKS = re.compile("`+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])(?![a-z][a-z0-9+.-]+:[^\s<>]*>)")
"""What may begin HTML; a link in angle brackets does not."""

ReadBlob = Callable[[BlobRef], str]
"""The text of a blob, or a sentence in brackets where it is none or has gone."""


def markdown(
    records: Sequence[Record], branch: Sequence[Record], facts: SessionFacts, read: ReadBlob, everything: bool = False
) -> Iterator[str]:
    """Pieces of the document; `branch` is the head's. With `everything` the other branches follow, each from where it leaves."""
    checkpoints = _by_node(records)
    written: set[Seq] = set()
    yield _heading(branch, facts)
    yield from _branch(branch, checkpoints, written, read)
    if not everything:
        return
    below = {record.parent for record in records if record.is_node}
    by_seq = {record.seq: record for record in records}
    for leaf in (record for record in records if record.is_node and record.seq not in below and record.seq not in written):
        path: list[Record] = [leaf]
        while (parent := by_seq.get(path[-1].parent or 0)) is not None and parent.seq not in written:
            path.append(parent)
        if pieces := list(_branch(path[::-1], checkpoints, written, read)):
            yield f"---\n\n# Another branch, from {minute(path[-1].at_ms)}\n\n"
            yield from pieces


def _heading(branch: Sequence[Record], facts: SessionFacts) -> str:
    rows = [("Session", facts.session), ("Folder", facts.cwd), ("Model", facts.model)]
    if branch:
        rows.append(("From", f"{minute(branch[0].at_ms)} to {minute(branch[-1].at_ms)}"))
    told = "".join(f"- {name}: {_inline(value)}\n" for name, value in rows if value)
    return f"# {_inline(facts.title) or 'A conversation'}\n\n{told}\n"


def _by_node(records: Sequence[Record]) -> dict[Seq, list[Compacted]]:
    """The checkpoints, by the node that was the head when they were written."""
    found: dict[Seq, list[Compacted]] = {}
    head = 0
    for record in records:
        if record.is_node:
            head = record.seq
        elif record.type == "head_moved":
            head = getattr(record.entry, "to", head)
        elif isinstance(record.entry, Compacted):
            found.setdefault(head, []).append(record.entry)
    return found


def _branch(
    branch: Sequence[Record], checkpoints: Mapping[Seq, Sequence[Compacted]], written: set[Seq], read: ReadBlob
) -> Iterator[str]:
    edits = {record.entry.target: record.entry for record in branch if isinstance(record.entry, Edited)}
    calls: dict[CallId, Call] = {}
    is_answered = False
    for record in branch:
        written.add(record.seq)
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid) and not is_answered:
            yield f"## {_inline(record.entry.model) or 'The model'}, {minute(record.at_ms)}\n\n"
        is_answered = record.type == "assistant_said" or (is_answered and record.type != "user_said")
        if piece := _node(record, edits, calls, read):
            yield piece
        for checkpoint in checkpoints.get(record.seq, ()):
            what = f"Compacted: {checkpoint.tokens_before:,} to {checkpoint.tokens_after:,} tokens"
            yield _folded(what, _fenced(checkpoint.summary))
    for call in calls.values():
        yield _call(call, "no answer", "")


def _node(record: Record, edits: Mapping[Seq, Edited], calls: dict[CallId, Call], read: ReadBlob) -> str:
    """What a node says to a reader; a call is written with its answer, those without one stay in `calls`."""
    entry = record.entry
    match entry:
        case UserSaid():
            parts = edits[record.seq].parts if record.seq in edits else entry.parts
            mark = " (edited)" if record.seq in edits else ""
            return f"## You, {minute(record.at_ms)}{mark}\n\n{_quoted(_user_text(parts, read))}\n\n"
        case AssistantSaid():
            calls |= {f"{record.seq}.{number}": call for number, call in enumerate(entry.calls)}
            return _answer(entry)
        case ToolAnswered():
            call = calls.pop(entry.call, None) or Call("", "a call", "")
            status = f"{entry.status}, {entry.summary}" if entry.summary else entry.status
            output = entry.content if entry.blob is None else read(entry.blob)
            return _call(call, status, output, entry.diff or "")
        case Noticed():
            return f"*{_inline(entry.text)}*\n\n"
        case Damaged():
            return f"*One entry cannot be read: {_inline(entry.reason)}*\n\n"
        case RunEnded() if entry.outcome != "completed":
            return f"*The run was not completed ({entry.outcome}){': ' + _inline(entry.message) if entry.message else ''}*\n\n"
        case SessionStarted() if entry.parent_session:
            return f"*Forked from session {_inline(entry.parent_session)}*\n\n"
        case _:
            return ""


def _answer(entry: AssistantSaid) -> str:
    pieces: list[str] = []
    for part in entry.parts:
        match part:
            case Text():
                pieces.append(closed(clean(part.text)) + "\n\n" if part.text.strip() else "")
            case Thinking():
                pieces.append(_folded("Thinking", _quoted(part.text) + "\n\n") if part.text.strip() else "")
            case CallCut():
                pieces.append(_call(Call("", part.name, part.raw), "cut off", ""))
            case Call():
                pass
    if entry.finish not in ("stop", "calls"):
        pieces.append(f"*The answer ends here ({entry.finish}).*\n\n")
    return "".join(pieces)


def _user_text(parts: Sequence[UserPart], read: ReadBlob) -> str:
    return "".join(part.text if isinstance(part, Text) else read(part.blob) for part in parts)


def _call(call: Call, status: str, output: str, diff: str = "") -> str:
    given = " ".join(call.args.split())
    body = _fenced(call.args, "json") if call.args else ""
    body += _fenced(diff, "diff") if diff else ""
    body += _fenced(output) if output else ""
    return _folded(f"{call.name} {given}", body, status)


def _folded(what: str, body: str, status: str = "") -> str:
    text = " ".join(clean(what).split())
    text = text if len(text) <= SUMMARY_CHARS else f"{text[: SUMMARY_CHARS - 1]}…"
    ended = f" ({' '.join(clean(status).split())})" if status else ""
    return f"<details>\n<summary>{_escaped(text + ended)}</summary>\n\n{body}</details>\n\n"


def _fenced(text: str, language: str = "") -> str:
    """A code block that nothing in it can end."""
    text = clean(text)
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in _TICKS.findall(text)), default=0))
    return f"{fence}{language}\n{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{fence}\n\n"


def _quoted(text: str) -> str:
    """A block quote of what was written; what it leaves open ends with it."""
    return "\n".join(f"> {line}".rstrip() for line in closed(clean(text)).split("\n"))


def closed(text: str) -> str:
    """Markdown that opens nothing it does not close: fences are ended, and HTML outside of code is shown as it is written."""
    lines: list[str] = []
    fence = ""
    for line in text.strip("\n").split("\n"):
        found = _FENCE.fullmatch(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2].strip():
                fence = ""
        elif found and not (found[1].startswith("`") and "`" in found[2]):
            fence = found[1]
        else:
            line = _without_tags(line)
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def _without_tags(line: str) -> str:
    pieces: list[str] = []
    at = 0
    for span in _CODE_SPAN.finditer(line):
        pieces += (_TAG.sub("&lt;", line[at : span.start()]), span[0])
        at = span.end()
    return "".join([*pieces, _TAG.sub("&lt;", line[at:])])


def _inline(text: str) -> str:
    """One line in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(clean(text).split()))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
