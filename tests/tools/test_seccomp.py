"""The filter of system calls, run here as the kernel would run it."""

import errno
import os
import struct

import pytest

from flowchat.tools.seccomp import AUDIT_ARCH, program

ALLOWED, KILLED = 0x7FFF0000, 0x80000000
NUMBERS = {
    "x86_64": {
        **{"socket": 41, "socketpair": 53, "ioctl": 16, "clone": 56, "unshare": 272, "chmod": 90, "fchmodat": 268, "open": 2},
        **{"openat": 257, "creat": 85, "mknodat": 259, "ptrace": 101, "keyctl": 250, "io_uring_setup": 425, "clone3": 435},
        **{"openat2": 437, "read": 0, "write": 1, "execve": 59, "shmget": 29, "mount": 165, "fchmodat2": 452},
    },
    "aarch64": {
        **{"socket": 198, "socketpair": 199, "ioctl": 29, "clone": 220, "unshare": 97, "fchmodat": 53, "openat": 56},
        **{"mknodat": 33, "ptrace": 117, "keyctl": 219, "io_uring_setup": 425, "clone3": 435, "openat2": 437, "read": 63},
        **{"write": 64, "execve": 221, "shmget": 194, "mount": 40, "fchmodat2": 452},
    },
}
HIGH = 1 << 32
O_CREAT, O_TMPFILE, O_WRONLY = 0o100, 0o20200000, 0o1
CASES: list[tuple[str, tuple[int, ...], int]] = [
    *(("read", (), 0), ("write", (), 0), ("execve", (), 0)),
    *(("socket", (1, 1), errno.EPERM), ("socket", (1 | HIGH, 1), errno.EPERM), ("socket", (2, 1), 0), ("socket", (10, 2), 0)),
    *(
        ("socket", (16, 3), 0),
        ("socket", (40, 1), errno.EPERM),
        ("socket", (17, 3), errno.EPERM),
        ("socket", (38, 5), errno.EPERM),
    ),
    *(("socketpair", (1, 1), 0), ("socketpair", (1, 5), 0), ("socketpair", (1, 1 | 0o2000000 | 0o4000), 0)),
    *(("socketpair", (1, 2), errno.EPERM), ("socketpair", (1, 3), errno.EPERM), ("socketpair", (1, 2 | 0o2000000), errno.EPERM)),
    *(("ioctl", (0, 0x5412), errno.EPERM), ("ioctl", (0, 0x541C), errno.EPERM), ("ioctl", (0, 0x5412 | HIGH), errno.EPERM)),
    *(("ioctl", (0, 0x5413), 0), ("clone", (17,), 0), ("clone", (0x01200011,), 0), ("clone", (0x10000011,), errno.EPERM)),
    *(("clone", (0x00020011,), errno.EPERM), ("unshare", (0x10000000,), errno.EPERM), ("unshare", (0x80,), errno.EPERM)),
    *(("unshare", (0x400,), 0), ("clone3", (), errno.ENOSYS), ("openat2", (), errno.ENOSYS)),
    *(("chmod", (0, 0o755), 0), ("chmod", (0, 0o4755), errno.EPERM), ("chmod", (0, 0o2755), errno.EPERM)),
    *(("fchmodat", (0, 0, 0o4755), errno.EPERM), ("fchmodat", (0, 0, 0o1777), 0), ("fchmodat2", (0, 0, 0o6000), errno.EPERM)),
    *(("open", (0, O_CREAT, 0o4755), errno.EPERM), ("open", (0, O_WRONLY, 0o4755), 0), ("open", (0, O_CREAT, 0o644), 0)),
    *(("openat", (0, 0, O_CREAT, 0o2644), errno.EPERM), ("openat", (0, 0, O_TMPFILE, 0o4000), errno.EPERM)),
    *(("openat", (0, 0, 0o200000, 0o4000), 0), ("creat", (0, 0o4755), errno.EPERM), ("mknodat", (0, 0, 0o104755), errno.EPERM)),
    *(("ptrace", (), errno.EPERM), ("keyctl", (), errno.EPERM), ("io_uring_setup", (), errno.EPERM), ("mount", (), errno.EPERM)),
]


def verdict(code: bytes, architecture: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What a classic BPF program says of a call (struct seccomp_data)."""
    seen = struct.pack("<iIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    steps, place, value = list(struct.iter_unpack("<HBBI", code)), 0, 0
    while True:
        operation, if_so, if_not, constant = steps[place]
        place += 1
        match operation:
            case 0x20:
                value = struct.unpack_from("<I", seen, constant)[0]
            case 0x54:
                value &= constant
            case 0x06:
                return constant
            case _:
                holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[operation]
                place += if_so if holds else if_not


@pytest.mark.parametrize("machine", AUDIT_ARCH)
@pytest.mark.parametrize(("call", "arguments", "refused"), CASES)
def test_a_call_is_let_through_or_refused(machine: str, call: str, arguments: tuple[int, ...], refused: int) -> None:
    code = program(machine, sockets=True, shared=True)
    assert code is not None
    if call in NUMBERS[machine]:
        expected = ALLOWED if refused == 0 else 0x50000 | refused
        assert verdict(code, AUDIT_ARCH[machine], NUMBERS[machine][call], arguments) == expected


@pytest.mark.parametrize("machine", AUDIT_ARCH)
def test_without_a_network_of_its_own_or_queues_of_its_own_there_are_none(machine: str) -> None:
    code = program(machine, sockets=False, shared=False)
    assert code is not None
    asked = [("socket", (2, 1)), ("socket", (10, 1)), ("socket", (16, 3)), ("shmget", ())]
    said = [verdict(code, AUDIT_ARCH[machine], NUMBERS[machine][call], arguments) for call, arguments in asked]
    assert said == [0x50000 | errno.EPERM, 0x50000 | errno.EPERM, ALLOWED, 0x50000 | errno.EPERM]


def test_the_calls_of_another_architecture_end_the_program_and_those_of_x32_are_unknown() -> None:
    code = program("x86_64", sockets=True, shared=True)
    assert code is not None
    said = verdict(code, 0x40000003, 102), verdict(code, AUDIT_ARCH["x86_64"], 0x40000000 | 41, (1,))
    assert said == (KILLED, 0x50000 | errno.ENOSYS)


def test_a_machine_whose_numbers_are_not_known_gets_no_filter() -> None:
    assert program("riscv64", sockets=True, shared=True) is None


def test_the_numbers_of_this_machine_are_those_of_its_headers() -> None:
    header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    if not os.path.exists(header):
        pytest.skip("the kernel's headers are not installed here (linux-libc-dev)")
    with open(header) as file:
        known = {words[1][5:]: int(words[2]) for line in file if len(words := line.split()) == 3 and words[1].startswith("__NR_")}
    ours = {name: number for name, number in NUMBERS["x86_64"].items() if name in known}
    assert ours == {name: known[name] for name in ours}
