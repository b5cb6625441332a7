"""How one setting is changed in a config.toml: its own line, and nothing else that the user wrote."""

import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowchat.config import FILE_LIMIT_BYTES, Settings, read_settings
from flowchat.errors import StorageFailed, UsageError
from flowchat.store.setting import setting_names
from flowchat.store.settings_file import BACKUP, Effective, effective, save_listed, save_setting
from tests.store.disks import FaultyDisk, failing_at

WRITTEN = """\
# mine
model = "demo"   # the offline one

# how it looks
theme = 'dark'
compact = { soft_percent = 70, hard_percent = 90 }  # folds late

[limits]  # where it ends
  steps = 20 # few

[models."openai/qwen"]
# measured
window = 32768
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("model", "openai/gpt-5", 'model = "demo"', 'model = "openai/gpt-5"'),
        ("theme", "light # not a comment", "theme = 'dark'", 'theme = "light # not a comment"'),
        ("compact.soft_percent", "60", "soft_percent = 70", "soft_percent = 60"),
        ("compact.model", "demo", "hard_percent = 90 }", 'hard_percent = 90, model = "demo" }'),
        ("limits.steps", 30, "  steps = 20 # few", "  steps = 30 # few"),
        ("limits.idle_seconds", "2.5", "[limits]  # where it ends\n", "[limits]  # where it ends\nidle_seconds = 2.5\n"),
        ("models.openai/qwen.window", "8192", "window = 32768", "window = 8192"),
        ('models."openai/qwen".max_output', 512, "# measured\n", "max_output = 512\n# measured\n"),
        ("permission_mode", "acceptEdits", " # folds late\n", ' # folds late\npermission_mode = "accept-edits"\n'),
        (
            "tools.shell_timeout_seconds",
            7,
            "window = 32768\n",
            "window = 32768\n\n[tools]\nshell_timeout_seconds = 7.0\n",
        ),
        (
            "models.xai/grok-4.1.api_base",
            "http://127.0.0.1:1/v1",
            "window = 32768\n",
            'window = 32768\n\n[models."xai/grok-4.1"]\napi_base = "http://127.0.0.1:1/v1"\n',
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_line_of_the_setting_changes(file: Path, key: str, value: object, old: str, new: str, end: str) -> None:
    file.write_bytes(WRITTEN.replace("\n", end).encode())
    assert save_setting(file, key, value) is None
    assert WRITTEN.count(old) == 1
    assert file.read_bytes().decode() == WRITTEN.replace(old, new).replace("\n", end)


def test_a_file_that_is_not_there_is_made_for_the_user_alone(file: Path) -> None:
    assert save_setting(file, "model", "demo") is None
    assert save_setting(file, "theme", "light") is None
    assert file.read_text() == 'model = "demo"\ntheme = "light"\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_a_line_separator_in_a_comment_does_not_end_its_line(file: Path) -> None:
    file.write_text("theme = 'dark' # one\u2028two = 2\n'a=b' = 'c#d' # ours\n")
    assert save_setting(file, "theme", "light") is None
    assert file.read_text() == "theme = \"light\" # one\u2028two = 2\n'a=b' = 'c#d' # ours\n"


def test_a_new_setting_comes_before_the_first_table_and_its_comment(file: Path) -> None:
    file.write_text("theme = 'dark'\n\n# mine\n[limits]\nsteps = 7")
    assert save_setting(file, "model", "demo") is None
    assert file.read_text() == "theme = 'dark'\nmodel = \"demo\"\n\n# mine\n[limits]\nsteps = 7\n"


def test_a_value_over_several_lines_is_written_from_the_values_and_the_file_as_it_was_is_kept(file: Path) -> None:
    before = 'model = """\ndemo"""  # long\ntheme = "light"\n'
    file.write_text(before)
    said = save_setting(file, "model", "openai/gpt-5")
    assert said == f"{file} was rewritten without its comments; the original is config.toml{BACKUP}"
    assert file.read_text() == 'model = "openai/gpt-5"\ntheme = "light"\n'
    assert file.with_name(file.name + BACKUP).read_text() == before


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "dotfiles.toml"
    theirs.write_text("theme = 'dark'\n")
    file.symlink_to(theirs)
    save_setting(file, "theme", "light")
    assert (file.is_symlink(), theirs.read_text()) == (True, 'theme = "light"\n')


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_disk_that_takes_nothing_leaves_the_file_as_it_was(file: Path, call: str) -> None:
    file.write_text(WRITTEN)
    full = FaultyDisk(failing_at(1, ENOSPC, call, lasting=True))
    with pytest.raises(StorageFailed, match="make room there"):
        save_setting(file, "theme", "light", full)
    assert (file.read_text(), [path.name for path in file.parent.iterdir()]) == (WRITTEN, ["config.toml"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"theme = \n", "is not valid TOML"), (b"\xff\xfe", "is not UTF-8"), (b"models = 3\n", "models is not a table")],
)
def test_a_file_that_cannot_be_understood_is_left_as_it_is(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        save_setting(file, "models.demo.window", 4096)
    assert file.read_bytes() == content


@pytest.mark.parametrize("size", [FILE_LIMIT_BYTES + 1, None], ids=["too long", "a folder"])
def test_what_is_no_settings_file_is_left_as_it_is(file: Path, size: int | None) -> None:
    if size is None:
        file.mkdir()
    else:
        file.write_bytes(b"#" * size)
    with pytest.raises(StorageFailed, match="nothing was changed"):
        save_setting(file, "theme", "light")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "colour",
            "red",
            "'colour' is not a setting; known settings: model, permission_mode, theme, copy_on_select, ",
        ),
        ("compact", "70", "'compact' is not a setting"),
        ("model.name", "x", "'model.name' is not a setting"),
        ("limits.steps.steps", "7", "'limits.steps.steps' is not a setting"),
        ("models.window", "7", "'models.window' is not a setting"),
        ("", "7", "'' is not a setting"),
        ("compact.soft_percent", "170", "compact.soft_percent = '170' is not allowed: it must be a whole number from 1 to 100;"),
        ("limits.steps", "many", "limits.steps = 'many' is not allowed: it must be a whole number from 1; nothing was changed"),
        ("limits.idle_seconds", "0", "it must be a number of seconds over 0"),
        ("permission_mode", "fast", "it must be one of default, accept-edits, plan, auto, bypass"),
        ("models.demo.window", "null", "it must be a whole number from 1"),
        ("theme", 7, "theme = 7 is not allowed: it must be a text"),
    ],
)
def test_what_is_not_a_setting_or_not_its_value_is_refused(file: Path, key: str, value: object, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        save_setting(file, key, value)
    assert sentence in str(refused.value)
    assert not file.exists()


@given(model=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_back_as_it_was_set(tmp_path_factory: pytest.TempPathFactory, model: str) -> None:
    file = tmp_path_factory.mktemp("any") / "config.toml"
    file.write_text(WRITTEN)
    save_setting(file, "model", model)
    assert tomllib.loads(file.read_text(encoding="utf-8")) == tomllib.loads(WRITTEN) | {"model": model}
    assert WRITTEN.partition("\n\n")[2] == file.read_text(encoding="utf-8").partition("\n\n")[2]


def test_every_setting_can_be_set_and_is_read_again(file: Path) -> None:
    texts = {
        "permission_mode": "plan",
        "model": "demo",
        "theme": "light",
        "copy_on_select": "true",
        "compact.model": "demo",
        "compact.preview": "false",
        "models.NAME.api_base": "http://h",
    }
    for name in setting_names():
        save_setting(file, name, texts.get(name, "71"))
    settings, notices = read_settings(file)
    assert notices == ()
    assert settings != Settings()
    assert [name for name in setting_names() if f"{name.rpartition('.')[2]} = " not in file.read_text()] == []


def test_what_counts_says_where_it_comes_from(file: Path) -> None:
    file.write_text(WRITTEN + "max_output = 0\n[tools]\nshell_timeout_seconds = 'long'\n")
    found, notices = effective(file, {"FLOWCHAT_MODEL": " xai/grok "})
    assert found == [
        Effective("model", "xai/grok", "environment", "FLOWCHAT_MODEL"),
        Effective("permission_mode", "default", "default"),
        Effective("theme", "dark", "file"),
        Effective("copy_on_select", False, "default"),
        Effective("compact.soft_percent", 70, "file"),
        Effective("compact.hard_percent", 90, "file"),
        Effective("compact.model", "", "default"),
        Effective("compact.preview", True, "default"),
        Effective("review.model", "", "default"),
        Effective("limits.steps", 20, "file"),
        Effective("limits.idle_seconds", 90.0, "default"),
        Effective("tools.shell_timeout_seconds", 120.0, "default"),
        Effective("skills.off", (), "default"),
        Effective("models.openai/qwen.window", 32768, "file"),
    ]
    assert [notice.partition(" is not allowed")[0] for notice in notices] == [
        f"{file}, line 14: models.'openai/qwen'.max_output = 0",
        f"{file}, line 16: tools.shell_timeout_seconds = 'long'",
    ]


def test_a_text_is_put_into_a_list_and_taken_out_and_the_rest_stays(file: Path) -> None:
    file.write_text('# mine\nskills = { off = ["a", "b"] } # so\n')
    assert save_listed(file, "skills.off", 'c "d"', True) is None
    assert save_listed(file, "skills.off", "a", False) is None
    assert save_listed(file, "skills.off", "b", True) is None
    assert (
        file.read_text()
        == r"""# mine
skills = { off = ["c \"d\"", "b"] } # so
"""
    )
    [found] = [one for one in effective(file, {})[0] if one.key == "skills.off"]
    assert found == Effective("skills.off", ('c "d"', "b"), "file")
    assert save_setting(file, "skills.off", "") is None
    assert read_settings(file)[0] == Settings()


def test_what_others_put_into_a_list_meanwhile_stays(file: Path) -> None:
    names = [f"user:{at}" for at in range(8)]
    with ThreadPoolExecutor(len(names)) as several:
        list(several.map(lambda name: save_listed(file, "skills.off", name, True), names))
    assert sorted(read_settings(file)[0].skills.off) == names


def test_what_is_not_to_be_read_at_all_is_left_as_it_is(file: Path) -> None:
    for content in ("x = " + "[" * 5000 + "]" * 5000, "x = " + "1" * 5000):
        file.write_text(content)
        with pytest.raises(UsageError, match=r"is not valid TOML \(a value in it is nested too deeply or too long"):
            save_setting(file, "theme", "light")
        assert file.read_text() == content


def test_a_line_of_equals_signs_and_a_thousand_models_take_no_time_worth_waiting_for(file: Path) -> None:
    models = "".join(f"[models.m{number}]\nwindow = {number + 1}\n" for number in range(1000))
    signs = '"=' * 50_000
    file.write_text(f"{models}[models.n]\napi_base = '''\n{signs}'''\n")
    assert save_setting(file, "models.m999.window", 7) is None
    assert read_settings(file)[0].models["m999"].window == 7


@pytest.mark.parametrize("content", [None, b"permission_mode = 'acceptEdits'", b"theme = \n"])
def test_what_counts_is_told_of_any_file(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    found, notices = effective(file, {})
    origin = "file" if content and b"accept" in content else "default"
    assert ({setting.origin for setting in found if setting.key == "permission_mode"}, len(notices)) == (
        {origin},
        1 if content == b"theme = \n" else 0,
    )


def test_settings_that_are_set_at_once_are_all_kept(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: save_setting(file, f"models.m{number}.window", number), range(1, 25)))
    windows = {name: model.window for name, model in read_settings(file)[0].models.items()}
    assert windows == {f"m{number}": number for number in range(1, 25)}
