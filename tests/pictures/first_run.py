"""The first minutes with flowchat on three machines, in tmux: from the start to the first answer, in seconds and keys.

    python tests/pictures/first_run.py [--size 80x24] [--keep FOLDER] [--usual-port]

Each begins with an empty home. One has nothing and no network (unshare), one an Ollama (a stand-in; --usual-port: on the port
Ollama has), one a key and the address of a server on loopback. Exit code 0, or 1 with the screen that was not as it should be.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import server
from walk import READY, Fell, Screen, arguments

OLLAMA_PORT = 11434
SCENARIO = [
    {"match": "Call report_ready", "steps": [{"text": "", "calls": [{"name": "report_ready", "args": {"ready": True}}]}]},
    {"match": "Hello", "steps": [{"text": "FIRST-ANSWER from a server on loopback."}]},
]


class Ollama(BaseHTTPRequestHandler):
    """What Ollama answers with two models, one of which calls tools (docs/api.md of ollama/ollama)."""

    def do_GET(self) -> None:
        models = [{"name": "qwen3:8b", "size": 5_200_000_000}, {"name": "llama2:latest", "size": 3_800_000_000}]
        running = [{"name": "qwen3:8b", "context_length": 16_384}]
        self._answer({"models": {"/api/tags": models, "/api/ps": running}.get(self.path, [])})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/api/show":
            calls = ["tools"] if "qwen3" in str(asked.get("model", asked.get("name"))) else []
            self._answer({"capabilities": ["completion", *calls], "model_info": {"qwen3.context_length": 40_960}})
            return
        message: dict[str, Any] = {"role": "assistant", "content": "FIRST-ANSWER from a model of this machine."}
        if "report_ready" in json.dumps(asked["messages"]):
            call = {"function": {"name": "report_ready", "arguments": {"ready": True}}}
            message = {"role": "assistant", "content": "", "tool_calls": [call]}
        part = {"model": asked["model"], "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False}
        end = {**part, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
        self._answer(part, {**end, "prompt_eval_count": 900, "eval_count": 12})

    def _answer(self, *parts: dict[str, Any]) -> None:
        content = "".join(json.dumps(part) + "\n" for part in parts).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is the walk's."""


@contextmanager
def ollama(port: int) -> Iterator[str]:
    """The address of an Ollama."""
    with ThreadingHTTPServer(("127.0.0.1", port), Ollama) as own:
        thread = threading.Thread(target=own.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{own.server_port}"
        own.shutdown()
        thread.join()


class Hands:
    """Counts what is pressed, a message as one, and the seconds since the start."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.keys, self.began = screen, 0, 0.0
        self.moments: list[tuple[str, float]] = []

    def begin(self, command: str) -> None:
        self.screen.write(command)
        self.screen.shows(command[-12:])
        self.began = time.monotonic()
        self.screen.press("Enter")

    def press(self, *keys: str) -> None:
        self.keys += len(keys)
        self.screen.press(*keys)

    def say(self, text: str) -> None:
        self.keys += 2
        self.screen.say(text)

    def sees(self, what: str, *words: str, without: tuple[str, ...] = ()) -> None:
        self.screen.shows(*words, without=without)
        self.moments.append((what, time.monotonic() - self.began))
        self.screen.shows(*words, without=without, name=f"{self.moments[-1][1]:4.1f} s  {what}")


def nothing(hands: Hands, command: str) -> None:
    hands.begin(command)
    hands.sees("ready", READY, "The demo model answers", "F2")
    hands.say("read notes.txt")
    hands.sees("first answer", "notes.txt", "Demo model", without=("Esc stop",))
    hands.press("F2")
    hands.sees("card", "No model server answers", "ollama pull", "Enter an API")
    hands.press("Escape")


def local(hands: Hands, command: str) -> None:
    hands.begin(command)
    hands.sees("ready", READY, "F2")
    _choose(hands, "ollama_chat/qwen3:8b", "Ollama (2 models, 1 with tools)", "16,384")


def key_and_address(hands: Hands, command: str) -> None:
    hands.begin(command)
    hands.sees("ready", READY, "F2")
    _choose(hands, "openai/walk", "openai/walk", "window")


def _choose(hands: Hands, model: str, found: str, window: str) -> None:
    hands.press("F2")
    hands.sees("found", found, model, "Enter test")
    hands.press("Enter")
    hands.sees("tested", "answers", window, "it called the one it was given", "Enter keep it")
    hands.press("Enter")
    hands.sees("kept", f"{model} answers from now on", READY)
    hands.say("Hello there")
    hands.sees("first answer", "FIRST-ANSWER", without=("Esc stop",))


def run(
    name: str, given: argparse.Namespace, act: Callable[[Hands, str], None], environment: dict[str, str], inside: str = ""
) -> None:
    """One machine, its home and project new; `inside` is a command that runs another."""
    print(name)
    with tempfile.TemporaryDirectory(prefix="first-") as folder:
        home, project = Path(folder, "home"), Path(folder, "project")
        home.mkdir()
        project.mkdir()
        (project / "notes.txt").write_text("Rounding happens per line.\n")
        whole = {"HOME": str(home), "LANG": "C.UTF-8", **environment}
        columns, rows = map(int, given.size.split("x"))
        keep = given.keep / name.replace(" ", "-") if given.keep else None
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        words = " ".join(f"{key}={value}" for key, value in whole.items())
        (project / "go").write_text(f'#!/bin/sh\nexec {inside} env -i PATH="$PATH" TERM="$TERM" {words} {given.flowchat}\n')
        (project / "go").chmod(0o700)
        with Screen(columns, rows, project, {}, keep) as screen:
            hands = Hands(screen)
            act(hands, "./go")
            seconds = dict(hands.moments)["first answer"]
            print(f"  {hands.keys} keys, a message counted as one; {seconds:.1f} s from the start to the first answer")
            screen.press("C-c", "C-c")
            screen.shows("flowchat -r", "walk$")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--usual-port", action="store_true")
    given = parser.parse_args()
    try:
        run("nothing and no network", given, nothing, {}, "unshare --user --map-root-user --net")
        with ollama(OLLAMA_PORT if given.usual_port else 0) as address:
            run("an Ollama", given, local, {} if given.usual_port else {"OLLAMA_HOST": address})
        with server.serving(SCENARIO) as own:
            run("a key and an address", given, key_and_address, {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": own.base})
    except Fell as fell:
        print(f"FELL: {fell}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
