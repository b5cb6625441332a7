"""What the doctor tells a person and a program, and how folders are weighed."""

import os
from pathlib import Path

import pytest

from flowchat.config import Folders, Settings
from flowchat.runtime.doctor import Fact, Part, Report, examine, weigh
from flowchat.runtime.workspace import Workspace
from tests.desk import project_folder
from tests.model.serving import ELSEWHERE

REPORT = Report((Part("paths", (Fact("data", "here"), Fact("cache", "gone", bad=True))), Part("keys", (Fact("xai", "kept"),))))


def test_what_is_bad_is_marked_and_makes_the_whole_unsound() -> None:
    assert REPORT.lines() == ["paths", "  data           here", "! cache          gone", "", "keys", "  xai            kept"]
    assert REPORT.fields() == {
        "sound": False,
        "paths": [{"name": "data", "value": "here", "bad": False}, {"name": "cache", "value": "gone", "bad": True}],
        "keys": [{"name": "xai", "value": "kept", "bad": False}],
    }
    assert Report(REPORT.parts[1:]).sound


@pytest.mark.parametrize(
    ("limit", "said"), [(9, "3.6 kB in 3 files"), (3, "3.6 kB in 3 files"), (2, "more than 2.4 kB in the first 2 files")]
)
def test_a_folder_is_weighed_up_to_a_limit(tmp_path: Path, limit: int, said: str) -> None:
    for name in ("a", "b/c", "b/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 1_200)
    assert weigh(tmp_path, limit) == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (2_500_000, "2.5 MB")])
def test_a_weight_is_written_short(tmp_path: Path, count: int, said: str) -> None:
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", count)
    assert weigh(tmp_path) == f"{said} in 1 file"


async def test_it_names_what_does_not_count_and_where_a_folder_cannot_be_written(tmp_path: Path) -> None:
    folders = Folders(*(tmp_path / "kept" / name for name in ("data", "config", "cache", "state")))
    folders.data.mkdir(parents=True)
    environ = ELSEWHERE | {"HOME": str(tmp_path), "PATH": "", "OPENAI_API_KEY": "sk-1234567890"}
    (folders.data / "sessions").touch()
    home = f"{tmp_path}-2/x, /mnt{tmp_path}/x, '{tmp_path}/x' and {tmp_path}"
    notices = ["sk-1234567890 is odd", home]
    workspace = Workspace(project_folder(tmp_path), Settings(), folders, environ=environ, notices=notices)
    report = await examine(workspace, environ)
    parts = {part.title: part.facts for part in report.parts}
    assert Fact("data", "~/kept/data, 0 B in 1 file, writable") in parts["paths"]
    assert Fact("config", "~/kept/config, not there yet") in parts["paths"]
    assert Fact("notice", "[redacted] is odd", bad=True) in parts["paths"]
    assert Fact("notice", f"{tmp_path}-2/x, /mnt{tmp_path}/x, '~/x' and ~", bad=True) in parts["paths"]
    assert Fact("sessions", "~/kept/data/sessions cannot be read (Not a directory)", bad=True) in parts["paths"]
    assert Fact("git", "not found (not needed, but used)") in parts["tools"]
    assert parts["keys"] == (Fact("environment", "OPENAI_API_KEY"),)
    assert not report.sound
    await workspace.close()


async def test_it_counts_the_skills_and_names_each_that_does_not_count(tmp_path: Path) -> None:
    folders = Folders(*(tmp_path / "kept" / name for name in ("data", "config", "cache", "state")))
    work = project_folder(tmp_path)
    for place, head in (
        (tmp_path / ".claude/skills/good", "name: good\ndescription: x"),
        (tmp_path / ".claude/skills/bad", "name: bad"),
        (work / ".agents/skills/ours", "name: ours\ndescription: x"),
    ):
        place.mkdir(parents=True)
        (place / "SKILL.md").write_text(f"---\n{head}\n---\nDo it.\n")
    environ = ELSEWHERE | {"HOME": str(tmp_path), "PATH": ""}
    workspace = Workspace(work, Settings(), folders, environ=environ)
    [skills] = [part for part in (await examine(workspace, environ)).parts if part.title == "skills"]
    assert skills.facts == (
        Fact("in use", "1 in ~/.claude/skills"),
        Fact("ours", ".agents/skills: this folder is not trusted: /trust"),
        Fact("bad", "~/.claude/skills: it has no description in its front matter", bad=True),
    )
    await workspace.close()


async def test_it_counts_the_rules_and_names_each_that_does_not_count(tmp_path: Path) -> None:
    folders = Folders(*(tmp_path / "kept" / name for name in ("data", "config", "cache", "state")))
    folders.config.mkdir(parents=True)
    (folders.config / "permissions.toml").write_text('allow = ["grep", "shell(ls *)"]\ndeny = ["teleport", "shell(rm:*)"]\n')
    work = project_folder(tmp_path)
    (work / ".flowchat").mkdir()
    (work / ".flowchat" / "permissions.toml").write_text('allow = ["shell"]\n')
    environ = ELSEWHERE | {"HOME": str(tmp_path), "PATH": ""}
    workspace = Workspace(work, Settings(), folders, environ=environ, more=[tmp_path / "lib"])
    [rules] = [part for part in (await examine(workspace, environ)).parts if part.title == "rules"]
    place = "~/kept/config/permissions.toml"
    assert [(fact.name, fact.value[:70], fact.bad) for fact in rules.facts] == [
        ("deny", "1", False),
        ("ask", "0", False),
        ("allow", "2, 1 wait until this folder is trusted", False),
        ("also inside", "~/lib", False),
        ("rule", f"{place}:2: 'teleport': there is no tool 'teleport'; the tools are "[:70], True),
        ("rule", f"{place}:1: shell(ls *): it never matches: `*` is a plain character"[:70], True),
    ]
    [notice] = workspace.notices
    assert notice.startswith(f"{place}:2: 'teleport': there is no tool")
    assert notice.endswith("(and 1 more: /permissions)")
