"""Commands in the real sandbox that reach the domains that are allowed, and nothing else."""

import asyncio
import contextlib
import gc
import os
import resource
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowchat.tools.bridging import CONNECTIONS_LIMIT, bridged
from flowchat.tools.confining import told_of
from flowchat.tools.jobs import Jobs
from flowchat.tools.outward import Outward
from flowchat.tools.process import settled
from flowchat.tools.rules import parse_rule
from flowchat.tools.sandbox import Confinement
from flowchat.tools.shell import Shell
from flowchat.tools.tool import Beyond, Desk, NotDone, Outcome, Walled
from flowchat.transcript.entries import BlobRef
from tests.sandboxes import need_a_sandbox
from tests.tools import waking
from tests.tools.origins import ALLOWED, BIG_BYTES, origin, outward
from tests.tools.scarce import descriptors, descriptors_left

MEMORY_BYTES = 24 * 1024 * 1024
NOT_NAMED = Walled("network", "other.test is off in the sandbox; web_fetch(domain:other.test) would allow it for good")


@pytest.fixture
def base() -> Iterator[Path]:
    """Not in /tmp, which a sandbox has one of its own of."""
    folder = Path(tempfile.mkdtemp(prefix="fc", dir="/var/tmp")).resolve()
    (folder / "work").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def confinement(base: Path) -> AsyncIterator[Confinement]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "LC_"))}  # Python would add one
    made = Confinement({**bare, "HOME": str(base / "person")})
    await need_a_sandbox(made, "full")
    yield made
    await made.close()


async def kept(content: bytes, media: str) -> BlobRef:
    return BlobRef("0" * 64, len(content), media)


async def no_blob(sha256: str) -> bytes | None:
    return None


def desk(base: Path, beyond: Beyond | None = None) -> Desk:
    return Desk(base / "work", {}, lambda text: None, kept, no_blob, beyond=beyond)


async def shell(confinement: Confinement, base: Path, out: Outward | None, command: str) -> Outcome:
    outcome = await Shell(30.0, confinement, None, out).run({"command": command}, desk(base))
    await settled()
    return outcome


def python(text: str) -> str:
    """A Python that the sandbox sees."""
    return f"{os.path.realpath(sys.executable)} -I -S -c '{text}'"


def fetch(address: str, more: str = "") -> str:
    return python(f'import urllib.request as u; print(u.urlopen("{address}"{more}).read().decode())')


async def test_an_allowed_domain_is_reached_and_told_of(base: Path, confinement: Confinement) -> None:
    async with origin() as made:
        out = outward(made)
        told = told_of(confinement, None, out)
        assert told == "writes only in the workspace, no network but files.test and *.deep.test"
        got = await shell(confinement, base, out, fetch("http://files.test/a?b"))
        sent = await shell(confinement, base, out, fetch("http://x.y.deep.test:80/up", ', b"body"'))
    assert (got.content, got.status, sent.content) == ("GET /a?b", "ok", "POST /up body")
    assert made.hosts == ["files.test", "x.y.deep.test:80"]


async def test_an_allowed_domain_is_reached_through_a_tunnel(base: Path, confinement: Confinement) -> None:
    more = ', context=__import__("ssl")._create_unverified_context()'
    async with origin(tls=True) as made:
        got = await shell(confinement, base, outward(made), fetch("https://files.test/s", more))
    assert (got.content, made.hosts) == ("GET /s", ["files.test"])


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_another_is_refused_with_the_rule_that_would_allow_it(base: Path, confinement: Confinement, scheme: str) -> None:
    async with origin() as made:
        got = await shell(confinement, base, outward(made), fetch(f"{scheme}://other.test/"))
    assert "403 other.test is off in the sandbox: the rule web_fetch(domain:other.test) would allow it" in got.content.replace(
        "Error 403: ", "403 "
    )
    assert (got.walled, made.hosts) == (NOT_NAMED, [])


async def test_a_rule_that_forbids_is_stronger_and_is_named(base: Path, confinement: Confinement) -> None:
    rules = [*ALLOWED, parse_rule("web_fetch(domain:x.deep.test)", "deny")]
    async with origin() as made:
        got = await shell(confinement, base, outward(made, rules), fetch("http://x.deep.test/"))
    assert "x.deep.test is off in the sandbox: the rule web_fetch(domain:x.deep.test) keeps it off" in got.content
    assert (got.walled, made.hosts) == (None, [])


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.2/", "http://8.8.8.8/", "http://[::1]/", "http://0x7f.1/", "http://2130706433/", "http://files.test:8080/"],
)
async def test_numbers_and_other_ports_are_off(base: Path, confinement: Confinement, address: str) -> None:
    async with origin() as made:
        rules = [*ALLOWED, parse_rule("web_fetch(domain:8.8.8.8)"), parse_rule("web_fetch(domain:2130706433)")]
        got = await shell(confinement, base, outward(made, rules), fetch(address))
    assert ("403" in got.content, got.status, made.hosts) == (True, "error", [])


@pytest.mark.parametrize("leads", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1"])
async def test_a_name_that_leads_inside_is_refused(base: Path, confinement: Confinement, leads: str) -> None:
    async with origin() as made:
        got = await shell(confinement, base, outward(made, leads=leads, is_open=False), fetch("http://files.test/"))
    assert f"files.test leads to {leads}, which is not out in the Internet" in got.content
    assert made.hosts == []


async def test_what_uses_no_proxy_has_no_network(base: Path, confinement: Confinement) -> None:
    async with origin() as made:
        connect = python(f'import socket; socket.create_connection(("127.0.0.1", {made.port}))')
        direct = await shell(confinement, base, outward(made), connect)
        beyond = await shell(confinement, base, outward(made), python('import socket; socket.create_connection(("8.8.8.8", 53))'))
        unix = await shell(confinement, base, outward(made), python("import socket; socket.socket(socket.AF_UNIX)"))
    assert ("refused" in direct.content, "unreachable" in beyond.content, "not permitted" in unix.content) == (True, True, True)
    assert made.open == 0


async def test_status_output_and_signals_stay_the_commands_own(base: Path, confinement: Confinement) -> None:
    commands = [
        "echo a; echo b >&2; exit 7",
        "kill -TERM $$",
        "kill -KILL $$",
        "trap 'echo heard; exit 3' USR1; kill -USR1 0",
        "cat; ps -o sid=,pgid=,stat= -p $$",
        "kill -ALRM 0",
        "kill -KILL 0",
        "sleep 60 & kill -TERM 0; wait",
        python("import signal; print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP))"),
        "ls /proc/self/fd",
        "sleep 60 & echo left",
        "exec /nonexistent/program",
    ]
    async with origin() as made:
        for command in commands:
            plain = await shell(confinement, base, None, command)
            with_bridge = await shell(confinement, base, outward(made), command)
            assert (command, with_bridge) == (command, plain)


async def test_without_rules_nothing_differs(base: Path, confinement: Confinement) -> None:
    async with origin() as made:
        for out in (None, outward(made, [])):
            told = told_of(confinement, None, out)
            got = await shell(
                confinement, base, out, "env | grep -i proxy; cat /proc/net/tcp | wc -l; ps -e -o comm= | grep -c pyt"
            )
            assert (told, got.content) == ("writes only in the workspace, no network", "1\n0\n[exit 1]")


async def test_a_big_download_passes_in_bounded_memory(base: Path, confinement: Confinement) -> None:
    read = "while c := r.read(65536): n += len(c)"
    count = python(f'import urllib.request as u; r, n = u.urlopen("http://files.test/big"), 0\n{read}\nprint(n)')
    async with origin() as made:
        await shell(confinement, base, outward(made), fetch("http://files.test/warm"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        got = await shell(confinement, base, outward(made), count)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (got.content, grown * 1024 < MEMORY_BYTES) == (str(BIG_BYTES), True)


async def test_stopped_in_the_middle_it_leaves_nothing(base: Path, confinement: Confinement) -> None:
    async with origin() as made:
        before = (len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")))
        running = asyncio.create_task(shell(confinement, base, outward(made), fetch("http://files.test/never")))
        await made.arrived.wait()
        cancelled_at = waking.now()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        took = waking.now() - cancelled_at
        await settled()
        await confinement.settled()
        async with asyncio.timeout(10):  # one more may be the watchdog's pipe, where this was the first program
            while made.open or len(asyncio.all_tasks()) > before[0] or len(os.listdir("/proc/self/fd")) > before[1] + 1:
                await asyncio.sleep(0)
    assert took <= 0.2


async def test_what_a_command_leaves_running_has_no_way_out_any_more(base: Path, confinement: Confinement) -> None:
    tunnel = python(
        'import os, socket; s = socket.create_connection(("127.0.0.1", int(os.environ["HTTP_PROXY"].rpartition(":")[2])));'
        ' s.sendall(b"CONNECT files.test:443 HTTP/1.1\\r\\n\\r\\n"); print(s.recv(99), flush=True); s.recv(1)'
    )
    async with origin() as made, asyncio.timeout(10):
        got = await shell(confinement, base, outward(made), f"mkfifo said; setsid {tunnel} > said & head -n 1 said")
        assert "HTTP/1.1 200" in got.content
        while made.open or not made.came:
            await asyncio.sleep(0)


async def test_a_fault_in_one_connection_ends_neither_another_nor_the_command(
    base: Path, confinement: Confinement, caplog: pytest.LogCaptureFixture
) -> None:
    async with origin() as made:
        out = outward(made)

        async def found(host: str, port: int) -> list[tuple[str, int]]:
            if host.startswith("bad"):
                raise RuntimeError(host)
            return [("127.0.0.1", made.port)]

        command = f"{fetch('http://bad.deep.test/')} 2>&1 | tail -n 1; {fetch('http://files.test/a')}"
        got = await shell(confinement, base, replace(out, resolve=found), command)
    assert got.content.splitlines()[1:] == ["GET /a"]
    assert [record.getMessage() for record in caplog.records] == ["a connection of a command ended with a fault"]


@contextmanager
def port(family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, listens: bool = True) -> Iterator[socket.socket]:
    with socket.socket(family, kind) as made:
        if family == socket.AF_INET:
            made.bind(("127.0.0.1", 0))
        if listens:
            made.listen(128)
        yield made


async def test_what_comes_over_the_bridge_and_is_no_port_is_let_go(base: Path) -> None:
    async with origin() as made:
        with (
            open("/dev/null") as file,
            port(kind=socket.SOCK_DGRAM, listens=False) as datagrams,
            port(listens=False) as deaf,
            port(socket.AF_UNIX, listens=False) as unix,
            port() as fit,
        ):
            before = len(os.listdir("/proc/self/fd"))
            for sent in ([], [file], [datagrams], [deaf], [unix], [file, fit]):
                async with bridged("python", outward(made)) as bridge:
                    with socket.socket(fileno=os.dup(int(bridge.argv([])[6]))) as theirs:
                        socket.send_fds(theirs, [b"\0"], [one.fileno() for one in sent])
                        with contextlib.suppress(OSError):
                            while True:  # until our end is closed: no more is taken
                                theirs.send(b"more", socket.MSG_DONTWAIT)
                                await asyncio.sleep(0)
                        async with asyncio.timeout(10):
                            while len(os.listdir("/proc/self/fd")) > before + 2:  # this end, twice
                                await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) == before


async def test_one_connection_too_many_waits_for_its_turn(base: Path) -> None:
    async with origin() as made, bridged("python", outward(made)) as bridge:
        before = len(os.listdir("/proc/self/fd"))
        with port() as listener, socket.socket(fileno=os.dup(int(bridge.argv([])[6]))) as theirs:
            socket.send_fds(theirs, [b"\0"], [listener.fileno()])
            pairs = [await asyncio.open_connection(*listener.getsockname()) for _ in range(CONNECTIONS_LIMIT + 1)]
        names = ["files.test"] * CONNECTIONS_LIMIT + ["last.deep.test"]
        for name, (_, writer) in reversed(list(zip(names, pairs, strict=True))):  # the last one asks first, and has to wait
            writer.write(f"GET http://{name}/q HTTP/1.1\r\n\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0)
        for reader, writer in pairs:
            assert (await reader.read()).endswith(b"GET /q")
            writer.close()
        assert made.hosts[0] == "files.test"
        assert len(made.hosts) == CONNECTIONS_LIMIT + 1
        async with asyncio.timeout(10):
            while len(os.listdir("/proc/self/fd")) > before + 1:  # the port itself
                await asyncio.sleep(0)


async def test_a_bridge_nobody_came_to_use_is_taken_down_whole() -> None:
    async with origin() as made:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            async with bridged("python", outward(made)):
                pass
            gc.collect()
    assert heard == []


async def test_where_descriptors_run_out_a_command_does_not_start_and_nothing_stays_open(
    base: Path, confinement: Confinement
) -> None:
    said: list[str] = []
    async with origin() as made:
        assert (await shell(confinement, base, outward(made), "echo on")).content == "on"  # what it takes is read by now
        await confinement.settled()
        before = descriptors()
        for left in range(9):
            with descriptors_left(left):
                try:
                    said.append((await shell(confinement, base, outward(made), "echo on")).content)
                except NotDone as error:
                    said.append(str(error).rpartition(": ")[2])
                await confinement.settled()
            async with asyncio.timeout(10):
                while descriptors() != before:  # the first process of a sandbox may end last, and is waited for
                    await asyncio.sleep(0)
        assert (said[0], {*said} - {"on", "Too many open files"}) == ("Too many open files", set())
        assert (await shell(confinement, base, outward(made), fetch("http://files.test/a"))).content == "GET /a"


async def test_a_connection_there_is_no_room_for_is_answered_once_there_is(base: Path) -> None:
    async with asyncio.timeout(10), origin() as made, bridged("python", outward(made)) as bridge:
        with port() as listener, socket.socket(fileno=os.dup(int(bridge.argv([])[6]))) as theirs:
            socket.send_fds(theirs, [b"\0"], [listener.fileno()])
            for name in ("first", "second"):
                with socket.create_connection(listener.getsockname()) as client:
                    client.sendall(f"GET http://files.test/{name} HTTP/1.1\r\n\r\n".encode())
                    with descriptors_left(0 if name == "second" else 9):
                        for _ in range(20):
                            await asyncio.sleep(0)
                    reader, writer = await asyncio.open_connection(sock=client)
                    assert (await reader.read()).endswith(f"GET /{name}".encode())
                    writer.close()


async def test_a_port_there_is_no_room_for_is_told_of(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(10), origin() as made, bridged("python", outward(made)) as bridge:
        with port() as listener, socket.socket(fileno=os.dup(int(bridge.argv([])[6]))) as theirs, descriptors_left(0):
            socket.send_fds(theirs, [b"\0"], [listener.fileno()])
            while not caplog.records:
                await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records] == [
        "a command reaches no domain: the port it handed over is one too many to have open"
    ]


async def test_nothing_of_the_bridge_is_left_beside_the_command(base: Path, confinement: Confinement) -> None:
    """Whoever held our end could make us wait: descriptors are shared with what they are set to."""
    looks = (
        "ls -l /proc/[0-9]*/fd | grep -c socket",
        "ps -e -o comm=",
        "env | grep -vi 'proxy\\|^FLOWCHAT_CALL=' | sort",
        "grep -E '^(Sig|Cap|No|Sec|FDS|Thr|Uid|Gro)' /proc/self/status",
        "ulimit -a | grep -v processes; umask; pwd; trap -p; set -o",
    )
    async with origin() as made:
        plain = await shell(confinement, base, None, "; ".join(looks))
        with_bridge = await shell(confinement, base, outward(made), "; ".join(looks))
    assert with_bridge == plain
    assert plain.content.startswith("0\n")


async def test_the_machines_own_proxy_is_asked_where_it_has_one(base: Path, confinement: Confinement) -> None:
    heads: list[bytes] = []

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfar")
        writer.close()

    async with origin() as made, await asyncio.start_server(upstream, "127.0.0.1", 0) as server:
        proxy = f"http://me:word@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        out = replace(outward(made), environ={"HTTPS_PROXY": proxy})
        got = await shell(confinement, base, out, f"{fetch('http://files.test/a')}; env | grep -c me:word")
    asked = b"CONNECT files.test:80 HTTP/1.1\r\nHost: files.test:80\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n\r\n"
    assert (got.content, heads, made.hosts) == ("far\n0\n[exit 1]", [asked], [])


async def test_a_job_reaches_them_and_is_told_so(base: Path, confinement: Confinement) -> None:
    jobs = Jobs(lambda: 0)
    async with origin() as made:
        tool = Shell(30.0, confinement, jobs, outward(made))
        command = f"{fetch('http://files.test/j')}; read word; echo $word"
        began = await tool.run({"command": command, "background": True}, desk(base))
        await made.arrived.wait()
        jobs.find(1).put_in("heard\n", True)
        await jobs.find(1).over
        printed = jobs.find(1).read().text
        await jobs.close()
    assert "It has no network but files.test and *.deep.test: what it serves" in began.content
    assert printed == "GET /j\nheard\n"
