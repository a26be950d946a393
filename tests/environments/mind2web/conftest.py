"""Built-in steps as tasks, and small pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from environments.mind2web.author import PageAuthor
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.making import Shot, make_task
from environments.mind2web.page import read_page
from environments.mind2web.sample import FlowStep, flow_steps
from environments.mind2web.state import WantedStep
from environments.mind2web.world import Mind2WebWorld
from schemas.task_spec import Provenance, TaskSpec

Make = Callable[..., TaskSpec]


def page_of(count: int, *, inside: str = "") -> str:
    """A page of `count` buttons that differ in a word, ids 100, 101, ..."""
    buttons = "".join(
        f'<button backend_node_id="{100 + n}"><text>Button number {n}</text></button> ' for n in range(count)
    )
    return f'<html backend_node_id="1"> <body backend_node_id="2"> {buttons}{inside}</body> </html>'


@pytest.fixture
def world() -> Mind2WebWorld:
    return Mind2WebWorld()


@pytest.fixture(scope="session")
def steps() -> tuple[FlowStep, ...]:
    return tuple(flow_steps())


@pytest.fixture(scope="session")
def spec_of() -> Callable[[FlowStep], TaskSpec]:
    author = PageAuthor(Mind2WebConfig())
    return lambda step: author.derived(step, "interact")


@pytest.fixture
def make() -> Make:
    """A task on a page of buttons: what is right, how many candidates, of how many steps."""

    def one(
        *wanted: dict[str, Any], markup: str | None = None, count: int = 10, order: tuple[str, ...] = (), **fields: Any
    ) -> TaskSpec:
        page, shots = read_page(markup or page_of(count)), []
        names = order or tuple(str(100 + n) for n in range(count))
        for step in wanted or ({"elements": ("103",), "op": "CLICK"},):
            shots.append(Shot(page, names, (), WantedStep.model_validate(step)))
        given = {"origin": "own", "provenance": Provenance(source="test"), **fields}
        return make_task("Press the right one.", "buttons", "Test", shots, "0", **given)

    return one
