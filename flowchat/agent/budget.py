"""How much of the window the next request takes: the last measured usage of this branch plus an estimate of what came since."""

from collections.abc import Sequence

from msgspec import Struct

from flowchat.agent.projection import Projection
from flowchat.model.model import ModelFacts, usable_tokens
from flowchat.transcript.entries import AssistantSaid, Record, Seq, Usage
from flowchat.transcript.events import ContextUsed, Measurement
from flowchat.transcript.facts import SessionFacts


class Weighed(Struct, frozen=True, gc=False):
    """Tokens of the next request, and how they are known."""

    tokens: int
    source: Measurement


def weigh(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection | None = None) -> Weighed:
    """Tokens of the branch's next request: measured up to the last answer that reported usage, estimated after it.

    `projection`: the session's, so that only what is new is read.
    """
    seen = projection or Projection()
    seen.follow(branch, facts, model.provider)
    measured = _last_measured(branch, facts, seen.checkpoint[0] if seen.checkpoint else 0)
    if measured is None:
        return Weighed(seen.tokens(), "no_data")
    seq, usage = measured
    since = seen.tokens_behind(seq)
    return Weighed(usage.input + usage.output + since, "extrapolated" if since else "measured")


def measure(
    branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection | None = None
) -> ContextUsed:
    """What the meter shows for a branch; `projection` as for `weigh`."""
    weighed = weigh(branch, facts, model, projection)
    usable = usable_tokens(model)
    return ContextUsed(weighed.tokens, usable, model.window, model.window_source, weighed.source, facts.cost)


def _last_measured(branch: Sequence[Record], facts: SessionFacts, line: Seq) -> tuple[Seq, Usage] | None:
    """The newest answer on the branch whose attempt reported usage, if no edit or checkpoint (at `line`) came behind it."""
    if not facts.attempts:
        return None
    for record in reversed(branch):
        if record.seq < line:
            return None
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid):
            said = record.entry
            usage = facts.attempts.get((said.run, said.step, said.attempt))
            if usage is not None and usage.input > 0:
                return record.seq, usage
        elif record.type == "edited":
            return None
    return None
