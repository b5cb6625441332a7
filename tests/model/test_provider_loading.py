"""What importing this room loads, how litellm is loaded, and the ways out of the machine it honours."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.model.playing import RECORDINGS, Server, recorded

ROOM = Path(__file__).parents[2] / "flowchat" / "model"
HEAVY = ("litellm", "openai", "httpx", "pydantic", "aiohttp", "mcp", "urllib.request", "email")
LOADING = """
import asyncio, gc, json, logging, os, sys
from flowchat.model import provider
async def main():
    before = provider.table_row("openai/gpt-4o")
    provider.warm_up()
    litellm = await provider.loaded()
    again = await provider.loaded()
    logging.getLogger("LiteLLM").error("not for the screen")
    handlers = [name for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy") if logging.getLogger(name).handlers]
    print(json.dumps([before, again is litellm, gc.isenabled(), gc.get_freeze_count() > 100_000, sys.getswitchinterval(),
                      handlers, os.environ.get("LEAKED"), os.environ["LITELLM_MODE"], litellm.callbacks]))
asyncio.run(main())
"""
FAILING = """
import asyncio, gc
from flowchat.model import provider
from flowchat.model.model import Refused
async def main():
    try:
        await asyncio.wait_for(provider.loaded(), 20)
    except Refused as error:
        print(error, gc.isenabled())
asyncio.run(main())
"""
COUNTING = """
import asyncio, sys
from flowchat.model.model import Reply
from tests.model.asking import ANTHROPIC, OPENAI, VLLM, heard, model_at
from tests.model.playing import playing, recorded
async def main():
    for name, recording in ((OPENAI, "openai-text"), (VLLM, "openai-text"), (ANTHROPIC, "anthropic-text")):
        async with playing(recorded(recording)) as server:
            assert isinstance((await heard(model_at(server, name)))[-1], Reply)
    print("tiktoken_ext.openai_public" in sys.modules)
    print(sys.modules["litellm.main"].encoding.encode("One, two."))
asyncio.run(main())
"""
ASKING = """
import asyncio
from tests.model.asking import heard, model_at
from flowchat.model.model import Reply, WireError
async def main():
    try:
        print(repr((await heard(model_at("https://models.example:8443/v1")))[-1].parts))
    except WireError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""


@pytest.mark.parametrize("name", sorted(path.stem for path in ROOM.glob("*.py")))
def test_importing_this_room_leaves_heavy_things_alone(name: str) -> None:
    code = f"import sys, flowchat.model.{name}; print([heavy for heavy in {HEAVY!r} if heavy in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_litellm_is_loaded_quietly_once_and_leaves_things_as_they_were(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LEAKED=yes\n")
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (json.loads(done.stdout), done.stderr) == ([None, True, True, True, 0.005, [], None, "PRODUCTION", []], "")


def test_the_table_tokens_are_counted_with_is_not_loaded_before_somebody_counts() -> None:
    command = [sys.executable, "-c", COUNTING]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOM.parents[1], timeout=60)
    assert done.stdout == "False\n[4054, 11, 1403, 13]\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [("import nonsense_", "ModuleNotFoundError: No module named 'nonsense_'"), ("raise SystemExit(7)", "SystemExit: 7")],
)
def test_a_litellm_that_cannot_be_loaded_is_told_and_waited_for_no_longer(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "litellm.py").write_text(line)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-c", FAILING]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}, timeout=60)
    assert (done.stdout, done.stderr) == (f"litellm cannot be loaded ({why}); reinstall flowchat, or use -m demo True\n", "")


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        (True, "(Text(text='Grüße, 世界 🌍.'),)"),
        (
            False,
            "ConnectionLost models.example:8443 could not be reached safely"
            " (certificate verify failed: self-signed certificate); see SSL_CERT_FILE",
        ),
    ],
    ids=["certificate in SSL_CERT_FILE", "unknown certificate"],
)
async def test_the_proxy_and_the_certificates_of_the_environment_are_honoured(trusted: bool, expected: str) -> None:
    certificate, server = RECORDINGS / "tls-cert.pem", Server([recorded("openai-text")])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, RECORDINGS / "tls-key.pem")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    async with listening, proxy_to(listening.sockets[0].getsockname()[1]) as (port, lines):
        environ = {**os.environ, "HTTPS_PROXY": f"http://127.0.0.1:{port}", "PYTHONIOENCODING": "utf-8"}
        environ |= {"SSL_CERT_FILE": str(certificate)} if trusted else {}
        command = [sys.executable, "-X", "faulthandler", "-c", ASKING]
        done = await asyncio.to_thread(
            subprocess.run, command, stdout=subprocess.PIPE, env=environ, cwd=ROOM.parents[1], timeout=60, check=True
        )
    assert (done.stdout.decode().strip(), lines) == (expected, ["CONNECT models.example:8443 HTTP/1.1"])


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[tuple[int, list[str]]]:
    """A proxy that takes every CONNECT to one port of this machine; gives its own port and what it was asked for."""
    lines: list[str] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 .\r\n\r\n")
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], lines
