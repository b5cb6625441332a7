"""How much of the window the next request takes, by the timeline of its model."""

from collections.abc import Sequence

from flowchat.agent.projection import Projection, is_count, used_by
from flowchat.agent.timeline import Timeline, Weighed
from flowchat.model.model import ModelFacts, usable_tokens
from flowchat.transcript.entries import AssistantSaid, AttemptUsed, Record, text_of
from flowchat.transcript.events import ContextUsed
from flowchat.transcript.facts import SessionFacts


def weigh(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection | None = None) -> Weighed:
    """Tokens of the branch's next request, by the timeline of its model.

    `projection`: the session's, so that only what is new is read; one that has read nothing yet need not begin for it. Without
    one `facts` may be what they are not yet.
    """
    seen = projection or Projection()
    if projection is not None and not seen.begun and (glanced := _glance(branch, facts, model)) is not None:
        return glanced
    seen.follow(branch, facts, model.provider)
    return seen.weigh(model.name)


def measure(
    branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection | None = None
) -> ContextUsed:
    """What the meter shows for a branch; `projection` as for `weigh`."""
    seen = projection or Projection()
    if projection is None:
        seen.follow(branch, facts, model.provider)
    weighed, usable = weigh(branch, facts, model, seen), usable_tokens(model)
    cut = seen.cut(model.name) if seen.begun else None
    cut_to = cut.usage.input if cut and cut.usage else None
    window, source = model.window, model.window_source
    return ContextUsed(weighed.tokens, usable, window, source, weighed.source, facts.cost, cut_to, facts.resting)


def _glance(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts) -> Weighed | None:
    """The weight by the newest count and what followed it alone, so that a long branch need not be read to be shown.

    None where the branch, read whole, may say something else.
    """
    for place in range(len(branch) - 1, -1, -1):
        record = branch[place]
        if record.seq <= facts.reshaped or record.type in ("edited", "prompt_set"):
            return None
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid):
            used = used_by(record.entry, facts)
            if used is not None and used.counted != "all":
                return None
            if used is not None and is_count(used):
                return _weigh_from(branch, place, record.entry, used, model)
    return None


def _weigh_from(
    branch: Sequence[Record], place: int, said: AssistantSaid, used: AttemptUsed, model: ModelFacts
) -> Weighed | None:
    """The weight by the count of the answer at `place` and what stands behind it: read from its run on, as a message ends
    what came before."""
    if used.usage is None or said.model != model.name or not (said.calls or text_of(said.parts).strip()):
        return None
    start = place
    while start > 0 and branch[start].type != "run_started":
        start -= 1
    seen, nothing = Projection(), SessionFacts()
    seen.follow(branch[start : place + 1], nothing, model.provider)
    edges = seen.edges()
    before, after = edges[-2 - len(said.calls)], edges[-1 - len(said.calls)]
    seen.follow(branch[start:], nothing, model.provider)
    timeline = Timeline()
    timeline.count(used.sent_bytes, used.sent_bytes + after - before, used.usage.input, 0 if used.error else used.usage.output)
    return timeline.weigh(used.sent_bytes + seen.end() - before)
