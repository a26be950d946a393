"""The household world: steps a second, beside the real engine where a Python has it, and what an open episode holds.

`TRAJMILL_TEXTWORLD` names that Python (docs/worlds/alfworld.md). Run: python -m benchmarks.world_speed.alfworld
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from environments.alfworld.engine import Household
from environments.alfworld.game_files import write_problem
from environments.alfworld.generator import Game, make_game
from environments.alfworld.goal import read_goal
from environments.alfworld.home import Home
from environments.alfworld.task import make_task
from environments.alfworld.wanted import KINDS
from environments.alfworld.world import AlfworldWorld
from environments.base import Environment
from schemas.task_spec import Provenance

PLAYER = Path(__file__).with_name("textworld_player.py")
STEPS, REAL_STEPS, EPISODES = 30_000, 60, 500


class RealEngine:
    """The real engine in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def load(self, home: Home, goal: str, sentence: str) -> dict[str, Any]:
        """Load a game of ours; return its first state."""
        asked = {"problem": write_problem(home, goal), "grammar": home.grammar, "task": sentence.rstrip(".")}
        loaded: dict[str, Any] = self._ask(asked)
        return loaded

    def load_file(self, path: Path) -> dict[str, Any]:
        """Load a `game.tw-pddl`; return its first state."""
        loaded: dict[str, Any] = self._ask({"file": str(path)})
        return loaded

    def step(self, *commands: str) -> list[dict[str, Any]]:
        """Play on; return the state after each command."""
        states: list[dict[str, Any]] = self._ask({"commands": commands})
        return states

    def _ask(self, asked: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def real_engine(python: str, *arguments: str) -> Iterator[RealEngine]:
    """Yield the real engine, run by a Python that has textworld and alfworld; `--remember` lets it parse texts once."""
    command = [python, "-P", str(PLAYER), *arguments]  # -P: alfworld is the package, not the file beside it
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield RealEngine(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.kill()


class Walk(NamedTuple):
    """A random walk on one game."""

    game: Game
    commands: tuple[str, ...]


def walks(steps: int, seed: int = 0) -> list[Walk]:
    """Walk at random through a game of each kind, `steps` in all, as an agent that lists what it may do."""
    found = []
    for number in range(len(KINDS)):
        game, rng = make_game(seed, number), random.Random(number)
        household, commands = Household(game.home), list[str]()
        for _ in range(steps // len(KINDS)):
            commands.append(rng.choice(household.admissible()))
            household.step(commands[-1])
        found.append(Walk(game, tuple(commands)))
    return found


def own_seconds(played: Sequence[Walk]) -> float:
    """Return the CPU seconds of walks here, each step with its admissible commands and the check of the goal."""
    began = time.process_time()
    for walk in played:
        household, goal = Household(walk.game.home), read_goal(walk.game.wanted.goal())
        for command in walk.commands:
            household.step(command)
            household.admissible()
            goal.is_reached(household)
    return time.process_time() - began


def real_seconds(played: Sequence[Walk], python: str) -> float:
    """Return the CPU seconds of walks in the real engine, which does the same in each step."""
    total = 0.0
    with real_engine(python) as engine:
        for walk in played:
            engine.load(walk.game.home, walk.game.wanted.goal(), walk.game.sentence)
            total += sum(state["seconds"] for state in engine.step(*walk.commands))
    return total


async def open_episodes(count: int) -> float:
    """Return the bytes that each of many open episodes of one task holds, half-way through."""
    game = make_game(0, 2)
    spec = make_task(
        game.home,
        game.wanted.goal(),
        game.sentence,
        game.walkthrough,
        kind=game.wanted.kind,
        shortest=len(game.plan),
        origin="own",
        provenance=Provenance(source="benchmark"),
    )
    world, opened = AlfworldWorld(), list[Environment]()
    half = game.walkthrough[: len(game.walkthrough) // 2]
    spec = spec.model_copy(update={"reference": (spec.reference[0].model_copy(update={"code": "\n".join(half)}),)})
    for _ in range(2):  # what is shared is there before it is measured
        tracemalloc.start()
        opened = [world.open(spec) for _ in range(count)]
        for environment in opened:
            await environment.reset()
            await environment.follow()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return held / len(opened)


def measure() -> dict[str, float | str]:
    """Return steps a second (CPU), ours and the real engine's, and bytes an open episode."""
    own = STEPS / own_seconds(walks(STEPS))
    told: dict[str, float | str] = {
        "steps/s": round(own),
        "bytes an open episode": round(asyncio.run(open_episodes(EPISODES))),
        "games made/s": round(_games_a_second(), 1),
    }
    python = os.environ.get("TRAJMILL_TEXTWORLD")
    if not python:
        return told | {"textworld steps/s": "TRAJMILL_TEXTWORLD names no Python that has it"}
    real = REAL_STEPS / real_seconds(walks(REAL_STEPS), python)
    return told | {"textworld steps/s": round(real, 1), "times textworld": round(own / real)}


def _games_a_second(count: int = 60) -> float:
    began = time.process_time()
    for number in range(count):
        make_game(9, number)
    return count / (time.process_time() - began)


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value}")
