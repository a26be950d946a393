"""Sandboxes for the tests: every backend that works here, on the host's image, started once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sandboxes.base import Limits, Sandbox, Session
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.settings import default_cache

BACKENDS = {"bubblewrap": lambda limits: Bubblewrap(host_image(default_cache()), limits)}


@pytest.fixture(scope="session", params=list(BACKENDS))
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A backend with small limits; skipped by name where this machine refuses it."""
    backend = BACKENDS[request.param](Limits(processes=48, memory_mb=384, disk_mb=32, file_mb=24, output_bytes=8192))
    found = asyncio.run(backend.probe())
    if not found.usable:
        pytest.skip(f"{request.param}: {found.reason} {found.fix}")
    return backend


@pytest.fixture
async def session(sandbox: Sandbox) -> AsyncIterator[Session]:
    opened = await sandbox.start()
    yield opened
    await opened.close()
