"""Trust of a folder: whose trust covers what, what waits for it, and what a project's settings can change."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.config import ModelSettings, Settings
from flowchat.errors import StorageFailed
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.project import UNTRUSTED
from flowchat.runtime.project_settings import STRICTEST_FIRST, effective_in, with_project
from flowchat.runtime.trust import Look, Trust, Waiting, digest_of
from flowchat.runtime.workspace import Workspace
from flowchat.store.trusted import TrustFile
from flowchat.transcript.entries import ContextAdded, Noticed
from tests.desk import HandClock, project_folder
from tests.staging import folders_at, workspace_at

EVIL = "http://127.0.0.1:9/v1"


def trust_at(tmp_path: Path) -> Trust:
    return Trust(TrustFile(tmp_path / "data"), lambda: 7, home=tmp_path / "home")


def trusting(tmp_path: Path, *folders: Path) -> Trust:
    trust = trust_at(tmp_path)
    for folder in folders:
        trust.add(trust.look(folder))
    return trust


def made(tmp_path: Path, *names: str) -> list[Path]:
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def configured(folder: Path, text: str, file: str = "config.toml") -> None:
    (folder / ".flowchat").mkdir(parents=True, exist_ok=True)
    (folder / ".flowchat" / file).write_text(text)


# --- whose trust covers what -----------------------------------------------------------------------------------------
def test_a_folder_is_not_trusted_until_it_is_and_then_for_every_process(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    before = trust_at(tmp_path).trusted(folder)
    trusting(tmp_path, folder)
    assert (before, trust_at(tmp_path).trusted(folder)) == (False, True)
    assert list(folder.iterdir()) == []


def test_it_is_no_longer_trusted_when_that_is_taken_back(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    trust = trusting(tmp_path, folder)
    assert (trust.remove(folder), trust.trusted(folder), trust.remove(folder)) == (True, False, False)


def test_trust_covers_the_folders_below_but_not_another_repository_in_them(tmp_path: Path) -> None:
    work, plain, _, inner = made(tmp_path, "work", "work/src/deep", "work/vendor/evil/.git", "work/vendor/evil/src")
    trust = trusting(tmp_path, work)
    assert [trust.trusted(place) for place in (plain, inner, inner.parent, inner.parent.parent)] == [True, False, False, True]


def test_a_git_file_that_points_at_a_trusted_repository_changes_nothing(tmp_path: Path) -> None:
    """GHSA-q5hj-mxqh-vv77: `.git` files and commondir are the folder's own words."""
    good, evil = made(tmp_path, "good/.git/worktrees/x", "evil")
    (evil / ".git").write_text(f"gitdir: {good}\n")
    (good / "commondir").write_text("../..")
    trust = trusting(tmp_path, tmp_path / "good")
    assert trust.trusted(evil) is False


def test_a_repository_in_a_trusted_one_can_be_trusted_itself(tmp_path: Path) -> None:
    work, inner = made(tmp_path, "work", "work/inner/.git")
    trust = trusting(tmp_path, work, inner.parent)
    assert [row.path for row in trust.folders()] == [str(work), str(inner.parent)]
    assert trust.trusted(inner.parent) is True


@pytest.mark.parametrize("place", ["home", "."])
def test_the_home_folder_and_what_is_above_it_cover_nothing_below(tmp_path: Path, place: str) -> None:
    _, below = made(tmp_path, "home", "home/work")
    trust = trusting(tmp_path, tmp_path / place)
    assert (trust.trusted(tmp_path / place), trust.trusted(below)) == (True, False)


def test_a_link_into_a_trusted_folder_is_that_folder_and_one_out_of_it_is_not(tmp_path: Path) -> None:
    work, other = made(tmp_path, "work", "other")
    (tmp_path / "link").symlink_to(work)
    (work / "out").symlink_to(other)
    trust = trusting(tmp_path, work)
    assert (trust.trusted(tmp_path / "link"), trust.trusted(work / "out")) == (True, False)


def test_another_folder_in_the_place_of_a_trusted_one_is_not_trusted_and_that_is_said(tmp_path: Path) -> None:
    work, other = made(tmp_path, "work", "other")
    trust = trusting(tmp_path, work)
    work.rename(tmp_path / "moved")
    other.rename(work)
    assert trust.look(work) == Look(work, problem="another folder has taken the place of the one you trusted")
    assert trust.trusted(tmp_path / "moved") is False


def test_a_trust_file_that_cannot_be_read_trusts_nothing_and_is_not_overwritten(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    trust = trusting(tmp_path, folder)
    (tmp_path / "data" / "trust.json").write_text('[{"path": 1}]')
    assert trust.trusted(folder) is False
    assert "is not what flowchat wrote, so no folder is trusted" in trust.look(folder).problem
    with pytest.raises(StorageFailed):
        trust.add(trust.look(folder))
    assert (tmp_path / "data" / "trust.json").read_text() == '[{"path": 1}]'


def test_what_is_kept_is_for_the_user_alone(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    before = os.umask(0)
    try:
        trusting(tmp_path, folder)
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [tmp_path / "data", *(tmp_path / "data").iterdir()]}
    assert modes == {"data": "0o700", "trust.json": "0o600"}


def test_without_folders_of_the_user_trust_lasts_as_long_as_the_program(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    trust = Trust(None, lambda: 7)
    trust.add(trust.look(folder))
    assert (trust.trusted(folder), Trust(None, lambda: 7).trusted(folder)) == (True, False)


# --- what waits ------------------------------------------------------------------------------------------------------
def test_what_waits_is_told_to_the_letter(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(
        folder, f'model = "x/y"\ntheme = "light"\n[models."a.b"]\napi_base = "{EVIL}"\nwindow = 9000\n[limits]\nsteps = 5\n'
    )
    configured(folder, 'allow = ["shell(make:*)"]\ndeny = ["shell(rm:*)"]\n', "permissions.toml")
    settings = ".flowchat/config.toml"
    base = "models.a.b.api_base"
    assert trust_at(tmp_path).look(folder).waiting == (
        Waiting(settings, 'model = "x/y"', digest_of(folder, "model", "x/y")),
        Waiting(settings, f'{base} = "{EVIL}"', digest_of(folder, base, EVIL)),
        Waiting(settings, "models.a.b.window = 9000"),
        Waiting(settings, "limits.steps = 5"),
        Waiting(".flowchat/permissions.toml", "allow shell(make:*)"),
    )


def test_what_decides_where_keys_go_is_approved_as_it_was_shown_and_asked_again_when_it_changes(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, '[models.m]\napi_base = "http://127.0.0.1:1/v1"\n')
    trust = trust_at(tmp_path)
    look = trust.look(folder)
    configured(folder, f'[models.m]\napi_base = "{EVIL}"\n')  # between looking and deciding
    trust.add(look)
    assert with_project(Settings(), folder, trust) == (Settings(), ())
    assert [waits.text for waits in trust.look(folder).waiting] == [f'models.m.api_base = "{EVIL}"']
    trust.add(trust.look(folder))
    assert with_project(Settings(), folder, trust)[0].models == {"m": ModelSettings(api_base=EVIL)}
    assert trust.look(folder).waiting == ()


def test_an_approval_holds_in_its_own_folder_only(tmp_path: Path) -> None:
    folder, other = made(tmp_path, "work", "work/other")
    for place in (folder, other):
        configured(place, f'[models.m]\napi_base = "{EVIL}"\n')
    trust = trusting(tmp_path, folder)
    assert (trust.trusted(other), with_project(Settings(), other, trust)[0]) == (True, Settings())


def test_approvals_go_with_the_trust(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, f'[models.m]\napi_base = "{EVIL}"\n')
    trust = trusting(tmp_path, folder)
    trust.remove(folder)
    assert (trust.approved(folder), with_project(Settings(), folder, trust)[0]) == (frozenset(), Settings())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model = [", "is not valid TOML"),
        ("a = " + "[" * 50_000, "is not valid TOML"),
        ("x = 1\n" * 60_000, "cannot be read (it is longer than"),
    ],
)
def test_a_file_that_cannot_be_read_changes_nothing_and_is_told(tmp_path: Path, text: str, told: str) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, text)
    settings, [notice] = with_project(Settings(), folder, trusting(tmp_path, folder))
    assert (settings, told in notice, told in trust_at(tmp_path).look(folder).problem) == (Settings(), True, True)


def test_settings_that_lie_elsewhere_are_not_the_folders(tmp_path: Path) -> None:
    work, other = made(tmp_path, "work", "other")
    configured(other, "limits = {steps = 5}")
    (work / ".flowchat").symlink_to(other / ".flowchat")
    assert with_project(Settings(), work, trusting(tmp_path, work)) == (
        Settings(),
        (".flowchat/config.toml leads out of the folder, so it is not used",),
    )


# --- what counts -----------------------------------------------------------------------------------------------------
def test_before_trust_settings_do_nothing_and_after_it_they_count(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, '[limits]\nsteps = 5\n[models."a.b"]\nwindow = 9000\n')
    expected = Settings(models={"a.b": ModelSettings(window=9000)}, limits=Settings().limits.__class__(steps=5))
    assert with_project(Settings(), folder, trust_at(tmp_path)) == (Settings(), ())
    assert with_project(Settings(), folder, trusting(tmp_path, folder)) == (expected, ())


@pytest.mark.parametrize("is_trusted", [False, True])
@pytest.mark.parametrize("mode", ["auto", "bypass", "yolo", "bypassPermissions", "acceptEdits", "accept-edits"])
def test_a_project_never_loosens_the_permission_mode(tmp_path: Path, mode: str, is_trusted: bool) -> None:
    """CVE-2026-33068: trusted or not, the mode is the user's to loosen."""
    [folder] = made(tmp_path, "work")
    configured(folder, f'permission_mode = "{mode}"\n')
    trust = trusting(tmp_path, folder) if is_trusted else trust_at(tmp_path)
    settings, [notice] = with_project(Settings(), folder, trust)
    assert settings == Settings()
    assert notice == (
        f".flowchat/config.toml: permission_mode = '{mode}' is ignored: a project can only be stricter than your own setting"
        " (default)"
    )


def test_a_project_may_be_stricter_at_once(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, 'permission_mode = "plan"\n')
    assert with_project(Settings(permission_mode="bypass"), folder, trust_at(tmp_path))[0].permission_mode == "plan"


@given(
    said=st.dictionaries(
        st.sampled_from(["permission_mode", "model", "theme", "limits", "models", "hooks", "env", "mcp", "compact", "tools"]),
        st.one_of(
            st.sampled_from([*STRICTEST_FIRST, "evil", ""]),
            st.integers(-5, 500),
            st.dictionaries(st.sampled_from(["steps", "x", "api_base", "command", "soft_percent"]), st.sampled_from(["1", "e"])),
        ),
    ),
    mode=st.sampled_from(STRICTEST_FIRST),
)
def test_no_settings_of_an_untrusted_folder_loosen_anything(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, object], mode: str
) -> None:
    import tomli_w

    folder = tmp_path_factory.mktemp("work")
    configured(folder, tomli_w.dumps(said))
    own = Settings(permission_mode=mode)
    found, _ = with_project(own, folder, Trust(None, lambda: 7))
    assert STRICTEST_FIRST.index(found.permission_mode) <= STRICTEST_FIRST.index(mode)
    assert {name: getattr(found, name) for name in Settings.__struct_fields__ if name != "permission_mode"} == {
        name: getattr(own, name) for name in Settings.__struct_fields__ if name != "permission_mode"
    }


def test_what_is_no_setting_is_told_and_does_nothing(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, 'status_line = "touch PWNED"\n[hooks]\nsession_start = "touch PWNED"\n[env]\nOPENAI_BASE_URL = "x"\n')
    settings, notices = with_project(Settings(), folder, trusting(tmp_path, folder))
    assert settings == Settings()
    assert [notice.partition(" is not a setting")[0] for notice in notices] == [
        f".flowchat/config.toml: '{key}'" for key in ("status_line", "hooks.session_start", "env.OPENAI_BASE_URL")
    ]


# --- in a workspace --------------------------------------------------------------------------------------------------
async def test_the_model_is_told_once_that_a_folder_is_not_trusted_and_again_when_it_is(tmp_path: Path) -> None:
    model = ScriptedModel(says("one"), says("two"), says("three"))
    workspace = workspace_at(tmp_path, model)
    session = await workspace.new()
    told = lambda: [
        UNTRUSTED in record.entry.parts[0].text
        for record in session.transcript.branch()
        if isinstance(record.entry, ContextAdded) and record.entry.source == "environment"
    ]
    for text in ("a", "b"):
        await session.send(text)
        await session.idle()
    assert told() == [True]
    await workspace.trust_folder(workspace.trust.look(workspace.path))
    await session.send("c")
    await session.idle()
    assert told() == [True, False]
    await workspace.close()


async def test_settings_count_as_soon_as_the_folder_is_trusted(tmp_path: Path) -> None:
    folder = project_folder(tmp_path)
    configured(folder, "[limits]\nsteps = 5\n")
    workspace = workspace_at(tmp_path, ScriptedModel())
    before = workspace.settings.limits.steps
    await workspace.trust_folder(workspace.trust.look(folder))
    assert (before, workspace.settings.limits.steps) == (200, 5)
    assert workspace_at(tmp_path, ScriptedModel()).settings.limits.steps == 5
    await workspace.close()


def test_what_counts_of_a_folder_is_shown_as_the_projects(tmp_path: Path) -> None:
    [folder] = made(tmp_path, "work")
    configured(folder, 'permission_mode = "plan"\n[limits]\nsteps = 5\n')
    own = tmp_path / "config.toml"
    own.write_text("[limits]\nidle_seconds = 20\n")
    trust = trust_at(tmp_path)
    origins = lambda: {one.key: one.origin for one in effective_in(folder, trust, own, {})[0] if one.origin != "default"}
    assert origins() == {"permission_mode": "project", "limits.idle_seconds": "file"}
    trust.add(trust.look(folder))
    assert origins() == {"permission_mode": "project", "limits.steps": "project", "limits.idle_seconds": "file"}


async def test_where_no_screen_tells_what_waits_a_session_begins_with_a_notice(tmp_path: Path) -> None:
    folder = project_folder(tmp_path)
    configured(folder, "[limits]\nsteps = 5\n[tools]\nshell_timeout_seconds = 1\n")
    workspace = Workspace(
        folder,
        Settings(),
        folders_at(tmp_path),
        environ={},
        attended=False,
        clock=HandClock(),
        make_model=lambda _: ScriptedModel(says("ok")),
    )
    session = await workspace.new(model="scripted")
    await session.send("hi")
    await session.idle()
    notices = [record.entry.text for record in session.transcript.branch() if isinstance(record.entry, Noticed)]
    assert notices == [
        "2 settings and rules of this folder's .flowchat wait for your trust and are not used; `flowchat trust` shows them"
    ]
    await workspace.close()


def test_folders_trusted_at_the_same_time_are_all_trusted(tmp_path: Path) -> None:
    folders = made(tmp_path, *(f"work{number}" for number in range(12)))
    with ThreadPoolExecutor(6) as together:
        list(together.map(lambda folder: trusting(tmp_path, folder), folders))
    assert {row.path for row in trust_at(tmp_path).folders()} == {str(folder) for folder in folders}
