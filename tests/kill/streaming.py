"""A model server on loopback that streams numbered words and remembers when it sent each."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

WORDS = 150
SECONDS_A_WORD = 0.01


def word(number: int) -> str:
    return f"w{number:05d} "


class Streaming:
    """`sent`: when each word of the newest answer was handed to the network, in seconds since the epoch, by its number."""

    def __init__(self) -> None:
        self.port = 0
        self.sent: dict[int, float] = {}
        self._number = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
            asked = json.loads(await reader.readexactly(length)) if length else {}
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            if asked.get("messages"):
                await self._answer(asked, writer)
            await writer.drain()
        writer.close()

    async def _answer(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        looks = bool(asked.get("tools")) and asked["messages"][-1]["role"] == "user"
        for _ in range(WORDS):
            self._number += 1
            _write(writer, {"content": word(self._number)})
            self.sent[self._number] = time.time()
            await writer.drain()
            await asyncio.sleep(SECONDS_A_WORD)
        if looks:
            call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "list_dir", "arguments": '{"path": "."}'}}
            _write(writer, {"tool_calls": [call]})
        _write(writer, {}, "tool_calls" if looks else "stop")
        writer.write(b"data: [DONE]\n\n")


def _write(writer: asyncio.StreamWriter, delta: dict[str, Any], finish: str | None = None) -> None:
    chunk = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "fake",
        "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}],
    }
    writer.write(f"data: {json.dumps(chunk)}\n\n".encode())


@contextmanager
def streaming() -> Iterator[Streaming]:
    """The server, in a thread with a loop of its own."""
    server = Streaming()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def run() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listening.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
