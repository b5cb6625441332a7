"""Landlock (landlock(7)) without a dependency: a set of rules made here, which a program takes upon itself before it begins."""

import ctypes
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_GET_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ALL_OF_VERSION_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
"""Of versions 2, 3 and 5."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""What can be said of something that is no folder."""
_NETWORK = 0b11
"""Bind and connect TCP, version 4."""
_SCOPES = 0b11
"""Abstract sockets and signals stay among those who share the rules, version 6."""
SCOPES_SINCE = 6
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _SECCOMP_MODE_FILTER = 38, 22, 24, 2
_CAPABILITIES, _CAP_DAC_OVERRIDE = 64, 1
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts")


class _Attributes(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def version() -> int:
    """The version of the kernel's Landlock; 0 where there is none or it is switched off."""
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _GET_VERSION))
    except (OSError, AttributeError):
        return 0


def ruleset(writable: Iterable[Path], hidden: Sequence[Path], network: bool) -> int:
    """A descriptor of rules: all may be read and run but what is `hidden`, `writable` folders may be changed, and no device but
    the harmless ones. Raises OSError."""
    known = version()
    handled = _ALL_OF_VERSION_1 | (_REFER if known >= 2 else 0) | (_TRUNCATE if known >= 3 else 0)
    handled |= _IOCTL_DEV if known >= 5 else 0
    scoped = _SCOPES if known >= SCOPES_SINCE else 0
    attributes = _Attributes(handled, 0 if network or known < 4 else _NETWORK, scoped)
    rules = _call(_CREATE_RULESET, ctypes.byref(attributes), 24 if scoped else 16 if known >= 4 else 8, 0)
    try:
        _add(rules, Path("/"), _READ_DIR)
        for path in readable(hidden):
            _add(rules, path, (_EXECUTE | _READ_FILE | _READ_DIR) & handled)
        for path in writable:
            _add(rules, path, handled & ~_IOCTL_DEV)
        for device in _DEVICES:
            _add(rules, Path(device), (_READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & handled)
    except BaseException:
        os.close(rules)
        raise
    return rules


def readable(hidden: Sequence[Path]) -> Iterator[Path]:
    """Paths that together are everything but what is `hidden`: rules can only add, so the folders on the way are opened up."""
    on_the_way = {parent for path in hidden for parent in path.parents}
    if not on_the_way:
        yield Path("/")
    for folder in sorted(on_the_way):
        try:
            entries = [Path(entry.path) for entry in os.scandir(folder)]
        except OSError:
            continue
        yield from (path for path in entries if path not in on_the_way and path not in hidden)


class Restraint:
    """What a program takes upon itself before it begins: made beforehand, so that next to nothing is left to do in the child."""

    def __init__(self, rules: int, seccomp: bytes, others_files: bool = False) -> None:
        """`rules` is a `ruleset`; it is closed in the child. `others_files`: root keeps its power to write those of others."""
        self._rules = rules
        kept = {_CAP_DAC_OVERRIDE} if others_files else set[int]()
        self._dropped = tuple(capability for capability in range(_CAPABILITIES) if capability not in kept)
        self._code = ctypes.create_string_buffer(seccomp, len(seccomp))
        self._filter = _Filter(len(seccomp) // 8, ctypes.addressof(self._code))
        self._libc = _libc()

    def __call__(self) -> None:
        """Raises OSError where the kernel refuses: then the program must not run."""
        for capability in self._dropped:
            self._libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # only root has any; others are refused
        if self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(_RESTRICT_SELF, self._rules, 0)
        os.close(self._rules)
        if self._libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(self._filter), 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")


def _add(rules: int, path: Path, allowed: int) -> None:
    """Allow something beneath a path; one that is not there any more needs no rule."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        is_folder = (os.fstat(parent).st_mode & 0o170000) == 0o040000
        beneath = _Beneath(allowed if is_folder else allowed & _OF_FILES, parent)
        if beneath.allowed:
            _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(parent)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    found = int(_libc().syscall(number, *arguments))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found
