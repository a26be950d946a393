"""Workbenches and episodes on the built-in graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.base import Card
from environments.kg.author import inventor
from environments.kg.episode import KgEnvironment
from environments.kg.graphs import built_in
from environments.kg.task import setup_of
from environments.kg.tools import Workbench
from environments.kg.world import OBSERVATION_CHARS
from schemas.task_spec import Check, Provenance, Script, TaskSpec

CARD = Card("kg", 1, 15, "solve_kg", OBSERVATION_CHARS)


def thing(name: str) -> str:
    """Return the id of a thing of the built-in graph."""
    return next(one for one, called in inventor().facts.names.items() if called == name)


@pytest.fixture
def bench() -> Callable[..., Workbench]:
    """Make a workbench for a question that names these things."""
    return lambda *names: Workbench(built_in(), {name: thing(name) for name in names})


@pytest.fixture
def make_task() -> Callable[..., TaskSpec]:
    """Make a question with its calls, about these things."""

    def make(question: str, calls: list[str], *names: str, graph: str = "tidewater", **fields: object) -> TaskSpec:
        return TaskSpec.make(
            **{
                "environment": "kg",
                "instruction": question,
                "setup": setup_of(graph, {name: thing(name) for name in names}),
                "reference": tuple(Script(code=call) for call in calls),
                "check": Check(kind="reference"),
                "origin": "own",
                "provenance": Provenance(source="test"),
                **fields,
            }
        )

    return make


@pytest.fixture
def episode() -> Callable[[TaskSpec], KgEnvironment]:
    """Open an episode on the built-in graph."""
    return lambda spec: KgEnvironment(spec, built_in(), CARD)
