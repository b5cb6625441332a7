"""What may be pruned of old answers, and when."""

from flowchat.agent.items import pruned_text
from flowchat.agent.prompt import project
from flowchat.agent.prune import prunable, pruned_anyway, pruned_with
from flowchat.transcript.entries import (
    AttemptUsed,
    Compacted,
    Edited,
    ItemRef,
    ItemsSet,
    PromptSet,
    Text,
    ToolAnswered,
    Usage,
)
from tests.growing import Grown, texts

EIGHT_KIB = "eight ki" * 1_024


def worked(runs: int, answers: int = 3, content: str = EIGHT_KIB, counted: bool = True) -> Grown:
    """Runs that read `answers` files each; the model says what its requests took, or does not."""
    grown = Grown()
    for number in range(runs):
        grown.user(f"question {number}").run().says("", *["read_file"] * answers)
        if counted:
            grown.add(AttemptUsed(grown.started, 1, 1, "run", usage=Usage(input=100, output=7)))
        for index in range(answers):
            grown.answers(index, content)
        grown.says(f"answer {number}", step=2).ends()
    return grown


def answered(grown: Grown) -> list[int]:
    return [record.seq for record in grown.records if record.type == "tool_answered"]


def refs(*seqs: int) -> tuple[ItemRef, ...]:
    return tuple(map(ItemRef, seqs))


def test_only_the_answers_outside_the_last_three_runs_are_pruned() -> None:
    grown = worked(4)
    assert prunable(grown.branch(), grown.facts, None) == refs(*answered(grown)[:3])


def test_a_saving_under_the_least_is_left() -> None:
    assert prunable(worked(4, answers=2).branch(), worked(4, answers=2).facts, None) == ()
    grown = worked(4, answers=1, content="x" * 4 * 4_200)
    assert prunable(grown.branch(), grown.facts, None) == refs(*answered(grown)[:1])
    grown = worked(4, answers=1, content="x" * 4 * 4_096)
    assert prunable(grown.branch(), grown.facts, None) == ()
    assert prunable(grown.branch(), grown.facts, None, least_tokens=1) == refs(*answered(grown)[:1])


def test_without_usage_nothing_is_pruned() -> None:
    grown = worked(6, counted=False)
    assert prunable(grown.branch(), grown.facts, None) == ()
    grown.add(AttemptUsed(grown.started, 1, 1, "run", usage=Usage()))
    assert prunable(grown.branch(), grown.facts, None) == ()
    grown.add(AttemptUsed(grown.started, 1, 1, "run", usage=Usage(input=1)))
    assert prunable(grown.branch(), grown.facts, None) != ()


def test_what_the_user_chose_is_left_as_it_was_chosen() -> None:
    grown = worked(5)
    first, second, third, *_ = answered(grown)
    grown.add(ItemsSet(refs(first), "pinned"), ItemsSet(refs(second), "excluded"), ItemsSet(refs(third), "pruned"))
    assert prunable(grown.branch(), grown.facts, None) == refs(*answered(grown)[3:6])


def test_with_a_checkpoint_what_it_keeps_is_pruned_and_comes_back_when_that_is_undone() -> None:
    grown = worked(5)
    folded = answered(grown)[2]
    checkpoint = Compacted(folded, "SUM", 100, 10, "user", "summary")
    (line,) = pruned_with(grown.branch(), grown.facts, grown.last + 1, checkpoint)
    assert line == ItemsSet(refs(*answered(grown)[3:6]), "pruned", grown.last + 1)
    grown.add(checkpoint, line)
    shown = "".join(texts(project(grown.branch(), grown.facts).messages))
    for seq in answered(grown)[3:6]:
        entry = grown.records[seq - 1].entry
        assert isinstance(entry, ToolAnswered)
        assert pruned_text(seq, entry) in shown
    assert shown.count(EIGHT_KIB) == 9
    assert [record.entry.content for record in grown.records if record.type == "tool_answered"] == [EIGHT_KIB] * 15


def test_while_the_next_request_goes_on_with_the_last_nothing_is_pruned() -> None:
    grown = worked(6).user("next").run()
    assert pruned_anyway(grown.branch(), grown.facts, "m") == ()


def test_where_another_model_answers_or_the_prompt_is_another_the_old_answers_are_pruned() -> None:
    grown = worked(4)
    expected = (ItemsSet(refs(*answered(grown)[:3]), "pruned"),)
    assert pruned_anyway(grown.branch(), grown.facts, "another") == expected
    grown.add(PromptSet("New.", (), "upgrade"))
    assert pruned_anyway(grown.branch(), grown.facts, "m") == expected


def test_where_a_message_was_edited_only_what_follows_it_is_pruned() -> None:
    grown = worked(6)
    second = [record.seq for record in grown.records if record.type == "user_said"][1]
    grown.add(Edited(second, (Text("another question"),)))
    assert pruned_anyway(grown.branch(), grown.facts, "m") == (ItemsSet(refs(*answered(grown)[3:9]), "pruned"),)
    grown.user("next").run().says("done", step=1).ends()
    assert pruned_anyway(grown.branch(), grown.facts, "m") == ()


def test_behind_a_checkpoint_only_what_it_keeps_is_pruned() -> None:
    grown = worked(6)
    grown.add(Compacted(answered(grown)[2], "SUM", 100, 10, "user", "summary"))
    assert pruned_anyway(grown.branch(), grown.facts, "another") == (ItemsSet(refs(*answered(grown)[3:9]), "pruned"),)
