"""What a command can say to the proxy to get elsewhere than its rules let it, or to hold us up."""

import asyncio
import random
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import pytest
from msgspec.structs import replace

from flowchat.tools.domains import Domains, domains_of
from flowchat.tools.lookups import LOOKUPS_LIMIT, Lookups
from flowchat.tools.outward import Outward, Unreached
from flowchat.tools.proxy import HEAD_LIMIT_BYTES, HEAD_SECONDS, IDLE_SECONDS, LINGER_SECONDS, Asked, parse, serve
from flowchat.tools.rules import Rule, parse_rule
from tests.tools.origins import ALLOWED, Origin, origin, outward

FUZZED = 4000
NARROW_BYTES = 4096
"""What the system keeps of what we write: the rest we keep ourselves."""


@asynccontextmanager
async def proxy(out: Outward) -> AsyncGenerator[tuple[tuple[str, int], list[str]]]:
    """Where it listens, and the hosts that no rule is about."""
    refused: list[str] = []
    serving: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve((reader, writer), out, refused.append))
        serving.add(task)
        await task

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW_BYTES)
    async with await asyncio.start_server(one, sock=listener, limit=HEAD_LIMIT_BYTES) as server:
        yield server.sockets[0].getsockname(), refused
    await asyncio.gather(*serving)


async def said(out: Outward, sent: bytes) -> tuple[bytes, list[str]]:
    """All that comes back to a client that says this and then no more."""
    async with asyncio.timeout(20), proxy(out) as (address, refused):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
    return answer, refused


def get(host: str, more: str = "") -> bytes:
    return f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode("latin-1")


def tunnel(host: str) -> bytes:
    return f"CONNECT {host} HTTP/1.1\r\n\r\n".encode("latin-1")


NUMBERS = [
    *(
        "127.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "127.0.0.1.",
        "127.0.0.1..",
    ),
    *("169.254.169.254", "2852039166", "10.0.0.1", "192.168.1.1", "0x", "[::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::]"),
    *("8.8.8.8", "[2a04:4e42::223]", "files.test.1"),
]


@pytest.mark.parametrize("number", NUMBERS)
async def test_an_address_is_never_a_name_whatever_rule_there_is(number: str) -> None:
    rules = [*ALLOWED, Rule("web_fetch", f"domain:{number}"), Rule("web_fetch", f"domain:{number.rstrip('.')}")]
    async with origin() as made:
        for sent in (get(number), tunnel(f"{number}:443"), tunnel(f"{number}:80")):
            answer, refused = await said(outward(made, rules), sent)
            assert answer.split(b" ", 2)[:2] in ([b"HTTP/1.1", b"403"], [b"HTTP/1.1", b"400"])
            assert refused == []
    assert made.came == 0


@pytest.mark.parametrize(
    "host",
    [
        *("other.test", "files.test.other.test", "xfiles.test", "deep.test", "localhost", "files.test.localhost", "test"),
        *("FILES.TEST.other.test", "files-test", "_.files.test", "xn--fles-1va.test", "-"),
    ],
)
async def test_a_name_that_only_looks_like_an_allowed_one_is_none(host: str) -> None:
    async with origin() as made:
        for sent in (get(host), tunnel(f"{host}:443")):
            answer, refused = await said(outward(made), sent)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert refused == [host.lower()]
    assert made.came == 0


@pytest.mark.parametrize(
    "host", ["FILES.test", "files.test.", "files.test..", "Files.Test:80", "a_b.deep.test", "a.b.DEEP.test."]
)
async def test_a_name_is_the_same_however_it_is_written(host: str) -> None:
    async with origin() as made:
        answer, _ = await said(outward(made), get(host))
        assert answer.endswith(b"GET /")
        denied = [
            *ALLOWED,
            parse_rule("web_fetch(domain:files.test)", "deny"),
            parse_rule("web_fetch(domain:*.deep.test)", "ask"),
        ]
        answer, refused = await said(outward(made, denied), get(host))
    assert (answer.startswith(b"HTTP/1.1 403 "), refused, made.came) == (True, [], 1)


@pytest.mark.parametrize(
    "sent",
    [
        *(tunnel(f"files.test:{port}") for port in (22, 25, 8080, 0, 65616, 99999)),
        *(tunnel("files.test"), tunnel("files.test:"), tunnel("files.test:+443"), tunnel("files.test:443/x"), tunnel(":443")),
        *(tunnel("me@files.test:443"), tunnel("files.test:443@other.test:443"), tunnel("files.test:443 other.test:443")),
        *(tunnel("files.test\0.other.test:443"), tunnel("files.test%2eother.test:443"), tunnel("f\xedles.test:443")),
        *(tunnel("files.test\r\n:443"), tunnel("files.test\n:443")),
        *(tunnel("..:443"), tunnel(".files.test:443"), tunnel("[files.test]:443"), tunnel("files.test:\xb2")),
        *(get("files.test:22"), get("me:word@files.test"), get("files.test@other.test"), get("files.test\\@other.test")),
        *(get("files.test%2f"), get(""), get("files.test:x"), get("files.test\t"), get("files.test,other.test")),
        *(b"GET / HTTP/1.1\r\nHost: files.test\r\n\r\n", b"GET //files.test/ HTTP/1.1\r\nHost: files.test\r\n\r\n"),
        *(b"GET https://files.test/ HTTP/1.1\r\n\r\n", b"GET file:///etc/passwd HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"),
        *(b"\r\n\r\n", b"\x05\x01\x00\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"get http://files.test/ HTTP/1.1\r\n\r\n"),
        *(get("files.test", "Host : other.test\r\n"), get("files.test", "X: 1\nHost: other.test\r\n")),
        *(get("files.test", "X: 1\rHost: other.test\r\n"), get("files.test", " folded\r\n"), get("files.test", "nothing\r\n")),
        *(get("files.test", "Content-Length: 1\r\nContent-Length: 2\r\n"), get("files.test", "Content-Length: 1, 1\r\n")),
        *(get("files.test", "Content-Length: +1\r\n"), get("files.test", "Content-Length: 0x1\r\n")),
        get("files.test", "Content-Length:\r\n"),
        get("files.test", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        get("files.test", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    ],
)  # fmt: skip
async def test_what_is_no_clear_request_for_an_allowed_host_goes_nowhere(sent: bytes) -> None:
    async with origin() as made:
        answer, _ = await said(outward(made), sent)
    assert (answer.split(b" ")[1] in (b"400", b"403"), made.came) == (True, 0)


async def test_another_host_in_the_head_is_left_out_with_all_that_is_for_a_proxy() -> None:
    more = (
        "Host: other.test\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, Host, X-Forwarded-Host\r\n"
        "X-Forwarded-Host: other.test\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\n"
    )
    async with origin() as made:
        answer, _ = await said(outward(made), get("files.test", more))
    assert answer.endswith(b"GET /")
    assert made.heads == ["GET / HTTP/1.1\r\nHost: files.test\r\nConnection: close\r\n\r\n"]


@pytest.mark.parametrize("framing", ["", "Content-Length: 0\r\n", "Content-Length: 3\r\n"])
async def test_a_second_request_on_a_connection_goes_nowhere(framing: str) -> None:
    body = b"abc" if "3" in framing else b""
    got: list[bytes] = []

    async def all_of_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(body)))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.write_eof()
        got.append(await reader.read())
        writer.close()

    made = Origin()
    async with await asyncio.start_server(all_of_it, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        sent = get("files.test", framing) + body + get("other.test") + tunnel("other.test:443")
        answer, refused = await said(outward(made), sent)
    only = f"GET / HTTP/1.1\r\nHost: files.test\r\n{framing}Connection: close\r\n\r\n".encode() + body
    assert (answer, refused, got) == (b"HTTP/1.1 200 OK\r\n\r\n", [], [only, b""])


async def test_what_follows_a_chunked_body_stays_with_the_host_that_was_asked_for() -> None:
    sent = get("files.test", "Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n" + get("other.test")
    async with origin() as made:
        answer, refused = await said(outward(made), sent)
    assert (answer.count(b"HTTP/1.1"), made.hosts, made.came, refused) == (1, ["files.test"], 1, [])


async def test_what_is_asked_for_in_a_tunnel_stays_with_its_host() -> None:
    async with origin() as made:
        answer, refused = await said(outward(made), tunnel("files.test:80") + tunnel("other.test:443") + get("other.test"))
    assert (answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\n"), made.came, refused) == (True, 1, [])


async def test_a_head_without_end_is_answered_when_it_is_too_long() -> None:
    async with origin() as made, proxy(outward(made)) as (address, _):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET http://files.test/ HTTP/1.1\r\n" + b"X: y\r\n" * (HEAD_LIMIT_BYTES // 4))
        answer = await reader.read()
        writer.close()
    assert (answer.startswith(b"HTTP/1.1 431 a request's head may have 32,768 bytes"), made.came) == (True, 0)


async def test_an_answer_comes_though_the_client_has_said_all() -> None:
    """Half closed, a tunnel goes on in the other direction."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        everything = await reader.read()  # until its end
        writer.write(b"heard " + everything)
        writer.close()

    made = Origin()
    async with await asyncio.start_server(late, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        answer, _ = await said(outward(made), tunnel("files.test:443") + b"all")
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nheard all"


async def test_an_answer_comes_whole_to_a_client_that_is_slower_than_its_host() -> None:
    """What is still to be written when the host has closed is written, and then all is over."""
    whole = bytes(1024 * 1024)

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(whole)
        writer.close()

    made, got = Origin(), 0
    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server, proxy(outward(made)) as (address, _):
        made.port = server.sockets[0].getsockname()[1]
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
        narrow.connect(address)
        reader, writer = await asyncio.open_connection(sock=narrow, limit=2048)
        writer.write(get("files.test"))
        while some := await reader.read(2048):
            got += len(some)
            await asyncio.sleep(0)
        writer.close()
    assert got == len(whole)


# --- where names lead ------------------------------------------------------------------------------------------------
class Names:
    """Answers otherwise each time, as a server does that rebinds a name."""

    def __init__(self, *answers: Sequence[tuple[str, int]]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        self.asked.append(host)
        return self._answers.pop(0)


def led(names: Names, *is_open: str) -> Outward:
    domains = domains_of(ALLOWED)
    return Outward(lambda: domains, {}, names.resolve, lambda address: address in is_open)


async def test_what_was_looked_at_is_what_is_connected_to() -> None:
    async with origin(address="127.0.0.2") as out, origin() as inside:
        names = Names([("127.0.0.2", out.port)], [("127.0.0.1", inside.port)])
        open_at_first = await said(led(names, "127.0.0.2"), get("files.test"))
        rebound = await said(led(names, "127.0.0.2"), get("files.test"))
    assert open_at_first[0].endswith(b"GET /")
    assert b"403 files.test leads to 127.0.0.1, which is not out in the Internet" in rebound[0]
    assert (names.asked, out.came, inside.came) == (["files.test", "files.test"], 1, 0)


async def test_of_several_addresses_only_those_outside_are_tried() -> None:
    async with origin(address="127.0.0.2") as out, origin() as inside:
        places = [("127.0.0.1", inside.port), ("::1", inside.port), ("127.0.0.3", out.port), ("127.0.0.2", out.port)]
        answer, _ = await said(led(Names(places), "127.0.0.2", "127.0.0.3"), tunnel("files.test:443") + get("files.test"))
    assert answer.endswith(b"GET http://files.test/")
    assert (out.came, inside.came) == (1, 0)


async def test_a_rule_that_comes_or_goes_counts_for_the_next_connection() -> None:
    now: list[Domains] = [domains_of(ALLOWED)]
    async with origin() as made:
        out = replace(outward(made), domains=lambda: now[0])
        first, _ = await said(out, get("files.test"))
        now[0] = domains_of([*ALLOWED, parse_rule("web_fetch", "deny")])
        second, _ = await said(out, get("files.test"))
    assert (first.endswith(b"GET /"), second.startswith(b"HTTP/1.1 403 files.test is off"), made.came) == (True, True, 1)


@pytest.mark.parametrize("host", ["a" * 64 + ".deep.test", "a..deep.test"])
async def test_a_name_that_no_system_can_look_for_cannot_be_found(host: str) -> None:
    domains = domains_of(ALLOWED)
    answer, _ = await said(Outward(lambda: domains, {}), tunnel(f"{host}:443"))
    assert answer.startswith(f"HTTP/1.1 502 {host} cannot be found\r\n".encode())


async def test_names_are_looked_for_aside_a_few_at_a_time() -> None:
    """A server of names that does not answer must not hold the threads that everything else uses."""
    gate, looking = threading.Event(), threading.Semaphore(0)
    asyncio.get_running_loop().set_default_executor(Unused(1))

    def slow(host: str, port: int) -> Sequence[tuple[str, int]]:
        looking.release()
        gate.wait()
        return [(host, port)]

    lookups = Lookups(slow)
    every = [asyncio.create_task(lookups.resolve(str(number), number)) for number in range(LOOKUPS_LIMIT + 1)]
    given_up = every.pop(0)
    for _ in range(LOOKUPS_LIMIT):
        while not looking.acquire(blocking=False):
            await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    for _ in range(100):
        await asyncio.sleep(0)
    assert not looking.acquire(blocking=False)  # the thread it left is still counted
    gate.set()
    assert [await one for one in every] == [[(str(number), number)] for number in range(1, LOOKUPS_LIMIT + 1)]
    assert ("127.0.0.1", 80) in await Lookups().resolve("localhost", 80)


async def test_where_there_is_no_thread_to_look_for_a_name_that_counts_as_not_found_and_for_no_other() -> None:
    lookups = Lookups(lambda host, port: [(host, port)])
    before = threading.stack_size(1 << 48)  # more than there are addresses
    try:
        for _ in range(LOOKUPS_LIMIT + 1):
            with pytest.raises(OSError, match="thread"):
                await lookups.resolve("a", 1)
    finally:
        threading.stack_size(before)
    assert await lookups.resolve("a", 1) == [("a", 1)]


@pytest.mark.parametrize("named", ["http://[x", "socks5://127.0.0.1:1", "http://"])
async def test_a_proxy_of_the_machine_that_cannot_be_used_is_named_as_the_reason(named: str) -> None:
    async with origin() as made:
        answer, _ = await said(replace(outward(made), environ={"HTTPS_PROXY": named}), get("files.test"))
    assert answer.startswith(b"HTTP/1.1 502 flowchat's own proxy (HTTPS_PROXY) is of a kind it cannot use for commands")


class Unused(ThreadPoolExecutor):
    def submit(self, *given: object, **more: object) -> object:
        raise AssertionError("the threads of all were asked")


# --- what takes its time ---------------------------------------------------------------------------------------------
class Leaping(asyncio.SelectorEventLoop):
    """Its clock can be put forward."""

    leapt = 0.0

    def time(self) -> float:
        return super().time() + self.leapt

    async def settled(self) -> None:
        """Until what has been sent on loopback has been read."""
        for _ in range(20):
            await asyncio.sleep(0)


def in_time_that_leaps(act: Callable[[Leaping], Coroutine[None, None, None]]) -> None:
    loop = Leaping()
    try:
        loop.run_until_complete(act(loop))
    finally:
        loop.close()


def test_a_head_that_comes_drop_by_drop_is_waited_for_only_so_long() -> None:
    async def act(loop: Leaping) -> None:
        async with origin() as made, proxy(outward(made)) as (address, _):
            reader, writer = await asyncio.open_connection(*address)
            for letter in "GET":
                writer.write(letter.encode())
                await writer.drain()
                await loop.settled()
                loop.leapt += HEAD_SECONDS / 2
            assert await reader.read() == b""
            writer.close()
        assert made.came == 0

    in_time_that_leaps(act)


def test_a_tunnel_is_kept_as_long_as_something_moves_in_it() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(10):
            writer.write(some)
        writer.close()

    async def act(loop: Leaping) -> None:
        made = Origin()
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server, proxy(outward(made)) as (address, _):
            made.port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection(*address)
            writer.write(tunnel("files.test:443"))
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(3):
                writer.write(b"on")
                assert await reader.readexactly(2) == b"on"
                await loop.settled()
                loop.leapt += IDLE_SECONDS * 0.9
            loop.leapt += IDLE_SECONDS
            assert await reader.read() == b""
            writer.close()

    in_time_that_leaps(act)


def test_who_is_refused_and_stays_is_left() -> None:
    async def act(loop: Leaping) -> None:
        async with origin() as made, proxy(outward(made)) as (address, _):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(get("other.test"))
            assert (await reader.read()).startswith(b"HTTP/1.1 403 ")  # and we do not close
            await loop.settled()
            loop.leapt += LINGER_SECONDS
            with suppress(OSError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0)
            writer.close()

    in_time_that_leaps(act)


# --- whatever comes --------------------------------------------------------------------------------------------------
def test_whatever_comes_is_a_request_for_one_host_or_none() -> None:
    dice = random.Random(4)
    seeds = [
        get("files.test", "Content-Length: 3\r\nConnection: X, close\r\nX: 1\r\n"),
        b"POST http://me@files.test:80/a?b#c HTTP/1.0\r\nHost: other.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        tunnel("files.test:443"),
    ]
    pieces = [
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b":",
        b"@",
        b"\t",
        b"\\",
        b"#",
        b"%00",
        b"\xff",
        b"\r\nHost: other.test",
        b"files.test",
        b"/",
    ]
    whole = 0
    for _ in range(FUZZED):
        head = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(head))
            head[at : at + dice.randrange(3)] = dice.choice(pieces)
        try:
            asked = parse(bytes(head))
        except Unreached:
            continue
        whole += 1
        check(asked)
    assert whole > FUZZED // 20


def check(asked: Asked) -> None:
    """One request line, one Host, nothing after the head, and the name that is judged is the one that is sent."""
    assert asked.host == asked.host.lower()
    assert not set(asked.host) & set("@/\\ \r\n\0#?")
    if asked.tunnel:
        assert asked.head == b""
        return
    lines = asked.head.split(b"\r\n")
    hosts = [line for line in lines if line.lower().startswith(b"host:")]
    assert (len(hosts), lines[-2:], asked.head.count(b"\n"), asked.head.count(b"\r")) == (
        1,
        [b"", b""],
        len(lines) - 1,
        len(lines) - 1,
    )
    assert hosts[0].decode().partition(": ")[2].lower().partition(":")[0].rstrip(".") == asked.host.partition(":")[0]
    assert lines[-3] == b"Connection: close"


async def test_half_of_anything_ends_without_a_fault() -> None:
    whole = get("files.test", "Content-Length: 3\r\n") + b"abc"
    async with origin() as made, proxy(outward(made)) as (address, _):
        for cut in range(0, len(whole), 7):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(whole[:cut])
            link = writer.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # gone with a reset
            await writer.drain()
            writer.transport.abort()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(whole)
        assert (await reader.read()).endswith(b"GET / abc")
        writer.close()
