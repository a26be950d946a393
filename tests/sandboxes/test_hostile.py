"""What an agent may try against the walls, its neighbours, the host and the check; the attacks are real."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import pytest

from sandboxes.base import Sandbox, Session
from schemas.task_spec import Script

CHECK = Script(code="cat /root/answer | grep -q right && echo CHECK_PASS || echo CHECK_FAIL")


async def test_nothing_of_our_environment_is_inside(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secrets.token_hex(16)
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    session = await sandbox.start()
    try:
        seen = await session.exec("env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; set")
        checked = await session.run(Script(code="env; cat /proc/*/environ"))
        assert "HOME=/root" in seen.text
        assert secret not in seen.text + checked.text
    finally:
        await session.close()


async def test_nothing_of_our_files_is_inside(session: Session, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("HOMESECRET")
    places = [tmp_path, Path.home() / ".ssh", Path(__file__).parent, "/proc/1/root" + str(tmp_path)]
    result = await session.exec(" ; ".join(f"ls -la {place} && echo SEEN" for place in places))
    assert "SEEN" not in result.text
    assert (await session.exec("ls -A /root /home /mnt")).text.split() == [
        *("/home:", "/mnt:", "/root:", ".bashrc", ".profile")
    ]


async def test_there_is_no_network(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name := f"\0trajmill-{secrets.token_hex(8)}")
        abstract.listen()
        code = f"""
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", {tcp.getsockname()[1]})), (socket.AF_INET, ("1.1.1.1", 53)),
                        (socket.AF_UNIX, {name!r})):
    try:
        with socket.socket(family) as connection:
            connection.settimeout(3)
            connection.connect(address)
        print("CONNECTED")
    except OSError as refused:
        print(type(refused).__name__)
"""
        result = await session.run(Script(code=code, language="python"))
        assert result.text.split() == ["ConnectionRefusedError", "OSError", "ConnectionRefusedError"]
    assert (await session.exec("tail -n +3 /proc/net/dev | cut -d: -f1 | xargs")).text == "lo\n"


async def test_the_own_loopback_works(session: Session) -> None:
    code = """
import socket
with socket.create_server(("127.0.0.1", 8080)) as server, socket.create_connection(("127.0.0.1", 8080)):
    print(server.accept()[1][0])
"""
    assert (await session.run(Script(code=code, language="python"))).text == "127.0.0.1\n"


async def test_no_host_process_is_seen_or_reached(session: Session) -> None:
    assert "No such process" in (await session.exec(f"kill -9 {os.getpid()}")).text
    assert int((await session.exec("ls -d /proc/[0-9]* | wc -l")).text) < 8
    assert (await session.exec("kill -9 -1; echo alive")).text.endswith("alive\n")


async def test_there_are_no_capabilities_and_a_filter(session: Session) -> None:
    status = (await session.exec("cat /proc/self/status")).text
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize(
    "attack",
    [
        "mount -t tmpfs x /mnt",
        "umount /proc",
        "unshare -Ur true",
        "unshare -n true",
        "mknod /root/sda b 8 0",
        "chroot / true",
        "dmesg",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo b > /proc/sysrq-trigger",
        "hostname changed",
        "date -s 2001-01-01",
        "nsenter -t 1 -m true",
        "head -c1 /dev/mem",
    ],
)
async def test_the_kernel_refuses(session: Session, attack: str) -> None:
    result = await session.exec(attack)
    assert result.exit_code != 0, result.text


async def test_denied_system_calls_fail(session: Session) -> None:
    code = """
import ctypes, os, platform
calls = {"x86_64": (101, 321, 250, 272, 425, 323, 298, 435), "aarch64": (117, 280, 219, 97, 425, 282, 241, 435)}
libc = ctypes.CDLL(None, use_errno=True)
for number in calls[platform.machine()]:
    ctypes.set_errno(0)
    print(libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())
"""
    # io_uring and the like: EPERM; clone3, whose flags no filter can read: ENOSYS, so that libc falls back to clone
    result = await session.run(Script(code=code, language="python"))
    assert result.text.splitlines() == ["-1 1"] * 7 + ["-1 38"]


async def test_a_fork_bomb_is_bounded_and_the_shell_survives(session: Session) -> None:
    bomb = "b() { b | b & }; b 2>/dev/null; sleep 0.7; set -- /proc/[0-9]*; echo procs $#"
    result = await session.exec(bomb, timeout=5)
    if not result.timed_out:
        assert int(result.text.split()[-1]) < 64
    await session.exec("exit")
    assert (await session.exec("echo next")).text == "next\n"


async def test_one_process_cannot_take_much_memory(session: Session) -> None:
    code = "held = []\nfor _ in range(60): held.append(bytearray(10 << 20))\nprint('GOT 600 MB')"
    result = await session.run(Script(code=code, language="python"))
    assert "MemoryError" in result.text and result.exit_code == 1


async def test_many_processes_cannot_either(session: Session) -> None:
    hog = "python3 -c 'import time; held = bytearray(120 << 20); time.sleep(20)' &"
    result = await session.exec(f"echo begun; {hog * 6} wait", timeout=20)
    assert (result.reason, result.exit_code, result.shell_restarted) == ("memory", None, True)
    assert (await session.exec("echo next")).text == "next\n"


async def test_disk_is_bounded_and_the_check_still_has_room(session: Session) -> None:
    result = await session.exec(
        "for d in /root /tmp /var/tmp; do head -c 20M /dev/zero > $d/fill; done; du -sm / 2>/dev/null | cut -f1",
        timeout=30,
    )
    assert "No space left" in result.text
    await session.exec("i=0; cd /srv; while echo > $((i++)); do :; done 2>/dev/null", timeout=3)
    snapshot = await session.snapshot()
    checked = await session.run(Script(code="echo ok > /tmp/room && cat /tmp/room"), on=snapshot, trusted_tools=True)
    assert checked.text == "ok\n"


async def test_a_file_is_bounded(session: Session) -> None:
    result = await session.exec("head -c 30M /dev/zero > /dev/shm/large; stat -c %s /dev/shm/large")
    assert int(result.text.split()[-1]) <= 24 << 20


async def test_nothing_escapes_to_the_host(session: Session) -> None:
    name = f"escaped-{secrets.token_hex(8)}"
    await session.exec(f"for d in / /usr/bin /etc /tmp /root /dev/shm /var/tmp /mnt /home; do echo x > $d/{name}; done")
    hosts = ("/", "/usr/bin", "/etc", "/tmp", "/root", "/dev/shm", "/var/tmp", "/mnt", "/home")
    assert [folder for folder in hosts if os.access(Path(folder, name), os.F_OK)] == []


FOOLING = {
    "grep replaced": "printf '#!/bin/sh\\nexit 0\\n' > /usr/bin/grep",
    "grep in a folder of PATH": "cp /bin/true /usr/local/bin/grep; cp /bin/true /usr/local/sbin/cat",
    "the /bin link replaced": "rm /bin; mkdir /bin; cp /usr/bin/bash /usr/bin/true /bin/; cp /usr/bin/true /bin/grep",
    "functions and start-up files": "echo 'grep() { return 0; }' | tee /root/.bashrc /root/.profile /etc/profile "
    "/etc/bash.bashrc /root/.bash_profile; export BASH_ENV=/root/.bashrc ENV=/root/.bashrc; grep() { true; }; "
    "export -f grep; alias grep=true",
    "a library for every program": "echo /tmp/liar.so > /etc/ld.so.preload; export LD_PRELOAD=/tmp/liar.so",
    "the loader's cache": "head -c 4096 /dev/urandom > /etc/ld.so.cache",
    "libraries replaced": "cd /usr/lib; for f in */libpcre2-8.so.0; do echo > $f; done",
    "bash replaced": "cp /usr/bin/true /usr/bin/bash",
    "everything deleted": "rm -rf /usr /bin /sbin /lib /lib64",
}


@pytest.mark.parametrize("trick", FOOLING)
async def test_a_check_with_trusted_tools_is_not_fooled(session: Session, trick: str) -> None:
    await session.exec("echo wrong > /root/answer; " + FOOLING[trick])
    wrong = await session.run(CHECK, on=await session.snapshot(), trusted_tools=True)
    assert wrong.text == "CHECK_FAIL\n"


@pytest.mark.parametrize("trick", FOOLING)
async def test_a_check_with_trusted_tools_still_sees_what_is_right(session: Session, trick: str) -> None:
    await session.exec("echo right > /root/answer; " + FOOLING[trick])
    right = await session.run(CHECK, on=await session.snapshot(), trusted_tools=True)
    assert right.text == "CHECK_PASS\n"


async def test_without_trusted_tools_the_trick_works(session: Session) -> None:
    """The tricks are real: this is what a check with the agent's own tools would have said."""
    await session.exec("echo wrong > /root/answer; " + FOOLING["grep replaced"])
    assert (await session.run(CHECK, on=await session.snapshot())).text == "CHECK_PASS\n"


async def test_a_python_check_imports_nothing_of_the_agents(session: Session) -> None:
    await session.exec(
        "echo 'print(\"FOOLED\"); raise SystemExit(0)' > /root/json.py; cp /root/json.py /root/sitecustomize.py;"
        "for v in /usr/lib/python3.*; do site=/usr/local/lib/${v##*/}/dist-packages; mkdir -p $site /etc/${v##*/};"
        "echo 'import sys; print(\"FOOLED\"); sys.exit(0)' > $site/x.pth; cp /root/json.py $site/sitecustomize.py;"
        "cp /root/json.py /etc/${v##*/}/sitecustomize.py; cp /root/json.py $v/json/__init__.py; done"
    )
    check = Script(code="import json\nprint('judged')\nexit(json.loads('3'))", language="python")
    result = await session.run(check, on=await session.snapshot(), trusted_tools=True)
    assert (result.text, result.exit_code) == ("judged\n", 3)


async def test_programs_of_the_agents_own_are_there_for_the_check(session: Session) -> None:
    await session.exec("printf '#!/bin/bash\\necho $(($1))\\n' > /usr/local/bin/calc; chmod +x /usr/local/bin/calc")
    result = await session.run(Script(code="calc '2*3'"), on=await session.snapshot(), trusted_tools=True)
    assert result.text == "6\n"


async def test_an_agent_that_destroyed_its_system_is_told_so(session: Session) -> None:
    await session.exec("rm -rf /usr")
    await session.exec("exit")
    result = await session.exec("echo next")
    assert (result.exit_code, result.shell_restarted) == (127, True)
    assert "bash" in result.text
