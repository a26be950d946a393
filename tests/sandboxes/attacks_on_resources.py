"""Attacks on what a sandbox may use: processes, memory, disk, output, time."""

from __future__ import annotations

from tests.sandboxes.attack import Attack, taking
from tests.sandboxes.canaries import FLOOD, OUTLIVED

RESOURCES = (
    Attack(
        "a fork bomb",
        "b() { if [ $1 -lt 9 ]; then b $(($1+1)) & b $(($1+1)) & fi; sleep 2; }; b 0 2>/dev/null & sleep 1\n"
        'set -- /proc/[0-9]*; [ $# -gt 120 ] && echo "$WON"',
        seconds=8,
        slow=True,
    ),
    Attack(
        "many processes",
        taking("""
for made in range(150):
    if os.fork() == 0: time.sleep(3); os._exit(0)
won()
"""),
    ),
    Attack(
        "many threads",
        taking("""
threading.stack_size(65536)
for _ in range(150): threading.Thread(target=time.sleep, args=(1,)).start()
won()
"""),
    ),
    Attack(
        "memory of one process",
        taking("held = [bytearray(10 << 20) for _ in range(60)]\ntime.sleep(1.2)\nwon()"),
        slow=True,
    ),
    Attack(
        "memory of many processes",
        taking("""
children = []
for _ in range(6):
    if child := os.fork(): children.append(child); continue
    held = bytearray(100 << 20); time.sleep(1.5); os._exit(0)
if [os.waitpid(child, 0)[1] for child in children] == [0] * 6: won()
"""),
        slow=True,
    ),
    Attack(
        "shared memory without a name",
        taking("""
held = mmap.mmap(-1, 600 << 20)
for at in range(0, 600 << 20, 4096): held[at] = 1
time.sleep(1.2)
won()
"""),
        slow=True,
    ),
    Attack(
        "memory as files without a name",
        taking("""
held = [os.memfd_create("held") for _ in range(30)]
for file in held: os.write(file, bytes(20 << 20))
time.sleep(1.2)
won()
"""),
        slow=True,
    ),
    Attack(
        "System V shared memory, let go of",
        taking("""
libc.shmat.restype = ctypes.c_void_p
for _ in range(30):
    segment = libc.shmget(0, 20 << 20, 0o1600)
    if segment < 0: raise OSError(ctypes.get_errno(), "shmget")
    at = libc.shmat(segment, None, 0)
    ctypes.memset(at, 1, 20 << 20)
    libc.shmdt(ctypes.c_void_p(at))
time.sleep(1.2)
won()
"""),
        slow=True,
    ),
    Attack(
        "page tables",
        taking("""
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * 6
at = libc.mmap(0, 300 << 30, 1, 0x4022, 2**64 - 1, 0)
for page in range(at, at + (300 << 30), 2 << 20): ctypes.c_char.from_address(page).value
time.sleep(1.2)
won()
"""),
        seconds=15,
        slow=True,
    ),
    Attack(
        "System V messages",
        taking("""
sent, message = 0, ctypes.create_string_buffer(b"\\1" + bytes(8191 + 8))
while sent < 200 << 20:
    queue = libc.msgget(0, 0o1600)
    if queue < 0: raise OSError(ctypes.get_errno(), "msgget")
    while libc.msgsnd(queue, message, 8184, 0o4000) == 0: sent += 8184
won()
"""),
        slow=True,
    ),
    Attack(
        "memory in sockets",
        taking("""
ends, tell = os.pipe()
for _ in range(24):
    if os.fork(): continue
    held, sent = [], 0
    for _ in range(110):
        pair = socket.socketpair()
        held += pair
        for end in pair:
            end.setblocking(False)
            try:
                while True: sent += end.send(bytes(32768))
            except BlockingIOError: pass
    os.write(tell, b"%12d" % sent)
    time.sleep(2.5)
    os._exit(0)
total = sum(int(os.read(ends, 12)) for _ in range(24))
time.sleep(1.2)
if total > 300 << 20: won()
"""),
        seconds=10,
        slow=True,
    ),
    Attack(
        "the disk",
        "for d in /root /tmp /var/tmp /srv; do for n in 1 2; do head -c 15M /dev/zero > $d/fill$n; done; done\n"
        '[ "$(cat /*/fill? /var/tmp/fill? | wc -c)" -gt 100000000 ] && echo "$WON"',
        seconds=20,
        slow=True,
    ),
    Attack(
        "memory files as disk",
        "for n in $(seq 12); do head -c 10M /dev/zero > /dev/shm/fill$n; done\n"
        '[ "$(cat /dev/shm/fill* | wc -c)" -gt 100000000 ] && echo "$WON"',
        seconds=20,
        slow=True,
    ),
    Attack(
        "the folder of devices as disk",
        "for n in $(seq 12); do head -c 10M /dev/zero > /dev/fill$n; done\n"
        '[ "$(cat /dev/fill* | wc -c)" -gt 100000000 ] && echo "$WON"',
        seconds=20,
        slow=True,
    ),
    Attack("one large file", 'truncate -s 100M /tmp/x; [ "$(stat -c %s /tmp/x)" -gt 99000000 ] && echo "$WON"'),
    Attack(
        "many files",
        taking('os.mkdir("/srv/many"); os.chdir("/srv/many")\nfor n in range(70000): os.mknod(str(n))\nwon()'),
        seconds=20,
        slow=True,
    ),
    Attack("endless output", "timeout 1 yes", FLOOD),
    Attack(
        "a loop that ignores signals",
        'exec -a "spin $MARK" bash -c \'trap "" TERM INT HUP QUIT; while :; do :; done\'',
        OUTLIVED,
        seconds=0.7,
    ),
    Attack("a daemon", 'setsid nohup sleep "$MARK" >/dev/null 2>&1 & sleep 0.2', OUTLIVED),
    Attack(
        "a daemon forked twice",
        taking("""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(3): os.close(descriptor)
        os.execvp("sleep", ["sleep", os.environ["MARK"]])
    os._exit(0)
os.wait()
"""),
        OUTLIVED,
    ),
    Attack(
        "a daemon that outlives a time-out",
        '(trap "" TERM INT HUP; setsid sleep "$MARK") & sleep 60',
        OUTLIVED,
        seconds=0.7,
    ),
)
