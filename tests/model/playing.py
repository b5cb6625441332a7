"""A model server on loopback that plays prepared answers byte by byte and keeps what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HANG_SECONDS = 5.0
"""After this what was to end did not: a test fails rather than hang."""
RECORDINGS = Path(__file__).parent.parent / "recordings"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `piece`: bytes a write (0: all in one); `drop`: cut off behind the body; `held`: kept open behind it."""

    body: bytes
    status: int = 200
    media: str = "text/event-stream"
    headers: Sequence[tuple[str, str]] = ()
    piece: int = 0
    drop: bool = False
    held: bool = False
    beat: bytes = b""
    """Sent again and again behind the body, as long as somebody listens."""
    mute: bool = False
    """Not even headers."""


@dataclass
class Server:
    """`asked`: every request's path, headers and JSON body; `left` is set when a client hung up on a held answer."""

    answers: list[Answer]
    port: int = 0
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def hung_up(self) -> None:
        """The client left a held answer; TimeoutError if it does not."""
        async with asyncio.timeout(HANG_SECONDS):
            await self.left.wait()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path, headers, body = await _read_request(reader)
            self.raw.append(body)
            self.asked.append((path, headers, json.loads(body) if body else {}))
            await self._answer(self.answers.pop(0) if self.answers else _NOTHING_LEFT, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not answer.mute:
            lines = [
                f"HTTP/1.1 {answer.status} .",
                f"content-type: {answer.media}",
                "transfer-encoding: chunked",
                "connection: close",
            ]
            lines += [f"{name}: {value}" for name, value in answer.headers]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            size = answer.piece or max(1, len(answer.body))
            for start in range(0, len(answer.body), size):
                _write_chunk(writer, answer.body[start : start + size])
                await writer.drain()
                if answer.piece:
                    await asyncio.sleep(0)
        if answer.drop:
            writer.transport.abort()
            return
        if answer.held or answer.mute or answer.beat:
            gone = asyncio.ensure_future(reader.read(1))
            while not (await asyncio.wait([gone], timeout=0.02 if answer.beat else None))[0]:
                _write_chunk(writer, answer.beat)
            self.left.set()
            return
        writer.write(b"0\r\n\r\n")
        await writer.drain()


@asynccontextmanager
async def playing(*answers: Answer) -> AsyncIterator[Server]:
    """A server that gives these answers, one a request, in order."""
    server = Server(list(answers))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


def recorded(name: str, **how: Any) -> Answer:
    """The answer in tests/recordings/<name>.sse."""
    return Answer((RECORDINGS / f"{name}.sse").read_bytes(), **how)


def streamed(*deltas: Any, finish: str | None = "stop", after: bytes = b"", **how: Any) -> Answer:
    """An OpenAI-shaped stream of these deltas, one an event (bytes: an event's data as it is), its end, and `after` behind it."""
    ends = [] if finish is None else [_event({}, finish)]
    events = [delta if isinstance(delta, bytes) else _event(delta, None) for delta in deltas]
    return Answer(b"".join(b"data: %b\n\n" % event for event in [*events, *ends]) + after, **how)


def _event(delta: Any, finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": [choice]}).encode()


def failing(status: int, body: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(json.dumps(body).encode(), status, "application/json", headers)


_NOTHING_LEFT = failing(410, {"error": {"message": "the test prepared no answer for this request"}})


def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return head[0].split(" ")[1], headers, body
