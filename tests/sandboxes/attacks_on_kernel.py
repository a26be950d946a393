"""Attacks on the kernel: mounts, namespaces, devices, system calls that no task needs."""

from __future__ import annotations

from tests.sandboxes.attack import Attack, calling, number, taking

KERNEL = (
    Attack("a mount", 'mount -t tmpfs x /mnt && echo "$WON"'),
    Attack("a bind mount", 'mount --bind /etc /mnt && echo "$WON"'),
    Attack("an unmount", 'umount -l /dev/shm && echo "$WON"'),
    Attack("mounts by the new interface", calling("fsopen", 'b"tmpfs", 0')),
    Attack("a detached copy of the files", calling("open_tree", '-100, b"/", 1')),
    Attack(
        "another root",
        taking(f"""
libc.unshare(0x20000); libc.mount(b"none", b"/", None, 0x44000, None)
libc.mount(b"/srv", b"/srv", None, 0x1000, None); os.chdir("/srv")
if call({number("pivot_root")}, b".", b".") == 0: won()
"""),
    ),
    Attack("chroot", taking('os.chroot("/srv")\nwon()')),
    Attack("namespaces by unshare", 'unshare -Urm true && echo "$WON"'),
    Attack("namespaces by clone", calling("clone", "0x10000011, 0, 0, 0, 0")),
    Attack(
        "namespaces by clone3",
        calling("clone3", "ctypes.byref(request), 64", "request = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17)"),
    ),
    Attack("another's namespace", calling("setns", 'os.open("/proc/1/ns/uts", os.O_RDONLY), 0')),
    Attack("the machine's name", 'hostname conquered; [ "$(hostname)" = conquered ] && echo "$WON"'),
    Attack("what a crash runs", 'echo "|/tmp/x" > /proc/sys/kernel/core_pattern && echo "$WON"'),
    Attack("the machine's caches", 'echo 1 > /proc/sys/vm/drop_caches && echo "$WON"'),
    Attack("routing", 'sysctl -w net.ipv4.ip_forward=1 && [ -e /proc/1/fd/0 ] && ip link set lo down && echo "$WON"'),
    Attack(
        "the host's devices",
        taking("""
usual = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "fd", "mqueue", "core",
         "stdin", "stdout", "stderr"}
for name in set(os.listdir("/dev")) - usual:
    try: os.open("/dev/" + name, os.O_RDWR)
    except OSError: continue
    won()
"""),
    ),
    Attack("a device of its own", 'mknod /srv/null c 1 3 && echo "$WON"', as_root=True),
    Attack(
        "a file by its handle",
        taking(f"""
handle, mount = (ctypes.c_uint32 * 34)(128), ctypes.c_int()
call({number("name_to_handle_at")}, -100, b"/dev/shm", handle, ctypes.byref(mount), 0)
if call({number("open_by_handle_at")}, os.open("/dev/shm", os.O_RDONLY), handle, 0) >= 0: won()
"""),
        as_root=True,
    ),
    Attack("programs in the kernel", calling("bpf", "0, (ctypes.c_uint32 * 32)(2, 4, 4, 1), 128"), as_root=True),
    Attack("io_uring", calling("io_uring_setup", "8, ctypes.create_string_buffer(256)")),
    Attack("faults handled in user space", calling("userfaultfd", "1")),
    Attack(
        "performance counters",
        calling(
            "perf_event_open",
            "attributes, 0, -1, -1, 0",
            "attributes = (ctypes.c_uint64 * 16)(112 << 32 | 1, 1, 0, 0, 0, 0x60)",
        ),
    ),
    Attack("keys", calling("add_key", 'b"user", b"canary", b"x", 1, -2')),
    Attack("what processes share", calling("kcmp", "os.getpid(), os.getpid(), 0, 0, 1")),
    Attack(
        "sockets that know no namespace",
        taking("""
try: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
except OSError as refused:
    if refused.errno == errno.EAFNOSUPPORT: print(os.environ["ABSENT"])
else: won()
"""),
    ),
    Attack(
        "ciphers in the kernel",
        taking("""
try: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).bind(("hash", "sha256"))
except OSError as refused:
    if refused.errno in (errno.EAFNOSUPPORT, errno.ENOENT): print(os.environ["ABSENT"])
else: won()
"""),
    ),
)
