"""What a branch has said so far: the same however it was read, and no more work than what is new."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.reading import Known
from flowchat.runtime.project import Surroundings
from flowchat.transcript.entries import ContextAdded, FileTouched, HeadMoved, Noticed, Record, Text, ToolAnswered
from tests.agent.test_projection import HAPPENINGS, Counted, Draw, long
from tests.desk import HandClock
from tests.growing import Grown


def touched(grown: Grown, draw: Draw) -> None:
    file = FileTouched(draw(st.sampled_from("ab")), f"sha at {grown.last}", "read")
    grown.add(ToolAnswered("1.0", "ok", "line", files=(file,)))


def noticed(grown: Grown, draw: Draw) -> None:
    grown.add(Noticed("info", "test", f"a notice at {grown.last}"))


def said_by(known: Known) -> tuple[object, ...]:
    return known.files, known.told, known.noticed


@given(st.data())
@settings(deadline=None)
def test_what_is_known_of_a_branch_is_what_reading_it_anew_gives_whatever_happens(data: st.DataObject) -> None:
    grown, kept = Grown(), Known()
    for _ in range(data.draw(st.integers(1, 30))):
        data.draw(st.sampled_from([*HAPPENINGS, touched, noticed]))(grown, data.draw)
        if data.draw(st.booleans()):
            kept.follow(grown.branch())
            anew = Known()
            anew.follow(grown.branch())
            assert said_by(kept) == said_by(anew)


def test_of_each_file_and_origin_the_last_word_on_the_branch_counts() -> None:
    grown, known = Grown(), Known()
    grown.add(ToolAnswered("1.0", "ok", "line", files=(FileTouched("a", "1", "read"), FileTouched("b", "1", "read"))))
    fork = grown.last
    grown.add(ToolAnswered("1.1", "ok", "line", files=(FileTouched("a", "", "write"),)), Noticed("info", "test", "a notice"))
    grown.context("mode", "mode", "plan").add(ContextAdded("job", "unhashed", (Text("x"),)))
    known.follow(grown.branch())
    assert said_by(known) == ({"a": "", "b": "1"}, {("mode", "mode"): "sha-plan"}, {"a notice"})
    grown.add(HeadMoved(fork))
    known.follow(grown.branch())
    assert said_by(known) == ({"a": "1", "b": "1"}, {}, set())


def test_a_node_that_takes_the_place_of_one_that_was_withdrawn_is_read() -> None:
    known = Known()
    first = Record(1, 0, 0, "noticed", Noticed("info", "test", "first"))
    known.follow([first, Record(2, 0, 1, "noticed", Noticed("info", "test", "withdrawn"))])
    known.follow([first, Record(2, 0, 1, "noticed", Noticed("info", "test", "second"))])
    assert known.noticed == {"first", "second"}


async def test_a_step_reads_of_a_long_branch_only_what_is_new(tmp_path: Path) -> None:
    grown, surroundings = long(500), Surroundings(tmp_path, None, HandClock())
    for added in await surroundings.news(grown.branch(), True, "default"):
        grown.add(added)
    grown.user("more").run().says("", "read_file").answers(0, "A")
    branch = Counted(grown.branch())
    assert await surroundings.news(branch, False, "plan") != []
    assert branch.read < 50
