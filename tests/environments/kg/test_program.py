"""Programs as SPARQL find what the facts hold: the same question, answered twice, by two who share no code."""

from __future__ import annotations

import random

import pytest

from environments.kg.author import inventor
from environments.kg.derivation import SHAPES
from environments.kg.facts import Facts, Value
from environments.kg.graphs import built_in
from environments.kg.ontology import Ontology, Relation
from environments.kg.program import (
    Both,
    Count,
    Entity,
    Join,
    Program,
    Superlative,
    answers_query,
    entities_in,
    joins_in,
    relations_query,
)
from environments.kg.store import EmbeddedStore, Graph

NAMESPACE = "http://pond.example/ns/"
POND = Ontology(
    NAMESPACE,
    {
        name: Relation(name, "a.b", range_)
        for name, range_ in {"a.eats": "a.b", "a.size": "type.int", "a.lives_in.with.many.dots": "a.b"}.items()
    },
    frozenset(("a.eats", "a.lives_in.with.many.dots")),
    frozenset(("a.size",)),
)


def pond() -> Graph:
    facts = Facts()
    for name, size in {"m.pike": 60, "m.perch": 30, "m.roach": 30, "m.gnat": 1}.items():
        facts.name(name, name.removeprefix("m."), "a.b")
        facts.add(name, "a.size", Value.of(size))
        facts.add(name, "a.lives_in.with.many.dots", "m.pond")
    for eater, eaten in (("pike", "perch"), ("pike", "roach"), ("pike", "pike"), ("perch", "gnat"), ("roach", "gnat")):
        facts.add(f"m.{eater}", "a.eats", f"m.{eaten}")
    return Graph("pond", POND, EmbeddedStore.of(facts, POND), "d")


async def values(graph: Graph, program: Program) -> set[str]:
    return set(await graph.values(answers_query(program, graph.ontology), 100))


EATEN = Join("a.eats", Entity("m.pike"))
FURTHER = Join("a.eats", EATEN)


@pytest.mark.parametrize(
    ("program", "right"),
    [
        pytest.param(EATEN, {"m.perch", "m.roach"}, id="what it starts from is never an answer"),
        pytest.param(Join("a.eats", EATEN), {"m.perch", "m.roach", "m.gnat"}, id="on the way it is"),
        pytest.param(Count(EATEN), {"2"}, id="a number"),
        pytest.param(Superlative("argmin", EATEN, "a.size"), {"m.perch", "m.roach"}, id="ties all count"),
        pytest.param(
            Superlative("argmax", Join("a.eats", EATEN), "a.size"), {"m.perch", "m.roach"}, id="the best of others"
        ),
        pytest.param(Join("a.eats", Superlative("argmin", EATEN, "a.size")), {"m.gnat"}, id="a superlative within"),
        pytest.param(
            Both(Superlative("argmin", EATEN, "a.size"), Superlative("argmax", EATEN, "a.size")),
            {"m.perch", "m.roach"},
            id="two superlatives, each with its own best",
        ),
        pytest.param(Join("a.lives_in.with.many.dots", Entity("m.gnat")), {"m.pond"}, id="names with many dots"),
        pytest.param(Both(EATEN, EATEN), {"m.perch", "m.roach"}, id="a set with itself"),
        pytest.param(Join("a.eats", Entity("m.heron")), set(), id="a thing that is not there"),
        pytest.param(Join("a.size", Entity("m.gnat")), {"1"}, id="a value"),
    ],
)
async def test_a_program_finds(program: Program, right: set[str]) -> None:
    assert await values(pond(), program) == right


async def test_the_built_in_graph_answers_as_its_facts_do() -> None:
    maker, graph = inventor(), built_in()
    for number in range(180):
        made = maker.of_shape(SHAPES[number % 6], random.Random(f"differential {number}"))
        assert await values(graph, made.program) == made.answers, made.text


async def test_relations_that_lead_on_are_those_of_any_of_a_set() -> None:
    graph = pond()
    for program, wanted in ((Entity("m.gnat"), False), (Join("a.eats", EATEN), True)):
        found = set(await graph.values(relations_query(program, graph.ontology), 100))
        assert ("a.eats" in found) == wanted and "a.size" in found


async def test_texts_count_in_english_or_without_a_language() -> None:
    lines = [
        f'<{NAMESPACE}m.x> <{NAMESPACE}a.eats> "{text}"{mark} .'
        for text, mark in (("tea", "@en"), ("thé", "@fr"), ("te", ""))
    ]
    graph = Graph("texts", POND, EmbeddedStore(lines), "d")
    assert await values(graph, Join("a.eats", Entity("m.x"))) == {"tea", "te"}


async def test_freebase_dates_lose_their_zone() -> None:
    date = '"1971-01-02-08:00"^^<http://www.w3.org/2001/XMLSchema#gYear>'
    graph = Graph("dates", POND, EmbeddedStore([f"<{NAMESPACE}m.x> <{NAMESPACE}a.eats> {date} ."]), "d")
    assert await values(graph, Join("a.eats", Entity("m.x"))) == {"1971-01-02"}


def test_a_program_says_its_size_and_where_it_starts() -> None:
    program = Count(Both(EATEN, Join("a.eats", Entity("m.roach"))))
    assert (joins_in(program), list(entities_in(program))) == (4, ["m.pike", "m.roach"])


def test_queries_name_everything_in_full_and_are_sparql_1_1() -> None:
    query = answers_query(Count(Superlative("argmax", EATEN, "a.size")), POND)
    assert "PREFIX" not in query and f"<{NAMESPACE}a.eats>" in query and "COUNT(DISTINCT ?x)" in query
