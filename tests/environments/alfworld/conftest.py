"""Small homes and tasks for the household world's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from environments.alfworld.home import Home, Receptacle, Thing
from environments.alfworld.task import make_task
from environments.alfworld.wanted import Wanted
from schemas.task_spec import Provenance, TaskSpec

KITCHEN = Home(
    start="loc_bar_9",
    receptacles={
        "cabinet_bar_1": Receptacle(type="cabinettype", at="loc_bar_1", flags=("openable",)),
        "cabinet_bar_2": Receptacle(type="cabinettype", at="loc_bar_1", flags=("openable", "opened")),
        "desk_bar_1": Receptacle(type="desktype", at="loc_bar_2"),
        "fridge_bar_1": Receptacle(type="fridgetype", at="loc_bar_3", flags=("openable",)),
        "microwave_bar_1": Receptacle(type="microwavetype", at="loc_bar_4", flags=("openable",)),
        "sink_bar_1_bar_sinkbasin": Receptacle(type="sinkbasintype", at="loc_bar_5"),
    },
    things={
        "apple_bar_1": Thing(
            type="appletype",
            at=("loc_bar_3",),
            within=("fridge_bar_1",),
            flags=("pickupable", "cleanable", "heatable", "coolable", "sliceable"),
        ),
        "bowl_bar_1": Thing(
            type="bowltype", at=("loc_bar_2",), within=("desk_bar_1",), flags=("pickupable", "isreceptacleobject")
        ),
        "key_bar_1": Thing(
            type="keytype", at=("loc_bar_2",), within=("desk_bar_1",), inside=("bowl_bar_1",), flags=("pickupable",)
        ),
        "knife_bar_1": Thing(type="knifetype", at=("loc_bar_1",), within=("cabinet_bar_2",), flags=("pickupable",)),
        "lamp_bar_1": Thing(type="lamptype", at=("loc_bar_2",), within=("desk_bar_1",), flags=("toggleable",)),
    },
    can_contain={
        "cabinettype": ("bowltype", "keytype", "knifetype"),
        "desktype": ("appletype", "bowltype", "keytype"),
        "fridgetype": ("appletype", "bowltype"),
    },
)
KEY = Wanted("pick_and_place", "key", "cabinet")


@pytest.fixture
def kitchen() -> Home:
    return KITCHEN


@pytest.fixture
def task() -> Callable[..., TaskSpec]:
    """Make a task in the kitchen: bring the key, unless something else is said."""

    def make(home: Home = KITCHEN, wanted: Wanted = KEY, goal: str = "", **more: Any) -> TaskSpec:
        given: dict[str, Any] = {
            "sentence": "put a key in cabinet.",
            "commands": ("go to desk 1", "take key 1 from desk 1", "go to cabinet 1", "put key 1 in/on cabinet 1"),
            "kind": wanted.kind,
            "shortest": 4,
            "origin": "own",
            "provenance": Provenance(source="test"),
        }
        return make_task(home, goal or wanted.goal(), **(given | more))

    return make
