"""The warden: a small program of its own, `python -I -S warden.py ...`, that forks pods and the walls inside them.

One pod stands ready before it is asked for. A pod is a user, mount and PID namespace whose first process (also this
file) waits for orders on a socket; every shell and script is a bwrap that it forks. When the socket closes the pod ends
and the kernel takes everything in it along, so a killed parent leaves nothing. Forking from a process this small costs
a third of exec'ing unshare, mount and nsenter, it is single-threaded (bwrap's --die-with-parent follows the thread that
forked it, bubblewrap#692), and of ours it imports only what lays a check's ground and counts memory. Messages are
NUL-separated fields; see `pod.py` for the other end.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from time import monotonic

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))  # `-I` leaves our own package out

from sandboxes.ground import Ground
from sandboxes.ground_layer import GroundLayer, UnfitStateError, copy_file
from sandboxes.held_memory import MEMORY_HELD, children
from sandboxes.memory_watch import MemoryWatch

NEW_NAMESPACES = 0x00020000 | 0x10000000 | 0x20000000  # CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID
READ_ONLY, NOSUID_NODEV, NOEXEC, BIND, RECURSIVE_PRIVATE, DETACH = 1, 2 | 4, 8, 0x1000, 0x4000 | (1 << 18), 2
SET_DUMPABLE, SET_SUBREAPER = 4, 36  # prctl
POLL_MS = 250
TARGETS = (0, 1, 8, 9, 10, 11)  # where a job finds nothing, output, orders, status, bwrap's arguments, the filter
JOB_SCORE, POD_SCORE = b"900", b"800"
"""Whom the kernel kills first where memory runs out (proc(5), oom_score_adj): a job, whose sockets show no page,
before its pod."""
WATCHES = {"max_inotify_instances": "16", "max_inotify_watches": "8192"}
"""Of one pod; the kernel's own bounds are per user, whose other pods and programs one pod could leave without."""
MESSAGE_BYTES = 65536
REST_SECONDS = 0.02
"""Before the next pod is made, unless somebody asks for one: whoever took the last is starting a shell."""

"""Processes by job."""

libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(kind: str, target: str, flags: int, options: str = "") -> None:
    done = libc.mount(kind.encode(), target.encode(), kind.encode(), flags, options.encode())
    _checked(done, f"mount {kind} on {target}")


def _receive(channel: socket.socket) -> tuple[list[str], list[int]]:
    """Return a message's fields and descriptors; no fields = the other end is gone."""
    descriptors = array.array("i")
    room = socket.CMSG_SPACE(8 * descriptors.itemsize)
    data, ancillary, _, _ = channel.recvmsg(MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for _, _, payload in ancillary:
        descriptors.frombytes(payload)
    return (data.decode().split("\0") if data else []), list(descriptors)


class Bwrap:
    """One bwrap."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.reason = ""
        """Why it was killed by the pod."""


class PodProcess:
    """The first process of a pod: mounts layers, forks jobs, watches their memory."""

    def __init__(self, channel: socket.socket, bwrap: str, point: str, memory_bytes: int) -> None:
        self.channel, self.bwrap, self.point = channel, bwrap, point
        self.memory = MemoryWatch(memory_bytes)
        self.jobs: dict[str, Bwrap] = {}
        self.null = self.score = -1
        self.over: list[tuple[str, str, str]] = []
        """Jobs whose bwrap has ended while processes of theirs may still be going."""

    def open(self) -> None:
        """Make the mounts private, show this PID namespace in /proc and tell the parent that it may go on."""
        _checked(libc.mount(None, b"/", None, RECURSIVE_PRIVATE, None), "make mounts private")
        myself = os.pidfd_open(os.getpid())
        _mount("proc", "/proc", NOSUID_NODEV | NOEXEC)
        _mount("tmpfs", self.point, NOSUID_NODEV, "size=8m,nr_inodes=4096,mode=700")
        socket.send_fds(self.channel, [b"ready"], [myself])
        os.close(myself)
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        self.rate(POD_SCORE)

    def serve(self) -> None:
        """Follow orders until the other end closes."""
        wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        poll.register(wake, select.POLLIN)
        watched = monotonic()
        while True:
            ready = dict(poll.poll(POLL_MS if self.jobs else None))
            if wake in ready:
                os.read(wake, 4096)
                self.reap()
            if self.channel.fileno() in ready and not self.obey():
                return
            if self.jobs and (not ready or monotonic() - watched > POLL_MS / 1000):
                for name in self.memory.largest({name: job.pid for name, job in self.jobs.items()}):
                    self.kill(self.jobs[name], MEMORY_HELD)
                watched = monotonic()

    def obey(self) -> bool:
        """Carry out one order; False = there will be no more."""
        fields, descriptors = _receive(self.channel)
        if not fields:
            return False
        order, name, *rest = fields
        try:
            getattr(self, f"order_{order}")(name, rest, descriptors)
        except OSError as problem:
            self.tell("failed", name, f"{order}: {problem}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def tell(self, *fields: str) -> None:
        with contextlib.suppress(OSError):
            self.channel.send("\0".join(fields).encode())

    def rate(self, score: bytes) -> None:
        """Set the score that we have, and that what we start begins with."""
        with contextlib.suppress(PermissionError):  # an engine may have set a higher one, which may not be left
            os.write(self.score, score)

    def order_layer(self, name: str, rest: list[str], _: list[int]) -> None:
        """Mount an empty layer of bounded size: `u` takes the writes, `w` is overlayfs's own."""
        home = f"{self.point}/{name}"
        Path(home).mkdir()
        _mount("tmpfs", home, NOSUID_NODEV, rest[0])
        for part in ("u", "w"):
            Path(home, part).mkdir()

    def order_lend(self, name: str, rest: list[str], _: list[int]) -> None:
        home = f"{self.point}/{name}"
        Path(home).mkdir()
        _checked(libc.mount(rest[0].encode(), home.encode(), None, BIND, None), f"bind {rest[0]}")

    def order_straighten(self, name: str, rest: list[str], _: list[int]) -> None:
        """Hide links of lower layers at some places below a real folder (`a/b/`) or an empty file."""
        lower, places = (field.split(":") for field in rest)
        for place in places:
            target = Path(self.point, name, "u", place)
            laid = os.path.lexists(target)
            if not laid and any(os.path.islink(f"{layer}/u/{place.rstrip('/')}") for layer in lower):  # noqa: PTH114
                folder = target if place.endswith("/") else target.parent
                folder.mkdir(parents=True, exist_ok=True)
                target.touch()

    def order_ground(self, name: str, rest: list[str], descriptors: list[int]) -> None:
        """Lay a check's ground into an empty layer and say what stood against it."""
        image, above, bash = rest
        with os.fdopen(os.dup(descriptors[0]), "rb") as file:
            ground = Ground.from_json(file.read())
        shown: list[str] = []

        def show(agents: list[str]) -> str:
            lower = [*reversed([*(f"{layer}/u" for layer in ground.since), *agents]), image]
            if len(lower) == 1:
                return image
            shown.append(f"{self.point}/{name}-{len(shown)}")
            Path(shown[-1]).mkdir()
            _mount("overlay", shown[-1], READ_ONLY | NOSUID_NODEV, f"lowerdir={':'.join(lower)},userxattr")
            return shown[-1]

        problem = ""
        agents = [f"{layer}/u" for layer in above.split(":") if layer]
        try:
            self.close_bash(f"{image}/{bash}")
            GroundLayer(ground, agents, f"{self.point}/{name}/u", show).lay()
        except UnfitStateError as unfit:
            problem = str(unfit)
        finally:
            for view in shown:
                libc.umount2(view.encode(), DETACH)
                Path(view).rmdir()
        self.tell("grounded", name, problem)

    def close_bash(self, bash: str) -> None:
        """Have a copy of the image's bash that nobody may read, once: checks are started by it."""
        if not os.path.exists(f"{self.point}/bash"):  # noqa: PTH110
            copy_file(bash, f"{self.point}/bash", 0o111)

    def order_look(self, name: str, layers: list[str], _: list[int]) -> None:
        """Say whether nothing was written to any of some layers."""
        self.tell("looked", name, *(["touched"] if any(os.listdir(f"{layer}/u") for layer in layers) else []))  # noqa: PTH208

    def order_drop(self, name: str, _: list[str], __: list[int]) -> None:
        home = f"{self.point}/{name}"
        _checked(libc.umount2(home.encode(), DETACH), f"umount {home}")
        Path(home).rmdir()

    def order_spawn(self, name: str, command: list[str], descriptors: list[int]) -> None:
        """Start bwrap with its descriptors where it and the shell expect them; all others are closed on exec."""
        high = [fcntl(descriptor, F_DUPFD_CLOEXEC, 64) for descriptor in (self.null, *descriptors)]
        actions = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in zip(high, TARGETS, strict=True)]
        argv = ["bwrap", "--args", "10", "--", *command]
        self.rate(JOB_SCORE)
        try:
            pid = os.posix_spawn(
                self.bwrap,
                argv,
                {},
                file_actions=[*actions, (os.POSIX_SPAWN_DUP2, 1, 2)],
                setsigmask=(),
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores them, its children should not
            )
        finally:
            self.rate(POD_SCORE)
            for descriptor in high:
                os.close(descriptor)
        self.jobs[name] = Bwrap(pid)

    def order_kill(self, name: str, rest: list[str], _: list[int]) -> None:
        if name in self.jobs:
            self.kill(self.jobs[name], rest[0])

    def kill(self, job: Bwrap, reason: str) -> None:
        """Kill the init of the job's own PID namespace; everything in it dies first, then bwrap reports."""
        job.reason = job.reason or reason
        for pid in children(job.pid) or [job.pid]:
            _kill(pid)

    def reap(self) -> None:
        """Wait for the dead; a job is over when nothing of it is left, since its files may be mounted again then.

        bwrap may leave before its sandbox has: a straggler is killed, and so is the child of a bwrap that was killed
        before it could tie that child to itself (bubblewrap#633).
        """
        names = {job.pid: name for name, job in self.jobs.items()}
        for pid, status in _dead():
            if pid in names:
                job = self.jobs.pop(names[pid])
                self.over.append((names[pid], str(os.waitstatus_to_exitcode(status)), job.reason))
        stragglers = set(children(os.getpid())) - {job.pid for job in self.jobs.values()}
        for pid in stragglers:
            _kill(pid)
        if not stragglers:
            for ended in self.over:
                self.tell("ended", *ended)
            self.over.clear()


def limit_resources(limits: str) -> None:
    """Set hard limits given as `NAME=value,...` of the resource module; jobs inherit them, none can raise them."""
    for item in limits.split(","):
        name, value = item.split("=")
        kind = getattr(resource, f"RLIMIT_{name}")
        ceiling = resource.getrlimit(kind)[1]
        bound = int(value) if ceiling == resource.RLIM_INFINITY else min(int(value), ceiling)
        resource.setrlimit(kind, (bound, bound))


def _dead() -> Iterator[tuple[int, int]]:
    """Yield each child that has ended, with its status."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _drop_root(identity: int) -> None:
    os.setgroups([])
    os.setresgid(identity, identity, identity)
    os.setresuid(identity, identity, identity)


def _found(pod: PodProcess, limits: str) -> None:
    """Open the namespaces and become the pod's first process; this process leaves as soon as it stands."""
    user, group = os.geteuid(), os.getegid()
    libc.prctl(SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self belongs to root after a drop and the maps cannot be written
    _checked(libc.unshare(NEW_NAMESPACES), "unshare user, mount and PID namespaces")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.fork():
        os._exit(0)
    pod.open()
    for name, most in WATCHES.items():
        Path("/proc/sys/user", name).write_text(most)
    limit_resources(limits)
    pod.serve()


class Spare:
    """A pod that stands before anybody asks for it: opening one takes a third of what a session waits for."""

    def __init__(self, door: socket.socket, make: Callable[[socket.socket], PodProcess], limits: str) -> None:
        self.near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork():
            far.close()
            return
        pod = make(far)
        try:
            door.close()
            self.near.close()
            _found(pod, limits)
        except OSError as problem:
            pod.tell("failed", "pod", str(problem))
        finally:
            os._exit(0)

    def has_ended(self) -> bool:
        """Whether its other end is closed: it does not stand here, or somebody killed it while it waited."""
        poll = select.poll()
        poll.register(self.near, 0)  # a hang-up is always told
        return bool(poll.poll(0))

    def hand_over(self, door: socket.socket) -> None:
        """Send our end of its channel; whoever has it hears that it stands, or why it does not."""
        with self.near:
            socket.send_fds(door, [b"pod"], [self.near.fileno()])


def main(door_descriptor: str, identity: str, bwrap: str, point: str, memory_bytes: str, limits: str) -> None:
    """Hand a pod over for every message that comes through the door, and have the next one ready."""
    door = socket.socket(fileno=int(door_descriptor))
    os.chdir("/")
    os.umask(0o022)
    if os.geteuid() == 0:
        _drop_root(int(identity))
    libc.prctl(SET_SUBREAPER, 1, 0, 0, 0)  # pods end here, not with a host's init that may not reap
    signal.signal(signal.SIGCHLD, lambda *_: [*_dead()])  # waited for, so that their CPU counts as ours
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    gc.collect()
    gc.freeze()

    def make(channel: socket.socket) -> PodProcess:
        return PodProcess(channel, bwrap, point, int(memory_bytes))

    spare = Spare(door, make, limits)
    while _receive(door)[0]:
        if spare.has_ended():
            spare = Spare(door, make, limits)
        spare.hand_over(door)
        select.select([door], [], [], REST_SECONDS)
        spare = Spare(door, make, limits)


if __name__ == "__main__":
    main(*sys.argv[1:])
