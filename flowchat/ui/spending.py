"""What a session's requests took: its attempt_used facts added up by step, run, day, model and purpose; pure."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from flowchat.agent.tokens import tokens_of
from flowchat.transcript.entries import AttemptUsed, Record, Seq
from flowchat.transcript.times import local
from flowchat.ui.figures import many, moment

RUNS_LIMIT = 500
"""Runs that are listed, the newest; those before are in the sums alone."""
_PURPOSES = {"run": "answers", "compact": "compactions", "title": "titles", "review": "reviews", "worker": "workers"}


class Spent(Struct, frozen=True):
    """Requests and their tokens: `fresh` was read uncached, `cached` from the cache. `cost` in USD, None where no price is known.

    `unpriced` requests have no price, `unreported` ones told no tokens; `untold` is about how many they were sent.
    """

    requests: int = 0
    fresh: int = 0
    cached: int = 0
    output: int = 0
    cost: float | None = None
    unpriced: int = 0
    unreported: int = 0
    untold: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        known = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Spent(
            self.requests + other.requests,
            self.fresh + other.fresh,
            self.cached + other.cached,
            self.output + other.output,
            sum(known) if known else None,
            self.unpriced + other.unpriced,
            self.unreported + other.unreported,
            self.untold + other.untold,
        )


class Line(Struct, frozen=True):
    """One sum and what it is the sum of; `depth`: 0 the session, 1 a part of it, 2 a step of a run."""

    label: str
    spent: Spent
    depth: int = 1


class Bill(Struct, frozen=True):
    """The sums of a session in the order they are read. `unpriced`: the models no price is known of, by name."""

    total: Line
    purposes: tuple[Line, ...] = ()
    models: tuple[Line, ...] = ()
    days: tuple[Line, ...] = ()
    runs: tuple[Line, ...] = ()
    earlier_runs: int = 0
    unpriced: tuple[str, ...] = ()


def bill(records: Iterable[Record], now_ms: int) -> Bill:
    """Add up what was used since the session began, or was forked; the newest day and the newest run come first."""
    began: dict[Seq, int] = {}
    used: list[tuple[int, AttemptUsed]] = []
    for record in records:
        if record.type == "run_started":
            began[record.seq] = record.at_ms
        elif record.type == "forked":
            used.clear()
        elif record.type == "attempt_used" and isinstance(record.entry, AttemptUsed):
            used.append((record.at_ms, record.entry))
    days: dict[str, Spent] = {}
    purposes: dict[str, Spent] = {}
    models: dict[str, Spent] = {}
    runs: dict[Seq, dict[str, Spent]] = {}
    for at_ms, entry in used:
        spent = _spent(entry)
        for sums, key in ((days, _day(at_ms)), (purposes, _PURPOSES[entry.purpose]), (models, entry.model)):
            sums[key] = sums.get(key, Spent()) + spent
        if entry.run:
            steps = runs.setdefault(entry.run, {})
            step = f"step {entry.step}" if entry.purpose == "run" else _PURPOSES[entry.purpose]
            steps[step] = steps.get(step, Spent()) + spent
    numbers = {run: number for number, run in enumerate(began, 1)}
    listed = list(runs.items())[: -RUNS_LIMIT - 1 : -1]
    return Bill(
        Line("session", _sum(_spent(entry) for _, entry in used), 0),
        tuple(Line(label, spent) for label, spent in purposes.items()) if len(purposes) > 1 else (),
        tuple(Line(name, spent) for name, spent in models.items()) if len(models) > 1 else (),
        tuple(Line(label, spent) for label, spent in reversed(days.items())),
        tuple(line for run, steps in listed for line in _run_lines(numbers.get(run, 0), began.get(run, now_ms), steps, now_ms)),
        len(runs) - len(listed),
        tuple(sorted({entry.model for _, entry in used if _spent(entry).unpriced})),
    )


def all_of(used: Mapping[str, Sequence[AttemptUsed]], own: str) -> Line | None:
    """What all sessions together took today; None where no other one than `own` took anything."""
    asked = {sid: attempts for sid, attempts in used.items() if attempts}
    if not asked.keys() - {own}:
        return None
    return Line(f"today, {many(len(asked), 'session')}", _sum(_spent(one) for used in asked.values() for one in used), 0)


def _spent(used: AttemptUsed) -> Spent:
    """One request; one that failed before anything was told of it took nothing that is known."""
    usage = used.usage
    if usage is None:
        told_of = not used.error
        return Spent(1, unreported=int(told_of), untold=tokens_of(used.sent_bytes) if told_of else 0)
    cached = min(usage.cached, usage.input)
    return Spent(1, usage.input - cached, cached, usage.output, used.cost, unpriced=int(used.cost is None))


def _sum(spent: Iterable[Spent]) -> Spent:
    total = Spent()
    for one in spent:
        total += one
    return total


def _run_lines(number: int, began_ms: int, steps: dict[str, Spent], now_ms: int) -> Sequence[Line]:
    head = Line(f"run {number}, {moment(began_ms, now_ms)}", _sum(steps.values()))
    return [head, *(Line(label, spent, 2) for label, spent in steps.items())] if len(steps) > 1 else [head]


def _day(at_ms: int) -> str:
    at = local(at_ms)
    return "unknown" if at is None else f"{at.day} {at.strftime('%b %Y')}"
