"""The filter's numbers and shape; what the kernel makes of it is tested in test_hostile.py."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from sandboxes.seccomp import DENIED, ERRORS, MACHINES, PIPE_BYTES, SHARED_BYTES, SHARED_FILE_BYTES, build_filter
from schemas.errors import SandboxError

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
EPERM, ENOSYS, NO_FAMILY, ALLOWED, KILLED = 0x00050001, 0x00050026, 0x00050061, 0x7FFF0000, 0x80000000
NO_MEMORY, INVALID, PRETENDED = 0x0005000C, 0x00050016, 0x00050000


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel would."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, value = 0, 0
    while True:
        code, then, otherwise, operand = instructions[at]
        at += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            value = struct.unpack_from("<I", data, operand)[0]
            continue
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand), 0x25: value > operand}[
            code
        ]
        at += then if holds else otherwise


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text())
    numbers = {name: int(number) for name, number in found}
    column = MACHINES[machine].column
    ours = {name: row[column] for name, row in DENIED.items() if row[column] is not None}
    assert ours == {name: numbers[name] for name in ours}
    assert (MACHINES[machine].clone, MACHINES[machine].clone3) == (numbers["clone"], numbers["clone3"])
    assert MACHINES[machine].sockets == (numbers["socket"], numbers["socketpair"])
    for name in ("mmap", "fcntl", "setsockopt", "prctl"):
        assert getattr(MACHINES[machine], name) == numbers[name]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_denied_call_is_refused_and_others_pass(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    denied = {row[numbers.column]: 0x00050000 | ERRORS.get(name, 1) for name, row in DENIED.items()}
    for number in range(470):
        expected = ENOSYS if number == numbers.clone3 else denied.get(number, ALLOWED)
        assert verdict(program, numbers.audit, number, 2) == expected, number


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_opens_no_namespace(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    assert verdict(program, numbers.audit, numbers.clone, 0x003D0F00) == ALLOWED  # a thread
    assert verdict(program, numbers.audit, numbers.clone, 0x003D0B00) == EPERM  # one with descriptors of its own
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert verdict(program, numbers.audit, numbers.clone, 1 << bit | 17) == EPERM, bit


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_of_families_that_namespaces_close(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    for number in numbers.sockets:
        opened = {family for family in range(64) if verdict(program, numbers.audit, number, family) == ALLOWED}
        assert opened == {1, 2, 10, 16}
        assert verdict(program, numbers.audit, number, 40) == NO_FAMILY  # AF_VSOCK


@pytest.mark.parametrize("machine", MACHINES)
def test_shared_mappings_are_bounded(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]

    def mapped(length: int, flags: int, program: bytes = program) -> int:
        return verdict(program, numbers.audit, numbers.mmap, 0, length, 3, flags)

    assert mapped(1 << 40, 0x22) == mapped(SHARED_BYTES, 0x21) == mapped(SHARED_FILE_BYTES, 0x1) == ALLOWED
    assert mapped(SHARED_BYTES + 1, 0x21) == mapped(1 << 32, 0x21) == mapped(SHARED_BYTES + 1, 0x23) == NO_MEMORY
    assert mapped(SHARED_FILE_BYTES + 1, 0x1) == mapped(1 << 33, 0x3) == NO_MEMORY
    assert mapped(4096, 0x40022) == NO_MEMORY  # huge pages
    assert mapped(1 << 40, 0x21, build_filter(machine, frozenset(("mmap",)))) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_what_holds_memory_unseen_is_bounded(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    assert verdict(program, numbers.audit, numbers.fcntl, 3, 1031, PIPE_BYTES) == ALLOWED
    assert verdict(program, numbers.audit, numbers.fcntl, 3, 1031, PIPE_BYTES + 1) == EPERM
    assert verdict(program, numbers.audit, numbers.fcntl, 3, 1030, 1 << 20) == ALLOWED
    assert verdict(program, numbers.audit, numbers.prctl, 78, 1, 1 << 20) == INVALID
    assert verdict(program, numbers.audit, numbers.prctl, 15) == ALLOWED
    for option, expected in ((7, PRETENDED), (8, PRETENDED), (26, EPERM), (60, EPERM), (2, ALLOWED)):
        assert verdict(program, numbers.audit, numbers.setsockopt, 3, 1, option) == expected, option
    assert verdict(program, numbers.audit, numbers.setsockopt, 3, 6, 26) == ALLOWED


def test_another_architecture_is_killed_and_x32_is_not_there() -> None:
    program = build_filter("x86_64")
    assert verdict(program, 0x40000003, 1) == KILLED
    assert verdict(program, MACHINES["x86_64"].audit, 0x40000001) == ENOSYS


def test_an_unknown_machine_is_told() -> None:
    with pytest.raises(SandboxError, match="no system call table for riscv64"):
        build_filter("riscv64")
