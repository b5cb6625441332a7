"""Small questions to servers on this machine: one HTTP request each, answered with JSON soon or not at all."""

import asyncio
import json
from urllib.parse import urlsplit

from flowchat.model.discover import is_loopback

ASK_SECONDS = 2.0
"""How long a server on this machine may take to describe itself."""
ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 65_536


async def ask(url: str, body: object = None, *, seconds: float = ASK_SECONDS, key: str = "") -> object:
    """The JSON a loopback address answers with 200; None for anything else: another answer, none in time, another machine.

    A `body` is posted, a `key` sent as a bearer token. Proxies do not apply and redirects are not followed: nothing leaves
    this machine.
    """
    if not is_loopback(url):
        return None
    try:
        async with asyncio.timeout(seconds):
            return json.loads(await _fetch(url, body, key))
    except (OSError, ValueError, EOFError, RecursionError, asyncio.LimitOverrunError):
        return None


async def _fetch(url: str, body: object, key: str) -> bytes:
    """Raises OSError, ValueError, EOFError or LimitOverrunError where there is no complete answer with status 200."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname
    reader, writer = await asyncio.open_connection(host, parts.port or (443 if secure else 80), ssl=secure or None)
    try:
        writer.write(_request(parts.netloc.rpartition("@")[2], parts.path or "/", body, key))
        await writer.drain()
        return await _answer(reader)
    finally:
        writer.transport.abort()


def _request(host: str, path: str, body: object, key: str) -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
    lines += ["Connection: close", f"Content-Length: {len(payload)}"]
    lines += ["Content-Type: application/json"] if payload else []
    lines += [f"Authorization: Bearer {key}"] if key and key.isprintable() else []
    return "\r\n".join([*lines, "", ""]).encode() + payload


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The body of an HTTP/1 answer (RFC 9112): of a told length, in chunks, or up to the end of the connection."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    if status.split()[1:2] != ["200"]:
        raise ValueError(f"not an answer with 200: {status}")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    if length := headers.get("content-length"):
        return await reader.readexactly(_bounded(int(length)))
    whole = bytearray()
    while piece := await reader.read(_PIECE_BYTES):
        _bounded(len(whole) + len(piece))
        whole += piece
    return bytes(whole)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    whole = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        whole += await reader.readexactly(_bounded(len(whole) + size) - len(whole))
        await reader.readexactly(2)
    return bytes(whole)


def _bounded(size: int) -> int:
    if not 0 <= size <= ANSWER_LIMIT_BYTES:
        raise ValueError(f"an answer of {size:,} bytes describes nothing")
    return size
