"""ALFWorld's own files: both grammars, its folders and AgentBench's lists; what is no game is told by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from environments.admission import admit
from environments.alfworld.game_files import write_problem
from environments.alfworld.home import Home
from environments.alfworld.importers.games import IMPORTER
from environments.alfworld.task import commands_in, read_problem
from environments.alfworld.wanted import Wanted
from environments.alfworld.world import AlfworldWorld
from schemas.errors import InputError
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import TaskSpec

from .conftest import KEY, KITCHEN

KINDS = "pick_and_place_simple"
TRIAL = f"train/{KINDS}-Key-None-Cabinet-1/trial_1"
GRAMMAR = 'put {o} in/on {r} ... Your task is to: put a key in cabinet."\n'


def game(home: Home = KITCHEN, goal: str = KEY.goal(), **more: Any) -> dict[str, Any]:
    problem = write_problem(home, goal)
    return {"pddl_domain": "", "grammar": GRAMMAR, "pddl_problem": problem, "solvable": True, **more}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Any]]:
    """Write files below a folder and read them."""

    def read_files(files: dict[str, Any], **given: str) -> list[Any]:
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return list(IMPORTER.rows([tmp_path / "data"], IMPORTER.settle(given)))

    return read_files


def test_a_game_comes_in_with_its_explorer_s_way(read: Any) -> None:
    trajectory = {"task_type": KINDS, "turk_annotations": {"anns": [{"task_desc": "Hide the key."}]}}
    (spec,) = read({f"{TRIAL}/game.tw-pddl": game(), f"{TRIAL}/traj_data.json": trajectory})
    assert (spec.instruction, spec.family, spec.origin, spec.license) == (
        "put a key in cabinet.",
        "pick_and_place",
        "benchmark",
        "MIT",
    )
    assert spec.provenance.source == TRIAL and spec.labels == ("explorer",)
    assert commands_in(spec)[-1].startswith("put key 1 in/on cabinet")
    problem = read_problem(spec)
    assert not isinstance(problem, Refusal) and problem.home == KITCHEN


async def test_what_came_in_is_let_in(read: Any) -> None:
    (spec,) = read({f"{TRIAL}/game.tw-pddl": game()})
    async with AlfworldWorld() as world:
        assert all(probe.passed for probe in await admit(world, spec))


def test_a_person_s_sentences_are_a_task_each(read: Any) -> None:
    anns = {
        "turk_annotations": {"anns": [{"task_desc": one} for one in ("Hide the key", "Hide the key", "Put it away!")]}
    }
    files = {f"{TRIAL}/game.tw-pddl": game(), f"{TRIAL}/traj_data.json": anns}
    assert [spec.instruction for spec in read(files, sentences="human")] == ["Hide the key.", "Put it away!"]


def test_a_state_without_a_game_is_one(read: Any) -> None:
    files = {f"{TRIAL}/initial_state.pddl": write_problem(KITCHEN, KEY.goal())}
    (old,) = read(files)
    (new,) = read(files, grammar="move", expert="planner")
    assert old.instruction == new.instruction == "put a key in cabinet."
    assert commands_in(old)[-1].startswith("put ") and commands_in(new)[-1].startswith("move ")
    assert new.labels == ("planner",)


def test_a_goal_of_no_kind_of_ours_needs_the_walkthrough_of_its_file(read: Any) -> None:
    goal = "(exists (?o - object) (and (objecttype ?o appletype) (issliced ?o)))"
    walk = ["go to cabinet 1", "take knife 1 from cabinet 1", "go to fridge 1", "slice apple 1 with knife 1"]
    (spec,) = read({f"{TRIAL}/game.tw-pddl": game(goal=goal, walkthrough=walk)})
    assert (spec.family, spec.labels, spec.difficulty) == (None, ("walkthrough",), None)
    (refused,) = read({f"{TRIAL}/game.tw-pddl": game(goal=goal, walkthrough=walk[:-1])})
    assert refused.reason == "not_won"


def test_a_list_of_agentbench_chooses_the_games(read: Any, tmp_path: Path) -> None:
    split = tmp_path / "dev.json"
    split.write_text(json.dumps({"pick_and_place": [f"{TRIAL}/game.tw-pddl", "train/gone/trial_1"]}))
    files = {
        f"{TRIAL}/game.tw-pddl": game(),
        "train/other/trial_9/game.tw-pddl": game(goal=Wanted("pick_and_place", "bowl", "cabinet").goal()),
    }
    kept, gone = read(files, split=str(split))
    assert isinstance(kept, TaskSpec) and (gone.reason, gone.source) == ("no_game", "train/gone/trial_1")
    split.write_text('{"a": ["../outside"]}')
    with pytest.raises(InputError, match="outside its folder"):
        read({}, split=str(split))
    split.write_text("[1")
    with pytest.raises(InputError, match="no JSON"):
        read({}, split=str(split))


MANY = (
    "(exists (?a - object ?b - object ?c - object ?d - object ?e - object ?f - object ?g - object ?h - object) (or {}))"
)
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "broken JSON": ("not_json", {"game.tw-pddl": '{"grammar": '}),
    "a list": ("not_a_game", {"game.tw-pddl": [1]}),
    "no problem": ("not_a_game", {"game.tw-pddl": {"grammar": GRAMMAR}}),
    "an unknown grammar": ("unknown_grammar", {"game.tw-pddl": game(grammar="drop {o}")}),
    "unsolvable": ("not_solvable", {"game.tw-pddl": game(solvable=False)}),
    "no PDDL": ("unreadable_pddl", {"game.tw-pddl": game(pddl_problem="hello (")}),
    "brackets too deep": ("unreadable_pddl", {"game.tw-pddl": game(pddl_problem="(" * 9000)}),
    "no goal": ("unreadable_pddl", {"game.tw-pddl": game(pddl_problem="(define (problem p) (:init))")}),
    "no agent": ("unreadable_pddl", {"game.tw-pddl": game(pddl_problem="(define (problem p) (:init) (:goal (and)))")}),
    "an unknown predicate": ("unreadable_pddl", {"game.tw-pddl": game(goal="(shiny ?a ?b ?c)")}),
    "a goal for a year": (
        "unreadable_pddl",
        {"game.tw-pddl": game(goal=MANY, walkthrough=["look"])},
    ),
    "not to be done": ("not_won", {"game.tw-pddl": game(goal=Wanted("pick_and_place", "key", "fridge").goal())}),
    "another kind": (
        "other_goal",
        {"game.tw-pddl": game(), "traj_data.json": {"task_type": "look_at_obj_in_light"}},
    ),
    "a trajectory alone": ("no_game", {"traj_data.json": {"task_type": KINDS}}),
    "a trajectory that is none": ("not_json", {"game.tw-pddl": game(), "traj_data.json": "{"}),
    "no UTF-8": ("unreadable_pddl", {"initial_state.pddl": "\udcff"}),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_game_is_told_and_costs_no_other(tmp_path: Path, kind: str) -> None:
    reason, files = REFUSED[kind]
    for name, content in [*((f"a/{one}", told) for one, told in files.items()), ("b/game.tw-pddl", game())]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused, kept = IMPORTER.rows([tmp_path], IMPORTER.settle({}))
    assert isinstance(refused, Rejection) and isinstance(kept, TaskSpec)
    assert (refused.reason, refused.source) == (reason, "a") and reason in IMPORTER.reasons


def test_paths_that_alfworld_leaves_out_and_repeated_games_are_told(read: Any) -> None:
    files = {
        f"{name}/game.tw-pddl": game()
        for name in ("a", "b", "pick_and_place_with_movable_recep-1/t", "x-AppleSliced-y/t")
    }
    reasons = [row.reason if isinstance(row, Rejection) else "kept" for row in read(files)]
    assert reasons == ["kept", "duplicate", "not_used", "not_used"]


@pytest.mark.parametrize("name", ["nothing here", "an empty folder"])
def test_no_game_at_all_ends_the_import(tmp_path: Path, name: str) -> None:
    (tmp_path / "an empty folder").mkdir()
    with pytest.raises(InputError):
        list(IMPORTER.rows([tmp_path / name], IMPORTER.settle({})))
