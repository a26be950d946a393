"""Attacks on other processes, the network and the terminal."""

from __future__ import annotations

from tests.sandboxes.attack import Attack, calling, python, taking
from tests.sandboxes.canaries import CONTROL, HARMED, REACHED

NEIGHBOURS = (
    Attack("a host's process killed", 'kill -9 "$VICTIM"; sleep 0.3', HARMED),
    Attack("every process killed", "kill -9 -1; sleep 0.3", HARMED),
    Attack("a host's process stopped", 'kill -STOP "$VICTIM"; sleep 0.3', HARMED),
    Attack("a process traced", calling("ptrace", '0x4206, int(os.environ["VICTIM"]), 0, 0', "time.sleep(0)")),
    Attack(
        "another's memory",
        taking("""
process = os.environ["VICTIM"]
for line in open(f"/proc/{process}/maps"):
    if "[heap]" in line or "[stack]" in line:
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        into = ctypes.create_string_buffer(end - start)
        to, where = ((ctypes.c_uint64 * 2)(at, end - start) for at in (ctypes.addressof(into), start))
        if libc.process_vm_readv(int(process), to, 1, where, 1, 0) > 0: won()
"""),
    ),
    Attack(
        "another's descriptor",
        taking("""
process = os.pidfd_open(int(os.environ["VICTIM"]))
if call(438, process, 0, 0) >= 0: won()
"""),
    ),
    Attack("a port of the host", 'exec 3<>"/dev/tcp/127.0.0.1/$TCP_PORT"', REACHED),
    Attack("a datagram to the host", 'echo x > "/dev/udp/127.0.0.1/$UDP_PORT"', REACHED),
    Attack(
        "a socket of the host without a file",
        python('import os, socket\nsocket.socket(socket.AF_UNIX).connect("\\0" + os.environ["ABSTRACT"])'),
        REACHED,
    ),
    Attack(
        "a name looked up",
        'echo "hosts: dns" > /etc/nsswitch.conf; echo "nameserver $RESOLVER" > /etc/resolv.conf\n'
        "timeout 1 getent hosts canary.example",
        REACHED,
    ),
    Attack(
        "the cloud's metadata",
        "timeout 2 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80' && echo \"$WON\"",
    ),
    Attack("the network's settings", 'ip address add 10.99.99.99/32 dev lo && echo "$WON"'),
    Attack(
        "raw packets",
        python("""
import os, socket
for family, kind, protocol in ((socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 0)):
    try: socket.socket(family, kind, protocol)
    except OSError: continue
    print(os.environ["WON"])
"""),
    ),
    Attack(
        "keys typed into the terminal",
        taking("""
import fcntl, termios
for name in ("/dev/tty", "/dev/console", "/proc/self/fd/0"):
    try: fcntl.ioctl(os.open(name, os.O_RDWR), termios.TIOCSTI, b" ")
    except OSError as refused:
        if refused.errno == errno.EIO: print(os.environ["ABSENT"])
    else: won()
"""),
    ),
    Attack(
        "escapes in output",
        r"printf '\e]0;title\a\e[2J\e[31m\x9b31m\xc2\x9b2J\xc2\x9d0;title\xc2\x9c\eP1$r\e\\ \e#8 \ec \b\b\x7f\n'",
        CONTROL,
    ),
    Attack(
        "escapes in names of files",
        r"cd /srv; touch $'a\e]0;title\a' $'b\nc' $'\xc2\x9b2J' $'\r\x0e'; ls; find ."
        r"; mkdir $'\e[2J'; cd $'\e[2J'; pwd",
        CONTROL,
    ),
)
