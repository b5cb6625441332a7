"""How bubblewrap (bwrap(1)) is asked for a sandbox: what a confined program sees of the machine, as arguments."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from flowchat.tools.guard import Guard

PLACES = ("/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/wrappers/bin/bwrap", "/run/current-system/sw/bin/bwrap")
"""Never looked for on PATH or in the workspace."""


_KERNEL_FILES = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "mtrr")
"""Of /proc: root's to change even without any capability, core_pattern among them, which names a program the kernel starts."""


class View(Struct, frozen=True):
    """What a confined program may see and change. All paths are absolute and resolved.

    `writable` come before `guard`, which takes back some of them; `hidden` are empty; `temporary` is its /tmp and lies where it
    lies. `own_users`: a user namespace, which root can do without; `others_files`: root writes those of others in its folders.
    """

    workspace: Path
    writable: tuple[Path, ...]
    guard: Guard
    hidden: tuple[Path, ...]
    temporary: Path
    network: bool = False
    own_users: bool = True
    others_files: bool = False


def find(places: Sequence[str] = PLACES) -> str | None:
    """bubblewrap, where the system has it: root's, and nobody else's to change."""
    for place in places:
        try:
            found = os.stat(place)
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022 and os.access(place, os.X_OK):
            return place
    return None


def arguments(program: str, view: View, seccomp_fd: int, contents: Mapping[Path, int]) -> list[str]:
    """The words before a command's own. `contents` are files that read as what comes out of a descriptor."""
    words = [program, *_namespaces(view), "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    words += ["--cap-add", "CAP_DAC_OVERRIDE", "--cap-add", "CAP_FOWNER"] if view.others_files else []
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/dev/shm", "--proc", "/proc"]
    for name in _KERNEL_FILES:
        words += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    words += _hide([path for path in view.hidden if not _within(path, [*view.writable, Path("/tmp")])])
    words += ["--bind", str(view.temporary), "/tmp"]
    for path in (view.temporary, *view.writable, *view.guard.writable, *view.guard.pinned):
        words += ["--bind", str(path), str(path)]
    taken = [path for path, _ in view.guard.masked if os.path.lexists(path)]
    for path in (*view.guard.read_only, *taken):
        words += ["--ro-bind", str(path), str(path)]
    for path, descriptor in contents.items():
        words += ["--ro-bind-data", str(descriptor), str(path)]
    words += _hide([path for path in view.hidden if _within(path, view.writable)])
    for path in view.hidden:
        if path.is_dir() and (_within(path, view.writable) or not _within(path, [Path("/tmp")])):
            words += ["--remount-ro", str(path)]
    return [*words, "--chdir", str(view.workspace), "--seccomp", str(seccomp_fd), "--"]


def _namespaces(view: View) -> Iterator[str]:
    yield from ("--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try")
    if view.own_users and not view.others_files:  # over others' files root has no power in a namespace of its own
        yield "--unshare-user"
    if not view.network:
        yield "--unshare-net"


def _hide(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        if path.is_dir():
            yield from ("--tmpfs", str(path))
        elif path.exists():
            yield from ("--ro-bind", "/dev/null", str(path))


def _within(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
