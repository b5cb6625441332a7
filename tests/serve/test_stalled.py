"""`-p` whose output nobody reads: it can be ended all the same, and whoever reads late gets everything in order."""

import asyncio
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowchat.config import open_folders
from flowchat.model.scripted import says
from flowchat.serve.headless import answer
from flowchat.serve.pipe import Outlet
from tests.desk import Desk

SMALL_BYTES = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds 4 KiB: the end to read and the end to write."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALL_BYTES)
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


@pytest.mark.parametrize(("output_format", "reached"), [("stream-json", "user_said"), ("text", "run_ended")])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_within_five_seconds(
    tmp_path: Path, home: Path, pipe: tuple[int, int], output_format: str, reached: str, number: int, code: int
) -> None:
    os.write(pipe[1], b"x" * SMALL_BYTES)
    command = [sys.executable, "-m", "flowchat", "-p", "-m", "demo", "--output-format", output_format, "list ."]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=pipe[1], stderr=subprocess.PIPE) as process:
        try:
            until_logged(home, reached, process)
            process.send_signal(number)
            process.wait(5)
        finally:
            process.kill()
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (code, b"")


def test_a_stalled_reader_of_both_outputs_holds_up_no_signal_either(tmp_path: Path, home: Path, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x" * SMALL_BYTES)
    open_folders(os.environ).settings_file.write_text("limits.steps = 0\n")  # a sentence for stderr
    command = [sys.executable, "-m", "flowchat", "-p", "-m", "demo", "list ."]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=pipe[1], stderr=pipe[1]) as process:
        try:
            until_logged(home, "run_ended", process)
            process.terminate()
            assert process.wait(5) == 143
        finally:
            process.kill()


def until_logged(home: Path, type_: str, process: "subprocess.Popen[bytes]") -> None:
    """Until the one session of a home has an entry of a type: what it prints of that finds no room."""
    ended = os.pidfd_open(process.pid)
    try:
        for _ in range(1_000):
            if any(f'"type":"{type_}"' in log.read_text() for log in home.glob("data/sessions/*/log.jsonl")):
                return
            assert not select.select([ended], [], [], 0.02)[0], "it has ended"
    finally:
        os.close(ended)
    raise AssertionError(f"there never was a {type_}")


async def test_who_reads_late_gets_everything_in_order(desk: Desk, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    words = " ".join(map(str, range(20_000)))
    received: list[bytes] = []
    answering = asyncio.create_task(answer(desk.open(says(words)).session, "hi", "text", os.dup(writer), lambda sentence: None))
    while select.select([], [writer], [], 0)[1]:
        await asyncio.sleep(0)
    reading = asyncio.to_thread(lambda: received.append(read_exactly(reader, len(words) + 1)))
    await asyncio.gather(answering, reading)
    assert (answering.result(), received) == (0, [words.encode() + b"\n"])


def read_exactly(reader: int, count: int) -> bytes:
    content = b""
    while len(content) < count and (piece := os.read(reader, count)):
        content += piece
    return content


async def test_a_reader_far_behind_has_gone_and_keeps_what_it_has(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    gone = asyncio.Event()
    outlet = Outlet(writer, gone.set, limit_bytes=10_000)
    for _ in range(3):
        outlet.write("a" * SMALL_BYTES)
    outlet.write("b")
    assert outlet.behind
    await gone.wait()
    received = await asyncio.to_thread(read_exactly, reader, 2 * SMALL_BYTES)
    await outlet.written()
    assert received == b"a" * 2 * SMALL_BYTES
    outlet.close()


async def test_an_outlet_that_is_closed_ends_its_thread(pipe: tuple[int, int]) -> None:
    before = set(threading.enumerate())
    outlet = Outlet(pipe[1])
    outlet.write("a")
    [thread] = set(threading.enumerate()) - before
    await outlet.written()
    outlet.close()
    await asyncio.to_thread(thread.join)
    assert os.read(pipe[0], 10) == b"a"
