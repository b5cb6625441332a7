"""Commands judged to only read, run one after the other under strace on a watched tree: what of them wrote, ran or connected.

`python -m tests.tools.judging.watching [COUNT] [SEED]` grows COUNT of them (20,000) and prints what it found.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from flowchat.tools.command import Judged, judge_command
from flowchat.tools.environment import FIXED
from flowchat.tools.only_reading import variables_for
from tests.tools.judging.growing import commands

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK = "/the-next-command-is-number"
SECONDS_OF_A_COMMAND = 20
CHANGING = (
    *("creat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink"),
    *(
        "symlinkat",
        "mknod",
        "mknodat",
        "chmod",
        "fchmod",
        "fchmodat",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "truncate",
        "utime",
    ),
    *("utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "mount", "umount2", "chroot"),
    *("sethostname", "settimeofday", "clock_settime", "bind", "ptrace"),
)
OPENING = ("open", "openat", "openat2")
RUNNING = ("execve", "execveat")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FOR_WRITING = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC)\b")
HARMLESS_FILES = ("/dev/null", "/dev/tty")
HARMLESS_SOCKETS = ("/var/run/nscd/socket",)
"""Where the C library asks for the names of users."""
ALSO_RUN = {"egrep": {"grep"}, "fgrep": {"grep"}, "git": {"git"}}
DRIVER = """
import json, os, subprocess, sys
for number, line in enumerate(open(sys.argv[1])):
    try:
        os.mkdir(sys.argv[2] + "/" + str(number))
    except OSError:
        pass
    command, environment = json.loads(line)
    try:
        subprocess.run(["/bin/bash", "--noprofile", "--norc", "-c", command], env=environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=float(sys.argv[3]))
    except subprocess.TimeoutExpired:
        pass
"""


class Offence(NamedTuple):
    command: str
    call: str


class Watched(NamedTuple):
    """`changed` names files of the tree that are no longer what they were; `marks` is how many commands were run.

    Where strace does not trace, `traced` is false and there are no `offences`: the tree and its traps tell alone.
    """

    offences: list[Offence]
    changed: list[str]
    marks: int
    traced: bool


def reading(seed: int, wild: float = 0.15) -> Iterator[Judged]:
    """Grown commands that are judged to only read, without end; what waits or takes a second is left out."""
    for text in commands(seed, wild):
        judged = judge_command(text)
        if judged.read_only and not any(part.argv[0] in ("sleep", "pip", "pip3") for part in judged.parts):
            yield judged


def plant(folder: Path) -> Path:
    """A workspace full of traps: names that look like options, programs in its folders, a repository that names them."""
    tree = folder / "tree"
    for name in ("src", "evil", "docs", "bare"):
        (tree / name).mkdir(parents=True)
    files = (
        "a.txt",
        "b.txt",
        "a b.txt",
        "src/a.py",
        "src/b.py",
        "docs/é.md",
        "a.csv",
        "-o",
        "-exec",
        "--output=PWNED",
        "-delete",
    )
    for name in (*files, "--pre=x.sh", "--compress-program=x.sh", "-oPWNED", "HEAD", "-w", "*.py", "1", "foo"):
        (tree / name).write_text("hello\nfoo 1,2\nhello\na|b\n")
    for name in ("x.sh", *(f"evil/{name}" for name in ("ls", "git", "grep", "cat", "sort"))):
        (tree / name).write_text("#!/bin/sh\ntouch PWNED\n")
        (tree / name).chmod(0o755)
    (tree / ".gitattributes").write_text("*.txt diff=evil\n*.py diff=evil\n")
    git(tree, "init", "-q", "-b", "main")
    for message in ("one", "two"):
        (tree / "src" / "a.py").write_text(f"print({message!r})\n")
        git(tree, "add", "-A")
        git(tree, "commit", "-qm", message)
    git(tree, "tag", "v1")
    (tree / "a.txt").write_text("stashed\n")
    git(tree, "stash")
    (tree / "a.txt").write_text("hello\nchanged\n")
    evil = str(tree / "x.sh")
    for name in (
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "core.fsmonitor",
        "core.pager",
        "gpg.program",
        "pager.log",
    ):
        git(tree, "config", name, evil)
    git(tree, "config", "log.showSignature", "true")
    return tree


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    environment = {"PATH": PATH, "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, env=environment)


def watch(judged: Sequence[Judged], tree: Path) -> Watched:
    """Run each text as it is in `tree`."""
    before = _state(tree)
    listed, trace = tree.parent / "commands", tree.parent / "trace"
    environment = {"PATH": PATH, "HOME": str(tree.parent), "LANG": "C.UTF-8", **FIXED}
    listed.write_text("".join(json.dumps([one.command, {**environment, **variables_for(one)}]) + "\n" for one in judged))
    driver = [sys.executable, "-I", "-c", DRIVER, str(listed), MARK, str(SECONDS_OF_A_COMMAND)]
    tracing = _tracing(trace)
    done = subprocess.run([*_walls(tree.parent), *tracing, *driver], cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the commands could not be run: {done.stderr.strip()[-300:]}")
    offences, marks = _offences(trace, judged) if tracing else ([], len(judged))
    after = _state(tree)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return Watched(offences, changed, marks, bool(tracing))


def _tracing(trace: Path) -> list[str]:
    calls = ",".join("?" + name for name in (*OPENING, *RUNNING, *CHANGING, "connect"))
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "200", "-e", "signal=none", "-e", f"trace={calls}", "-o", str(trace)]
    works = (
        shutil.which("strace") is not None and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    )
    return command if works else []


def _walls(folder: Path) -> list[str]:
    """A mount of its own in which only `folder` can be written, where that can be had: a wrong judgement costs nothing."""
    walls = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", str(folder), str(folder)]
    walls += ["--unshare-net", "--unshare-pid", "--die-with-parent", "--cap-add", "CAP_SYS_PTRACE", "--"]
    if shutil.which("bwrap") is None or subprocess.run([*walls, "true"], capture_output=True, check=False).returncode:
        return []
    return walls


def _offences(trace: Path, judged: Sequence[Judged]) -> tuple[list[Offence], int]:
    now, allowed, marks = -1, set[str](), 0
    found: list[Offence] = []
    with trace.open(errors="replace") as lines:
        for line in lines:
            call = _CALL.match(line)
            if call is None:
                continue
            name, rest = call.groups()
            if name in ("mkdir", "mkdirat") and MARK in rest:
                now, marks = now + 1, marks + 1
                names = {part.argv[0] for part in judged[now].parts}
                allowed = {"bash", *names, *(also for name in names for also in ALSO_RUN.get(name, ()))}
            elif now >= 0 and not _harmless(name, rest, allowed):
                found.append(Offence(judged[now].command, line.strip()))
    return found, marks


def _harmless(name: str, rest: str, allowed: set[str]) -> bool:
    said = _QUOTED.findall(rest)
    path = said[0] if said else ""
    if name in OPENING:
        return path in HARMLESS_FILES or _FOR_WRITING.search(rest) is None
    if name in RUNNING:
        folder, _, program = path.rpartition("/")
        return "= -1 ENOENT" in rest or (program in allowed and folder.startswith(("/usr/", "/bin", "/sbin")))
    return name == "connect" and path in HARMLESS_SOCKETS


def _state(tree: Path) -> dict[str, tuple[int, int, str]]:
    state: dict[str, tuple[int, int, str]] = {}
    for folder, _, names in os.walk(tree):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            known = path.lstat()
            text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            state[str(path.relative_to(tree))] = (known.st_mode, known.st_mtime_ns, text)
    return state


def main() -> int:
    count, seed = (int(word) for word in (sys.argv[1:] + ["20000", "1"][len(sys.argv) - 1 :]))
    since = time.monotonic()
    with TemporaryDirectory() as folder:
        found = watch(list(islice(reading(seed), count)), plant(Path(folder)))
    for offence in found.offences:
        print(f"{offence.command!r}\n    {offence.call}")
    print(
        f"{found.marks:,} commands in {time.monotonic() - since:.0f} s: {len(found.offences)} offences, changed: {found.changed}"
    )
    return 1 if found.offences or found.changed or found.marks != count else 0


if __name__ == "__main__":
    sys.exit(main())
