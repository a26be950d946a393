"""Played beside the real engine: the same admissible commands, the same words, the same success, step by step.

Skipped unless `TRAJMILL_TEXTWORLD` names a Python with textworld and alfworld (docs/worlds/alfworld.md);
`TRAJMILL_ALFWORLD_GAMES` names a folder of `game.tw-pddl` files that are played as well.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.world_speed.alfworld import RealEngine, real_engine
from environments.alfworld.engine import Household
from environments.alfworld.game_files import read_game
from environments.alfworld.generator import make_game
from environments.alfworld.goal import read_goal
from environments.alfworld.home import Grammar, Home

PYTHON = os.environ.get("TRAJMILL_TEXTWORLD", "")
GAMES = os.environ.get("TRAJMILL_ALFWORLD_GAMES", "")
STEPS = 10_000
MADE = 18
"""Games of ours, each in both grammars."""
LOCAL, WRONG = 0.6, 0.04
"""Shares of steps that stay where they are, and that are not admissible."""
REFUSED = ("dance", "GO TO desk 1", "take mug 1", "look around", "put mug 1 in desk 1", "")
GRAMMARS: tuple[Grammar, ...] = ("put", "move")

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not PYTHON, reason="TRAJMILL_TEXTWORLD names no Python with textworld and alfworld"),
]


class Tried(NamedTuple):
    name: str
    home: Home
    goal: str
    sentence: str
    path: Path | None = None


def games() -> Iterator[Tried]:
    for path in sorted(Path(GAMES).rglob("game.tw-pddl")) if GAMES else []:
        read = read_game(json.loads(path.read_text(encoding="utf-8")))
        yield Tried(path.parent.name, read.home, read.goal, read.sentence, path)
    for number in range(MADE):
        game = make_game(77, number)
        for grammar in GRAMMARS:
            home = game.home.model_copy(update={"grammar": grammar})
            yield Tried(f"{number} {grammar}", home, game.wanted.goal(), game.sentence)


def chosen(admissible: list[str], rng: random.Random) -> str:
    if rng.random() < WRONG:
        return rng.choice(REFUSED)
    local = [command for command in admissible if not command.startswith("go to ")]
    return rng.choice(local if rng.random() < LOCAL else admissible)


def walk(engine: RealEngine, tried: Tried, steps: int) -> list[str]:
    """Play both engines and return where they differ."""
    home, goal = tried.home, tried.goal
    real = engine.load_file(tried.path) if tried.path else engine.load(home, goal, tried.sentence)
    household, reached, rng = Household(home), read_goal(goal), random.Random(tried.name)
    told = f"-= Welcome to TextWorld, ALFRED! =-\n\n{household.intro()}\n\nYour task is to: {tried.sentence}"
    differ = [] if real["feedback"] == told else [f"{tried.name}: begins with {real['feedback']!r}, not {told!r}"]
    for number in range(steps):
        ours: dict[str, Any] = {"admissible": list(household.admissible()), "won": reached.is_reached(household)}
        differ += [f"{tried.name} {number}: {key}" for key in ours if ours[key] != real[key]]
        command = chosen(real["admissible"], rng)
        shown = household.step(command)
        (real,) = engine.step(command)
        if shown != real["feedback"]:
            differ.append(f"{tried.name} {number} {command!r}: {real['feedback']!r}, not {shown!r}")
        if differ:
            break
    return differ


def test_the_games_hold_what_is_hard() -> None:
    homes = [tried.home for tried in games()]
    assert any(len(places) > 1 for home in homes for places in home.at_location.values())
    assert any(thing.inside for home in homes for thing in home.things.values())
    assert {home.grammar for home in homes} == {"put", "move"}


@pytest.mark.timeout(7200)
def test_ten_thousand_random_steps_are_the_same_in_both() -> None:
    tried = list(games())
    each = -(-STEPS // len(tried))
    with real_engine(PYTHON, "--remember") as engine:
        differ = [line for one in tried for line in walk(engine, one, each)]
    assert each * len(tried) >= STEPS and differ == []
