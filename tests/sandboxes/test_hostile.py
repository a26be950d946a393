"""What holds around hostile commands; the attacks themselves stand in `attacks.py` and `tampering.py`, each proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxes.base import Sandbox, Session
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.container.backend import Container
from sandboxes.images import host_image
from schemas.errors import SandboxError
from schemas.settings import default_cache
from schemas.task_spec import Script


async def test_nothing_of_our_files_is_inside(session: Session, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("HOMESECRET")
    places = [tmp_path, Path.home() / ".ssh", Path(__file__).parent, "/proc/1/root" + str(tmp_path)]
    result = await session.exec(" ; ".join(f"ls -la {place} && echo SEEN" for place in places))
    assert "SEEN" not in result.text
    assert (await session.exec("ls -A /root /home /mnt")).text.split() == [
        *("/home:", "/mnt:", "/root:", ".bashrc", ".profile")
    ]


async def test_no_mount_tells_where_the_image_lies(session: Session) -> None:
    """A path of the cache names a home, and what is observed is published."""
    told = (await session.exec("mount; cat /proc/self/mountinfo; df -a")).text
    assert "overlay" in told
    assert str(default_cache()) not in told


async def test_the_own_loopback_works(session: Session) -> None:
    code = """
import socket
with socket.create_server(("127.0.0.1", 8080)) as server, socket.create_connection(("127.0.0.1", 8080)):
    print(server.accept()[1][0])
"""
    assert (await session.run(Script(code=code, language="python"))).text == "127.0.0.1\n"


async def test_there_are_no_capabilities_and_a_filter(session: Session) -> None:
    status = (await session.exec("cat /proc/self/status")).text
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize(
    "attack",
    [
        "umount /proc",
        "mknod /root/sda b 8 0",
        "dmesg",
        "echo h > /proc/sysrq-trigger",
        "date -s 2001-01-01",
        "nsenter -t 1 -m true",
        "head -c1 /dev/mem",
        "echo 0 > /proc/self/oom_score_adj",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo renamed > /proc/self/comm",
        "touch /proc/tty/driver/x",
    ],
)
async def test_the_kernel_refuses(session: Session, attack: str) -> None:
    result = await session.exec(attack)
    assert result.exit_code != 0, result.text


async def test_a_neighbour_has_signals_left_when_a_pod_floods_them(sandbox: Sandbox, session: Session) -> None:
    """Pending signals are counted by user where no namespace bounds them, and a timer takes one."""
    if isinstance(sandbox, Container):
        pytest.skip("containers of one engine are one user to the kernel, which counts signals so: docs/sandbox.md")
    queue = """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
import ctypes, os
libc, sent = ctypes.CDLL(None), 0
while sent < 100_000 and libc.sigqueue(os.getpid(), 40, None) == 0: sent += 1
print(sent, flush=True)
time.sleep(60)
"""
    timer = "import ctypes\nprint(ctypes.CDLL(None).timer_create(1, None, ctypes.byref(ctypes.c_void_p())))"
    queued = await session.exec(f"python3 -c '{queue}' > /tmp/sent & until [ -s /tmp/sent ]; do :; done; cat /tmp/sent")
    neighbour = await sandbox.start()
    try:
        assert (await neighbour.run(Script(code=timer, language="python"))).text == "0\n"
    finally:
        await neighbour.close()
    assert int(queued.text) <= 512


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


async def test_many_processes_cannot_either(session: Session) -> None:
    hog = "python3 -c 'import time; held = bytearray(120 << 20); time.sleep(20)' &"
    result = await session.exec(f"echo begun; {hog * 6} wait", timeout=20)
    assert (result.reason, result.exit_code, result.shell_restarted) == ("memory", None, True)
    assert (await session.exec("echo next")).text == "next\n"


async def test_a_program_in_the_shells_place_has_no_more_time_than_it(session: Session) -> None:
    result = await session.exec("echo begun; exec sh -c 'sleep 60; echo ended'", timeout=0.5)
    assert (result.text, result.exit_code, result.timed_out) == ("begun\n", None, True)
    assert (await session.exec("echo a; exec sh -c 'echo b; sleep 0.2; exit 5'")).text == "a\nb\n"


@pytest.mark.parametrize("record", ["1", "1 ", "1 zero /x", "1 -7 /x", f"1 {'9' * 5000} /x", "ready", "0 0 /x"])
async def test_a_forged_report_that_makes_no_sense_is_none(session: Session, record: str) -> None:
    forge = f"for n in 9 10 11 12 13; do printf '{record}\\0' >&$n; done 2>/dev/null; sleep 0.1; (exit 7)"
    assert (await session.exec(forge)).exit_code == 7


async def test_a_report_without_an_end_ends_the_shell_at_once(session: Session) -> None:
    result = await session.exec("export A=$(head -c 2000000 /dev/zero | tr '\\0' x)", timeout=60)
    assert (result.exit_code, result.shell_restarted) == (None, True)
    assert not result.timed_out, "nobody waited for the minute to pass"
    assert (await session.exec("echo next")).text == "next\n"


@pytest.mark.parametrize(
    "sent",
    [
        "head -c 50M /dev/zero >&20",
        "head -c 50M /dev/zero | tr '\\0' x >&20",
        "for ((n = 0; n < 100; n++)); do printf 'a\\0' >&20; sleep 0.01; done",
        "for ((n = 0; n < 100000; n++)); do printf a >&20; done",
    ],
    ids=["empty records", "one record without an end", "records one by one", "byte by byte"],
)
async def test_a_flood_of_records_ends_the_shell(session: Session, sent: str) -> None:
    found = "for fd in 10 11 12 13; do grep -q '^flags:.*1$' /proc/$$/fdinfo/$fd && exec 20>&$fd; done 2>/dev/null"
    result = await session.exec(f"{found}; {sent}; sleep 50", timeout=60)
    assert (result.reason, result.exit_code, result.shell_restarted) == ("status", None, True)
    assert (await session.exec("echo next")).text == "next\n"


async def test_a_flood_of_reports_between_two_commands_ends_the_shell_too(session: Session) -> None:
    opened = "for fd in 10 11 12 13; do grep -q '^flags:.*1$' /proc/$$/fdinfo/$fd && exec 20>&$fd; done 2>/dev/null"
    await session.exec(f"{opened}; (sleep 0.3; yes '1 0 /' | tr '\\n' '\\0' >&20) & disown")
    result = await session.exec("sleep 50", timeout=60)
    assert (result.reason, result.shell_restarted) == ("status", True)


async def test_a_long_report_is_none_of_a_flood(session: Session) -> None:
    await session.exec('export LINES_OF_IT="$(seq 100000)"; for n in {1..300}; do export V$n=$n; done')
    assert (await session.exec("echo ${#LINES_OF_IT} $V300; exit")).text == "588894 300\n"
    assert (await session.exec("echo ${#LINES_OF_IT} $V300")).text == "588894 300\n"


async def test_nothing_is_put_into_a_pipe(session: Session) -> None:
    await session.exec("mkfifo /root/pipe")
    with pytest.raises(SandboxError, match="not a regular file"):
        await session.put("/root/pipe", b"given")


async def test_collecting_a_file_changes_none(session: Session) -> None:
    await session.exec("echo kept > /root/file")
    before = await session.snapshot()
    assert await session.get("/root/file") == b"kept\n"
    assert (await session.diff(before, await session.snapshot())).changes == ()


async def test_what_the_hosts_user_may_watch_is_not_used_up() -> None:
    """The kernel counts inotify by user, in the namespaces above too; only one of our own bounds its share."""
    sandbox = Bubblewrap(host_image(default_cache()))
    if not (await sandbox.probe()).usable:
        pytest.skip("bubblewrap is refused here")
    code = "import ctypes\nlibc = ctypes.CDLL(None)\nprint(sum(libc.inotify_init() >= 0 for _ in range(200)))"
    session = await sandbox.start()
    try:
        assert 8 <= int((await session.run(Script(code=code, language="python"))).text) <= 16
    finally:
        await session.close()


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


async def test_names_that_are_no_text_do_not_end_what_watches_memory(session: Session) -> None:
    code = r"""
import ctypes, mmap, os, time
ctypes.CDLL(None).prctl(15, b"\xff\xfe")
with open(b"/root/\xff", "w+b") as file:
    file.write(b"x" * 4096)
    file.flush()
    held = mmap.mmap(file.fileno(), 4096)
    time.sleep(1)
print("over")
"""
    assert (await session.run(Script(code=code, language="python"))).text == "over\n"
