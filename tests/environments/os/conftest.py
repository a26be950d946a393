"""A real sandbox on this machine's tools, and short ways to write a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from environments.os.world import OsWorld
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.settings import default_cache
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec


@pytest.fixture(scope="session")
def sandbox() -> Bubblewrap:
    return Bubblewrap(host_image(default_cache()))


@pytest.fixture
def world(sandbox: Bubblewrap) -> OsWorld:
    return OsWorld(sandbox, sandbox.image.digest, command_timeout=5.0)


@pytest.fixture(scope="session")
def make_task() -> Callable[..., TaskSpec]:
    def make(
        *,
        init: str = "",
        reference: str = "cat /root/n",
        evaluation: str = '[ "$1" = "$2" ]',
        start: str | None = None,
        **fields: Any,
    ) -> TaskSpec:
        """Return a task that asks for the number in /root/n, unless told otherwise."""
        given = {
            "environment": "os",
            "instruction": "Which number is in /root/n?",
            "setup": Setup(
                init=(Script(code=init or "echo 1174 > /root/n"),), start=Script(code=start) if start else None
            ),
            "reference": (Script(code=reference),) if reference else (),
            "check": Check(kind="script", scripts=(Script(code=evaluation),)),
            "origin": "self_instruct",
            "provenance": Provenance(source="test"),
        }
        return TaskSpec.make(**{**given, **fields})

    return make
