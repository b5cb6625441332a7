"""What a workspace says to the model: instruction files, environment, mode, @files."""

import os
from pathlib import Path

import pytest

from flowchat.model.scripted import says, waits
from flowchat.runtime.project import (
    INSTRUCTIONS_LIMIT_BYTES,
    READ_LIMIT_BYTES,
    Surroundings,
    environment_text,
    instruction_files,
    mentions,
)
from flowchat.transcript.entries import ContextAdded, Noticed, text_of
from tests.desk import Desk, HandClock


def told(sitting: object, source: str) -> list[ContextAdded]:
    return [added for added in sitting.branch(ContextAdded) if added.source == source]


async def test_instructions_go_from_the_repository_root_to_the_workspace_and_an_override_replaces_its_sibling(
    tmp_path: Path,
) -> None:
    root, inner = tmp_path / "repo", tmp_path / "repo" / "a" / "b"
    inner.mkdir(parents=True)
    (root / ".git").mkdir()
    (tmp_path / "AGENTS.md").write_text("outside the repository")
    for path in (root / "AGENTS.md", inner / "AGENTS.md", inner / "AGENTS.override.md", root / "a" / "CLAUDE.md"):
        path.write_text(path.name)
    config = tmp_path / "config"
    config.mkdir()
    (config / "AGENTS.md").write_text("mine")
    assert instruction_files(inner, config) == [
        config / "AGENTS.md",
        root / "AGENTS.md",
        root / "a" / "CLAUDE.md",
        inner / "AGENTS.override.md",
    ]


async def test_instructions_are_told_once_cut_at_32_kib_on_a_character(desk: Desk) -> None:
    (desk.folder / ".git").mkdir()
    (desk.folder / "AGENTS.md").write_text("é" * 20_000)
    sitting = desk.open(says("a"), says("b"))
    for text in ("one", "two"):
        await sitting.session.send(text)
        await sitting.session.idle()
    added = told(sitting, "instructions")
    assert len(added) == 1
    assert text_of(added[0].parts) == "é" * (INSTRUCTIONS_LIMIT_BYTES // 2)
    assert [notice.level for notice in sitting.branch(Noticed)] == ["warning"]


async def test_a_changed_instruction_file_is_told_again_behind_the_next_message(desk: Desk) -> None:
    (desk.folder / ".git").mkdir()
    agents = desk.folder / "AGENTS.md"
    agents.write_text("<!-- hidden -->use tabs\r\n")
    sitting = desk.open(says("a"), says("b"), says("c"))
    await sitting.session.send("one")
    await sitting.session.idle()
    agents.write_text("use spaces")
    await sitting.session.send("two")
    await sitting.session.idle()
    agents.unlink()
    await sitting.session.send("three")
    await sitting.session.idle()
    assert [text_of(added.parts) for added in told(sitting, "instructions")] == [
        "use tabs",
        "use spaces",
        "(this file is gone; what it said no longer holds)",
    ]


async def test_a_file_that_is_no_text_is_left_out_with_one_notice(desk: Desk) -> None:
    (desk.folder / ".git").mkdir()
    (desk.folder / "AGENTS.md").write_bytes(b"\xff\xfe\x00")
    sitting = desk.open(says("a"), says("b"))
    for text in ("one", "two"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert told(sitting, "instructions") == []
    assert len(sitting.branch(Noticed)) == 1


def link_out(agents: Path) -> None:
    (agents.parent.parent / "secret").write_text("secret")
    agents.symlink_to("../secret")


def link_to_a_device(agents: Path) -> None:
    agents.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (link_out, "it leads out of the repository"),
        (link_to_a_device, "it leads out of the repository"),
        (os.mkfifo, "it is a pipe, not a file"),
        (Path.mkdir, "it is a folder, not a file"),
        (lambda path: path.symlink_to("AGENTS.md"), "it is a broken link, or one put there meanwhile, not a file"),
    ],
)
async def test_what_is_no_file_of_the_repository_is_never_read_as_instructions(desk: Desk, put: object, why: str) -> None:
    (desk.folder / ".git").mkdir()
    put(desk.folder / "AGENTS.md")
    sitting = desk.open(says("a"), says("b"))
    for text in ("one", "two"):
        await sitting.session.send(text)
        await sitting.session.idle()
    assert told(sitting, "instructions") == []
    assert [notice.text for notice in sitting.branch(Noticed)] == [f"{desk.folder}/AGENTS.md is not used: {why}"]


async def test_instructions_may_be_a_link_within_the_repository_and_the_users_own_may_lie_anywhere(tmp_path: Path) -> None:
    root, config = tmp_path / "repo", tmp_path / "config"
    for folder in (root / ".git", root / "sub", config):
        folder.mkdir(parents=True)
    (root / "sub" / "CLAUDE.md").write_text("ours")
    (root / "AGENTS.md").symlink_to("sub/CLAUDE.md")
    (tmp_path / "dotfiles.md").write_text("mine")
    (config / "AGENTS.md").symlink_to("../dotfiles.md")
    news = await Surroundings(root, config, HandClock()).news([], True, "default")
    assert [text_of(added.parts) for added in news if added.source == "instructions"] == ["mine", "ours"]


@pytest.mark.parametrize(("size", "said"), [(READ_LIMIT_BYTES + 1, "was cut"), (4 << 30, "is not used")])
async def test_no_more_of_an_instruction_file_is_read_than_can_count(desk: Desk, size: int, said: str) -> None:
    (desk.folder / ".git").mkdir()
    with (desk.folder / "AGENTS.md").open("wb") as file:
        file.write(b"<!--" + b"-" * (READ_LIMIT_BYTES - 9) + b"-->\nx" + "é".encode())
        file.truncate(size)
    sitting = desk.open(says("a"))
    await sitting.session.send("one")
    await sitting.session.idle()
    assert [said in notice.text for notice in sitting.branch(Noticed)] == [True]
    assert [text_of(added.parts) for added in told(sitting, "instructions")] == (["x"] if said == "was cut" else [])


async def test_instructions_that_became_something_else_hold_no_longer(desk: Desk) -> None:
    agents = desk.folder / "AGENTS.md"
    agents.write_text("use tabs")
    sitting = desk.open(says("a"), says("b"))
    await sitting.session.send("one")
    await sitting.session.idle()
    agents.unlink()
    os.mkfifo(agents)
    await sitting.session.send("two")
    await sitting.session.idle()
    said = [text_of(added.parts) for added in told(sitting, "instructions")]
    assert said == ["use tabs", "(this file is gone; what it said no longer holds)"]


async def test_a_file_named_again_after_an_interrupt_is_told_as_it_is_now(desk: Desk) -> None:
    hold = waits()
    sitting = desk.open(hold, says("ok"))
    await sitting.session.send("look at @a.txt and @b.txt")
    await hold.reached.wait()
    await sitting.session.interrupt()
    (desk.folder / "a.txt").write_text("changed\n")
    await sitting.session.send("look at @a.txt and @b.txt again")
    await sitting.session.idle()
    files = [(added.origin, text_of(added.parts)) for added in told(sitting, "file")]
    assert files == [("a.txt", "alpha\nbeta\n"), ("b.txt", "gamma\n"), ("a.txt", "changed\n")]


async def test_files_a_message_names_follow_it(desk: Desk) -> None:
    (desk.folder / "sub").mkdir()
    (desk.folder / "sub" / "c.txt").write_text("see")
    sitting = desk.open(says("ok"))
    await sitting.session.send("compare @a.txt, @sub/ and @missing.txt; mail me@a.txt.")
    await sitting.session.idle()
    files = told(sitting, "file")
    assert [(added.origin, text_of(added.parts)) for added in files] == [("a.txt", "alpha\nbeta\n"), ("sub/", "c.txt")]
    assert sitting.types()[1:3] == ["user_said", "run_started"]


async def test_a_named_file_outside_the_workspace_is_not_read(desk: Desk) -> None:
    (desk.folder.parent / "secret.txt").write_text("secret")
    sitting = desk.open(says("ok"))
    await sitting.session.send("see @../secret.txt and @/etc/hostname")
    await sitting.session.idle()
    assert told(sitting, "file") == []


def test_mentions_are_paths_behind_an_at_sign_each_once() -> None:
    assert mentions("look at @a.py, @b/c.md. And @a.py! not x@y.z or `@d`") == ["a.py", "b/c.md"]


def test_the_environment_changes_once_a_day(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/topic\n")
    morning, evening = environment_text(tmp_path, 1_790_000_000_000), environment_text(tmp_path, 1_790_003_000_000)
    assert morning == evening
    assert "git branch: topic" in morning


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"ref: refs/heads/topic\n" + b"x" * 10_000, "git branch: topic"),
        (b"ref: refs/heads/caf\xe9\n", "git branch: caf\ufffd"),
        (b"1f0c9a\n", None),
        (b"", None),
        (None, None),
    ],
)
def test_any_head_git_may_have_is_survived(tmp_path: Path, head: bytes | None, line: str | None) -> None:
    (tmp_path / ".git").mkdir()
    if head is None:
        os.mkfifo(tmp_path / ".git" / "HEAD")
    else:
        (tmp_path / ".git" / "HEAD").write_bytes(head)
    told = environment_text(tmp_path, 1_790_000_000_000).splitlines()
    assert [each for each in told if each.startswith("git")] == ([line] if line else [])


def test_the_model_is_told_of_further_folders(tmp_path: Path) -> None:
    told = environment_text(tmp_path, 1_790_000_000_000, more=(Path("/libs"), Path("/docs"))).splitlines()
    assert told[:2] == [f"workspace: {tmp_path}", "folders that count as in it: /libs, /docs"]
