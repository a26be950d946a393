"""The walls: bwrap's arguments and the resource limits, for every command that a sandbox runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandboxes.base import Limits
from schemas.errors import SandboxError

HOSTNAME = "sandbox"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TRUSTED_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""The image's own programs first: /usr/local stays the agent's."""
SHARED_MEMORY_BYTES = 64 << 20

NAMESPACES = (
    "--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --disable-userns "
    f"--hostname {HOSTNAME} --cap-drop ALL --die-with-parent --new-session --clearenv"
).split()
MASKED = tuple(name for name in ("/proc/keys", "/proc/kallsyms", "/proc/cmdline") if Path(name).exists())
"""Files of /proc that tell of the host; which there are is the kernel's configuration."""
CLOSED = tuple(name for name in ("/proc/tty/driver",) if Path(name).is_dir())
"""Folders of /proc that only the host's root may list; empty here, or every `find /` would end with an error."""
MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/home")
TRUSTED_FOLDERS = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True)
class View:
    """Files as one command sees them: the image, the frozen layers above it, one that takes the writes."""

    image: str
    frozen: tuple[str, ...]
    """Layers as the pod mounted them, oldest first."""
    top: str
    """Layer that takes the writes."""
    trusted_tools: bool = False
    """Bind the image's own programs and libraries over whatever the layers hold."""

    def arguments(self) -> list[str]:
        """Return bwrap's arguments, without the seccomp filter."""
        lower = [argument for layer in self.frozen for argument in ("--overlay-src", f"{layer}/u")]
        files = ["--overlay-src", self.image, *lower, "--overlay", f"{self.top}/u", f"{self.top}/w", "/"]
        trusted = _trusted_tools(self.image) if self.trusted_tools else []
        return [*NAMESPACES, "--uid", "0", "--gid", "0", *files, *trusted, *_kernel_files(), *self._environment()]

    def _environment(self) -> list[str]:
        variables = {
            "PATH": TRUSTED_PATH if self.trusted_tools else PATH,
            "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        return ["--chdir", "/", *(part for item in variables.items() for part in ("--setenv", *item))]


def _kernel_files() -> list[str]:
    masks = [argument for name in MASKED for argument in ("--ro-bind", "/dev/null", name)]
    masks += [argument for name in CLOSED for argument in ("--perms", "0555", "--size", "4096", "--tmpfs", name)]
    shared = ["--size", str(SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"]
    return ["--proc", "/proc", *masks, "--dev", "/dev", *shared]


def _trusted_tools(image: str) -> list[str]:
    """Bind the image's programs; the loader's own files are masked, since they could load anything into them."""
    binds: list[str] = []
    for folder in TRUSTED_FOLDERS:
        binds += ["--ro-bind-try", f"{image}/usr/{folder}", f"/usr/{folder}"]
        binds += ["--ro-bind-try", f"{image}/usr/{folder}", f"/{folder}"]  # the agent may have replaced the link
    return [*binds, "--ro-bind", "/dev/null", "/etc/ld.so.preload", "--ro-bind", "/dev/null", "/etc/ld.so.cache"]


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
        "CORE": 0,
    }
    return ",".join(f"{name}={bound}" for name, bound in bounds.items())


def shell_prologue(limits: Limits) -> str:
    """Return the first line of every shell: processes are counted in this sandbox alone once they are bounded here."""
    return f"ulimit -u {limits.processes}; cd 2>/dev/null; unset HISTFILE"


def bash_command(trusted: bool) -> list[str]:
    """Return the command of a bash that reads its first line from descriptor 8, where `ps` shows nothing of it.

    No start-up files; -p takes no functions or options from the environment either.
    """
    flags = ["--norc", "--noprofile", "-p"] if trusted else ["--norc", "--noprofile"]
    return ["/bin/bash", *flags, "-c", 'IFS= read -rd "" -u8 __begin && eval "$__begin"', "bash"]


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
