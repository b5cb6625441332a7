import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowchat.config import (
    FILE_LIMIT_BYTES,
    LOG_LIMIT_BYTES,
    Compact,
    Folders,
    Limits,
    ModelSettings,
    Settings,
    open_folders,
    read_settings,
    redact_also,
    redactor,
    start_log,
)
from flowchat.errors import StorageFailed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising


def test_no_file_is_all_defaults(file: Path) -> None:
    assert read_settings(file) == (Settings(), ())
    assert read_settings(None) == (Settings(), ())


def test_what_is_not_a_file_of_settings_is_a_notice_and_nobody_waits_for_it(file: Path) -> None:
    os.mkfifo(file)
    settings, [notice] = read_settings(file)
    assert settings == Settings()
    assert notice.startswith(f"{file} cannot be read (it is not a file); ")
    _, [notice] = read_settings(file.parent)
    assert notice.startswith(f"{file.parent} cannot be read (it is not a file); ")
    file.unlink()
    file.write_bytes(b"#" * (FILE_LIMIT_BYTES + 1))
    _, [notice] = read_settings(file)
    assert notice.startswith(f"{file} cannot be read (it is longer than 256 KiB); ")


def test_limits_of_compaction_are_percent_or_tokens_and_the_older_keys_count_where_no_other_is_set(file: Path) -> None:
    file.write_text("compact = { soft_percent = 60, hard_percent = 95, soft = 60_000 }")
    settings, notices = read_settings(file)
    assert (settings.compact.limits, notices, Compact().limits, Compact(soft=50, hard=100).limits) == (
        (60_000, 95),
        (),
        (70, 90),
        (50, 100),
    )


def test_every_setting_is_read(file: Path) -> None:
    file.write_text("""
        model = "openai/gpt-5"
        permission_mode = "acceptEdits"
        theme = "light"
        compact = { soft_percent = 60, hard_percent = 100, model = "demo" }
        limits.steps = 7
        limits.idle_seconds = 2.5
        [models."hosted_vllm/qwen"]
        window = 32768
        max_output = 4096
        api_base = "http://127.0.0.1:8000/v1"
    """)
    assert read_settings(file) == (
        Settings(
            model="openai/gpt-5",
            permission_mode="accept-edits",
            theme="light",
            compact=Compact(60, 100, "demo"),
            limits=Limits(7, 2.5),
            models={"hosted_vllm/qwen": ModelSettings(32768, 4096, "http://127.0.0.1:8000/v1")},
        ),
        (),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "compact.soft_percent = 170",
            "compact.soft_percent = 170 is not allowed: it must be a whole number from 1 to 100",
        ),
        ("compact.soft_percent = true", "compact.soft_percent = True is not allowed"),
        ("limits.steps = 0", "limits.steps = 0 is not allowed: it must be a whole number from 1"),
        ("limits.idle_seconds = 'long'", "limits.idle_seconds = 'long' is not allowed: it must be a number of seconds over 0"),
        ("permission_mode = 'fast'", "'fast' is not allowed: it must be one of default, accept-edits, plan, auto, bypass;"),
        ("model = 3", "model = 3 is not allowed: it must be a text"),
        ("compact = 3", "compact = 3 is not allowed: it must be a table of settings"),
        ("models = 3", "models = 3 is not allowed: it must be a table of models"),
        ("models.a.window = 'big'", "models.a.window = 'big' is not allowed: it must be a whole number from 1"),
        ("models.a = 'big'", "models.a = 'big' is not allowed"),
        ("colour = 'red'", "colour is not a setting and is ignored; known settings: model, permission_mode, theme"),
        ("limits.turns = 3", "limits.turns is not a setting and is ignored; known settings: steps, idle_seconds"),
        ('"\\u001b[2J" = 1', r"'\x1b[2J' is not a setting and is ignored"),
        ("models.'openai/qwen'.windo = 1", "models.'openai/qwen'.windo is not a setting and is ignored; known settings: window,"),
        ("x = ", "is not valid TOML (Invalid value (at end of document))"),
    ],
)
def test_what_cannot_be_understood_stays_at_its_default_and_is_named_with_what_is_allowed(
    file: Path, text: str, sentence: str
) -> None:
    file.write_text('theme = "light"\n' + text)
    settings, notices = read_settings(file)
    assert [sentence in notice and str(file) in notice for notice in notices] == [True]
    assert settings.theme == "light" or "not valid TOML" in sentence
    assert (settings.compact, settings.limits, settings.permission_mode) == (Compact(), Limits(), "default")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("colour = 'red'\n", ", line 2: "),
        ("\n# compact\ncompact = 3\n", ", line 4: "),
        ("[limits]\nidle_seconds = 1\nsteps = 0 # none\n", ", line 4: "),
        ("limits = { idle_seconds = 1, steps = 0 }\n", ", line 2: "),
        ("[models.'a=b']\nwindow = 3\n[models.b]\nwindow = 0\n", ", line 5: "),
        ("models.'a=b'.window = 0\n", ", line 2: "),
        ("[models.a]\nwindow.x = 3\n", ", line 3: "),
        ("[[compact]]\nsoft_percent = 3\n", ", line 2: "),
    ],
)
def test_what_does_not_count_is_named_with_its_line(file: Path, text: str, place: str) -> None:
    file.write_text('theme = "light"\n' + text)
    [notice] = read_settings(file)[1]
    assert notice.startswith(f"{file}{place}")


@pytest.mark.parametrize("text", ["x = " + "[" * 5000 + "]" * 5000, "x = " + "1" * 5000])
def test_what_is_beyond_any_parser_keeps_nobody_from_starting(file: Path, text: str) -> None:
    file.write_text(text)
    reason = "a value in it is nested too deeply or too long"
    sentence = f"{file} is not valid TOML ({reason}); using defaults for every setting until it is fixed"
    assert read_settings(file) == (Settings(), (sentence,))


def test_a_number_that_cannot_even_be_written_is_a_notice(file: Path) -> None:
    file.write_text("theme = 0x" + "1" * 5000)
    sentence = "theme = a very long number is not allowed: it must be a text; the default is used"
    assert read_settings(file) == (Settings(), (f"{file}, line 1: {sentence}",))


def test_a_byte_order_mark_is_no_part_of_it(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbftheme = "light"')
    assert read_settings(file) == (Settings(theme="light"), ())


def test_a_long_value_is_not_repeated_whole(file: Path) -> None:
    file.write_text(f"limits.steps = '{'x' * 9999}'")
    assert len(read_settings(file)[1][0]) < 300


def test_bytes_that_are_no_text_are_a_notice(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    settings, notices = read_settings(file)
    assert (settings, len(notices)) == (Settings(), 1)


def test_the_folders_of_a_flowchat_home_are_made_private_whatever_the_umask(tmp_path: Path, loose_umask: None) -> None:
    home = tmp_path / "deep" / "home"
    folders = open_folders({"FLOWCHAT_HOME": str(home)})
    assert folders == Folders(home / "data", home / "config", home / "cache", home / "state")
    made = [home.parent, home, *home.iterdir()]
    assert [oct(path.stat().st_mode & 0o777) for path in made] == ["0o700"] * 6


def test_a_folder_of_ours_that_is_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    assert open_folders({"FLOWCHAT_HOME": str(tmp_path)}).data.stat().st_mode & 0o777 == 0o700


def test_without_a_home_there_are_no_folders() -> None:
    with pytest.raises(StorageFailed, match="HOME is not set"):
        open_folders({})


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match=r"file.* cannot be created .*; set FLOWCHAT_HOME"):
        open_folders({"FLOWCHAT_HOME": str(tmp_path / "file")})


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefghijklmnop1234",
        "Authorization: Bearer abcdefghijklmnop",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "ghp_abcdefghijklmnopqrstuvwx",
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM",
        "the value is open sesame!",
        "http://me:hunter2@proxy.example/",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_key_and_the_values_of_secret_variables_are_blacked_out(text: str) -> None:
    redact = redactor({"MY_TOKEN": "open sesame!", "PATH": "/usr/bin", "EMPTY_KEY": "", "SHORT_KEY": "the"})
    redacted = redact(text)
    assert "[redacted]" in redacted
    for secret in ("abcdefghijklmnop", "sesame", "hunter2", "eyJ", "AIza", "ghp_", "AKIA", "\nabc"):
        assert secret not in redacted


def test_ordinary_text_is_left_alone() -> None:
    text = "the task-force read /usr/bin/sk-tool at http://127.0.0.1:8080/v1 and asked for 12 tokens"
    assert redactor({"PATH": "/usr/bin", "SHORT_KEY": "the"})(text) == text


def test_a_secret_that_is_learned_later_is_redacted_from_then_on(tmp_path: Path, root_logger: logging.Logger) -> None:
    folders = open_folders({"FLOWCHAT_HOME": str(tmp_path)})
    start_log(folders.log_file, {})
    redact_also("open sesame!")
    redact_also("shut, sesame")
    logging.getLogger("a").warning("said %s, then %s", "open sesame!", "shut, sesame")
    assert folders.log_file.read_text().endswith(" WARNING a: said [redacted], then [redacted]\n")


def test_the_log_is_private_and_redacted_and_put_aside_when_it_is_full(
    tmp_path: Path, root_logger: logging.Logger, loose_umask: None
) -> None:
    folders = open_folders({"FLOWCHAT_HOME": str(tmp_path)})
    start_log(folders.log_file, {"MY_SECRET": "open sesame!"})
    logging.getLogger("a").warning("said %s", "open sesame!")
    try:
        raise ValueError("open sesame!")
    except ValueError:
        logging.getLogger("b").exception("failed")
    log = folders.log_file
    text = log.read_text()
    assert "WARNING a: said [redacted]" in text
    assert "ValueError: [redacted]" in text
    assert "sesame" not in text
    logging.getLogger("a").warning("x" * LOG_LIMIT_BYTES)
    logging.getLogger("a").warning("anew")
    assert log.read_text().endswith("anew\n")
    assert log.stat().st_size < 100
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in log.parent.iterdir()} == {
        "flowchat.log": "0o600",
        "flowchat.log.1": "0o600",
    }
