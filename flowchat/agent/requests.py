"""The requests of a session, made again from its log: each as the branch stood when it was sent. Nothing of them is stored."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flowchat.agent.projection import Projection
from flowchat.agent.prompt import Sight, line_of
from flowchat.model.discover import provider_of
from flowchat.transcript.entries import AttemptUsed, HeadMoved, Record, Seq
from flowchat.transcript.facts import SessionFacts


class Sent(NamedTuple):
    """One attempt of a run's step, and what it sent. `record` is the line that tells what it used.

    `ends`: where its parts end, in canonical bytes: the prompt is part 0, then come the messages. `checkpoint`: the line of the
    one in force; `effort`: what the user had chosen.
    """

    record: Record
    used: AttemptUsed
    sight: Sight
    ends: list[int]
    checkpoint: Seq | None
    effort: str | None

    @property
    def input(self) -> int:
        """Its tokens as they were reported, 0 where none were."""
        return self.used.usage.input if self.used.usage else 0

    def tokens_upto(self, part: int) -> int:
        """The tokens up to the end of a part, by what was counted of the whole."""
        return round(self.input * self.ends[part] / max(1, self.ends[-1]))


class Path:
    """The branch the head stands on while a log is read from its beginning."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.nodes: list[Record] = []
        self._records = records

    def take(self, record: Record) -> None:
        """The log's next record."""
        if record.is_node:
            if record.parent != self.head:
                self._walk(record.parent or 0)
            self.nodes.append(record)
        elif record.type == "head_moved" and isinstance(moved := record.entry, HeadMoved) and self._stands(moved.to, record.seq):
            self._walk(moved.to)

    @property
    def head(self) -> Seq:
        return self.nodes[-1].seq if self.nodes else 0

    def _stands(self, seq: Seq, before: Seq) -> bool:
        """Whether the head could stand there when line `before` was written."""
        return seq == 0 or (0 < seq < before and self._records[seq - 1].is_node)

    def _walk(self, to: Seq) -> None:
        behind: list[Record] = []
        while to and not self._holds(to):
            record = self._records[to - 1]
            behind.append(record)
            to = record.parent or 0
        del self.nodes[self._place(to) + 1 if to else 0 :]
        self.nodes.extend(reversed(behind))

    def _holds(self, seq: Seq) -> bool:
        place = self._place(seq)
        return place < len(self.nodes) and self.nodes[place].seq == seq

    def _place(self, seq: Seq) -> int:
        return bisect_left(self.nodes, seq, key=lambda record: record.seq)


def sent(records: Sequence[Record]) -> Iterator[Sent]:
    """The attempts of runs in the order of the log, which is `records` from the first on; each reads only what is new."""
    path, facts, projection = Path(records), SessionFacts(), Projection()
    for record in records:
        if record.type == "attempt_used" and isinstance(used := record.entry, AttemptUsed) and used.purpose == "run":
            projection.follow(path.nodes, facts, provider_of(used.model))
            checkpoint = line_of(projection.checkpoint)
            yield Sent(record, used, projection.sight(), projection.edges(), checkpoint, facts.effort)
        path.take(record)
        facts.take(record)
