"""Tries to get out of a sandbox, case by case: python -m tests.tools.escaping TIER [UID]; prints JSON of what got out."""

import asyncio
import ipaddress  # noqa: F401  looked into by a user who may not be able to read it
import json
import os
import pkgutil
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import flowchat.tools
from flowchat.tools.bridging import bridged, interpreter
from flowchat.tools.domains import domains_of
from flowchat.tools.outward import Outward, is_public
from flowchat.tools.process import run
from flowchat.tools.rules import parse_rule
from flowchat.tools.sandbox import Confinement
from flowchat.tools.tool import Unprotectable

CASES = json.loads((Path(__file__).parent / "cases" / "sandbox.json").read_text())
PLANTED = "PLANTED-SECRET"
OPEN = "127.0.0.9"
"""The address that counts as one in the Internet."""
KINDS: dict[str, dict[str, Any]] = {
    "full": {"landlock": False},
    "full-without-user-namespaces": {"landlock": False, "namespaces": False},
    "partial": {"places": ()},
    "full-with-a-domain": {"landlock": False},
    "bridge": {"landlock": False},
}
"""The last two with a bridge to allowed domains: all there is, and only what aims at the bridge."""
BRIDGED = ("full-with-a-domain", "bridge")
GIT = (
    "git",
    "-c",
    "user.name=Test",
    "-c",
    "user.email=test@example.org",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "init.defaultBranch=main",
)


class Place:
    """A workspace with repositories in and below it, a home with keys, a folder outside, and who listens there."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.work, self.out, self.home, self.data = (base / name for name in ("work", "out", "person", "data"))
        self._template = base / "template"
        for folder in (self.out, self.home / ".ssh", self.home / ".aws", self.home / ".gnupg", self.data, self._template):
            folder.mkdir(parents=True)
        for file in (".ssh/id_rsa", ".aws/credentials", ".gnupg/key"):
            (self.home / file).write_text(PLANTED)
        (self.data / "session").write_text(PLANTED)
        self._build()
        self.port, self.listeners = self._listen()
        self.app = subprocess.Popen(["sleep", "1000"], env={"KEY": PLANTED, "PATH": os.environ["PATH"]})

    def _build(self) -> None:
        work = self._template
        (work / "a.txt").write_text("a")
        for repository in (work, work / "nested", work / "deep" / "down", self.base / "origin"):
            repository.mkdir(parents=True, exist_ok=True)
            (repository / "tracked").write_text("t")
            self._git(repository, "init", "-q", "--template=")
            self._git(repository, "add", "tracked")
            self._git(repository, "commit", "-qm", "first")
        (work / ".bashrc").write_text("# start")
        (work / "scripts" / "githooks").mkdir(parents=True)
        (work / "hooks").mkdir()
        (work / "hooks" / "shared.sh").write_text("echo")
        self._git(work, "submodule", "-q", "add", str(self.base / "origin"), "sub")
        self._git(work, "worktree", "add", "-q", "--detach", str(self.base / "tree"))
        self._git(work, "config", "core.hooksPath", "scripts/githooks")
        (work / ".git" / "hooks").mkdir()
        (work / ".git" / "hooks" / "post-merge").symlink_to("../../hooks/shared.sh")
        (work / ".gitmodules").unlink()

    @staticmethod
    def _git(folder: Path, *words: str) -> None:
        subprocess.run([*GIT, "-C", str(folder), *words], check=True, capture_output=True)

    def fresh(self) -> None:
        """As it was before anything was tried."""
        if self._tree(self.work) != self._tree(self._template):
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.copytree(self._template, self.work, symlinks=True)
        for path in self.out.iterdir():
            if not stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink() if not path.is_dir() else shutil.rmtree(path)
        victim = self.out / "victim"
        victim.write_text("victim")
        victim.chmod(0o644)
        os.utime(victim, (1_000_000, 1_000_000))
        (self.home / ".bashrc").write_text("# start")
        for path in ("/tmp/fcdrop", "/dev/shm/fcdrop"):
            Path(path).unlink(missing_ok=True)

    @staticmethod
    def _tree(root: Path) -> list[tuple[str, int, int, int]]:
        """Names, kinds and modes, sizes and times of all there is."""
        found: list[tuple[str, int, int, int]] = []
        for where, below, files in os.walk(root):
            for name in (*below, *files):
                seen = os.lstat(os.path.join(where, name))
                folder = stat.S_ISDIR(seen.st_mode)
                size, time = (0, 0) if folder else (seen.st_size, seen.st_mtime_ns)
                found.append((os.path.relpath(os.path.join(where, name), root), seen.st_mode, size, time))
        return sorted(found)

    def _listen(self) -> tuple[int, dict[str, socket.socket]]:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        unix, unixgram, abstract = (socket.socket(socket.AF_UNIX, kind) for kind in (1, 2, 1))
        unix.bind(str(self.out / "s"))
        unixgram.bind(str(self.out / "s.dgram"))
        abstract.bind(f"\0flowchat-test-{os.getpid()}")
        for listener in (tcp, unix, abstract):
            listener.listen()
        found = {"tcp": tcp, "udp": udp, "unix": unix, "unixgram": unixgram, "abstract": abstract}
        for listener in found.values():
            listener.setblocking(False)
        return tcp.getsockname()[1], found

    def heard(self, name: str) -> bool:
        """Whether somebody came; it is forgotten then."""
        try:
            if self.listeners[name].type == socket.SOCK_DGRAM:
                self.listeners[name].recv(100)
            else:
                self.listeners[name].accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def variables(self) -> str:
        named = {"OUT": self.out, "WS": self.work, "DATA": self.data, "USOCK": self.out / "s", "PORT": self.port}
        named |= {"APP_PID": self.app.pid, "ABSTRACT": f"flowchat-test-{os.getpid()}"}
        return "; ".join(f"export {name}='{value}'" for name, value in named.items())

    def outward(self, here: tuple[str, int]) -> Outward:
        """All names of `.test` are allowed; by its name each leads outside (`here`), inside, or to the one and the other."""
        there, turns = ("127.0.0.1", self.port), count()

        async def resolve(host: str, port: int) -> list[tuple[str, int]]:
            named = {"inside": [there], "both": [there, here], "turning": [(here, there)[next(turns) % 2]]}
            return {**named, "meta": [("169.254.169.254", 80)]}.get(host.partition(".")[0], [here])

        domains = domains_of([parse_rule("web_fetch(domain:*.test)")])
        return Outward(lambda: domains, {}, resolve, lambda address: address == OPEN or is_public(address))

    def close(self) -> None:
        self.app.kill()
        self.app.wait()
        shutil.rmtree(self.base, ignore_errors=True)


def escaped(place: Place, check: str, status: int | None, printed: str, before: dict[str, bytes | None]) -> bool:
    """Whether what a case aims at has happened."""
    kind, _, name = check.partition(":")
    path, victim = place.work / name, place.out / "victim"
    if kind in place.listeners:
        return place.heard(kind)
    match kind:
        case "rc0":
            return status == 0
        case "leak":
            return PLANTED in printed
        case "victim-" | "victim=" | "victim@" | "victim%":
            seen = victim.lstat() if victim.exists() else None
            return seen is None or (seen.st_mtime, seen.st_mode & 0o7777) != (1_000_000, 0o644)
        case "hook":
            return (place.work / ".git/hooks/pre-commit").exists()
        case "made" | "new" | "flowcfg" | "envrc":
            return os.path.lexists(place.work / (name or {"flowcfg": ".flowchat", "envrc": ".envrc"}[kind]))
        case "kept":
            return not path.is_file() or path.read_bytes() != before[name]
        case "suid":
            return os.path.lexists(path) and bool(path.lstat().st_mode & 0o6000)
        case "bashrc":
            return (place.home / ".bashrc").read_text() != "# start"
        case "fd9":
            return (place.base / "fd9").stat().st_size > 0
        case "f":
            return os.path.lexists(place.out / "f")
        case "tmp" | "shm":
            return os.path.lexists("/tmp/fcdrop" if kind == "tmp" else "/dev/shm/fcdrop")
        case "app":
            return place.app.poll() is not None or "\nState:\tT" in Path(f"/proc/{place.app.pid}/status").read_text()
        case "sysv":
            return "0x00004fc4" in subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=False).stdout
        case _:
            raise AssertionError(f"no check is called {check!r}")


async def attempt(place: Place, confinement: Confinement, case: dict[str, str], outward: Outward | None = None) -> bool | str:
    """Whether it got out, or why it was not run; `outward`: what it reaches over a bridge."""
    place.fresh()
    name = case["check"].partition(":")[2]
    before = {name: (place.work / name).read_bytes() if (place.work / name).is_file() else None}
    try:
        argv = ["/bin/bash", "--noprofile", "--norc", "-c", f"{place.variables()}; {case['command']}"]
        async with AsyncExitStack() as stack:
            bridge = None
            if outward is not None and (program := interpreter(confinement.hidden)) is not None:
                bridge = await stack.enter_async_context(bridged(program, outward))
                argv = bridge.argv(argv)
            spawn, _ = await stack.enter_async_context(confinement.around(argv, place.work))
            ended = await run(bridge.spawn(spawn) if bridge is not None else spawn, place.work, 20)
        await confinement.settled()
    except Unprotectable as error:
        return str(error)
    ended.recording.close()
    return escaped(place, case["check"], ended.status, f"{ended.recording.head}{ended.recording.tail}", before)


def cases_for(kind: str) -> list[dict[str, str]]:
    """All of them in the full sandbox; where the workspace is guarded the same way, or not at all, those that aim beyond it."""
    every = [*CASES["cases"], *CASES["own"]]
    if kind in BRIDGED:
        return [*(every if kind == "full-with-a-domain" else ()), *CASES["bridge"]]
    beyond = [case for case in every if case["check"].partition(":")[0] not in ("made", "kept", "new")]
    return every if kind == "full" else beyond


async def try_all(place: Place, kind: str) -> dict[str, Any]:
    environ = {"HOME": str(place.home), "PATH": os.environ["PATH"]}
    confinement = Confinement(environ, [place.data], **KINDS[kind])
    sandbox = await confinement.probe()
    found: dict[str, Any] = {
        "tier": sandbox.tier,
        "why": sandbox.why,
        "user": os.geteuid(),
        "tried": 0,
        "escaped": [],
        "refused": {},
    }
    async with await asyncio.start_server(greet, OPEN, 0) as origin:
        outward = place.outward(origin.sockets[0].getsockname()) if kind in BRIDGED else None
        for case in cases_for(kind) if sandbox.tier != "none" else ():
            result = await attempt(place, confinement, case, outward)
            control = case["name"].startswith("CONTROL")
            found["tried"] += 1
            if isinstance(result, str):
                found["refused"][case["id"]] = result
            elif result != control:
                found["escaped"].append(case["id"])
    await confinement.close()
    return found


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What is in the Internet: it answers once."""
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.write_eof()
    with suppress(OSError):
        await reader.read()
    writer.close()


def main() -> None:
    kind, user = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else os.geteuid()
    for module in pkgutil.iter_modules(flowchat.tools.__path__):  # another user may not be able to read them
        import_module(f"flowchat.tools.{module.name}")
    ThreadPoolExecutor(1).submit(int).result()
    base = Path(tempfile.mkdtemp(prefix="fc", dir="/var/tmp"))
    os.chown(base, user, user)
    os.dup2(os.open(base / "fd9", os.O_CREAT | os.O_WRONLY), 9, inheritable=True)
    if user != os.geteuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        os.environ["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    os.environ["HOME"] = str(base / "person")
    place = Place(base)
    try:
        print(json.dumps(asyncio.run(try_all(place, kind))))
    finally:
        place.close()


if __name__ == "__main__":
    main()
