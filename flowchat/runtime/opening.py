"""What opening a session puts right: runs that never ended, and what a fork begins with; pure but for the appends."""

from collections.abc import Sequence
from pathlib import Path

from flowchat import __version__
from flowchat.runtime.activity import unsteered
from flowchat.runtime.recovery import InFlight, closing, open_runs, partial_of
from flowchat.store.memory import MemoryBlobs, MemoryLog
from flowchat.transcript.draft import AnyDraft, DraftLine, DraftOutput
from flowchat.transcript.entries import (
    AssistantSaid,
    CallId,
    Entry,
    Forked,
    ForkPoint,
    HeadMoved,
    Mode,
    ModeSet,
    Outcome,
    QueueSet,
    Record,
    Recovered,
    RunEnded,
    RunStarted,
    Seq,
    type_name,
)
from flowchat.transcript.transcript import Transcript


def recovery(
    transcript: Transcript, draft: Sequence[AnyDraft], torn: str | None, damaged: Sequence[Seq], outcome: Outcome = "crashed"
) -> list[Entry]:
    """The entries to append after an opening, in one write; empty where all is well.

    Nothing is run again: an answer in flight becomes what came of it, an open call is answered with what is known.
    """
    records, branch = transcript.records(), transcript.branch()
    on_branch = {record.seq for record in branch}
    runs = open_runs(records)
    entries: list[Entry] = []
    for run in runs:
        if run in on_branch and run == max(seq for seq in runs if seq in on_branch):
            last_ms = records[-1].at_ms
            left = InFlight(drafted(branch, run, draft), outputs=outputs_of(draft))
            ended = RunEnded(run, outcome, code="forked" if outcome == "interrupted" else None)
            entries += closing(branch, ended, last_ms, left)
        else:
            entries.append(RunEnded(run, outcome))
    known = {seq for record in records if record.type == "recovered" for seq in getattr(record.entry, "damaged", ())}
    new_damage = tuple(seq for seq in damaged if seq not in known)
    entries += _queue_left(transcript, was_cut=bool(runs))
    if runs or torn or new_damage:
        entries.append(Recovered(tuple(runs), torn, new_damage))
    return entries


def copied(sid: str, where: Path, at: ForkPoint, head: Seq, mode: Mode, records: Sequence[Record], now_ms: int) -> list[Entry]:
    """What a copy of these records, made `at` a point of another session, begins with; a run that is open in it is ended."""
    facts = Forked(sid, str(where), __version__, at), ModeSet(mode), HeadMoved(head)
    placed = [Record(seq, now_ms, None, type_name(fact), fact) for seq, fact in enumerate(facts, at.seq + 1)]
    copy = Transcript(MemoryLog(), MemoryBlobs(), [*records, *placed])
    return [*facts, *recovery(copy, (), None, (), outcome="interrupted")]


def _queue_left(transcript: Transcript, was_cut: bool) -> list[QueueSet]:
    """What was about to be said by itself is held; a steer has no run to steer any more."""
    facts = transcript.facts
    ended = next((r.entry for r in reversed(transcript.records()) if r.type == "run_ended"), None)
    was_next = was_cut or (isinstance(ended, RunEnded) and ended.outcome == "completed")
    queue, held = unsteered(facts.queue), facts.held or (was_next and bool(facts.queue))
    return [] if (queue, held) == (facts.queue, facts.held) else [QueueSet(queue, held)]


def drafted(branch: Sequence[Record], run: Seq, draft: Sequence[AnyDraft]) -> AssistantSaid | None:
    """What the draft holds of the last attempt of the run's step in flight; None where that step was committed."""
    lines = [line for line in draft if isinstance(line, DraftLine) and line.run == run]
    if not lines:
        return None
    step, attempt = max((line.step, line.attempt) for line in lines)
    pieces: list[tuple[str, str]] = []
    calls: dict[int, tuple[str, str]] = {}
    for line in lines:
        if (line.step, line.attempt) != (step, attempt):
            continue
        for kind, words in (("text", line.text), ("thinking", line.thinking)):
            if words and pieces and pieces[-1][0] == kind:
                pieces[-1] = (kind, pieces[-1][1] + words)
            elif words:
                pieces.append((kind, words))
        if line.fragment is not None:
            name, args = calls.get(line.fragment.index, ("", ""))
            calls[line.fragment.index] = (name or line.fragment.name, args + line.fragment.args)
    started = next((record.entry for record in branch if record.seq == run), None)
    model = started.model if isinstance(started, RunStarted) else ""
    return partial_of(run, step, attempt, model, pieces, list(calls.values()))


def outputs_of(draft: Sequence[AnyDraft]) -> dict[CallId, str]:
    """The drafted output of each call."""
    outputs: dict[CallId, str] = {}
    for line in draft:
        if isinstance(line, DraftOutput):
            outputs[line.call] = outputs.get(line.call, "") + line.output
    return outputs
