"""The worker that writes a summary with tools: what it is told, what it may read, what travels with the checkpoint."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowchat.agent.agent import Limits
from flowchat.agent.compactor import CLOSING, NUDGE, NUDGE_TO_MARK
from flowchat.agent.proposal import CompactionFailed
from flowchat.agent.summary import INPUT_TOKENS
from flowchat.agent.tokens import fixed_tokens, message_tokens, text_tokens
from flowchat.model.model import ModelFacts, Refused, Request, ToolMessage, UserMessage
from flowchat.model.scripted import Says, Step, fails, says, waits
from flowchat.tools.registry import Registry, standard_tools
from flowchat.tools.rules import Rule
from flowchat.tools.tool import Desk as Place
from flowchat.tools.tool import Outcome, Tool
from flowchat.transcript.entries import Compacted, FileCopy
from tests.desk import Desk, Sitting

SUMMARY = "## Done\nread things\n\n## User directives\n- always use tabs\n\n## Current work\nnothing"
OTHER = "## Done\nread more things"
TOOLS = ["read_file", "mark_read_required", "add_reference", "write_summary"]


def calls(*wanted: tuple[str, dict[str, object]]) -> Says:
    return says("", calls=wanted)


def reads(path: str, **lines: int) -> Says:
    return calls(("read_file", {"path": path, **lines}))


def marks(path: str, **lines: int) -> Says:
    return calls(("mark_read_required", {"path": path, **lines}))


def writes(text: str = SUMMARY) -> Says:
    return calls(("write_summary", {"text": text}))


async def worked(desk: Desk, *steps: Step, runs: tuple[Step, ...] = (says("a1"),), **given: object) -> Sitting:
    """A session of one run whose summariser will play `steps`."""
    sitting = desk.open(*runs, says("more"), others={"compact": steps, "title": []}, **given)
    await sitting.session.rename("x")
    await sitting.session.send("always use tabs")
    await sitting.session.idle()
    return sitting


async def folded(sitting: Sitting) -> Compacted:
    record = await sitting.session.folding.compact()
    assert isinstance(record.entry, Compacted)
    return record.entry


def answers(request: Request) -> list[str]:
    """What its calls came to, so far."""
    return [message.text for message in request.messages if isinstance(message, ToolMessage)]


def asked(request: Request) -> str:
    """The last thing it was asked."""
    last = request.messages[-1]
    return last.pieces[-1].text if isinstance(last, UserMessage) else ""


async def test_what_it_marks_travels_with_the_checkpoint_and_is_in_the_next_request(desk: Desk) -> None:
    together = calls(("add_reference", {"path": "b.txt"}), ("write_summary", {"text": SUMMARY}))
    sitting = await worked(desk, reads("a.txt"), marks("a.txt", offset=2), together, says("done"))
    checkpoint = await folded(sitting)
    assert (checkpoint.files, checkpoint.references) == ((FileCopy("a.txt", 2, "beta"),), ("b.txt",))
    assert checkpoint.directives == ("always use tabs",)
    requests = sitting.model.asked("compact")
    assert [(request.temperature, request.max_output_tokens) for request in requests] == [(0.0, 4_096)] * 4
    assert [[tool.name for tool in request.tools] for request in requests] == [TOOLS] * 4
    assert answers(requests[1])[0].startswith("1\talpha\n2\tbeta")
    await sitting.session.send("go on")
    await sitting.session.idle()
    (request,) = sitting.requests()[-1]
    assert '<file path="a.txt" from_line="2">\nbeta\n</file>' in request
    assert "<references>\nb.txt\n</references>" in request


async def test_the_summary_written_last_counts(desk: Desk) -> None:
    sitting = await worked(desk, writes(SUMMARY), writes(OTHER), says("done"))
    assert (await folded(sitting)).summary == OTHER


async def test_a_summary_in_plain_words_counts_too(desk: Desk) -> None:
    sitting = await worked(desk, says(OTHER))
    assert (await folded(sitting)).summary == OTHER


@pytest.mark.parametrize("silent", [says(""), says("I have looked at it."), calls(("write_summary", {"text": " "}))])
async def test_without_a_summary_it_is_asked_once_more_and_then_nothing_is_changed(desk: Desk, silent: Says) -> None:
    sitting = await worked(desk, silent, says("no"), says("no"))
    before = sitting.session.transcript.records()[:]
    with pytest.raises(CompactionFailed, match="wrote no summary") as raised:
        await sitting.session.compact()
    assert raised.value.code == "summary_missing"
    assert [asked(request).endswith(NUDGE) for request in sitting.model.asked("compact")].count(True) == 1
    assert sitting.session.transcript.records()[:] == before


async def test_asked_once_more_it_may_still_write_it(desk: Desk) -> None:
    sitting = await worked(desk, says("Let me see."), writes(OTHER), says("done"))
    assert (await folded(sitting)).summary == OTHER


LOOKED = (reads("a.txt"), reads("b.txt"), says("a1"))


async def test_the_files_touched_last_are_offered_and_where_none_is_marked_it_is_asked_once(desk: Desk) -> None:
    sitting = await worked(desk, writes(), says("done"), says("none"), runs=LOOKED)
    assert (await folded(sitting)).files == ()
    requests = sitting.model.asked("compact")
    assert asked(requests[0]).endswith("Files touched last, the newest first:\n- b.txt\n- a.txt")
    assert [asked(request) == NUDGE_TO_MARK for request in requests] == [False, False, True]


async def test_only_five_files_are_offered(desk: Desk) -> None:
    names = [f"{number}.txt" for number in range(7)]
    for name in names:
        (desk.folder / name).write_text(name)
    sitting = await worked(desk, writes(), says("done"), says("none"), runs=(*map(reads, names), says("a1")))
    await folded(sitting)
    offered = asked(sitting.model.asked("compact")[0]).split("the newest first:\n")[1]
    assert offered.split("\n") == [f"- {name}" for name in reversed(names[2:])]


async def test_a_file_over_the_budget_is_an_error_and_not_recorded(desk: Desk) -> None:
    (desk.folder / "long.txt").write_text("a line of a long file\n" * 1_600)
    sitting = await worked(desk, marks("long.txt"), marks("long.txt", limit=2), writes(), says("done"))
    checkpoint = await folded(sitting)
    told = answers(sitting.model.asked("compact")[2])
    assert told[0].startswith("error: not recorded: this takes 8,")
    assert told[0].endswith("8,000 of 8,000 are left; mark fewer lines (offset, limit), or add_reference")
    assert told[1].startswith("recorded: ")
    assert checkpoint.files == (FileCopy("long.txt", 1, "a line of a long file\na line of a long file"),)


async def test_the_budget_is_for_all_files_together_and_the_same_lines_count_once(desk: Desk) -> None:
    (desk.folder / "long.txt").write_text("a line of a long file\n" * 1_600)
    marked = [marks("long.txt", limit=900), marks("long.txt", limit=900), marks("long.txt", offset=901, limit=600)]
    sitting = await worked(desk, *marked, writes(), says("done"))
    checkpoint = await folded(sitting)
    told = answers(sitting.model.asked("compact")[3])
    assert told[0] == told[1] == "recorded: 4,950 tokens, 3,050 of 8,000 left; only what is really needed should take the rest"
    assert told[2].startswith("error: not recorded: ")
    assert "and 3,050 of 8,000 are left;" in told[2]
    assert [(copy.first_line, copy.text.count("\n") + 1) for copy in checkpoint.files] == [(1, 900)]


async def test_files_are_read_when_the_checkpoint_is_made_and_one_that_is_gone_leaves_a_line(desk: Desk) -> None:
    hold = waits("", says("done"))
    marked = calls(("mark_read_required", {"path": "a.txt"}), ("mark_read_required", {"path": "b.txt"}))
    sitting = await worked(desk, marked, writes(), hold)
    compacting = asyncio.create_task(sitting.session.folding.compact())
    await hold.reached.wait()
    (desk.folder / "a.txt").write_text("changed\n")
    (desk.folder / "b.txt").unlink()
    hold.gate.set()
    checkpoint = (await compacting).entry
    assert isinstance(checkpoint, Compacted)
    assert checkpoint.files[0] == FileCopy("a.txt", 1, "changed")
    assert checkpoint.files[1].text.startswith("[could not be read: ")


async def test_a_file_that_leads_out_of_the_workspace_by_then_is_not_read(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("not yours")
    hold = waits("", says("done"))
    sitting = await worked(desk, marks("a.txt"), writes(), hold)
    compacting = asyncio.create_task(sitting.session.folding.compact())
    await hold.reached.wait()
    (desk.folder / "a.txt").unlink()
    (desk.folder / "a.txt").symlink_to(tmp_path / "outside.txt")
    hold.gate.set()
    checkpoint = (await compacting).entry
    assert isinstance(checkpoint, Compacted)
    assert checkpoint.files[0].text.startswith("[could not be read: a.txt may not be read here")


async def test_a_file_that_has_grown_is_cut_to_the_budget_and_says_so(desk: Desk) -> None:
    hold = waits("", says("done"))
    sitting = await worked(desk, marks("a.txt"), writes(), hold)
    compacting = asyncio.create_task(sitting.session.folding.compact())
    await hold.reached.wait()
    (desk.folder / "a.txt").write_text("a line of a long file\n" * 9_000)
    hold.gate.set()
    checkpoint = (await compacting).entry
    assert isinstance(checkpoint, Compacted)
    *lines, last = checkpoint.files[0].text.split("\n")
    assert set(lines) == {"a line of a long file"}
    assert last == f"[cut here: the file has grown, and there is no room for line {len(lines) + 1} and what follows]"
    assert 6_000 < text_tokens(checkpoint.files[0].text) <= 8_000


async def test_what_may_not_be_read_here_is_neither_read_nor_marked_nor_named_nor_offered(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("not yours")
    (desk.folder / "way").symlink_to(tmp_path / "outside.txt")
    denied = Rule("read_file", "b.txt", "deny")
    tries = [
        (tool, {"path": path})
        for tool in ("read_file", "mark_read_required", "add_reference")
        for path in ("b.txt", str(tmp_path / "outside.txt"), "way")
    ]
    looked = calls(("read_file", {"path": "a.txt"}), ("write_file", {"path": "b.txt", "content": "x"}))
    sitting = await worked(
        desk, calls(*tries), writes(), says("done"), says("none"), runs=(looked, says("a1")), rules=(denied,), mode="bypass"
    )
    await sitting.session.set_mode("default")
    checkpoint = await folded(sitting)
    told = answers(sitting.model.asked("compact")[1])
    assert [answer.startswith("error: ") and "may not be read here" in answer for answer in told] == [True] * 9
    assert (checkpoint.files, checkpoint.references) == ((), ())
    assert asked(sitting.model.asked("compact")[0]).endswith("the newest first:\n- a.txt")


async def test_it_is_told_calls_by_name_and_answers_by_their_line_and_no_reasoning(desk: Desk) -> None:
    (desk.folder / "secret-name.txt").write_text("the content itself\n")
    looked = says("I look.", thinking="what I think", calls=[("read_file", {"path": "secret-name.txt", "limit": 77})])
    sitting = await worked(desk, writes(), says("done"), says("none"), runs=(looked, says("a1")))
    await folded(sitting)
    task = asked(sitting.model.asked("compact")[0])
    story = task.split("What followed:\n")[1].split("\n\n")[0].split("\n")
    assert story[:3] == ["User: always use tabs", "Agent: I look.", "[call read_file]"]
    assert story[3].startswith("[answer ok: ")
    assert story[4:] == ["Agent: a1"]
    assert ("the content itself" in task, "what I think" in task, "77" in task) == (False, False, False)


async def test_all_its_requests_together_stay_within_its_budget_and_the_last_ones_are_for_writing(desk: Desk) -> None:
    (desk.folder / "long.txt").write_text("a line of a long file\n" * 600)
    sitting = await worked(desk, *(reads("long.txt") for _ in range(3)), writes())
    assert (await folded(sitting)).summary.startswith("## Done")
    requests = sitting.model.asked("compact")
    weights = [fixed_tokens(request.system, request.tools) + sum(map(message_tokens, request.messages)) for request in requests]
    assert sum(weights) <= INPUT_TOKENS
    assert [tool.name for tool in requests[-1].tools] == ["write_summary"]
    assert asked(requests[-1]) == CLOSING


async def test_a_call_of_no_tool_and_one_with_bad_arguments_are_answered_with_an_error(desk: Desk) -> None:
    (desk.folder / "two\nlines.txt").touch()
    wrong = says(
        "",
        calls=[
            ("shell", {"command": "ls"}),
            ("write_summary", {}),
            ("read_file", "{"),
            ("mark_read_required", {"path": "a.txt", "offset": 0}),
            ("mark_read_required", {"path": "no-such.txt"}),
            ("add_reference", {"path": "no-such.txt"}),
            ("add_reference", {"path": "."}),
            ("add_reference", {"path": "two\nlines.txt"}),
        ],
    )
    sitting = await worked(desk, wrong, writes(), says("done"))
    checkpoint = await folded(sitting)
    assert (checkpoint.files, checkpoint.references) == ((), ())
    told = answers(sitting.model.asked("compact")[1])
    assert [answer.startswith("error: ") for answer in told] == [True] * 8


class Broken:
    """A tool with a bug."""

    read_only = True

    def __init__(self, tool: Tool) -> None:
        self.schema, self.reach, self.preview = tool.schema, tool.reach, tool.preview

    async def run(self, args: Mapping[str, object], desk: Place) -> Outcome:
        raise ValueError("a bug")


async def test_a_bug_in_a_tool_is_answered_with_an_error_and_the_summary_is_written(desk: Desk) -> None:
    tools = Registry([Broken(tool) if tool.schema.name == "read_file" else tool for tool in standard_tools()])
    path = {"path": "a.txt"}
    sitting = await worked(desk, calls(("read_file", path), ("mark_read_required", path)), writes(), says("done"), tools=tools)
    assert (await folded(sitting)).files == ()
    assert answers(sitting.model.asked("compact")[1]) == ["error: read_file failed: ValueError: a bug"] * 2


async def test_a_model_without_tools_is_asked_for_the_summary_in_one_plain_call(desk: Desk) -> None:
    sitting = await worked(desk, says(OTHER), facts=ModelFacts("plain", "scripted", 100_000, "config", calls_tools=False))
    assert (await folded(sitting)).summary == OTHER
    (request,) = sitting.model.asked("compact")
    assert (request.tools, request.temperature) == ((), 0.0)


async def test_a_model_that_takes_no_temperature_is_asked_without_one(desk: Desk) -> None:
    sitting = await worked(desk, fails(Refused("Unsupported value: 'temperature'")), says(OTHER))
    assert (await folded(sitting)).summary == OTHER
    assert [request.temperature for request in sitting.model.asked("compact")] == [0.0, None]


async def test_a_worker_that_fails_or_takes_too_long_changes_nothing(desk: Desk) -> None:
    hold = waits("", says("done"))
    sitting = await worked(desk, writes(), fails(Refused("no more")), writes(), hold, limits=Limits(compact_seconds=0.05))
    for words in ("the summary failed: no more", "the summary took longer than 0.05 s"):
        with pytest.raises(CompactionFailed, match=words):
            await sitting.session.compact()
    assert sitting.session.transcript.facts.checkpoints == []


async def test_what_is_too_long_to_be_told_at_once_is_summarised_in_plain_calls_first(desk: Desk) -> None:
    runs = tuple(says(f"answer {number} " + "word " * 4_000) for number in range(6))
    sitting = desk.open(*runs, others={"compact": [says("## Done\nthe first"), writes(OTHER), says("done")], "title": []})
    await sitting.session.rename("x")
    for number in range(6):
        await sitting.session.send(f"question {number}")
        await sitting.session.idle()
    assert (await folded(sitting)).summary == OTHER
    plain, worker, _ = sitting.model.asked("compact")
    assert (plain.tools, "question 0" in asked(plain)) == ((), True)
    assert asked(worker).startswith("Summary so far:\n## Done\nthe first\n\nWhat followed:\n")
