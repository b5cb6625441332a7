"""Servers that sandboxed commands reach through the proxy, and how their names lead to them."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from flowchat.tools.domains import domains_of
from flowchat.tools.outward import Outward
from flowchat.tools.rules import Rule, parse_rule

RECORDINGS = Path(__file__).parents[1] / "recordings"
BIG_BYTES = 48 * 1024 * 1024
ALLOWED = [parse_rule("web_fetch(domain:files.test)"), parse_rule("web_fetch(domain:*.deep.test)")]


class Origin:
    """An HTTP server on loopback. It says what it was asked and by which name; `/big` is long, `/never` never ends."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.heads: list[str] = []
        self.came = self.open = 0
        self.arrived = asyncio.Event()
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            self.hosts.append(head.partition("Host: ")[2].partition("\r\n")[0])
            path = head.split()[1]
            self.arrived.set()
            if path == "/never":
                await reader.read()
                return
            length = int(head.partition("Content-Length: ")[2].partition("\r\n")[0] or 0)
            text = f"{head.split()[0]} {path}".encode() + (b" " + await reader.readexactly(length) if length else b"")
            size = BIG_BYTES if path == "/big" else len(text)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // 65536 if path == "/big" else 0):
                writer.write(bytes(65536))
                await writer.drain()
            writer.write(b"" if path == "/big" else text)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def origin(tls: bool = False, address: str = "127.0.0.1") -> AsyncGenerator[Origin]:
    made, context = Origin(), None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(RECORDINGS / "tls-cert.pem", RECORDINGS / "tls-key.pem")
    server = await asyncio.start_server(made.answer, address, 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def outward(made: Origin, rules: Sequence[Rule] = ALLOWED, leads: str = "127.0.0.1", is_open: bool = True) -> Outward:
    """Names lead to the origin, whatever they are."""

    async def found(host: str, port: int) -> Sequence[tuple[str, int]]:
        return [(leads, made.port)]

    domains = domains_of(rules)
    return Outward(lambda: domains, {}, found, lambda address: True) if is_open else Outward(lambda: domains, {}, found)
