"""Reading a long branch in slices: what is typed meanwhile is heard between them."""

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter

from flowchat.agent.projection import Projection
from flowchat.agent.prompt import checkpoint_in_force
from flowchat.agent.reading import place_behind, place_of
from flowchat.agent.telling import told
from flowchat.model.model import ModelFacts
from flowchat.transcript.entries import Record, Seq, UserPart
from flowchat.transcript.facts import SessionFacts

SLICE_SECONDS = 0.003
NODES = 20
"""Read before the clock is looked at."""


async def read(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection) -> None:
    """Have a projection read and weigh a branch, each entry of which is decoded then; what it has read is read no more, and what
    the checkpoint in force folds not at all.

    Where something is set of items it would begin anew whenever older nodes come: only the entries are decoded.
    """
    breath, folded = _Breath(), checkpoint_in_force(branch, facts)
    start = place_of(branch, folded.upto) + 1 if folded is not None else 0
    for end in range(start + NODES, len(branch), NODES):
        for record in branch[end - NODES : end]:
            _ = record.entry
        if not facts.items and end > projection.length:
            projection.follow(branch[:end], facts, model.provider)
            projection.timeline(model.name)
        await breath.take()


async def tell(branch: Sequence[Record], after: Seq, upto: Seq, edits: Mapping[Seq, tuple[UserPart, ...]]) -> list[str]:
    """As `telling.told`."""
    lines, breath = list[str](), _Breath()
    for start in range(place_behind(branch, after), len(branch), NODES):
        lines += told(branch[start : start + NODES], after, upto, edits)
        await breath.take()
    return lines


class _Breath:
    """Lets the loop go on after each SLICE_SECONDS of work."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def take(self) -> None:
        if perf_counter() - self._since >= SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = perf_counter()
