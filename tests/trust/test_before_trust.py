"""Before a folder is trusted nothing in it is run, imported, connected to or obeyed; what of it is read is known by name."""

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.trust.traps import READ_AS_TEXT, TRAPS, Hostile, Run, tracer
from tests.ui.terminals import Terminal


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    found = Hostile(tmp_path, list(TRAPS.values()))
    yield found
    found.close()


def harmless(hostile: Hostile, run: Run) -> None:
    """Nothing went off, no one called, and no program of the folder, nor git, was run."""
    assert hostile.marks == []
    assert hostile.calls == 0
    own = [path for path in run.programs if not Path(path).is_absolute() or Path(path).is_relative_to(hostile.folder)]
    assert own == []
    assert [path for path in run.programs if Path(path).name.startswith("git")] == []
    assert [where for where in run.connected if f"htons({hostile.port})" in where] == []


def offline(run: Run) -> None:
    assert [where for where in run.connected if "AF_INET" in where] == []


def test_the_traps_go_off_where_python_itself_looks_into_the_folder(hostile: Hostile) -> None:
    """`python -m` does before any line of ours: what the other tests see nothing of is there to be seen."""
    hostile.command = [sys.executable, "-m", "flowchat"]
    run = hostile.run("--version")
    assert (bool(hostile.marks), run.opened <= READ_AS_TEXT) == (True, False)


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a server that takes no key."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("config", "show"), 0),
        (("sessions", "list"), 0),
        (("trust",), 0),
        (("trust", "list"), 0),
        (("-p", "-m", "demo", "hello"), 0),
    ],
)
def test_a_command_in_a_hostile_folder_reads_text_and_does_nothing(hostile: Hostile, words: tuple[str, ...], code: int) -> None:
    run = hostile.run(*words)
    assert run.code == code, run.printed
    harmless(hostile, run)
    offline(run)
    assert run.opened <= READ_AS_TEXT


def test_the_doctor_and_the_list_of_models_ask_only_what_the_user_has_set(hostile: Hostile) -> None:
    for words in (("doctor",), ("models",)):
        run = hostile.run(*words)
        harmless(hostile, run)
        assert run.opened <= READ_AS_TEXT
        addresses = {where for where in run.connected if "AF_INET" in where}
        assert [where for where in addresses if "127.0.0.1" not in where and "::1" not in where] == []


@pytest.mark.parametrize("prompt", ["list .", "read AGENTS.md", "grep PWNED", "find *.py"])
def test_tools_that_look_around_run_nothing_of_the_folder(hostile: Hostile, prompt: str) -> None:
    run = hostile.run("-p", "-m", "demo", "--output-format", "json", prompt)
    assert run.code == 0, run.printed
    harmless(hostile, run)
    offline(run)


@pytest.mark.parametrize("command", ["ls", "git status", "cat AGENTS.md | sort", "python3 -c 'print(1)'"])
def test_a_command_the_user_allows_is_the_machines_own(hostile: Hostile, command: str) -> None:
    run = hostile.run("-p", "-m", "demo", "--output-format", "json", "--allow", f"shell({command})", f"run {command}")
    assert run.code == 0, run.printed
    assert (hostile.marks, hostile.calls) == ([], 0)
    assert [path for path in run.programs if not Path(path).is_absolute() or Path(path).is_relative_to(hostile.folder)] == []


def test_a_model_of_a_provider_is_asked_where_the_user_says(hostile: Hostile, refusing: str) -> None:
    """litellm itself is loaded: it would take .env of the folder, were it let."""
    run = hostile.run(
        "-p",
        "-m",
        "openai/gpt-x",
        "--max-steps",
        "1",
        "hello",
        OPENAI_API_KEY="sk-x",
        OPENAI_BASE_URL=refusing,
    )
    assert run.code == 1, run.printed
    harmless(hostile, run)
    assert run.opened <= READ_AS_TEXT
    if tracer() is not None:
        port = refusing.rpartition(":")[2].partition("/")[0]
        assert {where for where in run.connected if "AF_INET" in where and f"htons({port})" not in where} == set()


def test_the_screen_in_a_hostile_folder_takes_messages_and_does_nothing(hostile: Hostile) -> None:
    with hostile.watched() as watch:
        words = watch.wrap([*hostile.command, "-m", "demo"])
        start = f"import os; os.execv({words[0]!r}, {words!r})"
        terminal = Terminal(hostile.folder, "-I", "-c", start, environ=hostile.environ(), columns=120, rows=40)
        try:
            terminal.show_until(lambda rows: any("wait until you trust it" in row for row in rows))
            terminal.type(b"hello", b"hello")
            terminal.write(b"\r")
            terminal.read_until(lambda seen: b"Demo model" in seen)
            terminal.type(b"/status", b"/status")
            terminal.write(b"\r")
            terminal.show_until(lambda rows: any("your messages" in row for row in rows))
            terminal.write(b"\x1b")
            terminal.show_until(lambda rows: not any("your messages" in row for row in rows))
            terminal.type(b"/quit", b"/quit")
            terminal.write(b"\r")
            code = terminal.wait()
        finally:
            terminal.close()
    run = watch.told(code, "")
    assert code == 0
    harmless(hostile, run)
    offline(run)
    assert run.opened <= READ_AS_TEXT
