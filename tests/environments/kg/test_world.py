"""The world: its graphs, its cheats, what two attempts have in common, and what a configuration may say."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from environments.admission import admit
from environments.base import Action, Card, judge_episode
from environments.endings import Ending
from environments.kg.config import KgConfig
from environments.kg.episode import KgEnvironment
from environments.kg.graphs import built_in, configured
from environments.kg.ontology import read_ontology
from environments.kg.sample import NAMESPACE, load_graph
from environments.kg.task import setup_of
from environments.kg.world import KgWorld
from schemas.errors import CheckError, ConfigError, EnvironmentFault
from schemas.task_spec import Check, Setup, TaskSpec

Make = Callable[..., TaskSpec]
TABLE = Path(__file__).resolve().parents[3] / "environments" / "kg" / "sample" / "ontology.tsv"
HOPS = [
    "get_relations(Vessa Reach)",
    "get_neighbors(Vessa Reach, travel.port.ships_calling)",
    "get_relations(#0)",
    "get_neighbors(#0, travel.ship.captain)",
]


async def failed(spec: TaskSpec) -> str:
    """Return the trial that turns a task away, "" where it is admitted."""
    async with KgWorld() as world:
        return next((probe.name for probe in await admit(world, spec) if not probe.passed), "")


async def test_an_honest_question_is_admitted(make_task: Make) -> None:
    assert await failed(make_task("Who commands ships that call at Vessa Reach?", HOPS, "Vessa Reach")) == ""


WON_CHEAPLY = {
    "the last call changes nothing": (
        [*HOPS, "intersection(#1, #1)"],
        "shorter_ways_fail",
    ),
    "a call beside the way is the answer": (
        [*HOPS[:2], "intersection(#0, #0)"],
        "shorter_ways_fail",
    ),
    "a longer way to a set, with itself": (
        [
            "get_relations(Vessa Reach)",
            "get_neighbors(Vessa Reach, travel.port.region)",
            "get_relations(#0)",
            "get_neighbors(#0, geography.region.ports)",
            "intersection(#1, #1)",
        ],
        "shorter_ways_fail",
    ),
    "its calls cannot be made": ([*HOPS[:2], "get_neighbors(#0, travel.ship.captain)"], "reference_passes_1"),
    "a relation that the thing does not have": (
        ["get_relations(Vessa Reach)", "get_neighbors(Vessa Reach, people.person.mentor)"],
        "reference_passes_1",
    ),
    "its calls make nothing": (["get_relations(Vessa Reach)"], "reference_passes_1"),
    "a call of no tool": (["union(#0, #1)"], "bad_reference"),
    "a text": (["the captains"], "bad_reference"),
    "more calls than turns": (["get_relations(Vessa Reach)"] * 15, "fits_in_the_turns"),
    "more calls than anybody reads": (["count(#0)"] * 50, "bad_reference"),
}
"""Task -> its calls, and the trial that turns it away."""


@pytest.mark.parametrize("what", WON_CHEAPLY)
async def test_a_task_that_is_won_cheaply_or_not_at_all_is_turned_away(what: str, make_task: Make) -> None:
    calls, trial = WON_CHEAPLY[what]
    assert await failed(make_task("Which?", calls, "Vessa Reach")) == trial


async def test_an_answer_that_is_nothing_is_turned_away(make_task: Make) -> None:
    calls = [
        "get_relations(Vessa Reach)",
        "get_neighbors(Vessa Reach, travel.port.ships_based)",
        "get_relations(Orlen Quay)",
        "get_neighbors(Orlen Quay, travel.port.ships_based)",
        "intersection(#0, #1)",
    ]
    assert await failed(make_task("Which?", calls, "Vessa Reach", "Orlen Quay")) == "reference_passes_1"


async def test_a_label_that_the_calls_do_not_give_is_turned_away(make_task: Make) -> None:
    spec = make_task("Who?", HOPS, "Vessa Reach", check=Check(kind="label", expected=("m.person_001",)))
    assert await failed(spec) == "reference_passes_1"


async def test_an_answer_that_the_question_names_is_turned_away(make_task: Make) -> None:
    async with KgWorld() as world, world.open(make_task("Who?", HOPS, "Vessa Reach")) as played:
        await played.reset()
        await played.follow()
        answer = (await played.found() or ())[0]
    name = load_graph()[1].names[answer]
    assert await failed(make_task("Who?", HOPS, "Vessa Reach", name)) == "answer_is_not_told"


async def test_a_first_step_that_hits_is_told_as_a_guess(make_task: Make) -> None:
    calls = ["get_relations(Gannet packet)", "get_neighbors(Gannet packet, travel.ship_class.ships)"]
    async with KgWorld() as world:
        probes = await admit(world, make_task("Which ships are Gannet packets?", calls, "Gannet packet"))
    assert [(probe.passed, "first relation" in probe.detail) for probe in probes if probe.name == "guessable"] == [
        (True, True)
    ]


BAD_TASKS: dict[str, tuple[dict[str, Any], str]] = {
    "no state": ({"setup": Setup()}, "bad_state"),
    "a state that is no JSON": ({"setup": Setup(state="{")}, "bad_state"),
    "a state that is a list": ({"setup": Setup(state="[]")}, "bad_state"),
    "things that are a number": ({"setup": Setup(state='{"graph": "tidewater", "entities": 5}')}, "bad_state"),
    "an id that is none": ({"setup": Setup(state='{"graph": "tidewater", "entities": [["x", "1"]]}')}, "bad_state"),
    "a graph that is a number": ({"setup": Setup(state='{"graph": 5, "entities": []}')}, "bad_state"),
    "a check that is not there": ({"check": Check(kind="state")}, "unknown_check"),
    "a label of nothing": ({"check": Check(kind="label")}, "no_label"),
}


@pytest.mark.parametrize("what", BAD_TASKS)
async def test_a_task_that_cannot_be_read_is_refused(what: str, make_task: Make) -> None:
    fields, reason = BAD_TASKS[what]
    spec = make_task("Which?", HOPS, "Vessa Reach", **fields)
    refusal = KgWorld().problem_of(spec)
    assert refusal is not None and refusal.reason == reason
    assert await failed(spec) == reason


async def test_a_task_without_a_state_breaks_its_episode_alone(make_task: Make) -> None:
    async with KgWorld() as world, world.open(make_task("Which?", HOPS, setup=Setup())) as played:
        with pytest.raises(EnvironmentFault, match="bad_state") as caught:
            await played.reset()
    assert not caught.value.transient


async def test_a_reference_that_gives_nothing_breaks_the_check_and_not_the_solver(
    make_task: Make, episode: Callable[[TaskSpec], KgEnvironment]
) -> None:
    async with episode(make_task("Which?", HOPS[:1], "Vessa Reach")) as played:
        await played.reset()
        for call in (Action("get_relations", "Vessa Reach"), Action("answer", "#0")):
            await played.step(call)
        with pytest.raises(CheckError, match="the reference does not run"):
            await judge_episode(played)


async def test_answers_are_compared_by_what_they_stand_for(make_task: Make) -> None:
    spec = make_task("Who?", HOPS, "Vessa Reach")
    states = []
    async with KgWorld() as world:
        for detour in (0, 1):
            async with world.open(spec) as played:
                await played.reset()
                await played.step(Action("get_relations", "Vessa Reach"))
                for _ in range(1 + detour):
                    await played.step(
                        Action.of("get_neighbors", {"variable": "Vessa Reach", "relation": "travel.port.region"})
                    )
                await played.step(Action("answer", f"#{detour}"))
                states.append(Ending(f"#{detour}", await played.fingerprint()))
        assert await world.same_outcome(spec, *states)
        assert not await world.same_outcome(spec, Ending("#0", "one"), Ending("#0", "other"))


# Graphs of one's own.


def write_graph(tmp_path: Path, *, packed: bool = False) -> KgConfig:
    lines = "\n".join(load_graph()[1].triples(NAMESPACE)).encode()
    path = tmp_path / ("mine.nt.gz" if packed else "mine.nt")
    path.write_bytes(gzip.compress(lines) if packed else lines)
    return KgConfig(graph=str(path), graph_name="mine", ontology=str(TABLE), namespace=NAMESPACE)


@pytest.mark.parametrize("packed", [False, True])
async def test_a_graph_of_one_s_own_stands_beside_the_built_in_one(
    tmp_path: Path, packed: bool, make_task: Make
) -> None:
    config = write_graph(tmp_path, packed=packed)
    specs = [make_task("Who?", HOPS, "Vessa Reach", graph=graph) for graph in ("tidewater", "mine")]
    async with KgWorld(config) as world, KgWorld() as plain:
        ids = [await world.world_id_of(spec) for spec in specs]
        assert ids[0] == plain.world_id != ids[1], "another graph changes no id of the built-in one's episodes"
        assert "pyoxigraph" in world.describe(specs[1])["image"]
        for spec in specs:
            async with world.open(spec) as played:
                await played.reset()
                await played.follow()
                assert (await judge_episode(played)).name == "passed"


async def test_a_task_about_a_graph_that_is_not_here_says_what_brings_it(make_task: Make) -> None:
    spec = make_task("Who?", [], graph="freebase")
    async with KgWorld() as world:
        with pytest.raises(ConfigError, match=r"about the graph 'freebase', and there is tidewater; \[worlds\.kg\]"):
            await world.world_id_of(spec)
        with pytest.raises(EnvironmentFault, match="freebase"):
            world.open(spec)


BAD_GRAPHS = {
    "no ontology": ({"graph": "x.nt"}, "needs worlds.kg.ontology"),
    "the built-in one's name": ({"graph": "x.nt", "graph_name": "tidewater"}, "is the built-in graph"),
    "no such ontology": ({"graph": "x.nt", "ontology": "nowhere.tsv"}, "the ontology cannot be read"),
    "no such file": ({"graph": "x.nt", "ontology": str(TABLE)}, "the graph x.nt cannot be read"),
    "another ending": ({"graph": "x.csv", "ontology": str(TABLE)}, "ends in .nt, .ttl"),
    "a password": (
        {"graph": "http://me:secret@x/sparql", "ontology": str(TABLE)},
        "holds a password.*TRAJMILL_SPARQL_URL",
    ),
    "no host": ({"graph": "http://", "ontology": str(TABLE)}, "no SPARQL endpoint"),
}


@pytest.mark.parametrize("what", BAD_GRAPHS)
def test_a_graph_that_cannot_be_opened_is_told(what: str) -> None:
    fields, told = BAD_GRAPHS[what]
    with pytest.raises(ConfigError, match=told):
        configured(KgConfig.model_validate(fields))


def test_an_endpoint_of_the_environment_goes_before_that_of_the_configuration() -> None:
    config = KgConfig(graph="http://one.example/sparql", ontology=str(TABLE))
    found = [configured(config), configured(config, "http://me:secret@other.example/sparql")]
    assert [one and one.store.shown for one in found] == ["http://one.example/sparql", "http://other.example/sparql"]
    assert found[0] and found[1] and found[0].digest == found[1].digest, "where it stands counts in no id"
    assert configured(KgConfig(), "http://other.example/sparql") is None, "without an ontology nobody asks for it"


def test_a_graph_that_is_no_rdf_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.nt").write_text("this is no triple\n")
    with pytest.raises(ConfigError, match="cannot be read: SyntaxError"):
        configured(KgConfig(graph=str(tmp_path / "x.nt"), ontology=str(TABLE)))


async def test_an_endpoint_that_does_not_answer_is_told_before_a_build() -> None:
    world = KgWorld(KgConfig(graph="http://127.0.0.1:9/sparql", ontology=str(TABLE)))
    with pytest.raises(ConfigError, match="the graph 'freebase' does not answer"):
        await world.probe()
    await KgWorld().probe()


def test_an_ontology_of_agentbench_is_read(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"relations": ["a.b.c", "a.b.d"], "attributes": ["a.b.n"]}')
    (tmp_path / "fb_roles").write_text("a.b a.b.c x.y\na.b a.b.n type.int\n")
    ontology = read_ontology(tmp_path)
    assert (ontology.range_of("a.b.c"), ontology.listed, ontology.attributes) == ("x.y", {"a.b.c", "a.b.d"}, {"a.b.n"})


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "is no ontology of AgentBench"),
        ({"vocab.json": "[", "fb_roles": ""}, "is no ontology of AgentBench"),
        ({"vocab.json": "[]", "fb_roles": ""}, "is no ontology of AgentBench"),
        ({"vocab.json": '{"relations": 5, "attributes": []}', "fb_roles": ""}, "is no ontology of AgentBench"),
        (
            {"vocab.json": '{"relations": [], "attributes": []}', "fb_roles": "one two\n"},
            "is no ontology of AgentBench",
        ),
    ],
)
def test_a_broken_ontology_is_told_in_a_sentence(files: dict[str, str], told: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_ontology(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"), [("", "holds no relation"), ("a.b\tx\n", ":1 is no relation"), ("a b\tc\td\n", ":1")]
)
def test_a_broken_table_is_told_with_its_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_ontology(tmp_path / "mine.tsv")


async def test_all_episodes_share_one_graph_that_none_can_change(make_task: Make) -> None:
    before = built_in().digest
    async with KgWorld() as one, KgWorld() as other:
        assert one.open(make_task("Who?", HOPS))._graph is other.open(make_task("Who?", HOPS))._graph is built_in()
        async with one.open(make_task("Who?", HOPS, "Vessa Reach")) as played:
            await played.reset()
            await played.follow()
    ontology, facts = load_graph()
    assert before == built_in().digest and len(facts) == 4864 and ontology is built_in().ontology


async def test_long_lists_are_shown_by_their_ends(make_task: Make) -> None:
    spec = make_task("Who?", HOPS, "Vessa Reach")
    async with KgEnvironment(spec, built_in(), Card("kg", 1, 15, "solve_kg", 120)) as played:
        await played.reset()
        seen = (await played.step(Action("get_relations", "Vessa Reach"))).observation
    assert len(seen) <= 120 and "not shown" in seen


def test_entities_keep_the_order_of_the_question() -> None:
    assert setup_of("g", {"b": "m.2", "a": "m.1"}).state == '{"entities":[["b","m.2"],["a","m.1"]],"graph":"g"}'
