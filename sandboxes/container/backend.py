"""The backends docker and podman: a session is a container of theirs, and what happens in it a pod's business.

The engine builds the outer wall (namespaces, no network, read-only root, a cgroup for memory, processes and CPU); in
it each shell and script is a bwrap on layers of bounded size, as everywhere. An engine's `exec` has three streams, all
of which an agent can write to; so the shell's private descriptors come through a socket at the container's door.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from sandboxes.arguments import RootView, resource_limits
from sandboxes.base import Capabilities, Image, Limits
from sandboxes.bubblewrap import DEFAULT_LIMITS, PodSession
from sandboxes.container.diagnosis import diagnose
from sandboxes.container.engine import MOST_OF_A_KIND, OWNER_LABEL, Engine, write_profile
from sandboxes.container.image import BWRAP, bring_image
from sandboxes.container.keeper import DOOR, POINT
from sandboxes.owner import is_alive, owner_of_mine
from sandboxes.pod import Pod
from schemas.errors import SandboxError
from schemas.task_spec import Script

START_SECONDS = 60.0
"""An engine takes 0.4 s; one that needs this long on a busy machine will not come."""
STOP_SECONDS = 20.0
KEEPER = ("/usr/bin/python3", "-E", "-s", "-S", "-m", "sandboxes.container.keeper")
SAID_BYTES = 4096


class Container:
    """Starts sessions on one image, each in a container of an engine."""

    def __init__(
        self, engine: Engine, image: Image, limits: Limits = DEFAULT_LIMITS, *, cache: Path | None = None
    ) -> None:
        """`cache`: a folder of this user's, default: the one that the image lies in."""
        self.engine = engine
        self.backend = engine.name
        self.image = image
        self.limits = limits
        self._cache = cache or Path(image.path).parent
        self._tag = ""
        self._lock = threading.Lock()

    async def probe(self) -> Capabilities:
        """Start a session and run a script in it, with the real flags."""
        try:
            session = await self.start()
            try:
                result = await session.run(Script(code="true"))
            finally:
                await session.close()
            kind = await asyncio.to_thread(self.engine.limits_kind)
        except SandboxError as problem:
            return diagnose(self.engine.name, str(problem))
        if result.exit_code != 0:
            return diagnose(self.engine.name, f"`true` ended with {result.exit_code}: {result.text.strip()}")
        return Capabilities(usable=True, backend=self.engine.name, limits=kind, overlay=True)

    async def start(self, *, start: Script | None = None) -> PodSession:
        """Open a session; its shell starts with the first `exec`.

        Raises:
            SandboxError: the engine refuses; `probe` says what to do.
        """
        tag = await asyncio.to_thread(self._ready_image)
        pod = await ContainerPod.run(self.engine, tag, self.limits)
        return PodSession(
            pod, RootView(self.image.path, (), "", contained=True), _counted_by_engine(self.limits), start
        )

    def _ready_image(self) -> str:
        """Bring the image, once, and remove what dead processes left."""
        with self._lock:
            if not self._tag:
                sweep(self.engine)
                self._tag = bring_image(self.engine, self.image, self._cache)
        return self._tag


class ContainerPod(Pod):
    """A pod whose first process is a container's; the engine's own command waits for its end."""

    _name: str
    _engine: Engine
    _process: asyncio.subprocess.Process

    @classmethod
    async def run(cls, engine: Engine, tag: str, limits: Limits) -> ContainerPod:
        """Start a container and wait until it calls at the door.

        Raises:
            SandboxError: it did not; the text is the engine's.
        """
        name = f"trajmill-{secrets.token_hex(8)}"
        with _open_door() as (door, folder):
            command = _command(engine, tag, limits, name, folder)
            process = await _spawn(command)
            try:
                channel = await _caller(door, process, engine)
            except BaseException:
                door.close()
                await _remove(engine, name, process)
                raise
        pod = cls(channel, POINT)
        pod._engine, pod._name, pod._process = engine, name, process
        await pod.stand()
        return pod

    async def close(self) -> None:
        """End it with all in it, and wait until the engine has removed it."""
        await super().close()
        await _remove(self._engine, self._name, self._process)


def sweep(engine: Engine) -> None:
    """Remove the containers whose process is gone: they end with it, unless the machine or its daemon fell first."""
    listed = engine.ask_now("ps", "--all", "--filter", f"label={OWNER_LABEL}", "--format", "{{.Names}}")
    for name in listed.split():
        with contextlib.suppress(SandboxError):  # it may be leaving by itself just now
            owner = engine.ask_now("inspect", "--format", f'{{{{index .Config.Labels "{OWNER_LABEL}"}}}}', name)
            if not is_alive(owner.strip()):
                engine.ask_now("rm", "--force", name)


@contextlib.contextmanager
def _open_door():  # type: ignore[no-untyped-def]
    """Listen in a folder that no other user can enter; in the container the socket is open to its root."""
    home = Path(tempfile.mkdtemp(prefix="trajmill-door-"))
    folder = home / "door"
    folder.mkdir(mode=0o755)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(str(folder / Path(DOOR).name))
            (folder / Path(DOOR).name).chmod(0o666)
            door.listen(1)
            door.setblocking(False)
            write_profile(home / "seccomp.json")
            yield door, home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _counted_by_engine(limits: Limits) -> Limits:
    """Return limits that leave processes to the engine's cgroup: rlimits count those of all containers of a user."""
    return replace(limits, processes=MOST_OF_A_KIND // 4)


def _command(engine: Engine, tag: str, limits: Limits, name: str, home: Path) -> list[str]:
    door = f"type=bind,source={home / 'door'},target={Path(DOOR).parent},readonly"
    keeper = [*KEEPER, BWRAP, str(limits.memory_mb << 20), resource_limits(_counted_by_engine(limits))]
    labels = ["--name", name, "--label", f"{OWNER_LABEL}={owner_of_mine()}"]
    walls = engine.walls(limits, home / "seccomp.json")
    return engine.command("run", "--rm", *labels, *walls, "--mount", door, "--workdir", "/trajmill", tag, *keeper)


async def _spawn(command: list[str]) -> asyncio.subprocess.Process:
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        *command, stdin=nothing, stdout=nothing, stderr=pipe, start_new_session=True
    )


async def _caller(door: socket.socket, process: asyncio.subprocess.Process, engine: Engine) -> socket.socket:
    """Return the channel to who calls first; it is our own keeper, which nothing untrusted runs before."""
    loop = asyncio.get_running_loop()
    calling, ending = loop.create_task(loop.sock_accept(door)), loop.create_task(process.wait())
    try:
        await asyncio.wait({calling, ending}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if calling.done():
            return calling.result()[0]
        if ending.done():
            raise SandboxError(f"{engine.name} run: {await _last_words(process)}")
        raise SandboxError(f"{engine.name} run: no container after {START_SECONDS:.0f} s; is the machine overloaded?")
    finally:
        for waiting in (calling, ending):
            waiting.cancel()
        await asyncio.gather(calling, ending, return_exceptions=True)


async def _last_words(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read(SAID_BYTES)).decode("utf-8", "replace").strip() or "it said nothing"


async def _remove(engine: Engine, name: str, process: asyncio.subprocess.Process) -> None:
    """Wait until the engine's command is back, which is when the container is gone; force it where it is not."""
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(SandboxError):
            await engine.ask("rm", "--force", name)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
