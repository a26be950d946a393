"""Requests for made-up changes are worded by key, and replies are read as tasks or turned away with a reason."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import prompts
from environments.base import Ask, Draw
from environments.db.author import (
    OPERATIONS,
    PROMPT,
    DbAuthor,
    DbDraft,
    Facts,
    Operation,
    load_seeds,
    make_spec,
    read_task,
)
from environments.db.cards import DatabaseCard, TableSample
from environments.db.config import DbConfig
from environments.db.store import databases_of
from environments.db.world import DbWorld
from schemas.completion import CompletionRequest
from schemas.errors import ConfigError
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import Setup, TaskSpec
from teachers.scripted import receipt

CARD = DatabaseCard(
    "shelter", "a" * 64, "CREATE TABLE pets (name TEXT);", (TableSample("pets", ("name",), (("Rex",), ("NULL",))),)
)
DRAFT = DbDraft("Add Max.", "One row.", "INSERT INTO pets VALUES ('Max')")


def reply(problem: str = "Add Max.", reference: str = "INSERT INTO pets VALUES ('Max')") -> str:
    return f"### Problem\n{problem}\n### Explanation\nOne row.\n### Reference\n```sql\n{reference}\n```\n"


def made(draft: DbDraft, operation: Operation = "INSERT", parents: tuple[str, ...] = ()) -> TaskSpec:
    return make_spec(draft, Ask((), prompts.load(PROMPT), "test", parents, Facts(operation, CARD)))


def draw(*machine_made: TaskSpec, build: int = 1, seed: int = 0) -> Draw:
    return Draw(GenerateConfig(rounds=1), seed, build, 0, machine_made)


@pytest.fixture
async def author(tmp_path: Path) -> AsyncIterator[DbAuthor]:
    """Ask for six changes of two databases."""
    (tmp_path / "bird").mkdir()
    for name, value in (("harbour", "Ida"), ("shelter", "Rex")):
        with sqlite3.connect(tmp_path / "bird" / f"{name}.sqlite") as connection:
            connection.execute("CREATE TABLE pets (name TEXT)")
            connection.execute("INSERT INTO pets VALUES (?)", (value,))
        connection.close()
    async with DbWorld.on_sqlite(databases_of(tmp_path), workers=1) as world:
        yield DbAuthor(DbConfig(requests=6, bird=str(tmp_path / "bird")), world.engine, tmp_path)


def test_there_are_seeds_of_every_operation() -> None:
    seeds = load_seeds()
    assert set(Counter(seed.group for seed in seeds).values()) == {6}
    assert len({seed.name for seed in seeds}) == len(seeds) >= 9


async def test_equal_keys_word_equal_requests_and_other_keys_draw_others(author: DbAuthor) -> None:
    first, again, other = [await author.asks(draw(seed=seed)) for seed in (1, 1, 2)]
    assert first == again
    assert first[0].parents != other[0].parents
    text = first[0].messages[0].content
    assert "CREATE TABLE pets" in text and "Rex" in text and text.count("## Example") == 2


async def test_operations_take_turns_and_then_databases(author: DbAuthor) -> None:
    asked = await author.asks(draw(build=1))
    assert [order.topic for ask in asked for order in ask.facts.orders] == [*OPERATIONS, *OPERATIONS]
    assert [ask.facts.database.name for ask in asked] == ["shelter", "harbour"]
    with prompts.keeping({PROMPT: "v1"}):
        facts = [ask.facts for ask in await author.asks(draw(build=1))]
    assert [fact.operation for fact in facts] == [*OPERATIONS, *OPERATIONS]
    assert [fact.database.name for fact in facts] == ["shelter"] * 3 + ["harbour"] * 3


async def test_examples_of_the_same_operation_and_machine_made_ones_stand_in_the_prompt(author: DbAuthor) -> None:
    spec = made(DRAFT)
    asked = (await author.asks(draw(spec)))[0]
    assert spec.task_id in asked.parents
    assert sum(name.startswith("insert-") for name in asked.parents) == 1


async def test_harder_versions_are_asked_for_where_a_database_has_enough_proven_tasks(author: DbAuthor) -> None:
    (harbour, sha), _ = author.stored_databases()
    there = [
        made(DbDraft(f"Add {n}.", "", f"INSERT INTO pets VALUES ('{n}')")).model_copy(
            update={"setup": Setup(database=sha, database_name=harbour)}
        )
        for n in range(4)
    ]
    generate = GenerateConfig(rounds=1, grow=1)
    asked = await author.asks(Draw(generate, 1, 1, 0, tuple(there)))
    assert [(ask.prompt.name, ask.facts.database.name) for ask in asked] == [
        ("grow_db", harbour),
        (PROMPT, harbour),
    ], "of the second there is one left"
    assert asked[0].messages[0].content.count("## Parent of task ") == 3


async def test_whole_tasks_of_ones_own_are_seeds(author: DbAuthor, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(made(DRAFT).model_dump_json(exclude={"task_id", "probes", "build", "provenance"}) + "\n")
    assert [(example.task, example.group) for example in load_seeds(str(path))] == [(DRAFT, "INSERT")]
    own = Draw(GenerateConfig(), 1, 1, 0, (), (made(DRAFT),))
    assert "Add Max." in (await author.asks(own))[0].messages[0].content


async def test_a_reply_is_read_task_by_task_and_each_is_of_the_kind_that_was_asked_for(author: DbAuthor) -> None:
    asked = (await author.asks(draw()))[0]
    references = ("INSERT INTO pets VALUES ('Max')", "UPDATE pets SET name = 'Bo'", "DROP TABLE pets")
    text = "\n".join(f"## Task {n}\n{reply(f'Task {n}.', one)}" for n, one in enumerate(references, 1))
    request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=())
    first, second, third = (part.told for part in author.read_all(receipt(request, text), asked, range(3)))
    assert isinstance(first, TaskSpec) and isinstance(second, TaskSpec) and isinstance(third, Refusal)
    assert (first.family, second.family, third.reason) == ("insert", "update", "wrong_operation")
    assert first.skill and first.situation and first.difficulty in (1, 2, 3)


def test_a_draft_becomes_a_task_judged_by_state() -> None:
    spec = made(DRAFT, parents=("s",))
    assert (spec.origin, spec.check.kind, spec.family) == ("self_instruct", "state", "insert")
    assert (spec.setup.database, spec.reference[0].code) == (CARD.sha256, DRAFT.reference)
    assert (spec.parents, spec.provenance.source) == (("s",), "test")


def test_a_reply_is_read_whole() -> None:
    assert read_task(reply(), "INSERT") == DRAFT
    assert read_task("Sure!\n\n" + reply().replace("###", "##"), "INSERT") == DRAFT
    assert read_task(reply().replace("\n```\n", "```"), "INSERT") == DRAFT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot.", "missing_section"),
        (reply() + reply().partition("### Explanation")[0], "repeated_section"),
        (reply(problem=" "), "empty_section"),
        (reply(reference="").replace("```sql", "A row is added.").replace("```", ""), "no_code_block"),
        (reply() + "\n```sql\nSELECT 1\n```", "several_blocks"),
        (reply(problem="x" * 5000), "too_long"),
        (reply(reference="INSERT INTO"), "sql_unreadable"),
        (reply(reference="DELETE FROM pets; DELETE FROM pets"), "not_one_statement"),
        (reply(reference="DELETE FROM pets"), "wrong_operation"),
        (reply(reference="DROP TABLE pets"), "wrong_operation"),
    ],
)
def test_a_reply_that_is_no_task_has_a_reason(text: str, reason: str) -> None:
    found = read_task(text, "INSERT")
    assert isinstance(found, Refusal) and found.reason == reason


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "holds no seed"),
        ("{", "no JSON"),
        ('{"name": "a"}', "needs the texts"),
        ('{"name": "a", "operation": "DROP", "problem": "", "explanation": "", "reference": ""}', "has the operation"),
        ('{"name": "a", "operation": "INSERT", "problem": "", "explanation": "", "reference": "x y"}', "is no task"),
    ],
)
def test_bad_seeds_say_which_line_and_why(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "seeds.jsonl").write_text(line)
    with pytest.raises(ConfigError, match=why):
        load_seeds(str(tmp_path / "seeds.jsonl"))
    with pytest.raises(ConfigError, match="no seeds"):
        load_seeds(str(tmp_path / "missing.jsonl"))
    assert OPERATIONS == ("INSERT", "UPDATE", "DELETE")
