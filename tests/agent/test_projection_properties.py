"""What holds of every projection, whatever happened on the branch."""

import itertools
from collections.abc import Callable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.compact import plan, unanswered
from flowchat.agent.projection import Projection
from flowchat.agent.prompt import project
from flowchat.model.model import ModelFacts, UserMessage
from flowchat.transcript.entries import (
    AssistantSaid,
    CallCut,
    Compacted,
    CompactionUndone,
    Damaged,
    FileCopy,
    HeadMoved,
    ItemRef,
    ItemsSet,
    Noticed,
    Text,
    Thinking,
    ToolAnswered,
    ToolStarted,
)
from tests.agent.test_projection import PLANS
from tests.growing import Grown, todo_list
from tests.validating import broken_rules

MODEL = ModelFacts("m", "p", 10_000, "table")
Plan = tuple[str, ...] | None
"""A todo list, or None where something else is called."""
STATUSES = ("ok", "error", "denied", "interrupted", "not_run", "unknown")


def step(grown: Grown, number: int, plans: list[Plan], order: list[int], lost: int) -> None:
    """A call for each of the plans, of todo where it is one."""
    names = ["t" if plan is None else "todo" for plan in plans]
    grown.says("thinking aloud" if number % 2 else "", *names, step=number)
    for index in [index for index in order if index < len(plans)][: max(0, len(plans) - lost)]:
        if (plan := plans[index]) is None:
            grown.answers(index, f"answer {index}", STATUSES[(number + index) % len(STATUSES)])
        else:
            grown.answers(index, "the list", todo=todo_list(*(f"{item} at {grown.last}" for item in plan)))


def thoughts_alone(grown: Grown, number: int) -> None:
    """A step that would have ended its run, had nobody steered."""
    grown.add(AssistantSaid(grown.started, number, 1, "m", (Thinking("hm"),), "stop"))
    grown.user(f"steer behind thoughts {number}", delivery="steer")


@st.composite
def conversations(draw: Callable[..., object], sound: bool = True) -> tuple[Grown, list[int]]:
    """A grown tree, and the lengths of the branch at which a request was sent."""
    grown = Grown()
    sent: list[int] = []
    for turn in range(draw(st.integers(1, 5))):
        grown.user(f"question {turn}")
        if draw(st.booleans()):
            grown.context("file", f"f{turn}.py", "words")
        grown.run()
        ended = draw(st.sampled_from(["completed", "interrupted", "failed", "limit", "crashed"]))
        steps = draw(st.integers(0, 3))
        for number in range(1, steps + 1):
            sent.append(len(grown.branch()))
            if draw(st.booleans()):
                thoughts_alone(grown, number)
                sent.append(len(grown.branch()))
            lost = 0 if sound else draw(st.integers(0, 2))
            step(grown, number, draw(st.lists(st.none() | PLANS, min_size=1, max_size=3)), draw(st.permutations([0, 1, 2])), lost)
            if draw(st.booleans()):
                grown.user(f"steer {turn}.{number}", delivery="steer")
        if not sound and draw(st.booleans()):
            grown.add(Damaged("bits"), ToolAnswered("77.0", "ok", "orphan", "orphan"), ToolStarted("78.1"))
        sent.append(len(grown.branch()))
        if ended == "completed":
            grown.says(f"answer {turn}", step=steps + 1)
        elif draw(st.booleans()):
            cut = (Text("half"), CallCut("t", '{"a')) if draw(st.booleans()) else (CallCut("t", '{"a'),)
            grown.add(AssistantSaid(grown.started, steps + 1, 1, "m", cut, "interrupted"))
        if draw(st.booleans()):
            grown.add(Noticed("info", "test", "a notice"))
        grown.ends(ended)
    return grown, sent


@given(conversations(sound=False))
@settings(deadline=None)
def test_every_projection_pairs_calls_with_answers_and_alternates_roles(case: tuple[Grown, list[int]]) -> None:
    grown, _ = case
    for length in range(1, len(grown.branch()) + 1):
        assert broken_rules(project(grown.branch()[:length], grown.facts).messages) == []


@given(conversations())
@settings(deadline=None)
def test_a_request_begins_with_the_one_before_it(case: tuple[Grown, list[int]]) -> None:
    grown, sent = case
    branch = grown.branch()
    requests = [project(branch[:length], grown.facts).messages for length in sent]
    for before, after in itertools.pairwise(requests):
        assert after[: len(before)] == before


@given(conversations(sound=False), st.data())
@settings(deadline=None)
def test_a_checkpoint_anywhere_leaves_a_valid_request_with_the_unanswered_words(
    case: tuple[Grown, list[int]], data: st.DataObject
) -> None:
    grown, _ = case
    found = plan(grown.branch(), grown.facts, MODEL, everything=data.draw(st.booleans()))
    if found is None:
        return
    grown.add(Compacted(found.upto, "SUM", 9, 1, "user", "summary", verbatim=found.verbatim))
    sight = project(grown.branch(), grown.facts)
    assert broken_rules(sight.messages) == []
    words = " ".join(piece.text for message in sight.messages if isinstance(message, UserMessage) for piece in message.pieces)
    for seq in unanswered(grown.branch()):
        assert grown.records[seq - 1].entry.parts[0].text in words


@given(conversations(sound=False), st.data())
@settings(deadline=None)
def test_a_compaction_taken_back_leaves_every_byte_of_the_request_and_one_made_again_every_byte_of_the_folded(
    case: tuple[Grown, list[int]], data: st.DataObject
) -> None:
    """With or without a checkpoint before it, and with what was pruned together with it; read anew and read on."""
    grown, _ = case
    seen = Projection()
    if data.draw(st.booleans()):
        fold(grown, data.draw(st.sampled_from([record.seq for record in grown.branch()])))
    whole = sent(grown, seen)
    line = fold(grown, data.draw(st.sampled_from([record.seq for record in grown.branch()])))
    prunes = [ItemRef(record.seq) for record in grown.branch() if record.type == "tool_answered" and data.draw(st.booleans())]
    if prunes:
        grown.add(ItemsSet(tuple(prunes), "pruned", line))
    folded = sent(grown, seen)
    for _ in range(data.draw(st.integers(1, 2))):
        grown.add(CompactionUndone(line))
        assert sent(grown, seen) == whole
        grown.add(CompactionUndone(line, undone=False))
        assert sent(grown, seen) == folded


def fold(grown: Grown, upto: int) -> int:
    """A checkpoint up to this node; gives its line."""
    waiting = tuple(seq for seq in unanswered(grown.branch()) if seq <= upto)
    fields = {"verbatim": waiting, "directives": ("tabs",), "pinned": ("port 1",), "references": ("a.txt",)}
    copies = (FileCopy("b.txt", 3, "its lines"),)
    grown.add(Compacted(upto, f"SUM {grown.last}", 9, 1, "user", "summary", files=copies, **fields))
    return grown.last


def sent(grown: Grown, seen: Projection) -> bytes:
    """The next request as bytes, after a look that `seen` agrees with."""
    branch = grown.branch()
    seen.follow(branch, grown.facts, MODEL.provider)
    sights = project(branch, grown.facts, MODEL.provider), seen.sight()
    anew, on = (msgspec.json.encode((sight.system, sight.tools, sight.messages, sight.marks)) for sight in sights)
    assert anew == on
    return anew


@given(conversations(), st.data())
@settings(deadline=None)
def test_walking_to_another_branch_and_back_gives_the_same_request(case: tuple[Grown, list[int]], data: st.DataObject) -> None:
    grown, _ = case
    head, before = grown.head, project(grown.branch(), grown.facts)
    grown.add(HeadMoved(data.draw(st.sampled_from([record.seq for record in grown.branch()])))).turn("elsewhere", "other")
    grown.add(HeadMoved(head))
    assert project(grown.branch(), grown.facts) == before


@given(conversations(), st.data())
@settings(deadline=None)
def test_what_is_open_of_the_newest_todo_list_travels_with_the_checkpoint_that_folds_it_and_stays_as_it_is(
    case: tuple[Grown, list[int]], data: st.DataObject
) -> None:
    grown, _ = case
    seen = Projection()
    upto = data.draw(st.sampled_from([record.seq for record in grown.branch()]))
    fold(grown, upto)
    given = [record.entry for record in grown.branch() if record.has_todo]
    newest = given[-1].todo if given and int(given[-1].call.partition(".")[0]) <= upto else ()
    assert todo_lines(grown) == [f"- [{item.status}] {item.text}" for item in newest if item.status != "done"]
    before = sent(grown, seen)
    grown.user("go on").run()
    asked = project(grown.branch(), grown.facts).messages
    grown.plans("now something else", step=99)
    assert project(grown.branch(), grown.facts).messages[: len(asked)] == asked
    assert sent(grown, seen) != before


def todo_lines(grown: Grown) -> list[str]:
    """The open items in the request's checkpoint."""
    told = [piece.text for piece in project(grown.branch(), grown.facts).messages[0].pieces if piece.text.startswith("<todo>")]
    return [line for text in told for line in text.split("\n") if line.startswith("- ")]
