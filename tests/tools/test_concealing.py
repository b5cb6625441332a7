"""What programs we start can read of our own environment: nothing that they are not given."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.tools.concealing import values_besides
from flowchat.tools.descent import MARK

PLANTED = (
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "HF_TOKEN"),
    *("AZURE_API_KEY", "LC_API_KEY", "FLOWCHAT_KEY", "SSH_AUTH_SOCK", "BASH_ENV", "HTTPS_PROXY"),
)
VALUE = "http://me:planted@proxy.invalid"


@pytest.mark.parametrize(
    "reader", ["tr '\\0' '\\n' < /proc/$PPID/environ", "cat /proc/$PPID/task/*/environ | tr '\\0' '\\n'; env"]
)
def test_no_key_is_read_through_proc(tmp_path: Path, reader: str) -> None:
    """The program is the only one that was given the keys."""
    given = os.environ | dict.fromkeys(PLANTED, VALUE) | {MARK: "outer-1.1"}
    command = [sys.executable, "-m", "flowchat", "-p", "-m", "demo", "--yolo", "--output-format", "stream-json", f"run {reader}"]
    done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    [answered] = [line for line in map(json.loads, done.stdout.splitlines()) if line["type"] == "tool_answered"]
    assert (done.returncode, "planted" in done.stdout) == (0, False)
    if os.geteuid() == 0:  # nobody else may look at all
        assert (f"PATH={os.environ['PATH']}" in done.stdout, "OPENAI_API_KEY=" in answered["content"]) == (True, True)


async def test_the_program_itself_keeps_its_keys_and_what_marks_it_as_a_call_of_another(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, pathlib\n"
        "from flowchat.tools.process import run\n"
        "asyncio.run(run(['true'], pathlib.Path('/'), 20))\n"
        "print(os.environ['OPENAI_API_KEY'], os.environ['BASH_ENV'])\n"
        "if os.geteuid() == 0: print(open(f'/proc/{os.getpid()}/environ').read().replace(chr(0), chr(10)))\n"
    )
    given = {"OPENAI_API_KEY": VALUE, "BASH_ENV": VALUE, MARK: "outer-1.1", "LANG": "C", "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, timeout=60)
    said, *seen = done.stdout.splitlines()
    assert said == f"{VALUE} {VALUE}"
    if seen:  # nobody but root may look at all, not even the program itself
        assert {f"{MARK}=outer-1.1", "LANG=C", f"PATH={os.environ['PATH']}"} <= set(seen)
        assert [line for line in seen if VALUE in line] == []


def test_once_a_program_was_started_nobody_traces_us() -> None:
    code = (
        "import asyncio, ctypes, pathlib\n"
        "from flowchat.tools.process import run\n"
        "asyncio.run(run(['true'], pathlib.Path('/'), 20))\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE\n"
    )
    if sys.platform != "linux":
        pytest.skip("only Linux has it")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "0\n"


@pytest.mark.parametrize(
    ("block", "left"),
    [
        (b"A=1\0KEY=secret\0B=2\0", b"A=1\0KEY=\0\0\0\0\0\0\0B=\0\0"),
        (b"KEY=a=b\0", b"KEY=\0\0\0\0"),
        (b"KEY=\0A=x\0", b"KEY=\0A=x\0"),
        (b"no equals\0\0", b"no equals\0\0"),
        (b"KEY=cut", b"KEY=\0\0\0"),
        (b"", b""),
    ],
)
def test_values_are_emptied_in_place(block: bytes, left: bytes) -> None:
    emptied = bytearray(block)
    for offset, length in values_besides({b"A"}, block):
        emptied[offset : offset + length] = bytes(length)
    assert bytes(emptied) == left
