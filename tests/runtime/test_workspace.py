"""Workspaces: sessions kept, opened again, listed, forked and closed."""

import asyncio
import os
from pathlib import Path

import pytest
import pytest_asyncio

from flowchat.config import Folders, ModelSettings, Settings, read_settings
from flowchat.errors import CommandRefused, NoModel, NotFound, ReadOnly, UsageError
from flowchat.runtime.workspace import Workspace
from flowchat.store.disk import Disk
from flowchat.transcript.entries import AssistantSaid, Forked, Noticed, RunEnded, UserSaid, text_of
from tests.desk import project_folder

ENVIRON = {"PATH": os.environ["PATH"]}


def workspace_at(tmp_path: Path, **given: object) -> Workspace:
    root = tmp_path / "home"
    folders = Folders(*(root / name for name in ("data", "config", "cache", "state")))
    return Workspace(project_folder(tmp_path), Settings(), folders, environ=given.pop("environ", ENVIRON), **given)


@pytest_asyncio.fixture
async def workspace(tmp_path: Path):
    workspace = workspace_at(tmp_path)
    yield workspace
    await workspace.close()


def words(session, kind=UserSaid) -> list[str]:
    return [text_of(record.entry.parts) for record in session.transcript.branch() if isinstance(record.entry, kind)]


async def test_nothing_is_on_disk_before_the_first_message(workspace: Workspace, tmp_path: Path) -> None:
    session = await workspace.new()
    assert not (tmp_path / "home" / "data").exists()
    await session.send("list .")
    await session.idle()
    await session.close()
    kept = {path.name for path in (tmp_path / "home/data/sessions" / session.sid).iterdir()}
    assert kept >= {"lock", "log.jsonl", "meta.json"}


async def test_a_session_is_opened_again_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    first = await workspace.new()
    await first.send("read a.txt")
    await first.idle()
    await first.close()
    before = [(record.seq, record.parent, record.entry) for record in first.transcript.records()]
    again = workspace_at(tmp_path)
    second = await again.open_newest()
    assert second is not None
    assert [(record.seq, record.parent, record.entry) for record in second.transcript.records()] == before
    assert (second.sid, second.title, second.read_only) == (first.sid, first.title, None)
    await second.send("thanks")
    await second.idle()
    assert words(second) == ["read a.txt", "thanks"]
    await again.close()


async def test_a_session_open_elsewhere_can_only_be_read_or_forked(workspace: Workspace, tmp_path: Path) -> None:
    first = await workspace.new()
    await first.send("hello")
    await first.idle()
    other = workspace_at(tmp_path)
    second = await other.open(first.sid)
    assert second.read_only is not None
    assert f"process {os.getpid()}" in second.read_only
    assert words(second) == ["hello"]
    with pytest.raises(ReadOnly):
        await second.send("me too")
    fork = await other.fork(second)
    await fork.send("me too")
    await fork.idle()
    assert words(fork) == ["hello", "me too"]
    assert words(first) == ["hello"]
    await other.close()


async def test_two_windows_that_continue_at_once_go_on_with_one_session_and_one_of_them_reads(tmp_path: Path) -> None:
    begun = workspace_at(tmp_path)
    session = await begun.new()
    await session.send("hello")
    await session.idle()
    await begun.close()
    windows = [workspace_at(tmp_path) for _ in range(2)]
    opened = [one for one in await asyncio.gather(*(window.open_newest() for window in windows)) if one is not None]
    assert [one.sid for one in opened] == [session.sid] * 2
    reading, writing = sorted(opened, key=lambda one: one.read_only is None)
    assert writing.read_only is None
    assert reading.read_only is not None
    with pytest.raises(ReadOnly):
        await reading.send("me too")
    await writing.send("I go on")
    await writing.idle()
    assert words(writing) == ["hello", "I go on"]
    for window in windows:
        await window.close()


async def test_a_fork_holds_what_was_there_and_counts_anew(workspace: Workspace) -> None:
    session = await workspace.new()
    for text in ("one", "two"):
        await session.send(text)
        await session.idle()
    at = next(record.seq for record in session.transcript.branch() if record.type == "run_ended")
    fork = await workspace.fork(session, at)
    assert words(fork) == ["one"]
    forked = next(record.entry for record in fork.transcript.records() if isinstance(record.entry, Forked))
    assert (forked.from_.session, forked.session) == (session.sid, fork.sid)
    assert fork.transcript.facts.usage.input == 0
    assert words(session) == ["one", "two"]
    await fork.send("other")
    await fork.idle()
    assert words(fork) == ["one", "other"]


async def test_a_session_that_keeps_nothing_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    session = await workspace.new(saved=False)
    await session.send("run echo hi")
    session.keep_composer("unsent")
    await session.interrupt()
    assert not (tmp_path / "home").exists()


async def test_sessions_are_found_by_id_prefix_and_title(workspace: Workspace) -> None:
    session = await workspace.new()
    await session.send("list .")
    await session.idle()
    await session.rename("Rounding in invoices")
    await session.close()
    for wanted in (session.sid, session.sid[:-2], "rounding in INVOICES", "Rounding"):
        found = await workspace.open(wanted)
        assert found.sid == session.sid
        await found.close()
    with pytest.raises(NotFound, match="nope"):
        await workspace.open("nope")


async def test_without_a_model_the_demo_answers_a_person_and_nobody_else(workspace: Workspace, tmp_path: Path) -> None:
    session = await workspace.new()
    assert (session.model, session.demo) == ("demo", True)
    headless = workspace_at(tmp_path, attended=False)
    with pytest.raises(NoModel, match="no model is configured"):
        await (await headless.new()).send("hi")
    await headless.close()


async def test_a_model_that_cannot_be_asked_any_more_is_replaced_with_a_notice(tmp_path: Path) -> None:
    first = workspace_at(tmp_path)
    session = await first.new()
    await session.send("hello")
    await session.idle()
    await session.set_model("anthropic/claude-gone")
    await first.close()
    again = workspace_at(tmp_path)
    opened = await again.open_newest()
    assert opened is not None
    assert opened.model == "demo"
    notices = [record.entry.text for record in opened.transcript.branch() if isinstance(record.entry, Noticed)]
    assert "anthropic/claude-gone is no longer available here" in notices[-1]
    await again.close()


async def test_unsent_text_waits_for_the_next_opening(workspace: Workspace, tmp_path: Path) -> None:
    workspace.writing.keep_draft("not yet a session")
    await workspace.writing.draft_kept()
    assert workspace_at(tmp_path).writing.kept_draft() == ""  # a second window, while the first is open
    await workspace.close()
    workspace = workspace_at(tmp_path)
    assert workspace.writing.kept_draft() == "not yet a session"
    session = await workspace.new()
    await session.send("hello")
    await session.idle()
    session.keep_composer("half a thou")
    await session.close()
    again = await workspace.open(session.sid)
    assert again.composer_text == "half a thou"
    await again.close()


async def test_opening_restores_plan_but_never_a_looser_mode(tmp_path: Path) -> None:
    for mode, restored in (("plan", "plan"), ("bypass", "default"), ("accept-edits", "default")):
        first = workspace_at(tmp_path)
        session = await first.new(mode=mode)
        await session.send("hello")
        await session.idle()
        await first.close()
        again = workspace_at(tmp_path)
        opened = await again.open(session.sid)
        assert opened.mode == restored
        await again.close()
        flagged = workspace_at(tmp_path)
        assert (await flagged.open(session.sid, mode="bypass")).mode == "bypass"
        await flagged.close()


async def test_a_folder_that_is_gone_leaves_a_session_to_read_or_fork(tmp_path: Path) -> None:
    first = workspace_at(tmp_path)
    session = await first.new()
    await session.send("hello")
    await session.idle()
    await first.close()
    first.path.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    other = Workspace(tmp_path / "elsewhere", Settings(), first.folders, environ=ENVIRON)
    opened = await other.open(session.sid)
    assert opened.read_only is not None
    assert "no longer exists" in opened.read_only
    fork = await other.fork(opened)
    assert fork.workspace_path == other.path
    await fork.send("hello again")
    await fork.idle()
    assert words(fork, AssistantSaid)[-1]
    await other.close()


async def test_quitting_while_a_run_goes_on_keeps_it_and_the_next_opening_finds_it_closed(tmp_path: Path) -> None:
    first = workspace_at(tmp_path)
    session = await first.new()
    await session.send("long")
    await first.close()
    ends = [record.entry for record in session.transcript.branch() if isinstance(record.entry, RunEnded)]
    assert [end.outcome for end in ends] == ["interrupted"]
    again = workspace_at(tmp_path)
    opened = await again.open_newest()
    assert opened is not None
    assert [r.type for r in opened.transcript.branch()][-1] == "run_ended"
    await again.close()


async def test_completion_offers_the_files_git_would_see(workspace: Workspace) -> None:
    (workspace.path / ".gitignore").write_text("b.txt\n")
    assert workspace.files() == [".gitignore", "a.txt"]


class OddDisk(Disk):
    """Raises what no disk raises at any file of one session."""

    def __init__(self) -> None:
        self.odd = ""

    def replace(self, source: Path, target: Path) -> None:
        if self.odd and self.odd in str(target):
            raise RuntimeError("a bug")
        super().replace(source, target)


async def test_an_error_while_one_session_is_closed_keeps_no_other_from_being_closed(tmp_path: Path) -> None:
    disk = OddDisk()
    workspace = workspace_at(tmp_path, disk=disk)
    bad, good = await workspace.new(), await workspace.new()
    for session in (bad, good):
        await session.send("list .")
        await session.idle()
    disk.odd = bad.sid
    bad.keep_composer("unsent")
    good.keep_composer("unsent")
    with pytest.raises(RuntimeError, match="a bug"):
        await workspace.close()
    assert good.state.state == "closed"
    again = workspace_at(tmp_path)
    opened = [await again.open(sid) for sid in (bad.sid, good.sid)]
    assert [(session.read_only, session.state.state) for session in opened] == [(None, "idle")] * 2
    assert opened[1].composer_text == "unsent"
    await again.close()


async def test_whoever_waits_for_a_session_is_released_when_it_is_closed(workspace: Workspace) -> None:
    session = await workspace.new()
    await session.send("long")
    waiting = asyncio.create_task(session.idle())
    await session.close()
    async with asyncio.timeout(5):
        await waiting
    assert [entry.entry.outcome for entry in session.transcript.branch() if isinstance(entry.entry, RunEnded)] == ["interrupted"]


async def test_a_setting_that_is_kept_counts_for_the_next_session_and_the_next_start(workspace: Workspace) -> None:
    assert await workspace.keep_setting("model", "openai/gpt-5") is None
    assert await workspace.keep_setting("models.openai/gpt-5.window", 9_000) is None
    kept = Settings(model="openai/gpt-5", models={"openai/gpt-5": ModelSettings(9_000)})
    assert (workspace.settings, read_settings(workspace.folders.settings_file)) == (kept, (kept, ()))
    assert (await workspace.new()).model == "openai/gpt-5"


async def test_a_setting_that_is_refused_changes_nothing(workspace: Workspace) -> None:
    with pytest.raises(UsageError):
        await workspace.keep_setting("compact.soft_percent", 0)
    assert (workspace.settings, workspace.folders.settings_file.exists()) == (Settings(), False)


async def test_without_a_place_to_keep_it_a_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match="set HOME or FLOWCHAT_HOME"):
        await Workspace(tmp_path, Settings(), None, environ=ENVIRON).keep_setting("theme", "light")


async def test_a_kept_key_chooses_the_model_as_a_variable_does(workspace: Workspace) -> None:
    assert (await workspace.new()).model == "demo"
    assert await workspace.choosing.keep_key("openai", "sk-1234567890") == str(workspace.folders.config / "keys.json")
    assert (await workspace.new()).model == "openai/gpt-5"


async def test_a_session_of_a_model_whose_key_is_kept_goes_on_with_it(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.choosing.keep_key("xai", "xai-1234567890")
    session = await workspace.new(model="demo")
    await session.send("hello")
    await session.idle()
    await session.set_model("xai/grok-code-fast-1")
    await session.close()
    assert (await workspace.open(session.sid)).model == "xai/grok-code-fast-1"


async def test_a_key_of_no_provider_is_refused(workspace: Workspace) -> None:
    with pytest.raises(
        UsageError, match="'opnai' is not a provider flowchat keeps keys for; known providers: anthropic, openai, "
    ):
        await workspace.choosing.keep_key("opnai", "sk-1234567890")
    with pytest.raises(CommandRefused, match="so no key either"):
        await Workspace(workspace.path, Settings(), None, environ=ENVIRON).choosing.keep_key("openai", "sk-1234567890")
    assert not workspace.folders.config.exists()


async def test_keys_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    keys = tmp_path / "home" / "config" / "keys.json"
    keys.parent.mkdir(parents=True)
    keys.write_text("{")
    workspace = workspace_at(tmp_path, notices=["a setting does not count"])
    assert workspace.notices == (
        "a setting does not count",
        f"{keys} is not what flowchat wrote, so no key in it is used; remove it",
    )
