"""`flowchat models`, `config` and `doctor` as a shell runs them: what comes out where, with which exit code, and never a key."""

import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.config import open_folders
from flowchat.serve.looking import read_key
from tests.model.playing import failing, playing, streamed
from tests.model.serving import ELSEWHERE, OLLAMA, VLLM, serving

ROOT = Path(__file__).parents[1]
KEY = "sk-1234567890abcdefghij"
CALL = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "report_ready", "arguments": '{"ready": true}'}}]}
LISTED = failing(200, {"data": []})
DEMO = "Built in and offline: it is not a language model, but it really calls the tools."


def environ_with(**environ: str) -> dict[str, str]:
    return os.environ | ELSEWHERE | {"PYTHONPATH": str(ROOT)} | environ


def flowchat(*words: str, cwd: Path, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowchat", *words]
    return subprocess.run(command, cwd=cwd, env=environ_with(**environ), input=stdin, capture_output=True, text=True, timeout=60)


async def aside(*words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The same beside servers on this loop."""
    import asyncio

    return await asyncio.to_thread(lambda: flowchat(*words, cwd=cwd, **environ))


# --- models ----------------------------------------------------------------------------------------------------------
async def test_models_lists_what_answers_here_the_keys_by_name_and_the_demo(tmp_path: Path) -> None:
    async with serving(OLLAMA) as ollama, serving(VLLM) as vllm:
        environ = {"OLLAMA_HOST": ollama, "OLLAMA_API_BASE": "", "HOSTED_VLLM_API_BASE": f"{vllm}/v1", "XAI_API_KEY": KEY}
        done = await aside("models", cwd=tmp_path, **environ)
        assert (done.returncode, done.stderr, KEY in done.stdout) == (0, "", False)
        lines = [line for line in done.stdout.splitlines() if "nothing answers" not in line]
        assert [tuple(line.split(maxsplit=1)) for line in lines if not line.startswith(" ")] == [
            ("ollama_chat/qwen3:8b", "Ollama, 5.2 GB, loaded; window 16,384 as the server says; calls tools."),
            ("xai/grok-code-fast-1", "XAI_API_KEY is set."),
            ("hosted_vllm/Qwen/Qwen3-8B", "vLLM; window 40,960 as the server says; tool calls unknown."),
            ("ollama_chat/llama2:latest", "Ollama, 3.8 GB; window unknown; does not call tools."),
            ("ollama_chat/gpt-oss:120b-cloud", "Ollama, which asks another machine; window unknown; calls tools."),
            ("demo", DEMO),
        ]
        assert "`flowchat config set models.ollama_chat/qwen3:8b.window 32768` asks for more" in done.stdout
        rows = [json.loads(line) for line in (await aside("models", "--json", cwd=tmp_path, **environ)).stdout.splitlines()]
        assert (rows[0]["model"], rows[0]["window"], rows[0]["calls_tools"], rows[0]["kind"]) == (
            "ollama_chat/qwen3:8b",
            16_384,
            True,
            "local",
        )
        assert rows[-1] == {"kind": "demo", "model": "demo", "sentence": DEMO, "api_base": "", "advice": ""}


async def test_an_address_is_listed_without_its_password(tmp_path: Path) -> None:
    async with serving(VLLM) as base:
        address = f"{base.replace('://', '://me:pass-word@')}/v1"
        for words in (["models"], ["models", "--json"], ["doctor"], ["doctor", "--json"]):
            done = await aside(*words, cwd=tmp_path, MY_OWN_BASE_URL=address)
            assert ("openai/Qwen/Qwen3-8B" in done.stdout, "pass-word" in done.stdout) == (True, False)


def test_models_of_a_provider_are_those_of_litellms_table(tmp_path: Path) -> None:
    done = flowchat("models", "anthropic", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [row] = [line for line in done.stdout.splitlines() if line.split()[0] == "anthropic/claude-sonnet-4-5"]
    assert row.split(maxsplit=1)[1] == "window 200,000; calls tools; $3.00 in and $15.00 out a million tokens"
    none = flowchat("models", "nobody", "--json", cwd=tmp_path)
    assert (none.returncode, none.stdout, none.stderr.count("\n")) == (1, "", 1)
    assert "litellm's table has no models of 'nobody'" in none.stderr


# --- config ----------------------------------------------------------------------------------------------------------
def test_config_shows_what_counts_and_where_it_comes_from(tmp_path: Path) -> None:
    file = open_folders(os.environ).settings_file
    assert flowchat("config", "path", cwd=tmp_path).stdout == f"{file}\n"
    done = flowchat("config", "set", "theme", "light", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"theme is set in {file}\n", "")
    assert flowchat("config", "set", "models.openai/qwen-2.5.window", "9000", cwd=tmp_path).returncode == 0
    file.write_text(file.read_text() + "\n[limits]\nsteps = 0\n")
    done = flowchat("config", "show", cwd=tmp_path, FLOWCHAT_MODEL="demo")
    rows = {line.split()[0]: tuple(line.split()[1:]) for line in done.stdout.splitlines()}
    assert (rows["model"], rows["theme"], rows["limits.steps"], rows["models.openai/qwen-2.5.window"]) == (
        ('"demo"', "FLOWCHAT_MODEL"),
        ('"light"', "file"),
        ("200", "default"),
        ("9000", "file"),
    )
    assert (done.returncode, done.stderr.count("\n"), "limits.steps = 0 is not allowed" in done.stderr) == (0, 1, True)
    shown = [json.loads(line) for line in flowchat("config", "show", "--json", cwd=tmp_path).stdout.splitlines()]
    assert {"key": "theme", "value": "light", "origin": "file", "variable": ""} in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["set", "colour", "red"], "'colour' is not a setting"),
        (["set", "compact.soft_percent", "101"], "it must be a whole number from 1 to 100"),
        (["set", "theme"], "`flowchat config set` takes a KEY and a VALUE"),
        (["set-key", "openai", KEY], "`flowchat config set-key` takes the name of a provider and nothing more"),
        (["show", "theme"], "`flowchat config show` takes nothing more"),
        (["teach"], "not by 'teach'"),
        ([], "not by nothing"),
        (["set-key", "opnai"], "'opnai' is not a provider"),
        (["set-key", "openai"], "nothing was entered; no key was kept for openai"),
    ],
)
def test_what_config_does_not_understand_is_one_sentence_and_2(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = flowchat("config", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr
    assert KEY not in done.stderr
    assert list(open_folders(os.environ).config.iterdir()) == []


def test_a_model_that_is_set_beside_the_variable_says_which_is_used(tmp_path: Path) -> None:
    done = flowchat("config", "set", "model", "demo", cwd=tmp_path, FLOWCHAT_MODEL="xai/grok")
    assert (done.returncode, done.stderr) == (0, "flowchat: FLOWCHAT_MODEL is set, too, and is used first\n")


def test_a_key_from_stdin_is_kept_used_and_let_go_and_is_never_shown(tmp_path: Path) -> None:
    config = open_folders(os.environ).config
    kept = flowchat("config", "set-key", "xai", cwd=tmp_path, stdin=f"{KEY}\n")
    assert (kept.returncode, kept.stdout) == (0, f"The key for xai is kept in {config}/keys.json.\n")
    models = flowchat("models", cwd=tmp_path)
    doctor = flowchat("doctor", cwd=tmp_path)
    assert "A key for xai is kept." in models.stdout
    assert any(line.split()[:2] == ["xai", "kept"] for line in doctor.stdout.splitlines())
    again = flowchat("config", "forget-key", "xai", cwd=tmp_path)
    none = flowchat("config", "forget-key", "xai", cwd=tmp_path)
    assert (again.returncode, none.returncode) == (0, 1)
    assert "no key is kept for xai" in none.stderr
    for done in (kept, models, doctor, again, none):
        assert KEY not in done.stdout + done.stderr
    home = Path(os.environ["FLOWCHAT_HOME"])
    assert [file for file in home.rglob("*") if file.is_file() and KEY in file.read_text()] == []


def test_a_key_that_comes_in_pieces_is_kept_whole() -> None:
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)  # each read gets one piece
    with ours, theirs:
        for piece in (KEY[:5], KEY[5:], "\nmore"):
            ours.send(piece.encode())
        assert read_key("openai", theirs.fileno()) == KEY


def test_a_key_goes_into_the_system_keyring_where_there_is_one(tmp_path: Path) -> None:
    ring = {"PYTHON_KEYRING_BACKEND": "tests.serve.ring.Ring", "RING": str(tmp_path / "ring")}
    kept = flowchat("config", "set-key", "openai", cwd=tmp_path, stdin=KEY, OPENAI_API_KEY="sk-other-1234567890", **ring)
    assert (kept.returncode, kept.stdout) == (
        0,
        "The key for openai is kept in the system keyring. OPENAI_API_KEY is set, too, and is used first.\n",
    )
    assert json.loads((tmp_path / "ring").read_text()) == {"flowchat openai": KEY}
    assert json.loads((open_folders(os.environ).config / "keys.json").read_text()) == {"openai": {"in": "keyring"}}
    assert flowchat("config", "forget-key", "openai", cwd=tmp_path, **ring).returncode == 0
    assert json.loads((tmp_path / "ring").read_text()) == {}


def test_a_key_typed_at_the_prompt_is_not_shown(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flowchat", "config", "set-key", "openai"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environ_with(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said = b""
    while b"(not shown): " not in said:
        said += os.read(ours, 4096)
    os.write(ours, f"{KEY}\n".encode())
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:
        pass  # the other side is closed
    os.close(ours)
    assert (process.wait(), b"The key for openai is kept in" in said, KEY.encode() in said) == (0, True, False)


# --- doctor ----------------------------------------------------------------------------------------------------------
def test_doctor_tells_of_all_there_is_and_no_key(tmp_path: Path) -> None:
    home = Path(os.environ["FLOWCHAT_HOME"])
    done = flowchat("doctor", cwd=tmp_path, OPENAI_API_KEY=KEY, HOME=str(home.parent), TERM="xterm-256color", SSH_CONNECTION="x")
    assert (done.returncode, done.stderr, KEY in done.stdout) == (0, "", False)
    titles = [line for line in done.stdout.splitlines() if line and not line.startswith((" ", "!"))]
    assert titles == ["versions", "terminal", "tools", "sandbox", "rules", "skills", "paths", "models", "keys"]
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert (rows["TERM"], rows["inside"], rows["environment"]) == ("xterm-256color", "ssh", "OPENAI_API_KEY")
    assert rows["data"] == f"~/{home.name}/data, 0 B in 0 files, writable"
    assert rows["openai/gpt-5"] == "OPENAI_API_KEY is set."
    told = json.loads(flowchat("doctor", "--json", cwd=tmp_path).stdout)
    assert (list(told), told["sound"]) == (["sound", *titles], True)


def test_doctor_ends_with_1_where_a_setting_does_not_count(tmp_path: Path) -> None:
    open_folders(os.environ).settings_file.write_text("theme = 7\n")
    done = flowchat("doctor", cwd=tmp_path)
    assert done.returncode == 1
    [bad] = [line for line in done.stdout.splitlines() if line.startswith("! ")]
    assert "theme = 7 is not allowed" in bad


def test_doctor_ends_with_1_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = flowchat("doctor", cwd=tmp_path, FLOWCHAT_HOME=str(tmp_path / "file"))
    assert (done.returncode, "memory only" in done.stdout) == (1, True)


async def test_doctor_calls_the_model_once_where_it_is_asked_to(tmp_path: Path) -> None:
    async with playing() as server:
        base = f"{server.base}/v1"
        environ = {"OPENAI_API_BASE": base, "OPENAI_API_KEY": KEY, "FLOWCHAT_MODEL": "openai/bench"}
        file = open_folders(os.environ).settings_file
        file.write_text("[models.'openai/bench']\nwindow = 9000\n")
        await aside("doctor", cwd=tmp_path, **environ)
        assert [path for path, _, _ in server.asked if path.endswith("completions")] == []
        server.answers[:] = [LISTED] * 2 + [streamed(CALL, finish="tool_calls")]
        done = await aside("doctor", "--probe", cwd=tmp_path, **environ)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("  test call")]
    assert "openai/bench answers: first token after " in line
    assert line.endswith(" ms, window 9,000 (from the settings), calls tools")
    assert (done.returncode, KEY in done.stdout) == (0, False)


async def test_doctor_ends_with_1_where_the_model_does_not_answer(tmp_path: Path) -> None:
    done = await aside("doctor", "--probe", cwd=tmp_path, FLOWCHAT_MODEL="hosted_vllm/x")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("! test call")]
    assert (done.returncode, "127.0.0.1:9" in line) == (1, True)
