"""What a workspace says to the model: instruction files, environment, mode, @files."""

from pathlib import Path

from flowchat.model.scripted import says
from flowchat.runtime.project import INSTRUCTIONS_LIMIT_BYTES, environment_text, instruction_files, mentions
from flowchat.transcript.entries import ContextAdded, Noticed, text_of
from tests.desk import Desk


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
