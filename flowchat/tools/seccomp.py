"""The filter of system calls that a confined program runs under, as the bytes of a classic BPF program (seccomp(2)).

It closes what folders and namespaces leave open: sockets with a path (other people's daemons), a terminal's input, other
processes' memory, key rings, new namespaces, set-user-id files. What it refuses fails with EPERM, so that programs can say so.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

AUDIT_ARCH: Final[Mapping[str, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""linux/audit.h, by the name uname(2) gives a machine."""
_X32_BIT = 0x40000000
_EPERM, _ENOSYS = 1, 38
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

Calls: TypeAlias = Mapping[str, tuple[int | None, int | None]]
"""Numbers by name, on x86_64 and on aarch64 (asm/unistd.h); None where a machine has no such call."""

_REFUSED: Final[Calls] = {
    # other processes: what they remember, what they hold open
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272)},
    **{"pidfd_getfd": (438, 438), "process_madvise": (440, 440), "perf_event_open": (298, 241)},
    # key rings are not the sandbox's own
    **{"keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218)},
    # a ring does what a filter never sees
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)},
    # mounts and roots
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268)},
    **{"open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431)},
    **{"fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_by_handle_at": (304, 265)},
    # the kernel and the machine
    **{"bpf": (321, 280), "userfaultfd": (323, 282), "kexec_load": (246, 104), "kexec_file_load": (320, 294)},
    **{"init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142)},
    **{"swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443)},
    **{"syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266)},
    **{"sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58), "fanotify_init": (300, 262)},
    **{"iopl": (172, None), "ioperm": (173, None), "uselib": (134, None), "modify_ldt": (154, None)},
}
_SHARED: Final[Calls] = {"shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180)}
"""Memory and queues of System V and POSIX that a namespace would keep apart."""
_UNKNOWN: Final[Calls] = {"clone3": (435, 435), "openat2": (437, 437)}
"""Their arguments lie in memory, where a filter cannot look: "not implemented" sends programs to the older call."""
_MODES: Final[Mapping[str, tuple[int | None, int | None, int]]] = {
    **{"chmod": (90, None, 1), "fchmod": (91, 52, 1), "fchmodat": (268, 53, 2), "fchmodat2": (452, 452, 2)},
    **{"creat": (85, None, 1), "mknod": (133, None, 1), "mknodat": (259, 33, 2)},
}
"""Numbers, and which argument is the mode: no set-user-id and no set-group-id."""
_OPENS: Final[Mapping[str, tuple[int | None, int | None, int]]] = {"open": (2, None, 1), "openat": (257, 56, 2)}
"""Numbers, and which argument is the flags; the mode follows, and counts where a file is made."""
_SET_ID = 0o6000
_CREATES = 0o100 | 0o20000000
"""O_CREAT and the bit of O_TMPFILE that is its own."""
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_NEW_TIME = 0x80
_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPES = 1, 5, 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_Instruction: TypeAlias = tuple[int, int, int, int]
_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06


def program(machine: str, sockets: bool, shared: bool) -> bytes | None:
    """The filter for a machine; None for one whose call numbers are not known here.

    `sockets`: the program may have those of the Internet (where a namespace keeps the network away); AF_UNIX never, only pairs
    that are connected from the start. `shared`: it may have System V and POSIX queues, where they are its own.
    """
    if machine not in AUDIT_ARCH:
        return None
    column = 0 if machine == "x86_64" else 1
    code: list[_Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),  # the calls of another architecture have other numbers
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32_BIT), _refuse(_ENOSYS)]
    refused = _REFUSED if shared else {**_REFUSED, **_SHARED}
    for numbers, errno in [*((n, _EPERM) for n in refused.values()), *((n, _ENOSYS) for n in _UNKNOWN.values())]:
        code += _on(numbers[column], [_refuse(errno)])
    families = (_AF_INET, _AF_INET6, _AF_NETLINK) if sockets else (_AF_NETLINK,)
    code += _on((41, 198)[column], [_argument(0), *_only(families)])
    # a pair of datagram sockets could be turned to any other address
    code += _on((53, 199)[column], [_argument(1), (_AND, 0, 0, _SOCK_TYPES), *_only((_SOCK_STREAM, _SOCK_SEQPACKET))])
    code += _on((16, 29)[column], [_argument(1), *_not((_TIOCSTI, _TIOCLINUX))])
    code += _on((56, 220)[column], [_argument(0), *_without(_NEW_NAMESPACES)])
    code += _on((272, 97)[column], [_argument(0), *_without(_NEW_NAMESPACES | _NEW_TIME)])
    for *numbers, mode in _MODES.values():
        code += _on(numbers[column], [_argument(mode), *_without(_SET_ID)])
    for *numbers, flags in _OPENS.values():
        made = [_argument(flags), (_ANY_BIT, 1, 0, _CREATES), _allow(), _argument(flags + 1), *_without(_SET_ID)]
        code += _on(numbers[column], made)
    code.append(_allow())
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _on(number: int | None, then: Sequence[_Instruction]) -> list[_Instruction]:
    """`then`, which ends in a verdict, for the call of this number; the number is loaded."""
    return [] if number is None else [(_EQUAL, 0, len(then), number), *then]


def _argument(index: int) -> _Instruction:
    """Load the low half of an argument: all that the kernel looks at of an int, on little-endian machines."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _only(values: Sequence[int]) -> list[_Instruction]:
    return [*(step for value in values for step in ((_EQUAL, 0, 1, value), _allow())), _refuse(_EPERM)]


def _not(values: Sequence[int]) -> list[_Instruction]:
    return [*(step for value in values for step in ((_EQUAL, 0, 1, value), _refuse(_EPERM))), _allow()]


def _without(bits: int) -> list[_Instruction]:
    return [(_ANY_BIT, 0, 1, bits), _refuse(_EPERM), _allow()]


def _allow() -> _Instruction:
    return (_RETURN, 0, 0, _ALLOW)


def _refuse(errno: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | errno)
