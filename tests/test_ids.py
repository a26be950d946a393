"""Ids come from content, and stand in people's tables.

One that changes here changed by accident; or a contract was raised, a prompt has a new version, and the id below goes
with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import prompts
from environments.base import Place
from environments.db import world as db_world
from environments.db.engine import SqlLimits
from environments.os import world as os_world
from environments.registry import Worlds, make_world, worlds_of
from sandboxes.base import Image
from sandboxes.bubblewrap import Bubblewrap
from schemas.completion import CompletionRequest, Sampling
from schemas.episode import SolverKind, make_episode_id
from schemas.message import Message
from schemas.rejection import Rejection
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec
from tasks.collect.roll_out import LOOP_CONTRACT
from tasks.curate.episode import RENDERER
from tasks.workshop import Workshop

OS_WORLDS = (("image", 5.0), ("image", 6.0), ("other image", 5.0))
OS_TASK = TaskSpec.make(
    environment="os",
    instruction="How many files are in /srv?",
    setup=Setup(init=(Script(code="touch /srv/a"),)),
    reference=(Script(code="ls /srv | wc -l"),),
    check=Check(kind="script", scripts=(Script(code='[ "$1" = "$2" ]'),)),
    origin="self_instruct",
    family="files",
    provenance=Provenance(source="seed 0 build 1 os round 0 request 0"),
)
DB_TASK = TaskSpec.make(
    environment="db",
    instruction="Add Max.",
    setup=Setup(tables=(TableData(name="pets", columns=(Column(name="name"),), rows=(("Rex",), (None,), (1.5,))),)),
    reference=(Script(code="INSERT INTO pets VALUES ('Max')"),),
    check=Check(kind="state"),
    origin="derived",
    derivation="replay",
    provenance=Provenance(source="test"),
)
SOLVERS: tuple[tuple[TaskSpec, SolverKind], ...] = (
    (OS_TASK, "teacher"),
    (DB_TASK, "teacher"),
    (OS_TASK, "reference"),
)
REQUEST = CompletionRequest(
    purpose="collect_episodes",
    teacher="offline",
    model="offline-a",
    messages=(Message(role="user", content="How many?"),),
    sampling=Sampling(temperature=0.5, max_tokens=100, seed=7),
    prompt_sha="ab" * 32,
    attempt=2,
    key="build 1",
)


def test_a_task_s_id_is_what_is_asked_and_how_it_is_judged() -> None:
    assert OS_TASK.task_id == "816febbc1c0b60aa2f966edf3a782c0c"
    assert DB_TASK.task_id == "d5ee29bd914d8b74600277dafc9e43b9"


def test_a_task_s_id_says_nothing_of_who_made_it_and_when() -> None:
    again = OS_TASK.model_dump(exclude={"task_id", "provenance", "family", "origin"})
    other = TaskSpec.make(**again, origin="own", family="text", provenance=Provenance(source="elsewhere"))
    assert other.task_id == OS_TASK.task_id


def test_an_episode_s_id_is_task_solver_world_and_attempt() -> None:
    assert make_episode_id("task", "solver", "world", 1) == "cbed8ec42b0af8f0217db86e7207b722"


def test_a_request_s_id_is_what_is_asked_never_where() -> None:
    assert REQUEST.request_hash == "6573def2aa308032ca90164bdbe28a8b"


def test_a_rejection_s_id_is_stage_reason_source_and_row() -> None:
    made = Rejection.make(stage="ingest", reason="not_json", detail="d", source="a:1", raw=b"{", build=1)
    assert made.rejection_id == "0654b819abaf8d5e64473bb1cb36a3ff"


def test_contracts_are_raised_by_hand() -> None:
    assert (os_world.CONTRACT, db_world.CONTRACT, LOOP_CONTRACT, RENDERER) == (2, 1, 1, 1)
    assert (os_world.OsWorld.check_contract, db_world.DbWorld.check_contract) == (3, 3)


NOW_OS = [
    "72f6d2f81bfb728c681330091e953139",
    "67346590f744e9692e7648e6c5c1094f",
    "b28e582f2fc9a73be8aa0a75b03c4f73",
]
NOW_CURATION = "1f620f55fc2b768a1f2540429f90f8bb"
NOW_DB = ["8e2030c5b1a410fe2c9ecf9732c6eaf6", "67c4e66b4a313d09f018a1b52c618271"]
NOW_SOLVERS = [
    "badabe3cc8d3c63362957f1313f06a8e",
    "0608b1085643ee279047c83bf9826a44",
    "187ea26d8e955e3953527dbb206e6dfd",
]
BEFORE_TELLING = dict.fromkeys(("solve_os", "solve_db", "solve_os_tools", "solve_db_tools"), "v2")
"""As a build that began with these prompts goes on."""


def test_the_os_world_s_id_is_its_description_and_its_image() -> None:
    sandbox = Bubblewrap(Image("digest", "/nowhere", "host"))

    def ids() -> list[str]:
        return [os_world.OsWorld(sandbox, image, command_timeout=seconds).world_id for image, seconds in OS_WORLDS]

    assert ids() == NOW_OS
    with prompts.keeping(BEFORE_TELLING):
        assert ids() == [
            "c4bfe9f2ebac8f75752c99f6c0441909",
            "a809eeedbbc79c4833becadd6537f69c",
            "28c37d5616cd5e84625d6111478adbd1",
        ]


def test_the_database_world_s_id_is_its_description_and_its_engine() -> None:
    engine: Any = SimpleNamespace(limits=SqlLimits(), version="sqlite 3.40.1")
    assert [db_world.DbWorld(engine, max_turns=turns).world_id for turns in (15, 9)] == NOW_DB
    with prompts.keeping(BEFORE_TELLING):
        assert [db_world.DbWorld(engine, max_turns=turns).world_id for turns in (15, 9)] == [
            "f8eb779beed59169cd3d432457e7fb4a",
            "439e200b5a15c58e95fd891d7cca2738",
        ]


def solver_ids(shop: Workshop, *asked: tuple[TaskSpec, SolverKind]) -> list[str]:
    return [shop.solver_rules(spec, kind).solver.solver_id for spec, kind in asked]


@pytest.fixture
def shop_of(open_shop: Callable[..., Workshop], tmp_path: Path) -> Callable[..., Workshop]:
    def open_one(**overrides: Any) -> Workshop:
        shop = open_shop(**overrides)
        place = Place(shop.config, shop.home, tmp_path)
        shop.worlds = Worlds({name: make_world(name, place) for name in worlds_of(shop.config)})
        return shop

    return open_one


def test_solvers_and_curations_are_named_by_all_that_makes_their_rows_differ(shop_of: Callable[..., Workshop]) -> None:
    shop = shop_of()
    asked: tuple[tuple[TaskSpec, SolverKind], ...]
    asked = (OS_TASK, "teacher"), (DB_TASK, "teacher"), (OS_TASK, "reference")
    assert solver_ids(shop, *asked) == NOW_SOLVERS
    with prompts.keeping(BEFORE_TELLING):
        assert solver_ids(shop_of(), *asked) == [
            "57edd20c0292dc4c4f4f8721bbdd9dd2",
            "20d9f394021928d006b2e1bef17ac001",
            "187ea26d8e955e3953527dbb206e6dfd",
        ]
    assert shop.curation_id == NOW_CURATION
    with prompts.keeping({"backfill": "v1"}):  # as a home that began so goes on
        assert shop.curation_id == "fcce186ed2592d38bd97ccbe0cfdc4f0"


@pytest.mark.parametrize(("named", "stands"), [("react", True), (["react"], True), ("tools", False)])
def test_a_dialect_that_is_named_or_the_first_is_one_solver_and_another_dialect_another(
    shop_of: Callable[..., Workshop], named: object, stands: bool
) -> None:
    found = solver_ids(shop_of(collect__dialect=named), (OS_TASK, "teacher"))
    assert (found == NOW_SOLVERS[:1]) is stands


def test_another_prompt_model_or_threshold_is_another_solver_or_curation(shop_of: Callable[..., Workshop]) -> None:
    plain, other = shop_of(), shop_of(teacher__solver="offline-b", curate__per_task=3)
    assert solver_ids(plain, (OS_TASK, "teacher")) != solver_ids(other, (OS_TASK, "teacher"))
    assert plain.curation_id != other.curation_id


def test_another_make_of_a_mixture_is_another_solver_and_curation(shop_of: Callable[..., Workshop]) -> None:
    roles = {"teacher__solver": "panel", "teacher__backfiller": "panel"}
    makes = [{"proposers": ["a"], "aggregator": "a"}, {"proposers": ["a"], "aggregator": "b"}]
    shops = [shop_of(teacher__mixtures={"panel": make}, **roles) for make in makes]
    shops.append(shop_of(**roles))
    assert len({solver_ids(shop, (OS_TASK, "teacher"))[0] for shop in shops}) == 3
    assert len({shop.curation_id for shop in shops}) == 3
