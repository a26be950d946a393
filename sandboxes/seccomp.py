"""A seccomp filter for the sandboxed processes, packed as classic BPF without libseccomp.

What it denies is what a task never needs and a kernel exploit often does: namespaces, mounts, tracing, keys, io_uring,
bpf. The kernel caches the plain "allow" of a system call, so the filter costs nothing per call.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sandboxes.descriptors import memory_file
from schemas.errors import SandboxError

# Names over both columns of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (aarch64).
DENIED: Mapping[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "memfd_create": (319, 279),  # memory that no process has mapped is nobody's, and no limit counts it
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "msgget": (68, 186),  # System V's objects stay when their maker has gone, uncounted too
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "set_mempolicy": (238, 237),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "vhangup": (153, 58),
}

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
X32_CALLS = 0x40000000
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the ones that a network namespace closes. AF_VSOCK, for one, does not know it
and reaches the machine's own host."""
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian


@dataclass(frozen=True)
class Machine:
    """One architecture's numbers."""

    audit: int
    clone: int
    clone3: int
    sockets: tuple[int, int]
    """socket and socketpair."""
    column: int
    """Its column in DENIED."""
    x32: bool


MACHINES = {
    "x86_64": Machine(audit=0xC000003E, clone=56, clone3=435, sockets=(41, 53), column=0, x32=True),
    "aarch64": Machine(audit=0xC00000B7, clone=220, clone3=435, sockets=(198, 199), column=1, x32=False),
}

Instruction = tuple[int, int, int, int]


def _load(offset: int) -> Instruction:
    return (0x20, 0, 0, offset)


def _return(value: int) -> Instruction:
    return (0x06, 0, 0, value)


def _unless_equal_skip(value: int, skip: int) -> Instruction:
    return (0x15, 0, skip, value)


def _refuse(number: int, error: int) -> tuple[Instruction, ...]:
    return (_unless_equal_skip(number, 1), _return(ERRNO | error))


@lru_cache
def build_filter(machine: str, allowed: frozenset[str] = frozenset()) -> bytes:
    """Return the filter program for `x86_64` or `aarch64`.

    A foreign architecture is killed; x32 and clone3 (whose flags a filter cannot read) do not exist; clone may not
    open namespaces, sockets are of SOCKET_FAMILIES; the rest of DENIED is not permitted, but for `allowed`.

    Raises:
        SandboxError: no table for this machine.
    """
    if machine not in MACHINES:
        raise SandboxError(
            f"no system call table for {machine}; there is one for {', '.join(MACHINES)}", transient=False
        )
    numbers = MACHINES[machine]
    program = [_load(ARCHITECTURE), (0x15, 1, 0, numbers.audit), _return(KILL), _load(NUMBER)]
    if numbers.x32:
        program += [(0x35, 0, 1, X32_CALLS), _return(ERRNO | errno.ENOSYS)]
    program += _refuse(numbers.clone3, errno.ENOSYS)
    for number in _denied_numbers(numbers.column, allowed):
        program += _refuse(number, errno.EPERM)
    for number in numbers.sockets:
        program += _refuse_other_families(number)
    program += [_unless_equal_skip(numbers.clone, 3), _load(FIRST_ARGUMENT)]
    program += [(0x45, 0, 1, NEW_NAMESPACES), _return(ERRNO | errno.EPERM), _return(ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _refuse_other_families(number: int) -> tuple[Instruction, ...]:
    known = len(SOCKET_FAMILIES)
    families = ((0x15, known - at, 0, family) for at, family in enumerate(SOCKET_FAMILIES))
    refuse = _return(ERRNO | errno.EAFNOSUPPORT)
    return (_unless_equal_skip(number, known + 3), _load(FIRST_ARGUMENT), *families, refuse, _return(ALLOW))


def _denied_numbers(column: int, allowed: frozenset[str]) -> list[int]:
    rows = (row for name, row in DENIED.items() if name not in allowed)
    return sorted(number for row in rows if (number := row[column]) is not None)


def open_filter(allowed: frozenset[str] = frozenset()) -> int:
    """Return a descriptor of this machine's filter; a new one each time, since bwrap reads it to its end.

    `allowed` are names in DENIED that one program of ours cannot do without.
    """
    return memory_file(build_filter(platform.machine(), allowed))
