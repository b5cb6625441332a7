"""The command as a shell runs it: what comes out where, and with which exit code."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.config import open_folders


def flowchat(*words: str, cwd: Path, stdin: str | None = "", **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowchat", *words]
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(command, cwd=cwd, env=os.environ | environ, capture_output=True, text=True, timeout=60, **given)


def test_without_a_terminal_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = flowchat("hi", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "flowchat: stdin, stdout and stderr must all be terminals: use `flowchat -p` for an answer without the screen\n"
    )


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_shows_no_screen_is_named(tmp_path: Path, term: str) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flowchat"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"TERM": term}, stdin=theirs, stdout=theirs, stderr=theirs, timeout=60
    )
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert (done.returncode, said.count("\n"), "TERM is " in said) == (2, 1, True)


def test_a_usage_error_is_2(tmp_path: Path) -> None:
    done = flowchat("-p", "--allow", "teleport", "hi", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "there is no tool 'teleport'" in done.stderr


def test_rules_of_the_command_line_hold_and_are_explained(tmp_path: Path) -> None:
    (tmp_path / "alpha.txt").write_text("one\n")
    denied = flowchat("-p", "-m", "demo", "--allow", "list_dir", "--deny", "list_dir", "list .", cwd=tmp_path)
    assert "denied by the rule list_dir (the command line)" in denied.stdout
    told = flowchat("policy", "explain", "ls; rm a", "--deny", "shell(rm:*)", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[:3] == [
        "denied: the rule shell(rm:*) (the command line)",
        "  allow  ls  (it only reads)",
        "  deny   rm a  (the rule shell(rm:*) (the command line))",
    ]


def test_without_a_model_it_says_what_is_missing_and_is_never_the_demo(tmp_path: Path) -> None:
    done = flowchat("-p", "hi", "--output-format", "json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert (done.returncode, result["is_error"], result["outcome"]) == (1, True, "failed")
    assert "no model is configured" in result["result"]
    assert done.stderr == f"flowchat: {result['result']}\n"


def test_the_demo_answers_goes_on_and_is_listed(tmp_path: Path) -> None:
    (tmp_path / "alpha.txt").write_text("one\n")
    first = flowchat("-p", "-m", "demo", "list .", cwd=tmp_path)
    assert (first.returncode, first.stderr, "alpha.txt" in first.stdout) == (0, "", True)
    second = flowchat("-p", "-c", "--output-format", "json", cwd=tmp_path, stdin="read alpha.txt")
    result = json.loads(second.stdout)
    assert (second.returncode, "one" in result["result"]) == (0, True)
    [card] = [json.loads(line) for line in flowchat("sessions", "list", "--json", cwd=tmp_path).stdout.splitlines()]
    assert (card["sid"], card["title"], card["cwd"]) == (result["session_id"], "list .", str(tmp_path.resolve()))
    shown = flowchat("sessions", "show", card["sid"], cwd=tmp_path).stdout
    assert [line for line in shown.splitlines() if line.startswith("> ")] == ["> list .", "> read alpha.txt"]
    folder = Path(flowchat("sessions", "path", "list .", cwd=tmp_path).stdout.strip())
    kept = flowchat("sessions", "show", card["sid"], "--json", cwd=tmp_path).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in kept] == [json.loads(line)["seq"] for line in (folder / "log.jsonl").open()]


def test_no_session_keeps_nothing(tmp_path: Path) -> None:
    done = flowchat("-p", "-m", "demo", "--no-session", "hello", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(open_folders(os.environ).data.iterdir()) == []


def test_a_session_that_is_not_there_is_named(tmp_path: Path) -> None:
    none = flowchat("-p", "-c", "hi", cwd=tmp_path)
    other = flowchat("sessions", "show", "k3f9", cwd=tmp_path)
    assert (none.returncode, other.returncode) == (1, 1)
    assert "to continue" in none.stderr
    assert "there is no session 'k3f9'" in other.stderr


def test_where_nothing_can_be_kept_it_says_so_and_answers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = flowchat("-p", "-m", "demo", "hello", cwd=tmp_path, FLOWCHAT_HOME=str(tmp_path / "file"))
    assert (done.returncode, bool(done.stdout)) == (0, True)
    assert "kept in memory only" in done.stderr


def test_a_bad_setting_is_told_and_the_rest_counts(tmp_path: Path) -> None:
    open_folders(os.environ).settings_file.write_text("model = 'demo'\nlimits.steps = 0\n")
    done = flowchat("-p", "hello", cwd=tmp_path)
    assert (done.returncode, bool(done.stdout)) == (0, True)
    again = flowchat("-p", "-c", "hello", cwd=tmp_path)
    for run in (done, again):
        assert (run.stderr.count("\n"), "limits.steps = 0 is not allowed" in run.stderr) == (1, True)


def test_what_lies_in_the_folder_is_not_imported(tmp_path: Path) -> None:
    for name in ("msgspec", "textual", "litellm", "platformdirs", "argparse"):
        (tmp_path / f"{name}.py").write_text("print('imported'); raise SystemExit(99)")
    done = flowchat("-p", "-m", "demo", "hello", cwd=tmp_path)
    assert (done.returncode, "imported" in done.stdout + done.stderr) == (0, False)


def test_a_reader_that_leaves_early_hears_no_complaint(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m flowchat -p -m demo long --output-format stream-json | head -n 1"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("cli.main(['--version']); print('msgspec' in sys.modules)", "False"),
        ("gc.disable(); cli.main(['-p', '-m', 'demo', '--no-session', 'hello']); print(gc.isenabled())", "True"),
    ],
)
def test_little_is_loaded_for_little_and_what_runs_on_collects_its_garbage(tmp_path: Path, code: str, printed: str) -> None:
    command = [sys.executable, "-c", f"import gc, sys; from flowchat import cli; {code}"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.stdout.splitlines()[-1], done.stderr) == (printed, "")


@pytest.mark.parametrize(
    "words", ["--version", "--help", "-p -m demo hello", "-p -m demo hello --output-format json", "sessions list --json"]
)
@pytest.mark.parametrize(("out", "reason"), [("/dev/full", "No space left on device"), ("&-", "Bad file descriptor")])
def test_output_that_cannot_be_written_is_1_and_one_sentence(tmp_path: Path, words: str, out: str, reason: str) -> None:
    flowchat("-p", "-m", "demo", "hello", cwd=tmp_path)
    command = f"'{sys.executable}' -m flowchat {words} </dev/null >{out}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, f"flowchat: stdout cannot be written: {reason}\n")


def test_with_all_three_streams_closed_nothing_is_printed_into_a_file_of_ours(tmp_path: Path, home: Path) -> None:
    command = f"'{sys.executable}' -m flowchat -p -m demo hello <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, timeout=60).returncode == 1
    [log] = home.glob("data/sessions/*/log.jsonl")
    assert [json.loads(line)["type"] for line in log.open()][-1] == "run_ended"
    printed = [path for path in home.rglob("*") if path.is_file() and path.read_bytes().startswith(b"Demo model")]
    assert printed == []


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_a_complaint_nobody_can_read_stays_out_of_the_answer(tmp_path: Path, closed: str) -> None:
    command = f"'{sys.executable}' -m flowchat --frobnicate {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_home_of_nobody_is_told_and_kept_out_of(tmp_path: Path) -> None:
    done = flowchat("sessions", "list", cwd=tmp_path, FLOWCHAT_HOME="~nobody-of-this-name/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "flowchat: FLOWCHAT_HOME is '~nobody-of-this-name/x', and there is no such user: set it to a folder\n"


def test_ctrl_c_while_it_still_loads_is_130_without_a_word(tmp_path: Path) -> None:
    interrupted = "lambda event, given: event == 'import' and given[0] == 'flowchat.cli' and signal.raise_signal(signal.SIGINT)"
    code = f"import signal, sys; from flowchat.__main__ import main; sys.addaudithook({interrupted}); sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "-p", "hi"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
