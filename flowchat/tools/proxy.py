"""The HTTP proxy that sandboxed commands reach allowed domains through: CONNECT and plain requests, one for each connection."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from flowchat.tools.outward import CHUNK_BYTES, Outward, Streams, Unreached, abort, connect

HEAD_LIMIT_BYTES = 32 * 1024
HEAD_SECONDS = 30.0
IDLE_SECONDS = 300.0
"""A connection on which nothing moves for so long is closed."""
LINGER_SECONDS, LINGER_LIMIT_BYTES = 2.0, 1024 * 1024
"""What a client still sends is read so long and so far after it was refused, or it would never see why."""
PORTS = (443, 80)
_REQUEST = re.compile(r"([A-Z]{1,20}) ([\x21-\x7e]+) (HTTP/1\.[01])")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_AUTHORITY = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)")
_NOT_FORWARDED = {
    *("host", "connection", "proxy-connection", "keep-alive", "upgrade", "te", "trailer"),
    *("proxy-authorization", "proxy-authenticate", "http2-settings"),
}
_WHOLE_BODY = -1


class Asked(Struct, frozen=True):
    """What a client wants: a tunnel, or `head` sent to the host and then so many bytes of its own (-1: until it ends)."""

    host: str
    port: int
    tunnel: bool
    head: bytes = b""
    body_bytes: int = 0


async def serve(client: Streams, outward: Outward, refused: Callable[[str], None]) -> None:
    """Do what one client asks and close its connection. `refused` hears the hosts that no rule is about. Raises nothing but
    CancelledError."""
    writers = [client[1]]
    try:
        await _serve(client, outward, refused, writers)
        for writer in writers:
            await _close(writer)
    finally:
        for writer in writers:
            abort(writer)


async def _serve(client: Streams, outward: Outward, refused: Callable[[str], None], writers: list[asyncio.StreamWriter]) -> None:
    """The connection to the host, where there comes to be one, is added to `writers`."""
    try:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                asked = parse(await client[0].readuntil(b"\r\n\r\n"))
            _check(asked, outward, refused)
            server = await connect(outward, asked.host, asked.port)
            writers.append(server[1])
            await _relay(client, server, asked)
        except Unreached as why:
            await _answer(client, why.status, str(why))
        except asyncio.LimitOverrunError:
            await _answer(client, 431, f"a request's head may have {HEAD_LIMIT_BYTES:,} bytes")
    except* (OSError, EOFError):
        pass  # either side has gone, or nothing moved any more


async def _close(writer: asyncio.StreamWriter) -> None:
    """Once all is written, or nothing moves any more."""
    writer.close()
    with suppress(OSError):
        async with asyncio.timeout(IDLE_SECONDS):
            await writer.wait_closed()


def parse(head: bytes) -> Asked:
    """What the head of a request asks for; raises Unreached where it is none we forward, or could be read in two ways."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    request = _REQUEST.fullmatch(first)
    fields = [_FIELD.fullmatch(line) for line in lines]
    if request is None or None in fields:
        raise Unreached(400, "this is no HTTP request that a proxy forwards")
    method, target, version = request.groups()
    if method == "CONNECT":
        host, port = _split(target, None)
        return Asked(host, port, True)
    scheme, _, rest = target.partition("://")
    if scheme.lower() != "http":
        raise Unreached(400, "only CONNECT and http:// addresses are forwarded")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(authority) :].partition("#")[0]
    host, port = _split(authority, 80)
    given = [(field[1], field[2]) for field in fields if field is not None]
    hops = {name.strip().lower() for key, value in given if key.lower() == "connection" for name in value.split(",")}
    dropped = _NOT_FORWARDED | hops - {"content-length", "transfer-encoding"}
    kept = "".join(f"{name}: {value}\r\n" for name, value in given if name.lower() not in dropped)
    where = f"{method} {path if path.startswith('/') else '/' + path} {version}\r\nHost: {authority}\r\n"
    return Asked(host, port, False, f"{where}{kept}Connection: close\r\n\r\n".encode("latin-1"), _body_bytes(given))


def _split(authority: str, otherwise: int | None) -> tuple[str, int]:
    """A host's name and a port. Raises Unreached."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None or (found[2] is None and otherwise is None):
        raise Unreached(400, "this names no host and port")
    return found[1].lower().rstrip("."), int(found[2]) if found[2] is not None else otherwise or 0


def _body_bytes(fields: Sequence[tuple[str, str]]) -> int:
    lengths = {value for name, value in fields if name.lower() == "content-length"}
    codings = [value for name, value in fields if name.lower() == "transfer-encoding"]
    if len(lengths) + len(codings) > 1 or not all(re.fullmatch("[0-9]{1,15}", length) for length in lengths):
        raise Unreached(400, "it is not clear where this request ends")
    return _WHOLE_BODY if codings else int(next(iter(lengths), "0"))


def _check(asked: Asked, outward: Outward, refused: Callable[[str], None]) -> None:
    """Raises Unreached unless a rule allows it."""
    host = asked.host
    if host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise Unreached(403, f"{host} is a number: the sandbox lets nothing but names of domains out")
    domains = outward.domains()
    rule = domains.decides(host)
    if rule is None:
        refused(host)
        raise Unreached(403, f"{host} is off in the sandbox: the rule web_fetch(domain:{host}) would allow it")
    if rule.effect != "allow":
        raise Unreached(403, f"{host} is off in the sandbox: the rule {rule} keeps it off")
    if asked.port not in PORTS:
        raise Unreached(403, f"port {asked.port} of {host} is not reached from the sandbox, only {' and '.join(map(str, PORTS))}")


async def _answer(client: Streams, status: int, sentence: str) -> None:
    """The sentence as reason and as body: some programs show the one, some the other."""
    reader, writer = client
    said = sentence.encode("ascii", "replace")
    words = b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b\n"
    writer.write(words % (status, said, len(said) + 1, said))
    async with asyncio.timeout(LINGER_SECONDS):
        await writer.drain()
        writer.write_eof()
        left = LINGER_LIMIT_BYTES
        while left > 0 and (sent := await reader.read(CHUNK_BYTES)):
            left -= len(sent)


async def _relay(client: Streams, server: Streams, asked: Asked) -> None:
    """Both ways until the host has said all, and, in a tunnel, the client too. Raises ExceptionGroup, TimeoutError."""
    client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n" if asked.tunnel else b"")
    server[1].write(asked.head)
    async with asyncio.timeout(IDLE_SECONDS) as idle, asyncio.TaskGroup() as both:
        sending = both.create_task(_send(client[0], server[1], idle, asked))
        await _pump(server[0], client[1], idle, None, ends=True)
        if not asked.tunnel:
            sending.cancel()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout, asked: Asked) -> None:
    most = None if asked.tunnel or asked.body_bytes == _WHOLE_BODY else asked.body_bytes
    try:
        await _pump(reader, writer, idle, most, ends=asked.tunnel)
    except OSError:
        if asked.tunnel:
            raise  # else the host has read enough, and its answer is on its way


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout, most: int | None, ends: bool
) -> None:
    """Everything, or `most` bytes, from one to the other; `ends`: and then its end."""
    loop = asyncio.get_running_loop()
    await writer.drain()
    left = most
    while left is None or left > 0:
        chunk = await reader.read(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
        if not chunk:
            break
        left = None if left is None else left - len(chunk)
        writer.write(chunk)
        await writer.drain()
        idle.reschedule(loop.time() + IDLE_SECONDS)
    if ends and writer.can_write_eof():
        writer.write_eof()
