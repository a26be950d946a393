"""The filter's numbers and shape; what the kernel makes of it is tested in test_hostile.py."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from sandboxes.seccomp import DENIED, MACHINES, build_filter
from schemas.errors import SandboxError

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
EPERM, ENOSYS, NO_FAMILY, ALLOWED, KILLED = 0x00050001, 0x00050026, 0x00050061, 0x7FFF0000, 0x80000000


def verdict(program: bytes, architecture: int, number: int, first: int = 0) -> int:
    """Run a filter as the kernel would."""
    data = struct.pack("<iIQQ", number, architecture, 0, first) + bytes(40)
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
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
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


@pytest.mark.parametrize("machine", MACHINES)
def test_every_denied_call_is_refused_and_others_pass(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    denied = {row[numbers.column] for row in DENIED.values()} - {None}
    for number in range(470):
        expected = EPERM if number in denied else ENOSYS if number == numbers.clone3 else ALLOWED
        assert verdict(program, numbers.audit, number, first=2) == expected, number


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_opens_no_namespace(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    assert verdict(program, numbers.audit, numbers.clone, 0x003D0F00) == ALLOWED  # a thread
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert verdict(program, numbers.audit, numbers.clone, 1 << bit | 17) == EPERM, bit


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_of_families_that_namespaces_close(machine: str) -> None:
    program, numbers = build_filter(machine), MACHINES[machine]
    for number in numbers.sockets:
        opened = {family for family in range(64) if verdict(program, numbers.audit, number, family) == ALLOWED}
        assert opened == {1, 2, 10, 16}
        assert verdict(program, numbers.audit, number, 40) == NO_FAMILY  # AF_VSOCK


def test_another_architecture_is_killed_and_x32_is_not_there() -> None:
    program = build_filter("x86_64")
    assert verdict(program, 0x40000003, 1) == KILLED
    assert verdict(program, MACHINES["x86_64"].audit, 0x40000001) == ENOSYS


def test_an_unknown_machine_is_told() -> None:
    with pytest.raises(SandboxError, match="no system call table for riscv64"):
        build_filter("riscv64")
