"""A model on loopback that plays a scenario over OpenAI's chat completions: `python server.py SCENARIO.json [PORT]`.

A scenario is a list of {"match": REGEX, "steps": [{"thinking", "text", "calls": [{"name", "args"}], "rate"}, ...]}. The rule
that matches last in the last user message answers; step k the request that has k assistant messages behind it. `rate` is in
words a second, 0: as fast as it goes. A request without tools gets a title or a summary. Usage counts a token for four
characters, and as cached what the request shares with an earlier one.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
SUMMARY = """\
## Done
The readme was read, its title marked, the tests were run.

## Active
nothing

## Decisions
The title stays a title (it is what people look for).

## User directives

## Current work
Nothing is open.
"""
_WORD = re.compile(r"\s*\S+|\s+$")
_CONTEXT = re.compile(r"<context.*?</context>", re.DOTALL)


class ModelServer(ThreadingHTTPServer):
    """Listens on loopback from the start; `asked` holds the bodies of the requests in order of arrival."""

    daemon_threads = True

    def __init__(self, scenario: list[Json], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.scenario = scenario
        self.asked: list[Json] = []
        self._weighed: list[str] = []
        self._lock = threading.Lock()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def usage(self, body: Json, words: int) -> Json:
        """What a request weighs, and how much of that an earlier one began with."""
        text = json.dumps([body.get("tools"), body["messages"]])
        with self._lock:
            self.asked.append(body)
            shared = max((_shared(text, earlier) for earlier in self._weighed), default=0)
            self._weighed.append(text)
        prompt = len(text) // 4
        return {
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt + words,
            "prompt_tokens_details": {"cached_tokens": shared // 4},
        }

    def step(self, body: Json) -> Json:
        """What to answer."""
        messages = body["messages"]
        if not body.get("tools"):
            told = _text(messages[0]).lower()
            return {"text": "Overview of a library" if "title" in told else SUMMARY}
        if any(tool["function"]["name"] == "write_summary" for tool in body["tools"]):
            wrote = any(message["role"] == "assistant" for message in messages)
            return {"text": "Done."} if wrote else {"calls": [{"name": "write_summary", "args": {"text": SUMMARY}}]}
        last = max(i for i, message in enumerate(messages) if message["role"] == "user")
        done = sum(message["role"] == "assistant" for message in messages[last:])
        words = _CONTEXT.sub("", _text(messages[last]))
        found = [(match.start(), rule) for rule in self.scenario for match in re.finditer(rule["match"], words, re.DOTALL)]
        if found:
            steps = max(found, key=lambda place: place[0])[1]["steps"]
            return steps[done] if done < len(steps) else {"text": "Done."}
        return {"text": f"Nothing is scripted for {words.strip()[:80]!r}."}


class _Request(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        lists = self.path == "/v1/models"
        self._head(200 if lists else 404, "application/json")
        self.wfile.write(b'{"object": "list", "data": [{"id": "walk"}]}' if lists else b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        step = self.server.step(body)
        deltas, usage = _deltas(step), self.server.usage(body, len(_WORD.findall(step.get("text", ""))))
        self._head(200, "text/event-stream" if body.get("stream") else "application/json")
        try:
            if body.get("stream"):
                self._stream(deltas, usage, step)
            else:
                message = {"role": "assistant", "content": step.get("text", "")}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "walk"}
                self._write({**whole, "choices": [choice], "usage": usage})
        except ConnectionError:
            pass  # the client left, as a person who interrupts makes it

    def _stream(self, deltas: list[Json], usage: Json, step: Json) -> None:
        rate = step.get("rate", 0)
        for delta in deltas:
            self._event([{"index": 0, "delta": delta, "finish_reason": None}])
            if rate:
                time.sleep(1 / rate)
        self._event([{"index": 0, "delta": {}, "finish_reason": "tool_calls" if step.get("calls") else "stop"}])
        self._event([], usage=usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, choices: list[Json], **more: object) -> None:
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "walk", "choices": choices, **more}
        self.wfile.write(b"data: ")
        self._write(chunk)
        self.wfile.write(b"\n\n")
        self.wfile.flush()

    def _write(self, value: Json) -> None:
        self.wfile.write(json.dumps(value).encode())

    def _head(self, status: int, media: str) -> None:
        self.send_response(status)
        self.send_header("content-type", media)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed: stdout is the walk's."""


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _text(message: Json) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _deltas(step: Json) -> list[Json]:
    thinking = [{"reasoning_content": word} for word in _WORD.findall(step.get("thinking", ""))]
    text = [{"content": word} for word in _WORD.findall(step.get("text", ""))]
    calls: list[Json] = []
    for index, call in enumerate(step.get("calls", ())):
        arguments = call["args"] if isinstance(call["args"], str) else json.dumps(call["args"])
        half = len(arguments) // 2
        named = {"index": index, "id": f"call_{time.monotonic_ns()}_{index}", "type": "function"}
        calls.append({"tool_calls": [{**named, "function": {"name": call["name"], "arguments": arguments[:half]}}]})
        calls.append({"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]})
    return [{"role": "assistant", "content": ""}, *thinking, *text, *calls]


@contextmanager
def serving(scenario: list[Json], make: type[ModelServer] = ModelServer) -> Iterator[ModelServer]:
    """A server in a thread of this process, for as long as the `with`."""
    with make(scenario) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with ModelServer(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]) if len(sys.argv) > 2 else 0) as alone:
        print(alone.base, flush=True)
        alone.serve_forever()
