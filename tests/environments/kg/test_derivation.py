"""Built-in questions: every one can be answered in its calls, needs them all, and reads as what it was made from."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.admission import admit
from environments.base import judge_episode
from environments.kg.author import POOL, KgAuthor, derived_spec, inventor
from environments.kg.config import KgConfig
from environments.kg.derivation import SHAPES, parts_of
from environments.kg.facts import Facts
from environments.kg.program import Program
from environments.kg.sample import NAMESPACE, invent, load_graph
from environments.kg.wording import calls_of
from environments.kg.world import KgWorld
from schemas.task_spec import TaskSpec


async def derived(questions: int, taken: frozenset[str] = frozenset(), seed: int = 0) -> list[TaskSpec]:
    author = KgAuthor(KgConfig(questions=questions), seed)
    return [spec async for spec in author.derive(taken) if isinstance(spec, TaskSpec)]


def test_the_built_in_graph_has_at_least_two_thousand_facts_and_is_the_same_everywhere() -> None:
    ontology, facts = load_graph()
    inverses = {one.inverse for one in ontology.relations.values() if one.inverse and one.inverse > one.name}
    once = sum(len(t) for out in facts.out.values() for name, t in out.items() if name not in inverses)
    assert len(facts) == 4864 and once >= 2000
    assert facts.digest(NAMESPACE) == DIGEST
    assert len(set(facts.names.values())) == len(facts.names) > 500, "a name means one thing"


DIGEST = "65c372288742b991fdb5627485aac139"


def test_every_relation_stands_in_the_ontology_and_has_its_inverse() -> None:
    ontology, facts = load_graph()
    for subject, out in facts.out.items():
        for relation, targets in out.items():
            known = ontology.relations[relation]
            assert facts.types[subject] == known.domain and known.phrase
            for target in targets:
                if isinstance(target, str):
                    assert facts.types[target] == known.range and subject in facts.out[target][known.inverse]
                else:
                    assert relation in ontology.attributes


def test_several_coasts_lie_beside_each_other() -> None:
    two = invent(2)
    assert len(two) > 1.9 * len(invent())
    assert len(set(two.names.values())) == len(two.names)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(SHAPES))
def test_words_and_programs_are_each_others_inverse(seed: int, shape: str) -> None:
    made = inventor().of_shape(shape, random.Random(seed))
    for attempt in range(4):
        assert inventor().wording.read(inventor().wording.ask(made.program, random.Random(attempt))) == made.program


@pytest.mark.parametrize(
    "text", ["", "Who won?", "Name .", "Name Orlen.", "How many are those of A that are also among B?"]
)
def test_other_questions_are_none_of_these(text: str) -> None:
    assert inventor().wording.read(text) is None


@pytest.mark.parametrize("count", [pytest.param(60, id="some"), pytest.param(POOL, marks=pytest.mark.slow, id="all")])
async def test_the_reference_reaches_reward_1_on_the_built_in_questions(count: int) -> None:
    specs = await derived(count)
    assert count * 0.95 < len(specs) <= count, "but for those that came twice"
    async with KgWorld() as world:
        for spec in specs:
            async with world.open(spec) as episode:
                await episode.reset()
                turns = await episode.follow()
                verdict = await judge_episode(episode)
                found = frozenset(await episode.found() or ())
            program = inventor().wording.read(spec.instruction)
            assert verdict.name == "passed" and verdict.reward == 1.0, spec.instruction
            assert program is not None and found == inventor().answers(program)
            assert len(turns) <= world.max_turns


@pytest.mark.slow
async def test_what_is_derived_is_admitted() -> None:
    async with KgWorld() as world:
        refused = [
            (spec.instruction, probe)
            for spec in await derived(150)
            for probe in await admit(world, spec)
            if not probe.passed
        ]
    assert not refused


async def test_shapes_and_ways_are_dealt_evenly() -> None:
    specs = await derived(24)
    assert Counter(spec.family for spec in specs) == dict.fromkeys(SHAPES, 4)
    assert {(spec.family, spec.derivation) for spec in specs} == {
        (s, w) for s in SHAPES for w in ("replay", "interact")
    }


def test_a_question_of_many_sets_is_none_that_is_read() -> None:
    text = f"Name {'those of ' * 40}x{' that are also among x' * 40}."
    assert inventor().wording.read(text) is None


async def test_what_earlier_builds_took_is_not_derived_again() -> None:
    first = await derived(20)
    taken = frozenset(spec.provenance.source for spec in first)
    second = await derived(20, taken)
    assert not taken & {spec.provenance.source for spec in second}
    assert not {spec.instruction for spec in first} & {spec.instruction for spec in second}
    assert [spec.task_id for spec in await derived(20)] == [spec.task_id for spec in first]
    assert {spec.task_id for spec in await derived(20, seed=1)} != {spec.task_id for spec in first}


@pytest.mark.parametrize(("asked", "pairs"), [(0, 0), (1, 0), (2, 1), (7, 3), (12, 6)])
async def test_what_is_derived_is_counted_before(asked: int, pairs: int) -> None:
    assert KgAuthor(KgConfig(questions=asked)).derivable(frozenset()) == pairs
    assert len(await derived(asked)) == 2 * pairs


def test_no_question_has_its_answer_on_the_way_or_in_its_words() -> None:
    maker = inventor()
    for number in range(240):
        made = maker.question(5, number)
        assert made.answers and all(maker.answers(part) != made.answers for part in parts_of(made.program))
        assert not [one for one in made.answers if maker.facts.names.get(one, "\0") in made.text]
        assert list(made.calls) == calls_of(made.program, maker.facts.names)


def test_a_graph_without_facts_is_told() -> None:
    maker = type(inventor())(load_graph()[0], _one_fact())
    with pytest.raises(ValueError, match="too few facts"):
        maker.of_shape("intersection", random.Random(1))


def _one_fact() -> Facts:
    facts = Facts()
    facts.name("m.a", "A", "travel.port")
    facts.add("m.a", "travel.port.region", "m.b")
    return facts


def test_a_derived_task_says_where_it_comes_from() -> None:
    made = inventor().question(0, 3)
    spec = derived_spec(made, "source", "replay")
    assert (spec.origin, spec.derivation, spec.provenance.source, spec.difficulty) == ("derived", "replay", "source", 3)
    program: Program = made.program
    assert program == inventor().wording.read(spec.instruction)
