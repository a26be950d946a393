"""The validation split: nothing that belongs together is torn apart, each source has its share, bytes decide alone."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from schemas.mixture_config import MixtureConfig
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec
from tasks.generate.novelty import tokens_of
from tasks.publish.likeness import find_alike
from tasks.publish.read_mixture import keys_of
from tasks.publish.split_rows import Kin, split_rows

WORDS = ["count", "list", "sort", "move", "the", "files", "lines", "of", "in", "srv", "log", "by", "size", "name"]


def recipe(share: float = 0.1, seed: int = 0) -> MixtureConfig:
    return MixtureConfig(validation=share, seed=seed)


def make_rows(count: int, source: str = "os", keys: int = 0) -> list[Kin]:
    draw = random.Random(f"{source} {count}")
    return [
        Kin(
            f"{source}{n}",
            source,
            (f"k{n % keys}",) if keys else (),
            " ".join(draw.sample("abcdefghijklmnopqrstuvwxyz", 9)) + str(n),
        )
        for n in range(count)
    ]


def test_each_source_has_its_share() -> None:
    rows = [*make_rows(200), *make_rows(100, "db", 40), *make_rows(400, "gpt-4")]
    split = split_rows(rows, recipe())
    had = Counter(row.source for row in rows if row.id in split.validation)
    assert (had["os"], had["gpt-4"], split.notes) == (20, 40, ())
    assert 8 <= had["db"] <= 10


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from(["os", "db"])), max_size=60),
    st.integers(),
)
def test_rows_that_share_a_key_are_on_one_side_however_they_come(made: list[tuple[int, int, str]], seed: int) -> None:
    rows = [Kin(f"r{n}", source, (f"a{one}", f"b{two}"), f"x{n}") for n, (one, two, source) in enumerate(made)]
    chosen = split_rows(rows, recipe(0.3)).validation
    for key in {key for row in rows for key in row.keys}:
        assert len({row.id in chosen for row in rows if key in row.keys}) == 1
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    assert split_rows(shuffled, recipe(0.3)).validation == chosen


def test_rows_that_ask_nearly_the_same_are_on_one_side() -> None:
    asked = "How many regular files are there below the folder /srv/{} counting hidden ones?"
    rows = [Kin(f"r{n}", "os", (), asked.format(f"data{n}")) for n in range(10)] + make_rows(190)
    chosen = split_rows(rows, recipe()).validation
    assert len({f"r{n}" in chosen for n in range(10)}) == 1


def test_chats_are_alike_from_another_likeness_on_than_tasks() -> None:
    asked = "We drive {} km to {} and it takes 10 hours. What was our average speed on the way there?"
    texts = [asked.format(n, town) for n, town in enumerate(["Ghent", "Porto", "Turin", "Bergen"])]
    for alike, together in ((0.7, True), (0.95, False)):
        rows = [Kin(f"c{n}", "gpt-4", (), text, alike) for n, text in enumerate(texts)]
        assert (len(split_rows(rows, recipe(0.25)).validation) == 0) == together


def test_another_seed_chooses_others_and_more_rows_of_one_source_leave_the_others_alone() -> None:
    rows, more = make_rows(200), make_rows(60, "db")
    first = split_rows(rows, recipe()).validation
    assert first != split_rows(rows, recipe(seed=1)).validation
    assert {one for one in split_rows([*rows, *more], recipe()).validation if one.startswith("os")} == first


def test_of_a_few_large_groups_the_smallest_is_taken_and_one_that_is_too_large_is_told() -> None:
    few = [Kin(f"d{n}", "db", (f"base{min(n // 10, 5)}",), f"w{n} v{n}") for n in range(60)]
    chosen = split_rows([*make_rows(100), *few], recipe(0.05))
    assert sum(one.startswith("d") for one in chosen.validation) == 10 and chosen.notes == ()
    one = split_rows([*make_rows(100), *few[:10]], recipe(0.1))
    assert not [row for row in one.validation if row.startswith("d")]
    assert one.notes == (
        "db has no validation rows, 1 of 10 were asked: its rows belong together (tasks, databases, likeness) "
        "in groups of more than 20% of them.",
    )


def test_no_share_is_no_split() -> None:
    assert split_rows(make_rows(50), recipe(0.0)).validation == frozenset()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=2, max_size=14))
def test_likeness_misses_no_pair_that_comparing_all_with_all_finds(made: list[list[str]]) -> None:
    texts = [" ".join(words) for words in made]
    tokens = [tokens_of(text) for text in texts]
    wanted = {
        (i, j) for j in range(len(texts)) for i in range(j) if Indel.normalized_similarity(tokens[i], tokens[j]) >= 0.7
    }
    found = {tuple(sorted(pair)) for pair in find_alike(texts)}
    assert found <= wanted
    assert connected(found, len(texts)) == connected(wanted, len(texts))


def connected(pairs: set[tuple[int, ...]], count: int) -> list[int]:
    leader = list(range(count))
    for one, other in pairs:
        old, new = leader[one], leader[other]
        leader = [new if lead == old else lead for lead in leader]
    return [leader.index(lead) for lead in leader]


def make_spec(instruction: str, **changes: Any) -> TaskSpec:
    fields = {"environment": "os", "setup": Setup(), "check": Check(kind="match", answer="1")}
    said = {"instruction": instruction, "origin": "self_instruct", "provenance": Provenance(source="test")}
    return TaskSpec.make(**fields | said | changes)


PARENT = make_spec("Count all files in /srv/data.", parents=("seed_1",))


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (make_spec("Sum up sizes.", parents=(PARENT.task_id,)), True),
        (make_spec("Count all files in /srv/data by size.", parents=(PARENT.task_id, "seed_1", "seed_2")), True),
        (make_spec("Sum up sizes.", parents=(PARENT.task_id, "seed_1", "seed_2")), False),
        (make_spec("Sum up sizes.", parents=("seed_1",)), False),
        (make_spec("Sum up sizes."), False),
    ],
    ids=["made of it alone", "its variation", "had it for an example", "of one seed", "another"],
)
def test_a_child_is_on_its_parent_s_side_and_a_seed_that_all_have_joins_nobody(other: TaskSpec, together: bool) -> None:
    known = {spec.task_id: spec.instruction for spec in (PARENT, other)}
    assert bool(set(keys_of(PARENT, known)) & set(keys_of(other, known))) == together


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"setup": Setup(database="aa")}, {"setup": Setup(database="aa", database_name="shop")}, True),
        ({"setup": Setup(database="aa")}, {"setup": Setup(database="bb")}, False),
        ({"setup": Setup(init=(Script(code="touch x"),))}, {"setup": Setup(init=(Script(code="touch x"),))}, True),
        ({"setup": Setup(state='{"shelf": 1}')}, {"setup": Setup(state='{"shelf": 1}')}, True),
        ({"setup": Setup()}, {"setup": Setup()}, False),
        ({"origin": "derived", "parents": ("q1",)}, {"origin": "derived", "parents": ("q1",)}, True),
        ({"origin": "derived", "parents": ("q1",)}, {"origin": "derived", "parents": ("q2",)}, False),
    ],
)
def test_one_database_set_up_or_question_is_on_one_side(
    one: dict[str, Any], other: dict[str, Any], together: bool
) -> None:
    keys = [set(keys_of(make_spec(text, **fields), {})) for text, fields in (("first", one), ("second", other))]
    assert bool(keys[0] & keys[1]) == together
