"""Programs: their environment, their output, and the end of everything they start."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowchat.tools.descent import MARK
from flowchat.tools.environment import child_environment
from flowchat.tools.process import Ended, run, settled
from flowchat.tools.spawn import Spawn
from flowchat.tools.tool import BadArguments, NotDone
from tests.tools import waking
from tests.tools.scarce import descriptors, descriptors_left

PLANTED = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "HF_TOKEN",
    "AZURE_API_KEY",
    "LC_API_KEY",
    "FLOWCHAT_KEY",
    "SSH_AUTH_SOCK",
    "BASH_ENV",
    "MY_KEY",
)


async def bash(command: str, timeout_seconds: float | None = 20.0, show: list[str] | None = None) -> Ended:
    ended = await run(["bash", "-c", command], Path("/"), timeout_seconds, None if show is None else show.append)
    ended.recording.close()
    return ended


def marked() -> list[str]:
    """Command lines of living processes that carry our mark."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={os.getpid()}-".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            pass
    return found


def has_ended(pid: int, within_seconds: float = 5.0) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], within_seconds)[0])
    finally:
        os.close(pidfd)


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("command", "status", "printed"),
    [
        ("echo out; echo err >&2", 0, "out\nerr\n"),
        ("exit 7", 7, ""),
        ("kill -9 $$", -9, ""),
        ("cat", 0, ""),
        ("test -t 0 || test -t 1 || echo no terminal", 0, "no terminal\n"),
        ("(: < /dev/tty) 2>/dev/null || echo no controlling terminal", 0, "no controlling terminal\n"),
        ("printf 'a\\xff\\xc3\\xa9'", 0, "a\ufffdé"),
        ("ulimit -n 10; echo $(ulimit -n)", 0, "10\n"),
    ],
)
async def test_a_program_gives_its_status_and_what_it_printed(command: str, status: int, printed: str) -> None:
    ended = await bash(command)
    assert (ended.status, ended.recording.head, ended.left, ended.timed_out) == (status, printed, (), False)


async def test_a_limit_a_program_sets_itself_is_not_ours() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    await bash("ulimit -n 10; ls /")
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


async def test_none_of_twelve_planted_keys_reaches_a_program(tmp_path: Path) -> None:
    script = """
import asyncio, pathlib
from flowchat.tools.process import run
print(asyncio.run(run(["env"], pathlib.Path("/"))).recording.head)
"""
    ours = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **dict.fromkeys(PLANTED, "planted-key-value")}
    printed = subprocess.run([sys.executable, "-c", script], env=ours, capture_output=True, text=True, check=True).stdout
    assert ("planted" in printed, [name for name in PLANTED if name in printed]) == (False, [])
    assert "TERM=dumb" in printed


def test_the_search_path_never_leads_into_the_current_directory() -> None:
    passed = child_environment(
        {"PATH": ".:/usr/bin::bin:/bin", "https_proxy": "http://me:pass@host", "http_proxy": "http://host"}
    )
    assert (passed["PATH"], passed.get("https_proxy"), passed.get("http_proxy")) == ("/usr/bin:/bin", None, "http://host")


@pytest.mark.parametrize(
    ("command", "error"),
    [(["no-such-program"], NotDone), (["true", "a\0b"], BadArguments), (["true", "x" * 200_000], NotDone)],
)
async def test_a_program_that_cannot_start_says_so(command: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        await run(command, Path("/"))


@pytest.mark.parametrize("left", range(8))
async def test_where_descriptors_run_out_a_program_does_not_start_and_nothing_stays_open(left: int) -> None:
    await bash("true")
    before = descriptors()
    inherited = os.dup(0)
    spawn = Spawn(("true",), pass_fds=(inherited,))
    with descriptors_left(left):
        try:
            ended = await run(spawn, Path("/"))
            ended.recording.close()
            said = "started"
        except NotDone as error:
            said = str(error)
    assert said in ("started", "true could not be started in /: Too many open files")
    assert (said == "started" or left < 7, said != "started" or left > 0, descriptors()) == (True, True, before)


async def test_a_watchdog_that_cannot_be_started_again_leaves_the_files_of_others_alone(tmp_path: Path) -> None:
    """Its pipe is gone, and another file may have the same number by then."""
    task = asyncio.create_task(run(["sleep", "60"], Path("/")))
    while not marked():
        await asyncio.sleep(0)
    for pid in watchdogs():
        os.kill(pid, signal.SIGKILL)
        assert has_ended(pid)
    for left in range(5):
        with descriptors_left(left), pytest.raises(NotDone):
            await run(["true"], Path("/"))
    files = [os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY) for number in range(8)]
    task.cancel()
    await asyncio.wait({task})
    await settled()
    for file in files:
        os.close(file)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b""] * 8
    assert ((await bash("echo on")).recording.head, len(watchdogs())) == ("on\n", 1)


def watchdogs() -> list[int]:
    """Living ones of ours."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"\0{MARK}={os.getpid()}-".encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass
    return found


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("sleep 60 & echo $!; exit 0", ("sleep",)),
        ("setsid sleep 60 & echo $!; disown", ("sleep",)),
        ("exec 3>&1; (sleep 60 >/dev/null & echo $! >&3)", ("sleep",)),
        ("env -i setsid sleep 60 >/dev/null 2>&1 & echo $!", None),
    ],
)
async def test_what_a_program_leaves_in_the_background_is_ended_and_named(command: str, left: tuple[str, ...] | None) -> None:
    async with asyncio.timeout(10):
        ended = await bash(command)
        await settled()
    assert ended.status == 0
    assert left is None or ended.left == left
    assert [pid for pid in ended.recording.head.split() if not has_ended(int(pid), 0)] == []
    assert marked() == []


async def test_a_program_that_ignores_terminate_is_killed_when_its_time_is_over() -> None:
    async with asyncio.timeout(10):
        ended = await bash("trap '' TERM; echo $$; sleep 60; sleep 60", timeout_seconds=0.5)
    assert (ended.status, ended.timed_out, marked()) == (None, True, [])
    assert has_ended(int(ended.recording.head), 0)


@pytest.mark.parametrize(
    "command",
    [
        "echo $$; sleep 60",
        "setsid sleep 60 & echo $!; sleep 60",
        "env -i setsid sleep 60 & echo $!; sleep 60",
        "trap '' TERM; echo $$; sleep 60; sleep 60",
        "(setsid bash -c 'trap \"\" TERM; echo $$; sleep 60; sleep 60' &); sleep 60",
    ],
)
async def test_a_cancelled_program_leaves_nothing_behind(command: str) -> None:
    started = asyncio.Event()
    printed: list[str] = []

    def hear(text: str) -> None:
        printed.append(text)
        started.set()

    task = asyncio.create_task(run(["bash", "-c", command], Path("/"), None, hear))
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled()
    assert (marked(), has_ended(int("".join(printed)), 0)) == ([], True)


async def test_whenever_a_program_is_cancelled_the_prompt_is_back_within_200_ms_and_nothing_survives() -> None:
    took: list[float] = []
    for number in range(40):
        task = asyncio.create_task(run(["bash", "-c", "setsid sleep 60 & sleep 60"], Path("/")))
        await asyncio.wait({task}, timeout=number / 1000)
        cancelled_at = waking.now()
        task.cancel()
        await asyncio.wait({task})
        took.append(waking.now() - cancelled_at)
    await settled()
    assert marked() == []
    assert sorted(took)[37] <= 0.2


async def test_a_program_cut_short_by_the_end_of_the_loop_leaves_nothing_behind() -> None:
    script = """
import asyncio, pathlib
from flowchat.tools.process import run
async def main():
    started = asyncio.Event()
    task = asyncio.create_task(run(["bash", "-c", "trap '' TERM; echo $$; sleep 60; sleep 60"], pathlib.Path("/"), None,
                                   lambda text: (print(text, end="", flush=True), started.set())))
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], env=_environment(), capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert has_ended(int(ended.stdout))


@pytest.mark.parametrize(
    "command", ["echo $$; sleep 60", "setsid sleep 60 & echo $!; wait", "trap '' TERM HUP; echo $$; sleep 60; sleep 60"]
)
def test_nothing_survives_our_own_death_by_kill_9(command: str) -> None:
    script = f"""
import asyncio, pathlib
from flowchat.tools.process import run
asyncio.run(run(["bash", "-c", {command!r}], pathlib.Path("/"), None, lambda text: print(text, end="", flush=True)))
"""
    with subprocess.Popen([sys.executable, "-c", script], env=_environment(), stdout=subprocess.PIPE, text=True) as flowchat:
        assert flowchat.stdout is not None
        pid = int(flowchat.stdout.readline())
        flowchat.kill()
        flowchat.wait()
        assert has_ended(pid)


async def test_a_flood_stays_small_in_memory_and_keeps_its_two_ends() -> None:
    peak = before = rss_bytes()

    def look(text: str) -> None:
        nonlocal peak
        peak = max(peak, rss_bytes())

    ended = await run(["bash", "-c", "echo first; yes | head -c 400000000; echo last"], Path("/"), 30.0, look)
    whole = ended.recording.whole()
    look("")
    assert whole is not None
    assert (whole[:6], len(whole)) == (b"first\n", 32 * 1024 * 1024)
    assert (ended.recording.total_bytes, ended.recording.lines) == (400_000_011, 200_000_002)
    assert (ended.recording.head[:8], ended.recording.tail[-7:]) == ("first\ny\n", "y\nlast\n")
    assert peak - before <= 64 * 1024 * 1024
    ended.recording.close()


async def test_one_endless_line_is_as_bounded_as_many() -> None:
    shown: list[str] = []
    ended = await bash("head -c 5000000 /dev/zero | tr '\\0' x", show=shown)
    assert (ended.recording.total_bytes, ended.recording.lines, len(ended.recording.head)) == (5_000_000, 0, 512 * 1024)
    assert max(map(len, shown)) <= 128 * 1024


async def test_random_bytes_are_counted_but_never_shown() -> None:
    shown: list[str] = []
    ended = await bash("echo start; head -c 20000000 /dev/urandom", show=shown)
    assert (ended.recording.binary, ended.recording.total_bytes, ended.recording.whole()) == (True, 20_000_006, None)
    assert "".join(shown).removeprefix("start\n") == "\n[binary output: not shown]\n"


@pytest.mark.parametrize(
    "command",
    ["printf 'src/one.py\\0a.py\\0%.0s' {1..500}", "printf '\\xe9t\\xe9 %.0s' {1..500}", "ls --color=always -R /etc"],
)
async def test_lists_with_nuls_foreign_encodings_and_colours_are_text(command: str) -> None:
    assert (await bash(command)).recording.binary is False


async def test_live_output_is_heard_while_the_program_runs_and_whole(tmp_path: Path) -> None:
    heard: list[str] = []
    half = asyncio.Event()

    def hear(text: str) -> None:
        heard.append(text)
        half.set()

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = ["bash", "-c", 'echo before; read -t 10 line < "$0"; echo after $line', str(fifo)]
    task = asyncio.create_task(run(command, Path("/"), 20.0, hear))
    await asyncio.wait_for(half.wait(), 10)
    assert heard == ["before\n"]
    await asyncio.to_thread(fifo.write_text, "now\n")
    (await task).recording.close()
    assert heard == ["before\n", "after now\n"]


async def test_enough_output_ends_the_program() -> None:
    ended = await run(["yes"], Path("/"), 20.0, enough_bytes=100_000)
    ended.recording.close()
    assert (ended.status, ended.timed_out, marked()) == (None, False, [])
    assert ended.recording.total_bytes >= 100_000


async def test_a_program_gets_the_environment_the_descriptors_and_the_last_step_it_is_started_with() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"from us")
    os.close(theirs)
    shell = f"env | grep -E ^ONE=; cat <&{ours}; echo; umask"
    spawn = Spawn(("bash", "-c", shell), {"PATH": "/bin:/usr/bin", "ONE": "1"}, (ours,), lambda: os.umask(0o27) and None)
    ended = await run(spawn, Path("/"), 20.0)
    ended.recording.close()
    assert ended.recording.head == "ONE=1\nfrom us\n0027\n"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(ours)


async def test_descriptors_are_closed_though_the_program_cannot_start() -> None:
    ours, theirs = os.pipe()
    with pytest.raises(NotDone):
        await run(Spawn(("no-such-program",), pass_fds=(ours, theirs)), Path("/"))
    for descriptor in (ours, theirs):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(descriptor)


async def test_what_a_wrapper_confines_is_asked_to_end_before_the_wrapper_is_killed() -> None:
    """The wrapper here, asked to end, would kill what is below it, as bwrap does."""
    inner = "trap 'echo asked; exit 0' TERM; echo begun; while :; do :; done"
    wrapper = f"trap 'kill -9 $child' TERM; bash -c {inner!r} & child=$!; wait; wait"
    printed: list[str] = []
    ended = await run(Spawn(("bash", "-c", wrapper), wrapped=True), Path("/"), 0.5, printed.append)
    ended.recording.close()
    assert (ended.timed_out, ended.recording.head, marked()) == (True, "begun\nasked\n", [])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
