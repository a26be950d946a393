"""The naive sandbox: a plain `bash -c` in a throw-away root that stands in for the host."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandboxes.arguments import PATH
from sandboxes.base import Image
from sandboxes.binary import UNPRIVILEGED_ID, reachable_bwrap
from tests.sandboxes import canaries
from tests.sandboxes.attack import Attack
from tests.sandboxes.canaries import OUTLIVED

NAIVE_SECONDS = 120
PATIENCE = 4
"""On a busy machine an attack may take longer than it is given by a sandbox, and must succeed all the same."""


@dataclass(frozen=True)
class Naive:
    """What a naive sandbox let happen."""

    signs: set[str]
    shown: str
    code: int | None
    """None = it did not end."""


def let_through(attack: Attack, image: Image) -> Naive:
    """Run an attack in the naive sandbox: a plain shell in a throw-away root, which is a host of its own."""
    seconds = attack.seconds * (1 if attack.sign == OUTLIVED else PATIENCE)
    request = {"script": attack.script, "seconds": seconds, "hands": attack.hands}
    program = ["/usr/bin/python3", "-I", "-S", "-c", Path(canaries.__file__).read_text(), json.dumps(request)]
    root = os.geteuid() == 0 and not attack.as_root
    done = subprocess.run(
        [*_throw_away_host(image, attack.as_root), *program],
        capture_output=True,
        text=True,
        timeout=NAIVE_SECONDS,
        cwd="/",
        env={},
        start_new_session=True,
        **({"user": UNPRIVILEGED_ID, "group": UNPRIVILEGED_ID, "extra_groups": []} if root else {}),
    )
    if done.returncode:
        raise RuntimeError(f"the naive sandbox does not stand: {done.stdout[-500:]}{done.stderr[-1500:]}")
    found = json.loads(done.stdout)
    return Naive(set(found["signs"]), found["shown"], found["code"])


def _throw_away_host(image: Image, as_root: bool) -> list[str]:
    """Return bwrap with weak flags: all rights inside, but inside namespaces and a root that go with it."""
    user = [] if as_root else ["--unshare-user", "--uid", "0", "--gid", "0"]
    namespaces = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --as-pid-1 --die-with-parent --cap-add ALL"
    files = ["--overlay-src", image.path, "--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev"]
    device = ["--dev-bind", "/dev/full", "/dev/canary", "--tmpfs", "/dev/shm", "--chdir", "/"]
    path = ["--setenv", "PATH", PATH]
    return [str(reachable_bwrap(Path(image.path).parent)), *user, *namespaces.split(), *files, *device, *path]
