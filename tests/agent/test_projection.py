"""The projection a session keeps: what `project` gives, and no more work than what is new."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.budget import Weighed, weigh
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import project
from flowchat.agent.tokens import fixed_bytes, message_bytes, tokens_of
from flowchat.model.model import ModelFacts
from flowchat.transcript.entries import (
    AssistantSaid,
    Compacted,
    CompactionUndone,
    Edited,
    HeadMoved,
    Noticed,
    PromptSet,
    Record,
    Text,
    Thinking,
    ToolAnswered,
)
from tests.growing import READ, Grown

MODEL = ModelFacts("m", "p", 10_000, "table")
Draw = Callable[..., object]


class Counted(Sequence[Record]):
    """A branch that counts how many of its records were read."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records, self.read = records, 0

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        found = self._records[place]
        self.read += len(found) if isinstance(place, slice) else 1
        return found


def checkpointed(grown: Grown, draw: Draw) -> None:
    upto = draw(st.sampled_from([record.seq for record in grown.branch()]))
    grown.add(Compacted(upto, "SUM", 9, 1, "user", "summary", directives=draw(st.sampled_from([(), ("do so",)])), verbatim=(2,)))


def undone(grown: Grown, draw: Draw) -> None:
    if grown.facts.checkpoints:
        line, _ = draw(st.sampled_from(grown.facts.checkpoints))
        grown.add(CompactionUndone(line, draw(st.booleans())))


def edited(grown: Grown, draw: Draw) -> None:
    said = [record.seq for record in grown.branch() if record.type == "user_said"]
    if said:
        grown.add(Edited(draw(st.sampled_from(said)), (Text("edited"),)))


def walked(grown: Grown, draw: Draw) -> None:
    grown.add(HeadMoved(draw(st.sampled_from([record.seq for record in grown.records if record.is_node]))))


def called(grown: Grown, draw: Draw) -> None:
    if hasattr(grown, "started"):
        grown.says("words", *["t"] * draw(st.integers(0, 3)), step=grown.last)


def answered(grown: Grown, draw: Draw) -> None:
    grown.add(ToolAnswered(f"{getattr(grown, 'said', 1)}.{draw(st.integers(0, 2))}", "ok", "line", f"answer at {grown.last}"))


def planned(grown: Grown, draw: Draw) -> None:
    if hasattr(grown, "started"):
        grown.plans(*draw(PLANS), step=grown.last)


def thought(grown: Grown, draw: Draw) -> None:
    if not hasattr(grown, "started"):
        return
    thinking = Thinking("hm", draw(st.sampled_from(["p", "q"])), {"signature": 1})
    step = grown.last
    grown.add(AssistantSaid(grown.started, step, 1, "m", (thinking, *draw(st.sampled_from([(), (Text("so"),)]))), "stop"))
    if draw(st.booleans()):
        grown.counted(100, 7)


def ended(grown: Grown, draw: Draw) -> None:
    if hasattr(grown, "started"):
        grown.ends(draw(st.sampled_from(["completed", "interrupted", "failed", "limit", "crashed"])))


PLANS = st.sampled_from([("now look", "next write"), ("done look", "now write"), ("done look", "done write"), ()])
HAPPENINGS: list[Callable[[Grown, Draw], object]] = [
    lambda grown, draw: grown.user(f"question at {grown.last}"),
    lambda grown, draw: grown.run(draw(st.sampled_from(["send", "retry"]))),
    lambda grown, draw: grown.context("mode", "mode", f"mode at {grown.last}"),
    lambda grown, draw: grown.add(Noticed("info", "test", "a notice")),
    lambda grown, draw: grown.add(PromptSet(f"System at {grown.last}.", (READ,), "upgrade")),
    called,
    planned,
    thought,
    answered,
    ended,
    checkpointed,
    undone,
    edited,
    walked,
]


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_projection_that_is_kept_is_the_one_made_anew_whatever_happens(data: st.DataObject) -> None:
    grown, kept = Grown(), Projection()
    for _ in range(data.draw(st.integers(1, 30))):
        data.draw(st.sampled_from(HAPPENINGS))(grown, data.draw)
        if data.draw(st.booleans()):
            provider = data.draw(st.sampled_from(["p", "p", "p", "q"]))
            kept.follow(grown.branch(), grown.facts, provider)
            sight = project(grown.branch(), grown.facts, provider)
            assert kept.sight() == sight
            edges = [fixed_bytes(sight.system, sight.tools)]
            for message in sight.messages:
                edges.append(edges[-1] + message_bytes(message))
            assert (kept.edges(), kept.end()) == (edges, edges[-1])
            assert weigh(grown.branch(), grown.facts, MODEL, kept) == weigh(grown.branch(), grown.facts, MODEL)


def long(turns: int) -> Grown:
    grown = Grown()
    for number in range(turns):
        grown.user(f"u{number}").run().says("", "read_file").answers(0, "A").says(f"a{number}", step=2).ends()
    return grown


def test_asked_again_only_what_is_new_is_read() -> None:
    grown, kept = long(500), Projection()
    grown.add(Compacted(6, "SUM", 9, 1, "user", "summary"))
    weigh(grown.branch(), grown.facts, MODEL, kept)
    grown.user("more").run().says("", "read_file").answers(0, "A")
    branch = Counted(grown.branch())
    weighed = weigh(branch, grown.facts, MODEL, kept)
    assert branch.read < 50
    assert weighed == weigh(grown.branch(), grown.facts, MODEL)


def test_behind_an_answer_whose_usage_is_known_only_what_came_since_is_an_estimate() -> None:
    grown = long(3).counted(100, 7)
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(107, "measured")
    grown.user("four letters and more")
    sent = grown.facts.attempts[grown.started, 2, 1].sent_bytes
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(107 - -(16 + 21) * 100 // sent, "extrapolated")


def test_an_answer_of_thoughts_alone_is_no_estimate() -> None:
    grown = Grown().user("think").run()
    grown.add(AssistantSaid(grown.started, 1, 1, "m", (Thinking("hm"),), "stop")).counted(100, 7)
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(107, "measured")


def test_what_thoughts_alone_answered_is_not_counted_again_behind_a_steer() -> None:
    grown = Grown().user("a long question " * 100).run()
    grown.add(AssistantSaid(grown.started, 1, 1, "m", (Thinking("hm"),), "stop")).counted(500, 7)
    sent = grown.facts.attempts[grown.started, 1, 1].sent_bytes
    grown.user("four letters and more", delivery="steer")
    no_answer, steer = 16 + 21, 16 + 21
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(507 - -(no_answer + steer) * 500 // sent, "extrapolated")


def test_a_server_that_reports_nothing_is_weighed_whole_and_without_data() -> None:
    grown = long(2)
    sight = project(grown.branch(), grown.facts, "p")
    whole = fixed_bytes(sight.system, sight.tools) + sum(map(message_bytes, sight.messages))
    assert weigh(grown.branch(), grown.facts, MODEL) == Weighed(tokens_of(whole), "no_data")


def test_a_projection_that_has_read_nothing_reads_the_last_run_alone_where_its_usage_is_known() -> None:
    grown = long(500).counted(100, 7)
    grown.user("four letters and more")
    branch = Counted(grown.branch())
    weighed = weigh(branch, grown.facts, MODEL, Projection())
    assert branch.read < 50
    assert weighed == weigh(grown.branch(), grown.facts, MODEL)
