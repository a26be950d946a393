"""Sandboxes for the tests: every backend that works here, on the host's image, started once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sandboxes.base import Image, Limits, Sandbox, Session
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.container.backend import Container
from sandboxes.container.engine import Engine
from sandboxes.images import host_image
from schemas.settings import default_cache

SMALL = Limits(processes=48, memory_mb=384, disk_mb=32, file_mb=24, output_bytes=8192)
BACKENDS = {
    "bubblewrap": lambda limits: Bubblewrap(host_image(default_cache()), limits),
    "docker": lambda limits: Container(Engine("docker"), host_image(default_cache()), limits),
    "podman": lambda limits: Container(Engine("podman"), host_image(default_cache()), limits),
}
ENGINES = [pytest.param(name, marks=pytest.mark.engines) for name in ("docker", "podman")]


@pytest.fixture(scope="session", params=["bubblewrap", *ENGINES])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A backend with small limits; skipped by name where this machine refuses it."""
    backend: Sandbox = BACKENDS[request.param](SMALL)
    found = asyncio.run(backend.probe())
    if not found.usable:
        pytest.skip(f"{request.param}: {found.reason} {found.fix}")
    return backend


@pytest.fixture
async def session(sandbox: Sandbox) -> AsyncIterator[Session]:
    opened = await sandbox.start()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def image() -> Image:
    """The host's image, where bubblewrap can stand: the naive sandbox is made of it too."""
    found = asyncio.run(Bubblewrap(host_image(default_cache())).probe())
    if not found.usable:
        pytest.skip(f"bubblewrap: {found.reason} {found.fix}")
    return host_image(default_cache())
