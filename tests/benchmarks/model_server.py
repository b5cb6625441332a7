"""A model on loopback: OpenAI-shaped streams whose length, pace and calls lines of the last user message ask for.

write 8000 tokens at 100/s, mark ab12     markdown between BEGINab12 and ENDab12; without a pace: as fast as it goes
write 8000 tokens of log, mark ab12       one block of a kind: table, log, paragraph
call read_file {"path": "a.txt"}          one call a line, then a short answer
(a summariser)                            as if SUMMARY had been asked for, or PASS where it has no tools
wait                                      nothing, or with `write`/`call` only what precedes the first word, until `release`
refuse                                    status 400
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

SUMMARY, PASS = "write 300 tokens at 100/s, mark summary", "write 30 tokens of paragraph at 100/s, mark pass"
SUMMARISER = "You summarise a working session"
EVENTS_A_WRITE = 32
"""At full speed."""
_WRITE = re.compile(r"^write (\d+) tokens(?: of (\w+))?(?: at (\d+)/s)?, mark (\w+)$", re.MULTILINE)
_CALL = re.compile(r"^call (\w+) (\{.*\})$", re.MULTILINE)
_WAIT, _REFUSE = re.compile(r"^wait$", re.MULTILINE), re.compile(r"^refuse$", re.MULTILINE)
_TOKEN = re.compile(r"\n+| ?\w+|[^\w\n]")
_SECTION = """\
## Part {n}: how the {n}th queue is drained

A reader takes an event from the queue and gives it to the **renderer**; each event carries a kind, a payload and a time. When
the buffer is full the writer waits, so `put` may be slow where `take` is not. That is *on purpose*: see [part {n}](#part-{n}).

- the first rule: nothing is drawn twice, and nothing that is hidden is drawn at all
- the second rule: what was `{n}` before is still `{n}` afterwards
- the third rule has no exception

```python
async def drain_{n}(source: Queue, sink: Sink) -> int:
    taken = 0
    async for event in source:
        if event.kind == "text":  # everything else is for the others
            sink.put(event.payload)
            taken += {n}
    return taken
```

| measure | before | after |
|---|---:|---:|
| start, ms | {n}12 | {n}4 |
| memory, MB | 21{n} | 9{n} |

1. Run the tests of the queue, then those of the renderer.
2. Compare the two tables above; they differ in the last column only.

> What is measured in part {n} holds for this machine alone.

"""
BLOCKS = {
    "table": ("| name | value | note |\n|---|---:|---|\n", "| item {n} | {n}7 | some words about **it** |\n"),
    "log": ("", "12:00:00 INFO module: line {n} of a log, pasted as prose\n"),
    "paragraph": ("", "The {n}th sentence of a paragraph that has *no* end. "),
}
"""What a block begins with, and what it goes on with."""
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """One request: its body, and when (monotonic seconds) it was there, its first chunk left, its last one left."""

    body: Json
    received: float
    first: float
    last: float


@dataclass
class ModelServer:
    """`asked` holds the bodies in order of arrival, `served` those that were answered to the end."""

    port: int = 0
    asked: list[Json] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    log: Path | None = None
    _waiting: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def until_waiting(self) -> None:
        """Until a request that was told to wait does."""
        await self._waiting.wait()
        self._waiting.clear()

    def release(self) -> None:
        """Let it go on."""
        self._released.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            body = json.loads(await reader.readexactly(int(length[1]))) if length else {}
            await self._answer(body, time.monotonic(), reader, writer)
        writer.close()

    async def _answer(self, body: Json, received: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not body:
            _head(writer, b"404 none", b"application/json")
            writer.write(b"{}")
            return
        self.asked.append(body)
        words = _last_words(body)
        if _REFUSE.search(words):
            _head(writer, b"400 refused", b"application/json")
            writer.write(b'{"error": {"message": "refused, as asked", "code": "refused"}}')
            return
        _head(writer, b"200 well", b"text/event-stream")
        events = answer_events(body)
        if _WAIT.search(words):
            await writer.drain()
            if not await self._hold(reader):
                return
        asked = _WRITE.search(words)
        first = time.monotonic()
        await _send(writer, events, int(asked[3] or 0) if asked else 0)
        self._note(Served(body, received, first, time.monotonic()))

    async def _hold(self, reader: asyncio.StreamReader) -> bool:
        """Wait to be released; False where the client left meanwhile."""
        gone, released = asyncio.ensure_future(reader.read(1)), asyncio.ensure_future(self._released.wait())
        self._waiting.set()
        await asyncio.wait((gone, released), return_when=asyncio.FIRST_COMPLETED)
        left = not released.done()
        for task in (gone, released):
            task.cancel()
        self._released.clear()
        return not left

    def _note(self, served: Served) -> None:
        self.served.append(served)
        if self.log is not None:
            line = {"words": _last_words(served.body), "received": served.received, "first": served.first, "last": served.last}
            with self.log.open("a") as file:
                file.write(json.dumps(line) + "\n")


@asynccontextmanager
async def serving(log: Path | None = None) -> AsyncIterator[ModelServer]:
    """A server in this process, for as long as the `with`."""
    server = ModelServer(log=log)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 26)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


# --- answers ---------------------------------------------------------------------------------------------------------
def answer_events(body: Json) -> list[bytes]:
    """The events of the answer, one token each."""
    words, messages = _last_words(body), body["messages"]
    if not body.get("tools") and words != PASS:
        pieces: list[Json] = [{"content": "A small title"}]
    elif calls := _CALL.findall(words) if messages[-1]["role"] == "user" else []:
        pieces = [_call(i, f"c{len(messages)}{i}", name, args) for i, (name, args) in enumerate(calls)]
    elif asked := _WRITE.search(words):
        pieces = [{"content": token} for token in tokens(int(asked[1]), asked[4], asked[2])]
    else:
        pieces = [{"content": token} for token in ("Heard", ", and", " noted", ".")]
    finish = "tool_calls" if "tool_calls" in pieces[-1] else "stop"
    size = sum(len(json.dumps(message)) for message in messages) // 4
    usage = {"prompt_tokens": size, "completion_tokens": len(pieces), "total_tokens": size + len(pieces)}
    return [
        *(_event([{"index": 0, "delta": {"role": "assistant", **piece}, "finish_reason": None}]) for piece in pieces),
        _event([{"index": 0, "delta": {}, "finish_reason": finish}]),
        _event([], usage=usage),
        b"data: [DONE]\n\n",
    ]


def _call(index: int, call: str, name: str, args: str) -> Json:
    function = {"name": name, "arguments": args}
    return {"tool_calls": [{"index": index, "id": call, "type": "function", "function": function}]}


def tokens(amount: int, mark: str, kind: str | None = None) -> list[str]:
    """So many tokens of markdown, or of one block of a kind; the last stands in a paragraph of its own."""
    found = [f"BEGIN{mark}", ".", "\n\n"]
    for token in _markdown() if kind is None else _block(kind):
        if len(found) >= amount - 2 and (kind is not None or token.startswith("\n\n")):
            break
        found.append(token)
    return [*found, "\n\n```\n\n" if "".join(found).count("```") % 2 else "\n\n", f"END{mark}"]


def _markdown() -> Iterator[str]:
    for n in count(1):
        yield from _TOKEN.findall(_SECTION.format(n=n))


def _block(kind: str) -> Iterator[str]:
    head, line = BLOCKS[kind]
    yield from _TOKEN.findall(head)
    for n in count(1):
        yield from _TOKEN.findall(line.format(n=n))


def _last_words(body: Json) -> str:
    """The text of the last user message, without what files and instructions added to it."""
    if any(str(message["content"]).startswith(SUMMARISER) for message in body.get("messages", ())[:1]):
        return SUMMARY if body.get("tools") else PASS
    for message in reversed(body.get("messages", ())):
        if message["role"] == "user":
            content = message["content"]
            words = content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
            return re.sub(r"<context.*?</context>", "", words, flags=re.DOTALL)
    return ""


# --- the wire --------------------------------------------------------------------------------------------------------
def _event(choices: Sequence[Json], **more: Any) -> bytes:
    chunk = {"id": "chunk", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": choices, **more}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _head(writer: asyncio.StreamWriter, status: bytes, media: bytes) -> None:
    writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-type: " + media + b"\r\nconnection: close\r\n\r\n")


async def _send(writer: asyncio.StreamWriter, events: Sequence[bytes], rate: int) -> None:
    started, step = time.monotonic(), 1 if rate else EVENTS_A_WRITE
    for at in range(0, len(events), step):
        if rate and (early := started + at / rate - time.monotonic()) > 0:
            await asyncio.sleep(early)
        writer.write(b"".join(events[at : at + step]))
        await writer.drain()


async def _main(log: str) -> None:
    """Serve until stdin ends, the port told on stdout, what was served in the log."""
    async with serving(Path(log)) as server:
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
