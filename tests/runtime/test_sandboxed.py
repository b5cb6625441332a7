"""A workspace whose commands are confined: what is asked, what is said, and what is left behind."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from flowchat.agent.inbox import Choice
from flowchat.config import Folders, Settings
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.doctor import Fact, examine
from flowchat.runtime.workspace import Workspace
from flowchat.store.temporary import PREFIX, TemporaryFolders
from flowchat.tools.rules import Rule, parse_rule
from flowchat.transcript.entries import ApprovalDecided, ContextAdded, Noticed, ToolAnswered, text_of
from flowchat.transcript.events import ApprovalAsked
from tests.desk import Ear, HandClock, project_folder
from tests.sandboxes import need_a_sandbox
from tests.staging import FACTS


@pytest.fixture
def base() -> Iterator[Path]:
    """Not in /tmp, which a sandbox has one of its own of."""
    folder = Path(mkdtemp(prefix="fc", dir="/var/tmp")).resolve()
    yield folder
    rmtree(folder)


def workspace_at(base: Path, model: ScriptedModel, attended: bool = True, rules: Sequence[Rule] = ()) -> Workspace:
    folders = Folders(*(base / "ours" / name for name in ("data", "config", "cache", "state")))
    environ = {"HOME": str(base), "PATH": os.environ["PATH"]}
    return Workspace(
        project_folder(base),
        Settings(),
        folders,
        environ=environ,
        clock=HandClock(),
        make_model=lambda name: model,
        attended=attended,
        sandboxed=True,
        rules=rules,
    )


async def test_a_command_that_leaves_the_workspace_is_asked_about_again_and_stays_within_if_denied(base: Path) -> None:
    command = f"echo in > inside; echo out > '{base}/outside'"
    model = ScriptedModel(says("", calls=[("shell", {"command": command})]), says("I see."), facts=FACTS)
    workspace = workspace_at(base, model)
    assert workspace.confinement is not None
    await need_a_sandbox(workspace.confinement, "partial", "full")
    session = await workspace.new(model="scripted")
    ear = Ear(session.watch)
    await session.send("go")
    first = await ear.until(ApprovalAsked)
    assert first.preview.title == "Run this command?"
    assert first.preview.lines[-1][0] == "sandbox"
    assert "writes only in the workspace, no network" in first.preview.lines[-1][1]
    session.decide(first.call, "once")
    second = await ear.until(lambda thing: isinstance(thing, ApprovalAsked) and thing is not first)
    assert (second.preview.title, second.preview.lines[-1], second.reason) == (
        "Run this again outside the sandbox?",
        ("sandbox", "none: nothing confines it"),
        "outside the workspace nothing can be written",
    )
    session.decide(second.call, "deny")
    await session.idle()
    [answered] = ear.entries(ToolAnswered)
    because = "the sandbox made this fail: outside the workspace nothing can be written"
    assert answered.content.endswith(f"[{because}. The user does not let it run outside the sandbox]")
    assert answered.summary.endswith("; kept in the sandbox")
    assert [decided.decision for decided in ear.entries(ApprovalDecided)] == ["allow", "deny"]
    await workspace.close()
    assert ((workspace.path / "inside").read_text(), (base / "outside").exists()) == ("in\n", False)
    assert sorted(os.listdir(workspace.path)) == ["a.txt", "b.txt", "inside"]


async def test_a_domain_that_a_rule_allows_is_told_of_in_the_question(base: Path) -> None:
    model = ScriptedModel(says("", calls=[("shell", {"command": "make docs"})]), says("I see."), facts=FACTS)
    workspace = workspace_at(base, model, rules=[parse_rule("web_fetch(domain:docs.python.org)")])
    assert workspace.confinement is not None
    full = (await workspace.confinement.probe()).tier == "full"
    session = await workspace.new(model="scripted")
    ear = Ear(session.watch)
    await session.send("go")
    asked = await ear.until(ApprovalAsked)
    assert ("no network but docs.python.org" in asked.preview.lines[-1][1]) == full
    session.decide(asked.call, "deny")
    await session.idle()
    await workspace.close()


async def test_doctor_and_a_closed_workspace_say_and_leave_what_they_should(base: Path) -> None:
    workspace = workspace_at(base, ScriptedModel(facts=FACTS))
    report = await examine(workspace, {"HOME": str(base), "PATH": ""})
    [part] = [part for part in report.parts if part.title == "sandbox"]
    sandbox = workspace.sandbox
    assert sandbox is not None
    assert part.facts[0] == Fact("tier", f"{sandbox.tier}: {sandbox.why}")
    assert (sandbox.tier == "full") == (len(part.facts) == 1)
    await workspace.close()


async def test_a_workspace_that_confines_nothing_says_nothing_of_it(base: Path) -> None:
    workspace = Workspace(project_folder(base), Settings(), None, environ={})
    assert (workspace.confinement, workspace.sandbox) == (None, None)
    assert "sandbox" not in [part.title for part in (await examine(workspace, {})).parts]
    await workspace.close()


async def test_the_temporary_folder_of_commands_is_not_taken_for_one_left_behind(base: Path) -> None:
    workspace = workspace_at(base, ScriptedModel(facts=FACTS))
    assert workspace.confinement is not None
    if (await workspace.confinement.probe()).tier != "none":
        async with workspace.confinement.around(["true"], workspace.path) as (spawn, _):
            folder = Path((spawn.env or {})["TMPDIR"])
            TemporaryFolders(folder.parent).clear()
            assert (folder.name.startswith(PREFIX), folder.is_dir()) == (True, True)
    await workspace.close()


async def test_a_job_is_confined_too_takes_input_and_leaves_nothing(base: Path) -> None:
    """A daemon it starts has left its session, its parent and its output; asked to end, the job tidies up."""
    hidden = (
        "import os,time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); os.closerange(0, 99); time.sleep(60)"
    )
    (base / "daemon.py").write_text(hidden)
    command = (
        f"trap 'echo tidied; exit' TERM; echo out > '{base}/outside'; cp '{base}/daemon.py' .; {sys.executable} daemon.py;"
        " read word; echo $word > inside; echo ready; while :; do read -t 0.05 more; done"
    )
    ended = says("", calls=[("job_kill", {"job": 1})])
    given = says("", calls=[("job_input", {"job": 1, "text": "heard\n"})])
    began = says("", calls=[("shell", {"command": command, "background": True})])
    model = ScriptedModel(began, given, says("Up."), ended, says("Down."), facts=FACTS)
    workspace = workspace_at(base, model)
    session = await workspace.new(model="scripted")
    ear = Ear(session.watch)
    await session.send("go")
    for number in (1, 2):
        await ear.until(lambda thing, n=number: isinstance(thing, ApprovalAsked) and len(ear.entries(ApprovalAsked)) == n)
        session.decide(ear.entries(ApprovalAsked)[-1].call, "once")
    await session.idle()
    async with asyncio.timeout(10):
        while "ready" not in session.background.output(1):
            await asyncio.sleep(0)
    assert workspace.confinement is not None
    confined = (await workspace.confinement.probe()).tier != "none"
    assert (working_in(workspace.path) != [], (base / "outside").exists()) == (True, not confined)
    await session.send("end it")
    await session.idle()
    killed = ear.entries(ToolAnswered)[-1]
    assert (killed.summary.partition(",")[0], "tidied" in killed.content) == ("job 1 has ended: job_kill", True)
    await workspace.close()
    assert (working_in(workspace.path), (workspace.path / "inside").read_text()) == ([], "heard\n")


async def test_a_job_that_its_walls_made_fail_is_told_of_and_asked_about_when_it_is_started_again(base: Path) -> None:
    command = f"echo out > '{base}/outside'"
    begins = [says("", calls=[("shell", {"command": command, "background": True})]) for _ in range(3)]
    looks = says("", calls=[("job_output", {"job": 1, "wait_seconds": 10})])
    model = ScriptedModel(
        begins[0], looks, looks, begins[1], says("No."), begins[2], says("In."), *begins[:2], says("Out."), facts=FACTS
    )
    workspace = workspace_at(base, model)
    assert workspace.confinement is not None
    await need_a_sandbox(workspace.confinement, "partial", "full")
    session = await workspace.new(model="scripted")
    ear = Ear(session.watch)

    async def decide(number: int, choice: Choice) -> ApprovalAsked:
        await ear.until(lambda thing: isinstance(thing, ApprovalAsked) and len(ear.entries(ApprovalAsked)) == number)
        session.decide((asked := ear.entries(ApprovalAsked)[-1]).call, choice)
        return asked

    async def told(number: int) -> str:
        added = await ear.until(lambda thing: isinstance(thing, ContextAdded) and thing.origin == f"job {number}")
        return text_of(added.parts)

    why = "the sandbox made this fail: outside the workspace nothing can be written"
    again = "Start exactly this command as a job again, and it is asked whether it may run outside the sandbox"
    await session.send("go")
    await decide(1, "session")
    first = await told(1)
    second = await decide(2, "deny")
    await session.idle()
    answers = [answered.content for answered in ear.entries(ToolAnswered)]
    assert answers[2].endswith(f"[job 1 has ended: exit 1]\n[{why}. {again}]")
    assert first.partition("\n")[0].endswith(f"ended after 0 s: exit 1; {why}. {again}.")
    notice = next(entry.text for entry in ear.entries(Noticed) if entry.source == "job")
    assert notice.endswith(f"exit 1; {why}.")
    assert (second.preview.title, second.preview.lines[-1], second.reason, second.preview.body) == (
        "Run this again outside the sandbox?",
        ("sandbox", "none: nothing confines it"),
        "outside the workspace nothing can be written",
        command,
    )
    assert answers[3] == f"[not started]\n[{why}. The user does not let it run outside the sandbox]"
    await session.send("once more")
    assert again in await told(2)
    await session.idle()
    assert (len(ear.entries(ApprovalAsked)), (base / "outside").exists()) == (2, False)
    await session.send("and now")
    await decide(3, "session")
    await told(3)
    await told(4)
    await session.idle()
    assert ((base / "outside").read_text(), len(ear.entries(ApprovalAsked))) == ("out\n", 3)
    await workspace.close()


def working_in(folder: Path) -> list[str]:
    """The processes whose working directory is that folder."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append((process / "comm").read_text().strip())
    return found
