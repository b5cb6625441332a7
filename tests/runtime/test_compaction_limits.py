"""Where compaction begins by itself, and when it stops to: limits in percent and tokens, three strikes, and what ends them."""

import os
from pathlib import Path

import pytest

from flowchat.agent.agent import Limits
from flowchat.config import Compact, Settings
from flowchat.model.model import ModelFacts, Refused
from flowchat.model.scripted import Step, fails, says
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import Compacted, Noticed, RunEnded, Usage
from flowchat.transcript.events import StateDelta
from tests.desk import Desk, Sitting, project_folder

SMALL = ModelFacts("small", "scripted", 20_000, "config", max_output=2_000)
SUMMARY = says("## Done\nread things")
NO = fails(Refused("no summary today"))


async def after_runs(desk: Desk, runs: int, *compacting: Step, used: int = 14_000, limits: Limits | None = None) -> Sitting:
    """A session after so many runs, each of which leaves it with `used` tokens."""
    heavy = (says("a", usage=Usage(input=used, output=1)) for _ in range(30))
    given = {"facts": SMALL, "limits": limits or Limits(), "others": {"compact": compacting, "title": []}}
    sitting = desk.open(*heavy, **given)
    await sitting.session.rename("x")
    await more_runs(sitting, runs)
    return sitting


async def more_runs(sitting: Sitting, runs: int) -> None:
    for _ in range(runs):
        await sitting.session.send("go on " + "word " * 60)
        await sitting.session.idle()


def triggers(sitting: Sitting) -> list[str]:
    return [entry.trigger for entry in sitting.ear.entries(Compacted)]


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (Limits(soft=11_000), ["soft"]),
        (Limits(soft=16_000), []),
        (Limits(soft=70), ["soft"]),
        (Limits(soft=100), []),
        (Limits(soft=100, hard=11_000), ["hard"]),
        (Limits(soft=90, hard=70), ["hard"]),
        (Limits(soft=17_000, hard=11_000), ["hard"]),
        (Limits(soft=1_000_000, hard=1_000_000), []),
    ],
)
async def test_limits_are_percent_or_tokens_and_any_of_them_will_do(desk: Desk, limits: Limits, found: list[str]) -> None:
    sitting = await after_runs(desk, 2, SUMMARY, used=13_000, limits=limits)
    assert triggers(sitting) == found
    assert {ended.outcome for ended in sitting.branch(RunEnded)} == {"completed"}


@pytest.mark.parametrize(
    ("compact", "told"),
    [
        (Compact(soft_percent=95), "the soft limit (95 %) is over the hard one (90 %)"),
        (Compact(soft=90_000, hard=60_000), "the soft limit (90,000 tokens) is over the hard one (60,000 tokens)"),
        (Compact(soft=60_000, hard=90_000), None),
        (Compact(soft=60_000), None),
        (Compact(soft_percent=100), None),
        (Compact(soft_percent=90), None),
    ],
)
async def test_limits_the_wrong_way_round_are_told_of_when_it_starts(tmp_path: Path, compact: Compact, told: str | None) -> None:
    workspace = Workspace(project_folder(tmp_path), Settings(compact=compact), None, environ={"PATH": os.environ["PATH"]})
    sentences = [notice for notice in workspace.notices if notice.startswith("compact")]
    assert sentences == ([f"compact: {told}, so only the hard one counts; set compact.soft lower"] if told else [])
    session = await workspace.new()
    await session.send("list .")
    await session.idle()
    await workspace.close()


def notices(sitting: Sitting) -> list[str]:
    return [notice.text for notice in sitting.branch(Noticed) if notice.source == "compaction"]


def off(sitting: Sitting) -> bool:
    return [event.compaction_off for event in sitting.ear.events if isinstance(event, StateDelta)][-1]


async def test_a_failure_after_a_run_is_a_notice_and_the_third_says_that_it_was_the_last(desk: Desk) -> None:
    sitting = await after_runs(desk, 4, NO, NO, NO)
    assert [text.partition("That was 3 in a row")[1] != "" for text in notices(sitting)] == [False, False, True]
    assert ({ended.outcome for ended in sitting.branch(RunEnded)}, off(sitting)) == ({"completed"}, True)


async def test_another_model_has_it_tried_once_more(desk: Desk) -> None:
    sitting = await after_runs(desk, 4, NO, NO, NO, NO)
    await sitting.session.set_model("other/model")
    assert not off(sitting)
    await more_runs(sitting, 2)
    assert (len(sitting.model.asked("compact")), off(sitting)) == (4, True)


async def test_ten_runs_later_it_is_tried_once_more(desk: Desk) -> None:
    sitting = await after_runs(desk, 13, NO, NO, NO, SUMMARY, used=13_000)
    assert (triggers(sitting), off(sitting)) == ([], True)
    await more_runs(sitting, 1)
    assert (triggers(sitting), off(sitting)) == (["soft"], False)
