"""How a run that did not end by itself is closed: pure, from the branch and what was in flight to the entries to append."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field, structs

from flowchat.transcript.entries import (
    AnswerStatus,
    AssistantPart,
    AssistantSaid,
    CallCut,
    CallId,
    Entry,
    Outcome,
    Record,
    RunEnded,
    RunStarted,
    Seq,
    Text,
    Thinking,
    ToolAnswered,
    ToolStarted,
)

OUTPUT_LIMIT_BYTES = 16 * 1024


class InFlight(Struct, frozen=True):
    """What a run had come to that is in no entry: an answer, real answers of calls, what calls had printed."""

    partial: AssistantSaid | None = None
    answers: Mapping[CallId, ToolAnswered] = field(default_factory=dict[CallId, ToolAnswered])
    outputs: Mapping[CallId, str] = field(default_factory=dict[CallId, str])


def open_runs(records: Sequence[Record]) -> list[Seq]:
    """Runs without a run_ended anywhere in the file, in file order."""
    ended = {record.entry.run for record in records if record.type == "run_ended" and isinstance(record.entry, RunEnded)}
    return [record.seq for record in records if record.type == "run_started" and record.seq not in ended]


def closing(branch: Sequence[Record], ended: RunEnded, now_ms: int, left: InFlight) -> list[Entry]:
    """The entries that close a run: what was streamed, one answer for each open call, and `ended` with steps and duration.

    A call that was never started is answered not_run; a started one with its real answer where there is one, else
    interrupted, or unknown where the program itself was ended (outcome crashed).
    """
    said = _last_said(branch, ended.run)
    entries: list[Entry] = []
    steps = 0 if said is None else said[1].step
    if left.partial is not None and left.partial.step > steps:
        entries.append(left.partial)
        steps = left.partial.step
    elif said is not None:
        entries += _answers_left(branch, said, ended.outcome, left)
    duration = max(0, now_ms - _started_ms(branch, ended.run, now_ms))
    return [*entries, structs.replace(ended, steps=steps, duration_ms=duration)]


def partial_of(
    run: Seq, step: int, attempt: int, model: str, pieces: Sequence[tuple[str, str]], calls: Sequence[tuple[str, str]]
) -> AssistantSaid | None:
    """An interrupted answer from its draft: (text or thinking, words) in order, (name, raw arguments) of cut calls."""
    parts: list[AssistantPart] = [Text(words) if kind == "text" else Thinking(words) for kind, words in pieces if words]
    parts += [CallCut(name, raw) for name, raw in calls]
    return AssistantSaid(run, step, attempt, model, tuple(parts), "interrupted") if parts else None


def _last_said(branch: Sequence[Record], run: Seq) -> tuple[Seq, AssistantSaid] | None:
    for record in reversed(branch):
        if record.seq <= run:
            return None
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid) and record.entry.run == run:
            return record.seq, record.entry
    return None


def _answers_left(branch: Sequence[Record], said: tuple[Seq, AssistantSaid], outcome: Outcome, known: InFlight) -> list[Entry]:
    seq, entry = said
    after = [record.entry for record in branch if record.seq > seq and record.type in ("tool_started", "tool_answered")]
    answered = {node.call for node in after if isinstance(node, ToolAnswered)}
    started = {node.call for node in after if isinstance(node, ToolStarted)}
    left: list[Entry] = []
    for index in range(len(entry.calls)):
        call = f"{seq}.{index}"
        if call in known.answers and call not in answered:
            left.append(known.answers[call])
        elif call not in answered:
            left.append(_left_over(call, call in started, outcome, known.outputs.get(call, "")))
    return left


def _left_over(call: CallId, started: bool, outcome: Outcome, output: str) -> ToolAnswered:
    if not started:
        return ToolAnswered(call, "not_run", "not run: the run was stopped first", "not run: the run was stopped first")
    status: AnswerStatus = "unknown" if outcome == "crashed" else "interrupted"
    line = (
        "unknown: the program was closed while this ran; check before doing it again"
        if status == "unknown"
        else "interrupted before it ended; it may have done part of its work"
    )
    tail = output.encode()[-OUTPUT_LIMIT_BYTES + 200 :].decode(errors="ignore")
    return ToolAnswered(call, status, line, f"{line}\n{tail}" if tail else line)


def _started_ms(branch: Sequence[Record], run: Seq, default: int) -> int:
    for record in reversed(branch):
        if record.seq == run and isinstance(record.entry, RunStarted):
            return record.at_ms
    return default
