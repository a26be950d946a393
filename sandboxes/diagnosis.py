"""Why a sandbox does not start on this machine, and what to do about it.

Nothing falls back to something weaker: the machine is put right, or another backend is chosen by name.
"""

from __future__ import annotations

import re
from pathlib import Path

from sandboxes.base import Capabilities

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")
_MAXIMUM = Path("/proc/sys/user/max_user_namespaces")

_OTHER_SYSTEM = "Run Trajmill in a Linux virtual machine (WSL2, Lima, Docker Desktop)."
_UBUNTU = (
    "Ubuntu's AppArmor keeps user namespaces from programs without a profile. "
    "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (and the same line in /etc/sysctl.d/) allows them."
)
_CONTAINER = (
    "In a container, start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined` (deployments/compose.yaml has them)."
)
_DISABLED = (
    "Enable user namespaces: `sudo sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1`."
)
_KERNEL = "Overlay mounts by plain users need Linux 5.11 or newer."
_UNREACHABLE = (
    "The image must lie where the sandbox's user can read it: "
    "move the cache (TRAJMILL_CACHE) or open its parent folders."
)
_ELSE = "`trajmill doctor` shows what was tried; the text above is the system's own."


def diagnose(problem: str) -> Capabilities:
    """Return the capabilities of a machine that cannot run sandboxes, with a fix."""
    return Capabilities(
        usable=False, backend="bubblewrap", limits="rlimit", overlay=False, reason=problem, fix=_fix(problem)
    )


def _fix(problem: str) -> str:
    if "Linux only" in problem:
        return _OTHER_SYSTEM
    if "bwrap of version" in problem:
        return "Install it as the text says."
    if _value(_MAXIMUM) == "0" or _value(_CLONE) == "0":
        return _DISABLED
    if _value(_APPARMOR) == "1" and re.search(r"uid map|RTM_NEWADDR|ermission denied|not permitted", problem):
        return _UBUNTU
    if re.search(r"unshare|mount proc|uid_map|creating new namespace", problem, re.IGNORECASE):
        return _CONTAINER
    if re.search(r"overlay", problem) and "Permission denied" not in problem:
        return _KERNEL
    if "Permission denied" in problem or "No such file" in problem:
        return _UNREACHABLE
    return _ELSE


def _value(knob: Path) -> str:
    try:
        return knob.read_text().strip()
    except OSError:
        return ""
