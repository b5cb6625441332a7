"""How much of the window the next request takes: the last measured usage of this branch plus an estimate of what came since."""

from collections.abc import Sequence

from msgspec import Struct

from flowchat.agent.projection import Projection
from flowchat.agent.prompt import checkpoint_line, place_of
from flowchat.model.model import ModelFacts, usable_tokens
from flowchat.transcript.entries import AssistantSaid, Record, Seq, Usage, text_of
from flowchat.transcript.events import ContextUsed, Measurement
from flowchat.transcript.facts import SessionFacts


class Weighed(Struct, frozen=True, gc=False):
    """Tokens of the next request, and how they are known."""

    tokens: int
    source: Measurement


def weigh(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection | None = None) -> Weighed:
    """Tokens of the branch's next request: measured up to the last answer that reported usage, estimated after it.

    `projection`: the session's, so that only what is new is read; one that has read nothing yet need not begin for it.
    """
    seen = projection or Projection()
    if seen.begun:
        seen.follow(branch, facts, model.provider)
    measured = _last_measured(branch, facts, _line(branch, facts, seen))
    if measured is None:
        seen.follow(branch, facts, model.provider)
        return Weighed(seen.tokens(), "no_data")
    seq, usage = measured
    if not seen.begun:
        seen = Projection()
        seen.follow(_tail_of(branch, seq), facts, model.provider)
    since = seen.tokens_behind(seq)
    return Weighed(usage.input + usage.output + since, "extrapolated" if since else "measured")


def measure(
    branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection | None = None
) -> ContextUsed:
    """What the meter shows for a branch; `projection` as for `weigh`."""
    weighed = weigh(branch, facts, model, projection)
    usable = usable_tokens(model)
    return ContextUsed(weighed.tokens, usable, model.window, model.window_source, weighed.source, facts.cost)


def _line(branch: Sequence[Record], facts: SessionFacts, seen: Projection) -> Seq:
    """Since when nothing earlier reads differently: the line of the checkpoint in force or of the last items_set, or 0."""
    items = facts.items[-1][0] if facts.items else 0
    if not seen.begun:
        return max(items, checkpoint_line(branch, facts) or 0)
    return max(items, seen.checkpoint[0] if seen.checkpoint else 0)


def _tail_of(branch: Sequence[Record], seq: Seq) -> Sequence[Record]:
    """What must be read of a branch to know what follows answer `seq`: its run on, since a message ends what came before."""
    start = place_of(branch, seq)
    said = branch[start].entry
    if not isinstance(said, AssistantSaid) or not (said.calls or text_of(said.parts).strip()):
        return branch
    while start > 0 and branch[start].type != "run_started":
        start -= 1
    return branch[start:]


def _last_measured(branch: Sequence[Record], facts: SessionFacts, line: Seq) -> tuple[Seq, Usage] | None:
    """The newest answer on the branch whose attempt reported usage, if no edit or checkpoint (at `line`) came after it."""
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
