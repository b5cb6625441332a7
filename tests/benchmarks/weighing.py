"""What it costs to see a long branch as the model will and to weigh it: the first time, and a step later."""

import gc
import time
from collections.abc import Callable
from statistics import median

from flowchat.agent.budget import measure
from flowchat.agent.projection import Projection
from flowchat.agent.tokens import tokens_of
from flowchat.model.model import ModelFacts
from flowchat.transcript.entries import AttemptUsed, Usage, decode_entry, encode_fields
from tests.benchmarks.figures import Figure, spread
from tests.growing import Grown

MODEL = ModelFacts("m", "p", 1_000_000, "table")
ENTRIES, FEW_ENTRIES = 10_000, 1_000
STEPS = 40
QUESTION = "what happens to the events of that queue when nobody reads? " * 4
ANSWER = "It is bounded, so the oldest go first, and whoever reads next is told how many there were. " * 5
OUTPUT = "a line of a file that was read\n" * 25


def weighing(times: int) -> list[Figure]:
    """Whole requests of a server that counts each; a step: an answer, its call, and what that gave."""
    long, short = _Talk(ENTRIES), _Talk(FEW_ENTRIES)
    first = [_seconds(lambda: long.weigh(Projection())) for _ in range(2 * times)]
    floor = median(_seconds(long.decode) for _ in range(times))
    later, of_few = long.steps(times * STEPS), short.steps(times * STEPS)
    made = f"{spread(first)}; to decode them takes {floor * 1000:.3g} ms"
    return [
        Figure(f"weighing: project + measure {ENTRIES:,} entries", median(first) * 1000, 10, "ms", made),
        Figure("weighing: measure a step later", median(later) * 1000, 0.3, "ms", spread(later, "µs", 1e6)),
        Figure(f"weighing: as of {FEW_ENTRIES:,} entries", median(later) / median(of_few), 2, "ratio", spread(of_few, "µs", 1e6)),
    ]


class _Talk:
    """A branch of so many entries and a projection that has read it."""

    def __init__(self, entries: int) -> None:
        self._grown, self._seen = Grown(), Projection()
        while self._grown.last < entries:
            self._grown.user(f"{self._grown.last}: {QUESTION}").run()
            self._answer("Let me look.", "read_file")
            self._answer(ANSWER)
            self._grown.ends()

        self._branch = self._grown.branch()
        self._lines = [(encode_fields(record.entry), record.type) for record in self._grown.records]

    def decode(self) -> None:
        for line, type_ in self._lines:
            decode_entry(line, type_)

    def weigh(self, seen: Projection) -> None:
        seen.follow(self._branch, self._grown.facts, MODEL.provider)
        seen.sight()
        measure(self._branch, self._grown.facts, MODEL, seen)

    def steps(self, count: int) -> list[float]:
        took: list[float] = []
        self._grown.user(QUESTION).run()
        for _ in range(count):
            self._answer("Let me look.", "read_file")
            branch, facts = self._grown.branch(), self._grown.facts
            took.append(_seconds(lambda branch=branch, facts=facts: measure(branch, facts, MODEL, self._seen)))
        return took

    def _answer(self, text: str, *calls: str) -> None:
        grown = self._grown
        self._seen.follow(grown.branch(), grown.facts, MODEL.provider)
        sent, step = self._seen.end(), grown.last
        usage = Usage(input=tokens_of(sent), output=tokens_of(len(text)) + 8)
        grown.add(AttemptUsed(grown.started, step, 1, "run", MODEL.name, usage, sent_bytes=sent))
        grown.says(text, *calls, step=step)
        for index in range(len(calls)):
            grown.answers(index, OUTPUT)


def _seconds(act: Callable[[], object]) -> float:
    """Of this thread on a core: nothing here waits."""
    gc.collect()
    gc.disable()
    since = time.thread_time()
    act()
    took = time.thread_time() - since
    gc.enable()
    return took
