"""The way from flowchat to a host that a sandboxed command may reach: found by name, checked, connected to where it leads."""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

from flowchat.tools.domains import Domains
from flowchat.tools.lookups import Address, Lookups

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address, IPv6Network
    from urllib.parse import SplitResult

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
RESOLVE_SECONDS = 10.0
CONNECT_SECONDS = 10.0
"""For one address."""
ADDRESSES_TRIED = 4
CHUNK_BYTES = 64 * 1024
_METADATA = ("168.63.129.16", "192.0.0.192")
"""Where a cloud tells a machine of itself at an address that is not otherwise private (Azure, Oracle)."""
_UNUSABLE = "flowchat's own proxy (HTTPS_PROXY) is of a kind it cannot use for commands"


class Unreached(Exception):
    """Why a host is not connected to: an HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def is_public(address: str) -> bool:
    """Whether a numeric address is out in the Internet: not this machine's, its network's, a cloud's own or many at once."""
    from ipaddress import IPv4Address, ip_address

    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return _is_global(found)
    if found in _nat64():
        return _is_global(IPv4Address(int(found) & 0xFFFFFFFF))
    within = (found.ipv4_mapped, found.sixtofour, *(found.teredo or ()))
    plain = _is_global(found) and not found.is_reserved and not found.is_site_local
    return plain and all(_is_global(one) for one in within if one is not None)


class Outward(Struct, frozen=True):
    """Where commands may go from their sandbox, and how. `domains` are asked for anew with each connection; `environ` may name
    the proxy through which this machine reaches the Internet. `resolve` and `is_open` say where names lead and may lead."""

    domains: Callable[[], Domains]
    environ: Mapping[str, str] = os.environ
    resolve: Callable[[str, int], Awaitable[Sequence[Address]]] = field(default_factory=lambda: Lookups().resolve)
    is_open: Callable[[str], bool] = is_public


async def connect(outward: Outward, host: str, port: int) -> Streams:
    """A connection to a host, or through this machine's own proxy to it. Raises Unreached."""
    found = await _addresses(outward, host, port)
    if (proxy := proxy_for(outward.environ, host)) is not None:
        return await _through(proxy, host, port)
    if not found:
        raise Unreached(502, f"{host} cannot be found")
    for address, at in found[:ADDRESSES_TRIED]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(address, at, limit=CHUNK_BYTES)
        except OSError:
            continue
    raise Unreached(502, f"{host} does not answer")


def abort(writer: asyncio.StreamWriter) -> None:
    """End a connection at once, if it has not ended: of one that has closed after its last bytes asyncio cannot bear that."""
    if writer.get_extra_info("socket").fileno() >= 0:
        writer.transport.abort()


def proxy_for(environ: Mapping[str, str], host: str) -> "SplitResult | None":
    """The proxy through which this machine reaches a host; None where there is none. Raises Unreached."""
    named = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    if not named:
        return None
    from urllib.parse import urlsplit

    without = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    around = [name.strip().lower().lstrip(".") for name in without.split(",") if name.strip()]
    if any(name == "*" or host == name or host.endswith(f".{name}") for name in around):
        return None
    try:
        return urlsplit(named if "://" in named else f"http://{named}")
    except ValueError:
        raise Unreached(502, _UNUSABLE) from None


async def _addresses(outward: Outward, host: str, port: int) -> Sequence[Address]:
    """Those a host has that may be connected to; empty where it has none at all. Raises Unreached where none may be."""
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await outward.resolve(host, port)
    except (OSError, UnicodeError):
        return ()
    fit = [(address, at) for address, at in found if outward.is_open(address)]
    if found and not fit:
        raise Unreached(403, f"{host} leads to {found[0][0]}, which is not out in the Internet; no rule opens that")
    return fit


async def _through(proxy: "SplitResult", host: str, port: int) -> Streams:
    """A tunnel through a proxy of the user's. Raises Unreached."""
    from urllib.parse import unquote

    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise Unreached(502, _UNUSABLE)
    words = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    if proxy.username is not None:
        name = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        words += f"Proxy-Authorization: Basic {base64.b64encode(name.encode()).decode()}\r\n"
    secure = proxy.scheme == "https"
    writer = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            at = proxy.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(proxy.hostname, at, ssl=secure or None, limit=CHUNK_BYTES)
            writer.write(f"{words}\r\n".encode())
            status = (await reader.readuntil(b"\r\n\r\n")).split(maxsplit=2)[1]
        if status == b"200":
            return reader, writer
        sentence = f"flowchat's own proxy (HTTPS_PROXY) does not let it reach {host}: {status.decode('ascii', 'replace')[:20]}"
    except (OSError, ValueError, IndexError, EOFError, asyncio.LimitOverrunError):
        sentence = "flowchat's own proxy (HTTPS_PROXY) does not answer"
    except BaseException:
        if writer is not None:
            abort(writer)
        raise
    if writer is not None:
        abort(writer)
    raise Unreached(502, sentence)


def _is_global(address: "IPv4Address | IPv6Address") -> bool:
    return address.is_global and not address.is_multicast and str(address) not in _METADATA


def _nat64() -> "IPv6Network":
    """Where networks without IPv4 put all of it (RFC 6052)."""
    from ipaddress import IPv6Network

    return IPv6Network("64:ff9b::/96")
