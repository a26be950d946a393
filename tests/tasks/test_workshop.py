"""How solvers are spoken to: each task is dealt one dialect, and a solver's id says which where it is not the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from environments.os.agentbench_dialect import AgentBenchOs
from environments.os.config import OsConfig
from environments.os.world import OsWorld
from prompts import keeping
from schemas.errors import ConfigError
from schemas.message import Message
from schemas.task_spec import TaskSpec
from tasks.workshop import Workshop

Specs = Callable[[int], list[TaskSpec]]
Shop = Callable[..., Workshop]


def shell() -> dict[str, OsWorld]:
    return {"os": OsWorld(None, config=OsConfig())}


def dealt(shop: Workshop, specs: list[TaskSpec]) -> list[str]:
    return [shop.dialect_of(spec).name for spec in specs]


def test_without_a_word_in_the_configuration_it_is_the_world_s_first(open_shop: Shop, make_specs: Specs) -> None:
    assert set(dealt(open_shop(worlds=shell()), make_specs(9))) == {"react"}


def test_one_dialect_is_everybody_s(open_shop: Shop, make_specs: Specs) -> None:
    assert set(dealt(open_shop(worlds=shell(), collect__dialect="tools"), make_specs(9))) == {"tools"}


def test_of_several_each_task_keeps_the_one_that_it_was_dealt(open_shop: Shop, make_specs: Specs) -> None:
    specs = make_specs(60)
    first = dealt(open_shop(worlds=shell(), collect__dialect=["react", "tools"]), specs)
    later = open_shop(worlds=shell(), collect__dialect=["react", "tools"], build=2, seed=9)
    assert dealt(later, specs[::-1]) == first[::-1], "neither build, seed nor order changes it"
    assert min(Counter(first).values()) >= 15 and set(first) == {"react", "tools"}
    assert first[:8] == ["react", "tools", "react", "react", "tools", "react", "tools", "tools"]


def test_of_several_those_count_that_the_world_has(open_shop: Shop, make_specs: Specs) -> None:
    assert set(dealt(open_shop(worlds=shell(), collect__dialect=["rounds", "tools"]), make_specs(9))) == {"tools"}


@pytest.mark.parametrize("said", ["tools", ["rounds", "tools"]])
def test_a_world_of_one_dialect_leaves_no_choice(said: object, open_shop: Shop, make_specs: Specs) -> None:
    worlds = shell()
    worlds["os"].dialects = {"react": worlds["os"].dialects["react"]}
    assert set(dealt(open_shop(worlds=worlds, collect__dialect=said), make_specs(9))) == {"react"}


@pytest.mark.parametrize("said", ["sign language", ["sign language", "smoke"]])
def test_a_dialect_that_the_world_lacks_is_told_with_those_that_it_has(
    said: object, open_shop: Shop, make_specs: Specs
) -> None:
    with pytest.raises(ConfigError, match=r"the os world has no dialect '.*'; it has react, tools"):
        dealt(open_shop(worlds=shell(), collect__dialect=said), make_specs(9))


def test_react_s_first_contract_adds_nothing_to_a_solver_s_id_and_another_dialect_or_contract_does(
    open_shop: Shop, make_specs: Specs
) -> None:
    (spec,) = make_specs(1)

    def solver_id(**said: object) -> str:
        return open_shop(worlds=shell(), **said).solver_rules(spec).solver.solver_id

    silent = solver_id()
    assert solver_id(collect__dialect="react") == silent
    tools, second = solver_id(collect__dialect="tools"), "57edd20c0292dc4c4f4f8721bbdd9dd2"
    assert len({silent, tools, second, solver_id(collect__dialect="agentbench")}) == 4
    with keeping({"solve_os": "v2"}):
        assert solver_id() == second
    with keeping({"solve_os": "v1"}):  # as a build that began so goes on
        assert solver_id() == "d4f8f165fb6e3641aa3e798db03ecf47"
        assert type(shell()["os"].dialects["react"]) is AgentBenchOs


def test_a_solver_names_its_dialect_and_asks_with_its_tools(open_shop: Shop, make_specs: Specs) -> None:
    (spec,) = make_specs(1)
    for name, tools in (("react", []), ("tools", ["bash", "answer", "finish"])):
        rules = open_shop(worlds=shell(), collect__dialect=name).solver_rules(spec)
        request = rules.request(rules.dialect.render(spec, [], "Do it."), 1)
        assert rules.solver.dialect == name and [tool.name for tool in request.tools] == tools
        assert request.prompt_sha == rules.dialect.prompt.sha256


def test_a_reference_s_run_is_the_same_solver_s_in_every_dialect(open_shop: Shop, make_specs: Specs) -> None:
    (spec,) = make_specs(1)
    shops = [open_shop(worlds=shell(), collect__dialect=name) for name in ("react", "tools")]
    solvers = [shop.solver_rules(spec, "reference").solver for shop in shops]
    assert len({solver.solver_id for solver in solvers}) == 1
    assert [solver.dialect for solver in solvers] == ["react", "tools"]


def test_a_world_may_have_a_solver_of_its_own(open_shop: Shop, make_specs: Specs) -> None:
    (spec,) = make_specs(1)
    usual = open_shop(worlds=shell()).solver_rules(spec).solver
    other = open_shop(worlds=shell(), teacher__solvers={"os": "offline-b"}).solver_rules(spec)
    assert (usual.model, other.solver.model) == ("offline-a", "offline-b")
    assert other.request((Message(role="user", content="?"),), 1).model == "offline-b"
    everywhere = open_shop(worlds=shell(), teacher__solver="offline-b").solver_rules(spec).solver
    assert other.solver == everywhere
    elsewhere = open_shop(worlds=shell(), teacher__solvers={"db": "offline-b"}).solver_rules(spec).solver
    assert elsewhere == usual, "what another world is asked changes no id here"
