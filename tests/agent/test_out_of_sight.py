"""What the next request does not show whole: exactly that is out of sight, and nothing of other branches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.agent.items import chosen_on, items_in_force
from flowchat.agent.out_of_sight import out_of_sight
from flowchat.agent.prompt import edited_parts, edits_on, line_in_force, line_of, project
from flowchat.tools.passages import Passage
from flowchat.transcript.entries import (
    AssistantSaid,
    Blob,
    BlobRef,
    Call,
    Compacted,
    CompactionUndone,
    ContextAdded,
    Edited,
    HeadMoved,
    ItemRef,
    ItemsSet,
    Noticed,
    Text,
    Thinking,
    ToolAnswered,
    UserSaid,
    text_of,
)
from tests.agent.test_projection import HAPPENINGS, Draw
from tests.growing import Grown, texts

LOG = BlobRef("f" * 64, 90_000, "text/plain")
IMAGE = BlobRef("e" * 64, 90_000, "image/png", (10, 10))


def unseen(grown: Grown) -> list[Passage]:
    branch = grown.branch()
    line = line_in_force(branch, grown.facts, edits_on(branch, grown.facts))
    return out_of_sight(branch, line, chosen_on(branch, items_in_force(grown.facts, line_of(line))))


def short(grown: Grown) -> list[str]:
    return [f"{passage.what}: {passage.text}" for passage in unseen(grown)]


def folded(grown: Grown, **fields: object) -> Grown:
    return grown.add(Compacted(grown.head, "SUM", 9, 1, "user", "summary", **fields))


def test_without_a_checkpoint_only_what_was_cut_is() -> None:
    grown = Grown().user("look").run().says("I look.", "shell", "read_file")
    grown.add(
        ToolAnswered(f"{grown.said}.0", "ok", "900 lines", "first ... last", LOG),
        ToolAnswered(f"{grown.said}.1", "ok", "s", "all"),
    )
    assert unseen(grown) == [
        Passage(grown.last - 1, 1_000 * (grown.last - 2), "answer to shell", "first ... last", "cut", (LOG,), in_part=True)
    ]


def test_what_a_checkpoint_folded_is_words_calls_and_answers_as_they_are_and_not_as_json_writes_them() -> None:
    grown = Grown().user("fix it").run()
    args = '{"path": "a.py", "content": "one\\ntwo", "lines": [1, 2]}'
    grown.add(
        AssistantSaid(
            1, 1, 1, "m", (Thinking("hm"), Text("I write."), Call("x", "write_file", args), Call("y", "odd", "{")), "calls"
        )
    )
    grown.said = grown.last
    grown.answers(0, "written").answers(1, "no JSON", "error").says("Done.").ends()
    assert short(folded(grown).user("and now?")) == [
        "user: fix it",
        "assistant: I write.\n[call write_file]\npath: a.py\ncontent: one\ntwo\nlines: [1,2]\n[call odd]\n{",
        "answer to write_file: written",
        "answer to odd: no JSON",
        "assistant: Done.",
    ]


def test_what_outlives_a_checkpoint_is_in_sight() -> None:
    grown = Grown().context("instructions", "AGENTS.md", "old").context("instructions", "AGENTS.md", "new")
    grown.context("file", "a.txt", "alpha").turn("u1", "a1").user("u2")
    assert short(folded(grown, verbatim=(grown.last,))) == [
        "instructions AGENTS.md: old", "file a.txt: alpha", "user: u1", "assistant: a1",
    ]  # fmt: skip


def test_an_edited_message_is_what_it_reads_now() -> None:
    grown = Grown().turn("u1", "a1")
    grown.add(Edited(2, (Text("better"),)))
    assert short(folded(grown)) == ["user: better", "assistant: a1"]


def test_long_texts_of_a_message_are_with_it_and_images_are_named() -> None:
    grown = Grown().add(UserSaid("c", (Text("see "), Blob(LOG, "a.log"), Blob(IMAGE))))
    [passage] = unseen(folded(grown))
    assert (passage.text, passage.kept, passage.in_part) == ("see [a.log][image/png]", (LOG,), False)


def test_what_the_model_never_heard_is_not_found_by_it() -> None:
    """Notices are the user's alone; so is the output of a command kept from the model."""
    grown = Grown().turn("u1", "a1").add(Noticed("info", "command", "!!cat key\n---\nsecret"))
    assert short(folded(grown)) == ["user: u1", "assistant: a1"]


def test_other_branches_are_not_there() -> None:
    grown = Grown().turn("u1", "a1").turn("other", "other answer")
    grown.add(HeadMoved(5)).turn("u2", "a2")
    assert short(folded(grown)) == ["user: u1", "assistant: a1", "user: u2", "assistant: a2"]


def test_what_recall_gave_is_left_out() -> None:
    grown = Grown().user("u1").run().says("", "recall").answers(0, "[2] user: u1").says("a1").ends()
    assert short(folded(grown)) == ["user: u1", "assistant: a1"]


def test_after_a_compaction_was_undone_all_is_in_sight_again() -> None:
    grown = folded(Grown().turn("u1", "a1"))
    assert len(unseen(grown)) == 2
    grown.add(CompactionUndone(grown.last))
    assert unseen(grown) == []


def worked() -> Grown:
    """u1 (2), an answer with two calls (4), their answers (6, 8), the last words (9), and u2 (11), answered (13)."""
    grown = Grown().user("u1").run().says("I look.", "grep", "shell").answers(0, "14 matches").answers(1, "ok")
    return grown.says("Done.").ends().turn("u2", "a2")


def put(grown: Grown, state: str, *refs: tuple[int, int | None]) -> Grown:
    return grown.add(ItemsSet(tuple(ItemRef(node, part) for node, part in refs), state))


@pytest.mark.parametrize(
    ("state", "refs", "shown"),
    [
        ("pruned", [(6, None)], [(6, "answer to grep", "14 matches", "pruned")]),
        ("excluded", [(2, None)], []),
        ("excluded", [(4, 0)], []),
        ("excluded", [(4, 2)], []),
        ("pinned", [(2, None), (6, None)], []),
    ],
)
def test_what_was_set_of_an_item_takes_it_out_of_sight_and_is_said(
    state: str, refs: list[tuple[int, int | None]], shown: list[tuple[int, str, str, str]]
) -> None:
    grown = put(worked(), state, *refs)
    assert [(passage.seq, passage.what, passage.text, passage.why) for passage in unseen(grown)] == shown
    assert unseen(put(grown, "restored", *refs)) == []


def test_what_the_user_excluded_is_out_of_reach_folded_or_cut_until_it_is_restored() -> None:
    grown = Grown().user("the key is 4711").run().says("I try 4711.", "shell")
    grown.add(ToolAnswered(f"{grown.said}.0", "ok", "s", "4711 fits", LOG)).says("Done.", step=2).ends()
    refs = [(seq, None) for seq in (2, 4, 5)]
    assert [passage.text for passage in unseen(put(grown, "excluded", *refs))] == []
    assert [passage.text for passage in unseen(folded(grown))] == ["Done."]
    assert "4711" in "".join(passage.text for passage in unseen(put(grown, "restored", *refs)))


def test_of_what_is_folded_pinned_items_stay_in_sight_and_excluded_ones_are_nowhere() -> None:
    grown = folded(put(put(worked(), "pinned", (2, None), (4, 0), (6, None)), "excluded", (9, None)))
    assert [(passage.seq, passage.text, passage.why) for passage in unseen(grown)] == [
        (4, "[call shell]", "folded"),
        (8, "ok", "folded"),
        (11, "u2", "folded"),
        (13, "a2", "folded"),
    ]


@pytest.mark.parametrize("text", ["a\nb", "x" * 5_000])
def test_what_an_entry_is_stays_one_short_line(text: str) -> None:
    [passage] = unseen(folded(Grown().add(ContextAdded("file", text, (Text("content"),)))))
    assert "\n" not in passage.what
    assert len(passage.what) <= 200


def set_aside(grown: Grown, draw: Draw) -> None:
    nodes = [
        record for record in grown.branch() if record.type in ("user_said", "assistant_said", "tool_answered", "context_added")
    ]
    if nodes:
        record = draw(st.sampled_from(nodes))
        parts = [None, *range(len(record.entry.parts))] if record.type == "assistant_said" else [None]
        state = draw(st.sampled_from(["pruned", "pinned", "excluded", "restored"]))
        put(grown, state, (record.seq, draw(st.sampled_from(parts))))


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_whatever_happened_what_was_said_on_the_branch_is_in_the_request_or_out_of_sight_or_excluded(data: st.DataObject) -> None:
    grown = worked().user("u3").run().says("", "read_file").answers(0, "a line\n" * 20 + "the end").says("a3").ends()
    for _ in range(data.draw(st.integers(1, 15))):
        data.draw(st.sampled_from([*HAPPENINGS, *[set_aside] * len(HAPPENINGS)]))(grown, data.draw)
    sent = "\n".join(texts(project(grown.branch(), grown.facts, "p").messages))
    passages = unseen(grown)
    reachable = sent + "\n".join(passage.text for passage in passages)
    branch, at = grown.branch(), {passage.seq: passage.text for passage in passages}
    line, edits = line_in_force(branch, grown.facts, edits_on(branch, grown.facts)), edited_parts(branch)
    chosen = chosen_on(branch, items_in_force(grown.facts, line_of(line)))
    answered = set[str]()
    for record in branch:
        match record.entry:
            case UserSaid() | ContextAdded() if record.seq in chosen.out:
                assert record.seq not in at
            case AssistantSaid(parts=parts) if record.seq in chosen.out:
                assert not text_of(parts) or text_of(parts) not in at.get(record.seq, "")
            case ToolAnswered(call=call) if call in chosen.calls_out:
                assert record.seq not in at
            case UserSaid(parts=parts):
                assert text_of(edits.get(record.seq, parts)) in reachable
            case ContextAdded(parts=parts) | AssistantSaid(parts=parts):
                assert text_of(parts) in reachable
            case ToolAnswered(call=call, content=content) if call not in answered:
                answered.add(call)
                assert content in reachable or not is_asked(grown, call)
    assert [passage.seq for passage in passages] == sorted({passage.seq for passage in passages})


def is_asked(grown: Grown, call: str) -> bool:
    """Whether a call of this id is on the branch: an answer to no call is an orphan, and nothing of the conversation."""
    said = {record.seq: record.entry for record in grown.branch() if record.type == "assistant_said"}
    node, _, index = call.partition(".")
    return int(node) in said and int(index) < len(said[int(node)].calls)
