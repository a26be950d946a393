"""The household's own cheats: a game that is won without its work, or whose work is not needed, is turned away."""

from __future__ import annotations

from collections.abc import Iterator

from environments.alfworld.engine import Household
from environments.alfworld.task import Problem, commands_in, read_problem
from schemas.rejection import Refusal
from schemas.task_spec import Probe, TaskSpec

_WORK = ("clean", "heat", "cool", "use", "slice", "take")
"""Verbs without which nothing is won that they are part of."""


def cheats_fail(spec: TaskSpec) -> Iterator[Probe]:
    """Try to win by one action, by walking and opening alone, and by leaving out what the reference does to things."""
    problem = read_problem(spec)
    assert not isinstance(problem, Refusal)
    winner = next((one for one in Household(problem.home).admissible() if _wins(problem, (one,))), "")
    yield Probe(name="one_action_fails", passed=not winner, detail=f"{winner!r} wins at once" if winner else "")
    won = _wins(problem, _walk(problem))
    yield Probe(name="wandering_fails", passed=not won, detail="going everywhere and opening all wins" if won else "")
    needless = next((one for one in _WORK if _is_needless(problem, commands_in(spec), one)), "")
    detail = f"the reference wins without its {needless!r}" if needless else ""
    yield Probe(name="left_out_fails", passed=not needless, detail=detail)


def _wins(problem: Problem, commands: tuple[str, ...]) -> bool:
    """Whether commands win, at whichever of them."""
    household = Household(problem.home)
    for command in commands:
        household.step(command)
        if problem.goal.is_reached(household):
            return True
    return False


def _walk(problem: Problem) -> tuple[str, ...]:
    names = [problem.home.names[one] for one, place in problem.home.receptacles.items() if place.at]
    return tuple(command for name in names for command in (f"go to {name}", f"open {name}"))


def _is_needless(problem: Problem, commands: tuple[str, ...], verb: str) -> bool:
    left = tuple(command for command in commands if not command.startswith(f"{verb} "))
    return len(left) < len(commands) and _wins(problem, left)
