"""The seven tools: what each finds, and what is told in AgentBench's words where a call does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from environments.base import Action
from environments.kg.episode import KgEnvironment
from environments.kg.graphs import built_in
from environments.kg.store import Graph, SparqlStore, bounded
from environments.kg.tools import MOST_JOINS, TOOLS, Workbench, is_found
from schemas.task_spec import TaskSpec

Bench = Callable[..., Workbench]
SHIPS = "variable #{}, which are instances of travel.ship"


async def made(bench: Workbench, *calls: tuple[str, ...]) -> list[str]:
    return [await bench.call(name, arguments) for name, *arguments in calls]


async def two_sets(bench: Workbench) -> Workbench:
    """Make #0, the ships of a class, and #1, a port's."""
    told = await made(
        bench,
        ("get_relations", "Gannet packet"),
        ("get_neighbors", "Gannet packet", "travel.ship_class.ships"),
        ("get_relations", "Vessa Reach"),
        ("get_neighbors", "Vessa Reach", "travel.port.ships_calling"),
    )
    assert all(map(is_found, told)), told
    return bench


async def test_each_tool_finds_what_it_is_for(bench: Bench) -> None:
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    told = await made(
        table,
        ("intersection", "#0", "#1"),
        ("get_attributes", "#2"),
        ("argmax", "#2", "travel.ship.crew"),
        ("argmin", "variable #2", "travel.ship.launch_year"),
        ("count", "#2"),
    )
    listed = "[travel.ship.crew, travel.ship.launch_year, travel.ship.length_metres]"
    assert told == [SHIPS.format(2), listed, SHIPS.format(3), SHIPS.format(4), "variable #5, which is a number"]
    assert await table.values_of(table.variables[5].program) == ("3",)
    assert len(await table.values_of(table.variables[3].program)) == 1


MISTAKES = {
    "a relation before any list": (
        ("get_neighbors", "#0", "travel.ship.captain"),
        "{} cannot be executed. You may make",
    ),
    "a relation of another thing's list": (
        ("get_neighbors", "Gannet packet", "travel.port.region"),
        "{} cannot be executed.",
    ),
    "an invented relation": (("get_neighbors", "Vessa Reach", "travel.port.mayor"), "{} cannot be executed."),
    "an invented thing": (
        ("get_relations", "Atlantis"),
        "{} cannot be executed. You may make a mistake and need to fix it.",
    ),
    "a variable that is not there": (("get_relations", "#9"), "{} cannot be executed."),
    "a variable far beyond": (("count", "#99999999999999999999"), "{} cannot be executed."),
    "a negative variable": (("count", "#-1"), "{} cannot be executed."),
    "a thing for a variable": (("get_attributes", "Vessa Reach"), "{} cannot be executed."),
    "a thing that is counted": (("count", "Vessa Reach"), "{} cannot be executed."),
    "an attribute before its list": (("argmax", "#0", "travel.ship.crew"), "{} cannot be executed."),
    "no second variable": (
        ("intersection", "#0"),
        "{} cannot be executed. The two variables are not of the same type. You",
    ),
    "things that are intersected": (("intersection", "Gannet packet", "Vessa Reach"), "{} cannot be executed. The two"),
    "too many arguments": (("count", "#0", "#1"), "{} cannot be executed."),
    "no argument": (("get_relations",), "{} cannot be executed."),
    "blank": (("get_relations", ""), "{} cannot be executed."),
    "a call within a call": (("get_neighbors", "get_relations(#0)", "travel.ship.captain"), "{} cannot be executed."),
    "words": (("get_relations", "the ships of #0"), "{} cannot be executed."),
    "SPARQL": (("get_relations", "m.x> ?p ?o } #"), "{} cannot be executed."),
    "a tool that its code has and never tells": (("union", "#0", "#1"), "I may make a syntax error when calling union"),
    "a function of Python's": (
        ("__import__", "os"),
        "I may make a syntax error when calling __import__ (e.g., unmatched",
    ),
    "a method of the workbench": (("call", "count"), "I may make a syntax error when calling call"),
}
"""Mistake -> the call, and how what is told begins."""


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_call_that_does_not_fit_is_told_as_agentbench_tells_it(mistake: str, bench: Bench) -> None:
    (name, *arguments), told = MISTAKES[mistake]
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    said = await table.call(name, arguments)
    assert said.startswith(told.format(f"{name}({', '.join(arguments)})")), said
    assert not is_found(said) and len(table.variables) == 2, "a mistake makes no variable"


async def test_numbers_have_neither_relations_nor_parts(bench: Bench) -> None:
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    await table.call("count", ("#0",))
    for call in (("get_relations", "#2"), ("get_attributes", "#2"), ("count", "#2"), ("intersection", "#2", "#2")):
        assert not is_found(await table.call(call[0], call[1:])), call


async def test_sets_of_different_types_have_nothing_in_common(bench: Bench) -> None:
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    await made(table, ("get_relations", "#0"), ("get_neighbors", "#0", "travel.ship.captain"))
    said = await table.call("intersection", ("#0", "#2"))
    assert "are not of the same type" in said


async def test_what_was_listed_for_a_set_holds_for_the_same_set_made_again(bench: Bench) -> None:
    """AgentBench compares variables by their program."""
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    again = ("get_neighbors", "Gannet packet", "travel.ship_class.ships")
    told = await made(table, ("get_relations", "#0"), again, ("get_neighbors", "#2", "travel.ship.captain"))
    assert told[-1].startswith("variable #3")


async def test_what_one_episode_listed_no_other_one_has_seen(bench: Bench) -> None:
    """In AgentBench one memory is shared by all episodes, so that the first to ask helps all others."""
    await two_sets(bench("Gannet packet", "Vessa Reach"))
    said = await bench("Gannet packet").call("get_neighbors", ("Gannet packet", "travel.ship_class.ships"))
    assert not is_found(said)


async def test_lists_are_sorted_and_hold_nothing_but_the_vocabulary(bench: Bench) -> None:
    said = await bench("Vessa Reach").call("get_relations", ("Vessa Reach",))
    listed = said.strip("[]").split(", ")
    assert listed == sorted(listed) and "type.object.name" not in listed and "type.object.type" not in listed


@pytest.mark.parametrize("name", ["Vessa Reach", "vessa reach", "variable Vessa Reach", " Vessa Reach ", "m.port_018"])
async def test_a_thing_is_known_by_its_name_in_any_case_and_by_its_id(name: str, bench: Bench) -> None:
    assert is_found(await bench("Vessa Reach").call("get_relations", (name,)))


async def test_a_thing_that_the_question_does_not_name_is_known_by_its_id_alone(bench: Bench) -> None:
    assert not is_found(await bench("Vessa Reach").call("get_relations", ("Orlen Quay",)))


async def test_a_set_that_is_combined_with_itself_over_and_over_ends(bench: Bench) -> None:
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    told = [await table.call("intersection", (f"#{len(table.variables) - 1}",) * 2) for _ in range(12)]
    assert not is_found(told[-1]) and len(table.variables) < 10
    assert await table.values_of(table.variables[-1].program) == await table.values_of(table.variables[1].program)
    assert MOST_JOINS > 15, "an honest episode has a step a turn"


def test_all_that_can_be_called_stands_in_one_table() -> None:
    names = ["get_relations", "get_neighbors", "intersection", "get_attributes", "argmax", "argmin", "count"]
    assert list(TOOLS) == names


class Endless(SparqlStore):
    """Gives more than anybody reads."""

    software = "endless"

    async def select(self, query: str, most: int) -> tuple[str, ...]:
        return bounded([str(number) for number in range(most + 1)], most)


async def test_a_set_that_is_too_large_to_read_is_the_solvers_fault(
    make_task: Callable[..., TaskSpec], episode: Callable[[TaskSpec], KgEnvironment]
) -> None:
    spec = make_task(
        "Which?", ["get_relations(Vessa Reach)", "get_neighbors(Vessa Reach, travel.port.region)"], "Vessa Reach"
    )
    async with episode(spec) as played:
        await played.reset()
        await played.follow()
        graph = built_in()
        assert played.bench is not None
        played.bench.graph = Graph(graph.name, graph.ontology, Endless(), graph.digest)
        verdict = await played.verify()
    assert (verdict.name, verdict.reward) == ("failed", 0.0) and "too_many_values" in verdict.detail


@pytest.mark.parametrize("text", ["#0", "variable #0", "0", " #0 ", "#0.", "it is #0"])
async def test_an_answer_names_a_variable_in_some_ways(text: str, bench: Bench) -> None:
    table = await two_sets(bench("Gannet packet", "Vessa Reach"))
    assert table.chosen(text) == table.variables[0]


@pytest.mark.parametrize("text", ["", "#2", "3", "Silver Heron", "#", "##", "#-1", "#99999999999", "[0]", "zero"])
async def test_any_other_answer_is_told_and_the_episode_goes_on(
    text: str, make_task: Callable[..., TaskSpec], episode: Callable[[TaskSpec], KgEnvironment]
) -> None:
    calls: Sequence[str] = ["get_relations(Vessa Reach)", "get_neighbors(Vessa Reach, travel.port.region)"]
    async with episode(make_task("Which?", list(calls), "Vessa Reach")) as played:
        await played.reset()
        step = await played.step(Action("answer", text))
        assert (step.observation, step.terminated) == ("Invalid variable id! Need to recheck the action.", False)
        assert (await played.verify()).detail.startswith("no_answer")
