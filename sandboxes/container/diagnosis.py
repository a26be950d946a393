"""Says why an engine cannot run sandboxes here and what to do about it."""

from __future__ import annotations

from sandboxes.base import Capabilities

_INSTALL = {
    "docker": "Install it: `sudo apt install docker.io` (Debian, Ubuntu), or docs.docker.com/engine/install.",
    "podman": "Install it: `sudo apt install podman uidmap` (Debian, Ubuntu), or podman.io/docs/installation.",
}
_START = (
    "Start the daemon: `sudo systemctl start docker`; without systemd `sudo dockerd --bridge=none --iptables=false &`. "
    "DOCKER_HOST names a socket elsewhere."
)
_JOIN = "Join its group and log in again: `sudo usermod -aG docker $USER` (who is in it can become root)."
_LOCAL = (
    "The engine must run on this very machine and see its files: a remote daemon, Docker Desktop's virtual machine or "
    "a daemon seen from inside a container will not do."
)
_SETRLIMIT = (
    "podman may not set resource limits here: run as a plain user (rootless), or give this process CAP_SYS_RESOURCE."
)
_HYBRID = 'crun knows no hybrid cgroups: install runc and put `runtime = "runc"` under [engine] in containers.conf.'
_CGROUP = (
    "Rootless podman needs cgroup v2 and its controllers: boot with systemd.unified_cgroup_hierarchy=1 and let systemd "
    "delegate them (`Delegate=memory pids cpu` for user@.service), or run as root."
)
_SUBUID = (
    "Rootless podman needs ranges of ids: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`."
)
_MOUNT = (
    "Something on this machine refuses mounts in containers (AppArmor, SELinux, a daemon's own seccomp default); "
    "its log says what."
)
_ELSE = "docs/sandbox.md has what was tried; the text above is the engine's own."

# The first whose every word is in the text is it; order matters.
_FIXES = (
    (("permission denied", "docker"), _JOIN),
    (("cannot connect",), _START),
    (("connection refused",), _START),
    (("is the docker daemon running",), _START),
    (("no cgroup for",), _CGROUP),
    (("rlimit",), _SETRLIMIT),
    (("hybrid",), _HYBRID),
    (("newuidmap",), _SUBUID),
    (("subuid",), _SUBUID),
    (("bind source path",), _LOCAL),
    (("statfs", "door"), _LOCAL),
    (("pivot_root",), _MOUNT),
    (("mount",), _MOUNT),
)


def diagnose(engine: str, problem: str) -> Capabilities:
    """Return the capabilities of an engine that cannot run sandboxes, with a fix."""
    return Capabilities(False, engine, "none", overlay=False, reason=problem, fix=_fix(engine, problem))


def _fix(engine: str, problem: str) -> str:
    if problem.startswith("no program"):
        return _INSTALL[engine]
    told = problem.lower()
    return next((fix for words, fix in _FIXES if all(word in told for word in words)), _ELSE)
