"""The walls: bwrap's arguments and the resource limits, for every command that a sandbox runs."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sandboxes.base import Limits
from sandboxes.ground import CLOSED_BASH, HOME, PYTHON_FOLDER, VARIABLES, git_variables
from sandboxes.image_paths import FOLDERS, inside_image, names_inside
from schemas.errors import InputError, SandboxError

HOSTNAME = "sandbox"
PATH = ":".join(f"/{folder}" for folder in FOLDERS)
TRUSTED_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""The image's own programs first: /usr/local stays the agent's."""
SHARED_MEMORY_BYTES = 64 << 20

INNER_NAMESPACES = (
    "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try "
    f"--hostname {HOSTNAME} --cap-drop ALL --die-with-parent --new-session --clearenv"
).split()
NAMESPACES = ["--unshare-user", "--disable-userns", *INNER_NAMESPACES]
MASKED = tuple(name for name in ("/proc/keys", "/proc/kallsyms", "/proc/cmdline") if Path(name).exists())
"""Files of /proc that tell of the host; which there are is the kernel's configuration."""
CLOSED = tuple(name for name in ("/proc/tty/driver",) if Path(name).is_dir())
"""Folders of /proc that only the host's root may list; empty here, or every `find /` would end with an error."""
NO_MORE_SETTINGS = ("--remount-ro", "/proc")
"""What a process may otherwise ask the kernel for by writing: a lower oom_score_adj, its network's settings."""
NO_MORE_DEVICES = ("--remount-ro", "/dev")
"""bwrap's /dev is a memory file system without a bound; what is mounted in it stays writable."""
MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/home")
EMPTY_HOME = "/run/home"
"""HOME of a check whose task declares its outputs: an empty folder that nobody writes to."""
TRUSTED_FOLDERS = ("bin", "sbin", "lib", "lib64")
TRUSTED_ELSEWHERE = (
    *("usr/libexec", "usr/share/perl5", "usr/share/perl", "usr/share/awk", "etc/alternatives"),
    "usr/local/lib",
)
"""Where else an image keeps what its programs run; from the last Python loads sitecustomize and *.pth on any start."""
PERL_FOLDERS = ("usr/lib/*/perl5/*", "usr/lib64/perl5", "usr/share/perl5", "usr/lib/*/perl-base", "usr/lib/*/perl/*")
"""Perl's own modules. It would look into /etc/perl and /usr/local first, which are the agent's."""
LOADER_FILES = ("etc/ld.so.preload", "etc/ld.so.cache")
MUST_BE_NO_LINK = (
    *("usr/", "usr/share/", "usr/local/", "etc/", *LOADER_FILES, *(f"{folder}/" for folder in TRUSTED_ELSEWHERE)),
    *(f"usr/{folder}/" for folder in TRUSTED_FOLDERS),
)
"""Where a link of the agent's would lead what is bound there elsewhere: bwrap follows it while the host's files are
still below /oldroot, and what runs later finds what the agent put at that place of its own files."""
COVERED_FOLDERS = ("acpi", "asound", "scsi")
"""Of /proc, empty in a container: what Docker covers (moby's `DefaultLinuxSpec`, maskedPaths)."""
CONTAINED_IMAGE = "/image"
"""Where the image lies in a container."""


@dataclass(frozen=True)
class RootView:
    """Files as one command sees them: the image, the frozen layers above it, one that takes the writes."""

    image: str
    """Where it lies on this machine."""
    frozen: tuple[str, ...]
    """Layers as the pod mounted them, oldest first."""
    top: str
    """Layer that takes the writes."""
    trusted_tools: bool = False
    """Bind the image's own programs and libraries over whatever the layers hold."""
    home: str = HOME
    is_grounded: bool = False
    """A check's ground lies in `top`."""
    is_closed: bool = False
    """No program that runs here may look into the check's shell."""
    lent: str = ""
    """Where the pod has the image, so that no mount tells of a home; empty = where it lies."""
    contained: bool = False
    """In an engine's container: root there is root to the kernel's files, which are covered therefore."""

    @property
    def root(self) -> str:
        """Where the image lies for whoever starts bwrap."""
        return CONTAINED_IMAGE if self.contained else self.lent or self.image

    def bash_command(self) -> list[str]:
        """Return the command of a bash that reads its first line from descriptor 8, where `ps` shows nothing of it.

        No start-up files; -p takes no functions or options from the environment either.
        """
        flags = ["--norc", "--noprofile", *(["-p"] if self.trusted_tools else [])]
        bash = CLOSED_BASH if self.is_closed else "/bin/bash"
        return [bash, *flags, "-c", 'IFS= read -rd "" -u8 __begin && eval "$__begin"', "bash"]

    def arguments(self) -> list[str]:
        """Return bwrap's arguments, without the seccomp filter."""
        lower = [argument for layer in self.frozen for argument in ("--overlay-src", f"{layer}/u")]
        files = ["--overlay-src", self.root, *lower, "--overlay", f"{self.top}/u", f"{self.top}/w", "/"]
        trusted = _trusted_tools(self.image, self.root) if self.trusted_tools else []
        namespaces = INNER_NAMESPACES if self.contained else [*NAMESPACES, "--uid", "0", "--gid", "0"]
        kernel = [*_kernel_files(), *(_covered_files() if self.contained else [])]
        home = _closed(self.home) if self.home == EMPTY_HOME else ()
        ours = self._ours() if self.is_grounded else ()
        return [*namespaces, *files, *trusted, *home, *ours, *kernel, *self._environment()]

    def _ours(self) -> tuple[str, ...]:
        """Bind what is ours over the layer, so that no program of the agent's writes there."""
        pods = f"{self.top.rpartition('/')[0]}/bash"
        return ("--ro-bind", f"{self.top}/u{PYTHON_FOLDER}", PYTHON_FOLDER, "--ro-bind", pods, CLOSED_BASH)

    def _environment(self) -> list[str]:
        own = self._trusted_variables() if self.trusted_tools else {"PATH": PATH, "LANG": "C.UTF-8"}
        who = {"HOME": self.home, "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "TERM": "dumb"}
        variables = own | who
        return ["--chdir", "/", *(part for item in variables.items() for part in ("--setenv", *item))]

    def _trusted_variables(self) -> dict[str, str]:
        fixed = {name: value for name, (value, _) in VARIABLES.items()}
        return fixed | git_variables() | {"PATH": TRUSTED_PATH, "PERL5LIB": _perl_folders(self.image)}


def _kernel_files() -> list[str]:
    masks = [argument for name in MASKED for argument in ("--ro-bind", "/dev/null", name)]
    masks += [argument for name in CLOSED for argument in _closed(name)]
    shared = ["--size", str(SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"]
    return ["--proc", "/proc", *masks, *NO_MORE_SETTINGS, "--dev", "/dev", *shared, *NO_MORE_DEVICES]


@lru_cache
def _covered_files() -> list[str]:
    """Return what makes /proc harmless for a user 0 without a user namespace: who asks for an id alone gets nothing.

    What could be written is read-only, what only root may read is empty. Which files there are is the kernel's
    configuration, and that is the machine's own.
    """
    names = (path for path in sorted(Path("/proc").iterdir()) if not path.name.isdigit())
    return [argument for path in names for argument in _cover(path)]


def _cover(path: Path) -> Iterator[str]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) or str(path) in MASKED:
        return
    if path.name in COVERED_FOLDERS:
        yield from _closed(str(path))
    elif stat.S_ISREG(mode) and not mode & stat.S_IROTH:
        yield from ("--ro-bind", "/dev/null", str(path))
    elif stat.S_ISDIR(mode) or mode & 0o222:
        yield from ("--ro-bind", str(path), str(path))
        yield from (argument for name in CLOSED if Path(name).parent == path for argument in _closed(name))


def _closed(name: str) -> tuple[str, ...]:
    return ("--perms", "0555", "--size", "4096", "--tmpfs", name, "--remount-ro", name)


def _trusted_tools(image: str, root: str) -> list[str]:
    """Bind the image's programs; the loader's own files are masked, since they could load anything into them."""
    binds: list[str] = []
    for folder, source in _folders_inside(image):
        binds += ["--ro-bind", f"{root}/{source}", f"/{folder}"]
        if folder.startswith("usr/") and folder.removeprefix("usr/") in TRUSTED_FOLDERS:
            binds += ["--ro-bind", f"{root}/{source}", f"/{folder.removeprefix('usr/')}"]  # a link in most images
    return [*binds, *(part for name in LOADER_FILES for part in ("--ro-bind", "/dev/null", f"/{name}"))]


@lru_cache
def _folders_inside(image: str) -> tuple[tuple[str, str], ...]:
    """Return the trusted folders that an image has, each with where its links end: bwrap would follow them outside.

    Raises:
        InputError: a link leaves the image.
    """
    names = (*(f"usr/{folder}" for folder in TRUSTED_FOLDERS), *TRUSTED_ELSEWHERE)
    found = ((name, inside_image(Path(image), name)) for name in names)
    return tuple((name, str(path.relative_to(image))) for name, path in found if path is not None and path.is_dir())


@lru_cache
def bash_inside(image: str) -> str:
    """Return where an image has its bash, from its root.

    Raises:
        InputError: it has none, or a link to it leaves the image.
    """
    found = inside_image(Path(image), "bin/bash")
    if found is None:
        raise InputError(f"the image {image} has no /bin/bash, which every shell and check needs; add it to the image")
    return str(found.relative_to(image))


@lru_cache
def _perl_folders(image: str) -> str:
    found = (path for pattern in PERL_FOLDERS for path in names_inside(Path(image), pattern))
    return ":".join(f"/{path}" for path in found)


def resource_limits(limits: Limits) -> str:
    """Return the hard limits of one job as the warden reads them.

    RLIMIT_DATA rather than AS: Node, Go and Java reserve gigabytes of addresses. NPROC counts the whole pod here (per
    user namespace since Linux 5.14), so it is twice what `shell_prologue` sets inside.
    """
    bounds = {
        "NPROC": 2 * limits.processes + 8,
        "DATA": limits.data_mb << 20,
        "FSIZE": limits.file_mb << 20,
        "CPU": limits.cpu_seconds,
        "NOFILE": 256,
        "SIGPENDING": 512,
        "MSGQUEUE": 0,
        "CORE": 0,
    }
    return ",".join(f"{name}={bound}" for name, bound in bounds.items())


def shell_prologue(limits: Limits) -> str:
    """Return the first line of every shell: processes are counted in this sandbox alone once they are bounded here."""
    return f"ulimit -u {limits.processes}; cd 2>/dev/null; unset HISTFILE"


def mount_point(*needed: Path) -> str:
    """Return a folder that may be covered, in a mount namespace of ours: nothing that we need lies in it.

    Raises:
        SandboxError: there is none.
    """
    for point in MOUNT_POINTS:
        if Path(point).is_dir() and not any(path.is_relative_to(point) for path in needed):
            return point
    raise SandboxError(
        f"none of {', '.join(MOUNT_POINTS)} is free to mount on; move the cache elsewhere", transient=False
    )
