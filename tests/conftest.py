"""What every test stands on: no network but loopback, a flowchat home of its own, none of the user's keys and settings."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PRIVATE = ("_API_KEY", "_API_BASE", "_BASE_URL", "_TOKEN", "_SECRET", "_PROXY")


def _refuse_the_network(event: str, args: tuple[object, ...]) -> None:
    """An audit hook: a connection, or a question to a name server, that leaves the machine is a failure."""
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) and address else None
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if isinstance(host, str | bytes) and not _is_here(host if isinstance(host, str) else host.decode()):
        raise PermissionError(f"a test reached for {host!r}: only loopback is allowed")


def _is_here(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


sys.addaudithook(_refuse_the_network)


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """FLOWCHAT_HOME of this test alone; the environment is as it was when the test is over."""
    before = dict(os.environ)
    for name in before:
        if name.upper().endswith(PRIVATE) or name.startswith(("FLOWCHAT_", "OLLAMA_", "LITELLM_")):
            del os.environ[name]
    folder = tmp_path / "flowchat-home"
    os.environ["FLOWCHAT_HOME"] = str(folder)
    yield folder
    os.environ.clear()
    os.environ.update(before)
