"""A game as a TaskSpec: the home is `setup.state`, the goal `check.arguments`, a walkthrough the reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from environments.alfworld.goal import Goal, read_goal
from environments.alfworld.home import Home, read_home
from environments.alfworld.pddl import UnreadablePddl
from environments.alfworld.wanted import Kind, Wanted, read_wanted
from schemas.record import canonical_json
from schemas.rejection import Refusal
from schemas.task_spec import Check, Script, Setup, TaskSpec

CHECK = "goal"
"""The one kind of check: the goal holds when the episode ends."""
EASY, HARD = 6, 9
"""Actions of a shortest plan up to which a game is easy, and from which on it is hard."""


class Problem(NamedTuple):
    """What a task holds of its game."""

    home: Home
    goal: Goal


def read_problem(spec: TaskSpec) -> Problem | Refusal:
    """Read a task's home and goal, or say why they cannot be read."""
    if spec.check.kind != CHECK:
        return Refusal("unknown_check", f"the alfworld world has no check {spec.check.kind!r}; it has {CHECK}")
    try:
        home = read_home(spec.setup.state or "")
    except ValidationError as error:
        return Refusal("unreadable_home", f"setup.state is no home: {error.errors()[0]['msg']}")
    try:
        said = json.loads(spec.check.arguments or "")
        return Problem(home, read_goal(said["goal"]))
    except (ValueError, TypeError, KeyError, UnreadablePddl) as error:
        return Refusal("unreadable_goal", f"check.arguments is no object with a PDDL `goal`: {error}")


def wanted_in(spec: TaskSpec) -> Wanted | None:
    """Return what a task asks for; None = none of the six kinds, or nothing that can be read."""
    problem = read_problem(spec)
    return None if isinstance(problem, Refusal) else read_wanted(problem.goal.text)


def commands_in(spec: TaskSpec) -> tuple[str, ...]:
    """Return the commands of a task's reference, one a line."""
    lines = (line.strip() for script in spec.reference for line in script.code.splitlines())
    return tuple(line for line in lines if line)


def make_task(
    home: Home, goal: str, sentence: str, commands: Sequence[str], *, kind: Kind | None, shortest: int, **more: Any
) -> TaskSpec:
    """Return a game as a task."""
    return TaskSpec.make(
        environment="alfworld",
        instruction=sentence,
        setup=Setup(state=home.to_text()),
        reference=(Script(code="\n".join(commands)),) if commands else (),
        check=Check(kind=CHECK, arguments=canonical_json({"goal": goal}).decode()),
        **{"family": kind, "difficulty": 1 + (shortest > EASY) + (shortest >= HARD) if shortest else None, **more},
    )
