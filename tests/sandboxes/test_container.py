"""What is an engine's own: its walls, its images, and that no container outlives its process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandboxes.arguments import RootView
from sandboxes.base import Limits
from sandboxes.container.backend import Container, sweep
from sandboxes.container.diagnosis import diagnose
from sandboxes.container.engine import OWNER_LABEL, Engine
from sandboxes.container.image import bring_image
from sandboxes.images import Image, host_image
from sandboxes.owner import is_alive, owner_of_mine
from schemas.errors import SandboxError
from schemas.settings import default_cache

ROOT = Path(__file__).parents[2]
VICTIM = """
import asyncio, sys
from sandboxes.container.backend import Container
from sandboxes.container.engine import Engine
from sandboxes.images import host_image
from schemas.settings import default_cache

async def main():
    session = await Container(Engine(sys.argv[1]), host_image(default_cache())).start()
    await session.exec("setsid nohup sleep 4444 >/dev/null 2>&1 & trap '' TERM HUP")
    print("standing", flush=True)
    await session.exec("sleep 4444", timeout=4444)

asyncio.run(main())
"""


@pytest.fixture
def container(request: pytest.FixtureRequest) -> Container:
    """An engine's backend; skipped by name, with what to do, where the engine does not work."""
    backend = Container(Engine(request.param), host_image(default_cache()), Limits())
    found = asyncio.run(backend.probe())
    if not found.usable:
        pytest.skip(f"{request.param}: {found.reason} {found.fix}")
    return backend


each_engine = pytest.mark.parametrize("container", ["docker", "podman"], indirect=True)


def _standing(engine: Engine, owner: str) -> list[str]:
    label = f"label={OWNER_LABEL}={owner}"
    return engine.ask_now("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()


@pytest.mark.engines
@each_engine
def test_a_closed_session_leaves_no_container(container: Container) -> None:
    async def live() -> int:
        session = await container.start()
        standing = len(_standing(container.engine, owner_of_mine()))
        await session.close()
        return standing

    assert asyncio.run(live()) == 1
    assert _standing(container.engine, owner_of_mine()) == []


@pytest.mark.engines
@each_engine
def test_a_killed_process_leaves_no_container(container: Container) -> None:
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, container.backend], stdout=subprocess.PIPE, cwd=ROOT)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"standing\n"
    owner = owner_of_mine().rsplit("/", 2)[0] + f"/{victim.pid}/" + _ticks(victim.pid)
    assert len(_standing(container.engine, owner)) == 1
    victim.kill()
    victim.communicate()
    for _ in range(100):
        if not _standing(container.engine, owner):
            break
        time.sleep(0.1)
    assert _standing(container.engine, owner) == []


def _ticks(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.engines
@each_engine
async def test_a_dead_container_is_an_error_and_no_output(container: Container) -> None:
    """inspect_ai took the engine's complaint for the command's output (#4740)."""
    session = await container.start()
    try:
        await session.exec("echo stands")
        [name] = _standing(container.engine, owner_of_mine())
        container.engine.ask_now("kill", name)
        with pytest.raises(SandboxError, match="gone"):
            await session.exec("sleep 5; echo never")
            await session.exec("echo never")
    finally:
        await session.close()


@pytest.mark.engines
@each_engine
def test_what_a_dead_process_left_is_swept_and_what_a_living_one_runs_is_not(container: Container) -> None:
    engine = container.engine
    tag = bring_image(engine, container.image, Path(container.image.path).parent)
    owners = {"dead": owner_of_mine() + "0", "living": owner_of_mine()}
    names = {kind: f"trajmill-test-{kind}-{os.getpid()}" for kind in owners}
    try:
        for kind, owner in owners.items():
            sleep = ["/usr/bin/python3", "-S", "-c", "import time; time.sleep(600)"]
            label = ["--label", f"{OWNER_LABEL}={owner}"]
            walls = ["--network", "none", "--ulimit", "nofile=256:256", "--ulimit", "nproc=256:256"]
            engine.ask_now("run", "--detach", "--name", names[kind], *label, *walls, tag, *sleep)
        sweep(engine)
        left = engine.ask_now("ps", "--all", "--format", "{{.Names}}").split()
        assert (names["dead"] in left, names["living"] in left) == (False, True)
    finally:
        for name in names.values():
            subprocess.run(engine.command("rm", "--force", name), capture_output=True, check=False)


@pytest.mark.engines
@each_engine
def test_the_first_process_has_no_rights_that_the_engine_did_not_give(container: Container) -> None:
    async def look() -> tuple[str, str]:
        session = await container.start()
        try:
            [name] = _standing(container.engine, owner_of_mine())
            facts = "{{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}"
            told = container.engine.ask_now("inspect", "--format", facts, name)
            return told.strip(), container.engine.ask_now("inspect", "--format", "{{.Config.Env}}", name)
        finally:
            await session.close()

    assert asyncio.run(look())[0] == "none true false"


def test_root_without_a_namespace_of_users_finds_the_kernel_s_files_covered() -> None:
    """core_pattern, sysrq-trigger and the like ask for user 0 alone, not for a capability."""
    own, contained = (
        RootView("/image", (), "/top").arguments(),
        RootView("/image", (), "/top", contained=True).arguments(),
    )
    for name in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/fs"):
        if Path(name).exists():
            assert ["--ro-bind", name, name] == contained[(at := contained.index(name) - 1) : at + 3]
            assert name not in own
    assert "--unshare-user" in own and "--unshare-user" not in contained


@pytest.mark.parametrize(
    ("engine", "said", "advice"),
    [
        ("docker", "no program docker in /usr/bin", "apt install docker.io"),
        ("podman", "no program podman in /usr/bin", "apt install podman"),
        ("docker", "docker ps: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "systemctl start"),
        ("docker", "docker ps: permission denied while trying to connect to the Docker daemon socket", "usermod -aG"),
        ("podman", "podman run: error setting rlimit type 7: operation not permitted", "CAP_SYS_RESOURCE"),
        ("podman", "podman has no cgroup for memory and processes here: v1 [cpu]", "unified_cgroup_hierarchy"),
        ("docker", 'docker run: invalid mount config for type "bind": bind source path does not exist', "this very"),
        ("docker", "bwrap: Can't make overlay mount on /newroot/: Permission denied", "AppArmor"),
    ],
)
def test_what_an_engine_refuses_is_told_with_what_to_do(engine: str, said: str, advice: str) -> None:
    found = diagnose(engine, said)
    assert (found.usable, found.backend, found.reason) == (False, engine, said)
    assert advice in found.fix


async def test_an_engine_that_is_not_there_is_told_and_replaced_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    backend = Container(Engine("docker"), Image("digest", "/nowhere", "host"))
    found = await backend.probe()
    assert (found.usable, found.backend) == (False, "docker")
    assert "apt install docker.io" in found.fix
    with pytest.raises(SandboxError, match="no program docker"):
        await backend.start()


def test_a_label_tells_the_living_from_the_dead() -> None:
    where, pid, started = owner_of_mine().rsplit("/", 2)
    assert is_alive(owner_of_mine())
    assert not is_alive(f"{where}/{pid}/{started}0")
    assert not is_alive(f"another-boot/pid:[1]/{pid}/{started}")
    assert is_alive(f"{where.partition('/')[0]}/pid:[1]/{pid}/0")  # another PID namespace: not ours to judge
