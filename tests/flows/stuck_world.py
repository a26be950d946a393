"""A world as an installed package, whose judge computes for ever on the event loop where STUCK says how.

It tells that it does so by making the file that STUCK_TOLD names. Its tasks ask for a number; only the reference knows.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import prompts
from environments.base import Action, Dialect, Environment, Step, World
from environments.dialects.tool_calls import ToolCalls
from schemas.episode import Verdict
from schemas.task_spec import TaskSpec


def loop() -> None:
    while True:
        pass


STUCK: Mapping[str, Callable[[], Any]] = {
    "loop": loop,
    "sleep": lambda: time.sleep(100_000),
    "pattern": lambda: re.match(r"(a+)+$", "a" * 80 + "b"),
    "number": lambda: pow(7, 10**9),
    "C code": lambda: deque(itertools.repeat(0), maxlen=0),
}


class StuckEnvironment(Environment):
    def __init__(self, spec: TaskSpec) -> None:
        self.spec, self.has_worked = spec, False

    async def reset(self) -> Step:
        return Step(self.spec.instruction)

    async def step(self, action: Action) -> Step:
        return Step("", terminated=True)

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        self.has_worked, action = True, Action("answer", self.spec.reference[0].code)
        return ((action, await self.step(action)),)

    async def verify(self) -> Verdict:
        if "STUCK" in os.environ:
            Path(os.environ["STUCK_TOLD"]).touch()
            STUCK[os.environ["STUCK"]]()
        return Verdict(name="passed" if self.has_worked else "failed", reward=float(self.has_worked))


class StuckWorld(World):
    name, max_turns = "stuck", 2
    dialects: Mapping[str, Dialect] = {"tools": ToolCalls(prompts.load("solve_os_tools"))}

    def open(self, spec: TaskSpec) -> StuckEnvironment:
        return StuckEnvironment(spec)
