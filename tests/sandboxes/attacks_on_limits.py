"""Attacks on the limits themselves: memory that no process shows, and what bounds the agent made looser."""

from __future__ import annotations

import textwrap

from tests.sandboxes.attack import Attack, calling, taking

HOLD_SECONDS = 4
HELD_SECONDS = 12
"""What many processes hold takes a second to count, and many times that on a busy machine."""


def held_by(children: int, code: str) -> str:
    """Return an attack that wins when all children have run `code` and have kept what it made for a while.

    The while begins when the last of them is ready, so that a busy machine takes nothing from it.
    """
    return taking(f"""
import resource, select
ready, tell = os.pipe()
for _ in range({children}):
    if os.fork() == 0:
{textwrap.indent(code.strip(), " " * 8)}
        os.write(tell, b"x")
        time.sleep(60)
        os._exit(0)
for _ in range({children}): os.read(ready, 1)
time.sleep({HELD_SECONDS})
won()
""")


LIMITS = (
    Attack(
        "shared memory whose pages are let go of",
        taking("""
held = []
for _ in range(30):
    held.append(mmap.mmap(-1, 16 << 20))
    for at in range(0, 16 << 20, 4096): held[-1][at] = 1
    held[-1].madvise(mmap.MADV_DONTNEED)
time.sleep(1.5)
won()
"""),
        slow=True,
    ),
    Attack(
        "memory behind a first thread that has ended",
        taking(f"""
def hold():
    held = [bytearray(20 << 20) for _ in range(11)]
    time.sleep({HOLD_SECONDS})
    won()
for _ in range(3):
    if os.fork() == 0:
        threading.Thread(target=hold).start()
        libc.syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # exit: of this thread alone
time.sleep({HOLD_SECONDS} + 1)
"""),
        seconds=12,
        slow=True,
    ),
    Attack(
        "memory of what another thread has begun",
        taking(f"""
import subprocess, sys
code = "import time; held = [bytearray(20 << 20) for _ in range(11)]; time.sleep({HOLD_SECONDS + 2})"
begin = lambda: subprocess.run([sys.executable, "-c", code])
threads = [threading.Thread(target=begin) for _ in range(3)]
[thread.start() for thread in threads]
time.sleep({HOLD_SECONDS})
won()
"""),
        seconds=12,
        slow=True,
    ),
    Attack(
        "locks of a file's ranges",
        taking(f"""
import fcntl
files = [open(f"/root/locked{{at}}", "w") for at in range(100)]
for at in range(0, 1200, 2):
    for file in files: fcntl.lockf(file, fcntl.LOCK_EX, 1, at)
time.sleep({HOLD_SECONDS})
won()
"""),
        seconds=12,
        slow=True,
    ),
    Attack(
        "locks that belong to nobody",
        taking("""
import fcntl, struct
file = open("/root/locked", "w")
fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
won()
"""),
    ),
    Attack(
        "records of mappings",
        held_by(
            8,
            """
held = mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(held))
for at in range(0, 49_000, 2): libc.mprotect(ctypes.c_void_p(address + 4096 * at), 4096, 1)
""",
        ),
        seconds=45,
        slow=True,
    ),
    Attack(
        "memory in pipes",
        held_by(
            45,
            """
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
try:
    while len(held) < 125: held.append(os.pipe())
except OSError: pass
""",
        ),
        seconds=45,
        slow=True,
    ),
    Attack(
        "epolls that watch all they can",
        held_by(
            42,
            """
held, files = [select.epoll() for _ in range(110)], [os.eventfd(0) for _ in range(110)]
for one in held:
    for file in files: one.register(file, 1)
""",
        ),
        seconds=45,
        slow=True,
    ),
    Attack(
        "files that an epoll goes on watching",
        held_by(
            9,
            """
held = [select.epoll() for _ in range(32)]
files = [os.eventfd(0) for _ in range(100)]
for file in files:
    for number in range(160, 240):
        os.dup2(file, number)
        for one in held: one.register(number, 1)
""",
        ),
        seconds=45,
        slow=True,
    ),
    Attack(
        "lists of a folder's names",
        taking(f"""
for at in range(6000): open(f"/var/log/{{at:0230}}", "w").close()
held = []
buffer = ctypes.create_string_buffer(400)
for at in range(150):
    held.append(os.open("/var/log", os.O_RDONLY | os.O_DIRECTORY))
    libc.getdents64(held[-1], buffer, 400)
    open(f"/var/log/v{{at}}", "w").close()
time.sleep({HOLD_SECONDS})
won()
"""),
        seconds=12,
        slow=True,
    ),
    Attack(
        "the kernel's choice of whom to kill",
        'before=$(cat /proc/self/oom_score_adj); echo $((before + 1)) > /proc/self/oom_score_adj && echo "$WON"',
    ),
    Attack("settings of the network", 'echo 1 > /proc/sys/net/ipv4/ip_no_pmtu_disc && echo "$WON"'),
    Attack(
        "pages lent to a pipe",
        calling(
            "vmsplice",
            "write, ctypes.byref(part), 1, 0",
            "read, write = os.pipe()\ndata = ctypes.create_string_buffer(4096)\n"
            "part = (ctypes.c_size_t * 2)(ctypes.addressof(data), 4096)",
        ),
    ),
    Attack(
        "pages moved between pipes",
        calling(
            "splice",
            "a, None, d, None, 5, 0",
            "a, b = os.pipe(); c, d = os.pipe(); os.write(b, b'xxxxx')",
        ),
    ),
    Attack(
        "pages shared by pipes",
        calling("tee", "a, d, 5, 0", "a, b = os.pipe(); c, d = os.pipe(); os.write(b, b'xxxxx')"),
    ),
    Attack(
        "a pipe of a megabyte",
        taking("import fcntl\na, b = os.pipe()\nif fcntl.fcntl(b, 1031, 1 << 20) >= 1 << 20: won()"),
    ),
    Attack("a queue of messages", calling("mq_open", 'b"queue", 0o102, 0o600, None')),
    Attack("a ring of the old kind", calling("io_setup", "8, ctypes.byref(ring)", "ring = ctypes.c_ulong(0)")),
    Attack(
        "a filter on a socket",
        taking("""
here = socket.socketpair()[0]
code = (ctypes.c_uint64 * 1)(6)
program = (ctypes.c_size_t * 2)(1, ctypes.addressof(code))
here.setsockopt(1, 26, bytes(program))
won()
"""),
    ),
    Attack(
        "a socket's buffer",
        taking("""
here = socket.socketpair()[0]
before = here.getsockopt(1, 7)
here.setsockopt(1, 7, before // 4)
if here.getsockopt(1, 7) != before: won()
"""),
    ),
    Attack(
        "files by a call that copies none",
        taking("""
import tempfile
source, target = tempfile.TemporaryFile(), tempfile.TemporaryFile()
source.write(b"x" * 4096); source.flush()
if os.sendfile(target.fileno(), source.fileno(), 0, 4096): won()
"""),
    ),
)
