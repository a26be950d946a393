"""A seccomp filter for the sandboxed processes, packed as classic BPF without libseccomp.

What it denies is what a task never needs and a kernel exploit often does: namespaces, mounts, tracing, keys, io_uring,
bpf; and what would hold memory that no process shows. The kernel caches the plain "allow" of a system call, so the
filter costs nothing per call but for the six whose arguments it looks at.
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
    "io_setup": (206, 0),  # fs.aio-max-nr is the whole machine's
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "landlock_create_ruleset": (444, 444),  # rules without number, in memory that no limit counts
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
    "mq_open": (240, 180),
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
    "sched_setaffinity": (203, 122),  # a process that hops between cores makes a neighbour wait on each
    "semget": (64, 190),
    "sendfile": (40, 71),  # sends a page whole of which it charges one byte
    "set_mempolicy": (238, 237),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "splice": (275, 76),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sync": (162, 81),  # writes out what the whole machine has written; a layer is memory
    "syncfs": (306, 267),
    "syslog": (103, 116),
    "tee": (276, 77),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "vhangup": (153, 58),
    "vmsplice": (278, 75),
}

ERRORS: Mapping[str, int] = {
    "io_setup": errno.ENOSYS,
    "landlock_create_ruleset": errno.ENOSYS,
    "sched_setaffinity": 0,
    "sendfile": errno.EINVAL,
    "sync": 0,
    "syncfs": 0,
}
"""What programs take for "not here", and go another way, or for done (0); all others of DENIED are not permitted."""

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
X32_CALLS = 0x40000000
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the ones that a network namespace closes. AF_VSOCK, for one, does not know it
and reaches the machine's own host."""
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian
SHARED_BYTES, SHARED_FILE_BYTES, PIPE_BYTES = 16 << 20, 128 << 20, 64 << 10
"""Of one shared mapping without a file, of one with a file (/dev/zero is one), of one pipe: the kernel keeps what was
written when its pages are let go of, and no process shows how much. `held_memory.py` counts the mappings."""
MAP_SHARED, MAP_ANONYMOUS, MAP_HUGETLB = 0x1, 0x20, 0x40000
CLONE_THREAD, CLONE_FILES = 0x10000, 0x400
SET_PIPE_SIZE, FUTEX_HASH, SOL_SOCKET = 1031, 78, 1  # fcntl, prctl, setsockopt
OPEN_FILE_LOCKS = (36, 37, 38)
"""F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW: /proc/locks does not say whose they are."""
BUFFER_OPTIONS = (7, 8)
"""SO_SNDBUF, SO_RCVBUF: accepted and not followed, as by a kernel that has its own bounds (they may be megabytes)."""
SOCKET_OPTIONS = (26, 50, 51, 52, 60)
"""Programs on a socket (SO_ATTACH_*) and SO_ZEROCOPY: memory beside its buffers."""


@dataclass(frozen=True)
class Machine:
    """One architecture's numbers."""

    audit: int
    clone: int
    clone3: int
    sockets: tuple[int, int]
    """socket and socketpair."""
    mmap: int
    fcntl: int
    setsockopt: int
    prctl: int
    column: int
    """Its column in DENIED."""
    x32: bool


MACHINES = {
    "x86_64": Machine(
        audit=0xC000003E,
        clone=56,
        clone3=435,
        sockets=(41, 53),
        mmap=9,
        fcntl=72,
        setsockopt=54,
        prctl=157,
        column=0,
        x32=True,
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        clone=220,
        clone3=435,
        sockets=(198, 199),
        mmap=222,
        fcntl=25,
        setsockopt=208,
        prctl=167,
        column=1,
        x32=False,
    ),
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


def _argument(at: int, high: bool = False) -> Instruction:
    """Load one half of an argument."""
    return _load(FIRST_ARGUMENT + 8 * at + 4 * high)


@lru_cache
def build_filter(machine: str, allowed: frozenset[str] = frozenset()) -> bytes:
    """Return the filter program for `x86_64` or `aarch64`.

    A foreign architecture is killed; x32 and clone3 (whose flags a filter cannot read) do not exist; clone may not
    open namespaces, sockets are of SOCKET_FAMILIES; shared mappings, pipes and socket buffers are bounded; the rest of
    DENIED is not permitted, but for `allowed`.

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
    for rule in _rules_on_arguments(numbers, allowed):  # first, since the kernel runs the filter for these alone
        program += rule
    program += _refuse(numbers.clone3, errno.ENOSYS)
    for number, error in _denied_numbers(numbers.column, allowed):
        program += _refuse(number, error)
    program.append(_return(ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _rules_on_arguments(numbers: Machine, allowed: frozenset[str]) -> list[list[Instruction]]:
    """Return what depends on arguments; every rule says the last word about its call."""
    rules = [_only(number, _refuse_other_families()) for number in numbers.sockets]
    if "mmap" not in allowed:
        rules.append(_only(numbers.mmap, _bound_shared_mappings()))
    rules.append(_only(numbers.fcntl, _bound_pipes_and_locks()))
    rules.append(_only(numbers.setsockopt, _bound_sockets()))
    rules.append(_only(numbers.prctl, [_argument(0), *_refuse(FUTEX_HASH, errno.EINVAL)]))
    rules.append(_only(numbers.clone, _refuse_namespaces_and_hidden_descriptors()))
    return rules


def _only(number: int, block: list[Instruction]) -> list[Instruction]:
    return [_unless_equal_skip(number, len(block) + 1), *block, _return(ALLOW)]


def _refuse_other_families() -> list[Instruction]:
    known = len(SOCKET_FAMILIES)
    families = ((0x15, known - at, 0, family) for at, family in enumerate(SOCKET_FAMILIES))
    return [_argument(0), *families, _return(ERRNO | errno.EAFNOSUPPORT)]


def _bound_shared_mappings() -> list[Instruction]:
    """Refuse huge pages of the machine's own store, and shared mappings that are too large."""
    refuse = _return(ERRNO | errno.ENOMEM)
    return [
        *(_argument(3), (0x45, 0, 1, MAP_HUGETLB), refuse),
        *((0x45, 1, 0, MAP_SHARED), _return(ALLOW)),
        *(_argument(1, high=True), (0x15, 1, 0, 0), refuse),
        *(_argument(3), (0x45, 0, 2, MAP_ANONYMOUS)),
        *(_argument(1), (0x25, 2, 3, SHARED_BYTES)),
        *(_argument(1), (0x25, 0, 1, SHARED_FILE_BYTES), refuse),
    ]


def _bound_pipes_and_locks() -> list[Instruction]:
    larger = ((0x25, 0, 1, PIPE_BYTES), _return(ERRNO | errno.EPERM))
    unknown = [part for command in OPEN_FILE_LOCKS for part in _refuse(command, errno.EINVAL)]
    return [_argument(1), *unknown, _unless_equal_skip(SET_PIPE_SIZE, 3), _argument(2), *larger]


def _bound_sockets() -> list[Instruction]:
    refused = [part for option in SOCKET_OPTIONS for part in _refuse(option, errno.EPERM)]
    ignored = [part for option in BUFFER_OPTIONS for part in _refuse(option, 0)]
    options = [_argument(2), *refused, *ignored]
    return [_argument(1), _unless_equal_skip(SOL_SOCKET, len(options)), *options]


def _refuse_namespaces_and_hidden_descriptors() -> list[Instruction]:
    """A thread with descriptors of its own would have what no list of its process shows."""
    refuse = _return(ERRNO | errno.EPERM)
    threads = ((0x45, 0, 2, CLONE_THREAD), (0x45, 1, 0, CLONE_FILES), refuse)
    return [_argument(0), (0x45, 0, 1, NEW_NAMESPACES), refuse, *threads]


def _denied_numbers(column: int, allowed: frozenset[str]) -> list[tuple[int, int]]:
    rows = ((name, row[column]) for name, row in DENIED.items() if name not in allowed)
    return sorted((number, ERRORS.get(name, errno.EPERM)) for name, number in rows if number is not None)


def open_filter(allowed: frozenset[str] = frozenset()) -> int:
    """Return a descriptor of this machine's filter; a new one each time, since bwrap reads it to its end.

    `allowed` are names in DENIED that one program of ours cannot do without; `mmap` = shared mappings of any size.
    """
    return memory_file(build_filter(platform.machine(), allowed))
