"""Curation of turns with calls, with reasoning apart, and of rounds without memory: which rows come of an episode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prompts
from environments.db.dialect import DbDialect
from environments.db.world import DbWorld
from environments.dialects.rounds import Rounds
from environments.registry import Worlds
from schemas.episode import Call, Episode, Solver, Turn
from schemas.message import ToolCall
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from schemas.trajectory import Trajectory
from tasks.curate import rules
from tasks.curate.rules import Rule, content_sha
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.workshop import Workshop
from teachers.scripted import Scripted

SPEC = TaskSpec.make(
    environment="db",
    instruction="How many cats are there?",
    setup=Setup(),
    check=Check(kind="label", expected=("412",)),
    origin="own",
    provenance=Provenance(source="test"),
)
Shop = Callable[..., Workshop]


@pytest.fixture
def open_db(open_shop: Shop, tmp_path: Path) -> Shop:
    def open_one(teacher: Scripted | None = None, build: int = 1, **overrides: Any) -> Workshop:
        world = DbWorld.on_sqlite(tmp_path / "databases")
        world.dialects = {**world.dialects, "rounds": Rounds(DbDialect(prompts.load("solve_db")))}
        return open_shop(teacher=teacher, worlds={"db": world}, build=build, **overrides)

    return open_one


def sql(statement: str, call_id: str, gave: str | None) -> Call:
    arguments = json.dumps({"sql": statement})
    return Call(
        call_id=call_id, name="execute_sql", arguments=arguments, action_kind="sql", action=statement, observation=gave
    )


def answered(call_id: str) -> Call:
    arguments = '{"answer": "[\\"412\\"]"}'
    return Call(
        call_id=call_id,
        name="answer",
        arguments=arguments,
        action_kind="answer",
        action='["412"]',
        observation="",
    )


TWO = (sql("SHOW TABLES", "c1", "[('pets',)]"), sql("SELECT COUNT(*) FROM pets", "c2", "[(412,)]"))
END = (answered("c3"),)


def turn(index: int, calls: tuple[Call, ...], observation: str, **fields: Any) -> Turn:
    said = {"thought": "I count.", "thought_source": "teacher", "action": "", "action_kind": ""}
    if calls:
        said |= {"action": calls[0].action, "action_kind": calls[0].action_kind}
    return Turn.model_validate(
        {"episode_id": "e", "landing": "l", "index": index, "observation": observation, "calls": calls, **said} | fields
    )


def called(**fields: Any) -> list[Turn]:
    """Two calls in one turn, then the answer."""
    return [turn(0, TWO, SPEC.instruction, **fields), turn(1, END, "[('pets',)]\n[(412,)]", **fields)]


def land(shop: Workshop, turns: list[Turn], dialect: str, name: str = "e", attempt: int = 1) -> None:
    episode = Episode(
        episode_id=name,
        task_id=SPEC.task_id,
        environment="db",
        origin="own",
        solver=Solver(kind="teacher", model="m", solver_id="s", dialect=dialect),
        world_id="w",
        build=1,
        attempt=attempt,
        outcome="finished",
        verdict="passed",
        reward=1.0,
        answer='["412"]',
        n_turns=len(turns),
        landing=name,
    )
    mine = [one.model_copy(update={"episode_id": name, "landing": name}) for one in turns]
    shop.warehouse.land("task_specs", [SPEC], key="specs")
    shop.warehouse.land("turns", mine, key=name)
    shop.warehouse.land("episodes", [episode], key=name)


async def curated(shop: Workshop) -> list[Trajectory]:
    for index in range(count_shards(shop)):
        await curate_shard.fn(shop.build, index)
    return sorted(shop.warehouse.read("trajectories"), key=lambda row: (row.episode_id, row.part))


async def test_an_episode_of_calls_is_a_row_of_calls_with_the_tools_that_they_may_use(open_db: Shop) -> None:
    shop = open_db()
    land(shop, called(), "tools")
    (row,) = await curated(shop)
    system, task, first, one, two, last = row.messages
    assert [m.role for m in row.messages] == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert SPEC.instruction in task.content and "SQL" in system.content
    assert first.content == "I count." and [call.call_id for call in first.tool_calls] == ["c1", "c2"]
    assert first.tool_calls[1] == ToolCall(call_id="c2", name="execute_sql", arguments=TWO[1].arguments)
    assert [(m.tool_call_id, m.content) for m in (one, two)] == [("c1", "[('pets',)]"), ("c2", "[(412,)]")]
    assert [m.train for m in row.messages] == [False, False, True, False, False, True]
    assert last.tool_calls[0].name == "answer" and (row.n_trained, row.part, row.dialect) == (2, 0, "tools")
    assert row.trained_tokens == first.tokens + last.tokens > 0
    assert row.tools is not None
    assert [tool["function"]["name"] for tool in json.loads(row.tools)] == ["execute_sql", "answer"]
    assert row.capabilities == ("answering", "reasoning", "tool:sql")


async def test_a_row_of_text_has_no_tools(open_db: Shop) -> None:
    shop = open_db()
    turns = [turn(0, (), SPEC.instruction, action="SELECT 1", action_kind="sql")]
    land(shop, [*turns, turn(1, (), "[(412,)]", action='["412"]', action_kind="answer")], "react")
    (row,) = await curated(shop)
    assert row.tools is None and not any(m.tool_calls or m.tool_call_id for m in row.messages)


async def test_two_calls_and_an_answer_in_one_turn_are_no_answer_without_acting(open_db: Shop) -> None:
    shop = open_db()
    land(shop, [turn(0, (*TWO, *END), SPEC.instruction)], "tools")
    assert len(await curated(shop)) == 1


async def test_an_answer_alone_is_one_without_acting(open_db: Shop) -> None:
    shop = open_db()
    land(shop, [turn(0, END, SPEC.instruction)], "tools")
    assert await curated(shop) == []
    assert shop.warehouse.column("rejections", "reason") == ["answered_without_acting"]


def test_ids_of_calls_and_thoughts_do_not_count_for_equality_but_every_call_does() -> None:
    renamed = tuple(call.model_copy(update={"call_id": f"other {call.call_id}"}) for call in TWO)
    other = (TWO[0], TWO[1].model_copy(update={"action": "SELECT 2"}))
    last = called()[1]
    shas = [content_sha(SPEC, [turn(0, calls, SPEC.instruction), last]) for calls in (TWO, renamed, other, TWO[:1])]
    assert shas[0] == shas[1] and len(set(shas)) == 3


async def test_a_thought_that_a_turn_of_calls_lacks_is_bought_and_shown_no_later_observation(open_db: Shop) -> None:
    teacher = Scripted(["I look at both.", "That is the count."])
    shop = open_db(teacher)
    land(shop, called(thought=None, thought_source=None), "tools")
    (row,) = await curated(shop)
    assert [m.content for m in row.messages if m.train] == ["I look at both.", "That is the count."]
    assert row.backfilled and len(row.completion_ids) == 2
    asked = [request.messages[-1].content for request in teacher.requests]
    assert 'execute_sql({"sql": "SELECT COUNT(*) FROM pets"})' in asked[0] and "412" not in asked[0]
    assert "[(412,)]" in asked[1]


async def test_a_thought_that_knows_what_a_call_of_its_turn_will_give_is_a_leak(open_db: Shop) -> None:
    shop = open_db(Scripted(lambda request: "There are 412 of them."))
    land(shop, called(thought=None, thought_source=None), "tools")
    assert await curated(shop) == []
    assert shop.warehouse.column("rejections", "reason") == ["thought_leak"]


@pytest.mark.parametrize("dialect", ["react", "tools"])
@pytest.mark.parametrize(
    ("place", "content", "apart"),
    [("thought", "The pets.", None), ("reasoning_content", "", "The pets."), ("none", "I look.", None)],
)
async def test_reasoning_stands_where_the_configuration_wants_it_and_nothing_is_bought_where_it_stands_in(
    place: str, content: str, apart: str | None, dialect: str, open_db: Shop
) -> None:
    teacher = Scripted(lambda request: "I look.")
    shop = open_db(teacher, curate__reasoning=place)
    silent: dict[str, Any] = {"thought": None, "thought_source": None, "reasoning": "The pets."}
    turns = called(**silent)
    if dialect == "react":
        turns = [one.model_copy(update={"calls": ()}) for one in turns]
    land(shop, turns, dialect)
    (row,) = await curated(shop)
    trained = [message for message in row.messages if message.train]
    assert [message.reasoning_content for message in trained] == [apart, apart]
    words = [m.content.partition("Action:")[0].strip() if dialect == "react" else m.content for m in trained]
    assert words == [content, content]
    assert (len(teacher.requests), row.backfilled) == ((2, True) if place == "none" else (0, False))


async def test_a_thought_of_the_solver_s_own_goes_before_its_reasoning(open_db: Shop) -> None:
    shop = open_db()
    land(shop, called(reasoning="The pets."), "tools")
    (row,) = await curated(shop)
    assert [(m.content, m.reasoning_content) for m in row.messages if m.train] == [("I count.", None)] * 2


async def test_each_round_without_memory_is_a_row_of_its_own_with_what_was_seen_then(open_db: Shop) -> None:
    shop = open_db()
    turns = [
        turn(index, (), seen, action=action, action_kind=kind)
        for index, (seen, kind, action) in enumerate(
            [(SPEC.instruction, "sql", "SELECT 1"), ("[(1,)]", "sql", "SELECT 2"), ("[(2,)]", "answer", '["412"]')]
        )
    ]
    land(shop, turns, "rounds")
    rows = await curated(shop)
    assert [row.part for row in rows] == [0, 1, 2] and len({row.trajectory_id for row in rows}) == 3
    assert {(row.episode_id, row.n_trained, row.dialect) for row in rows} == {("e", 1, "rounds")}
    seen = [row.messages[-2].content for row in rows]
    assert [SPEC.instruction in text for text in seen] == [True] * 3
    assert ["[(1,)]" in text for text in seen] == [False, True, False]
    assert ["[(2,)]" in text for text in seen] == [False, False, True]
    assert all(row.messages[-1].train and not any(m.train for m in row.messages[:-1]) for row in rows)


async def test_the_cap_counts_episodes_and_not_their_rounds(open_db: Shop) -> None:
    shop = open_db(curate__per_task=2)
    for attempt in range(1, 5):
        acted = turn(0, (), SPEC.instruction, action=f"SELECT {attempt}", action_kind="sql")
        land(shop, [acted, turn(1, (), "[]", action='["412"]', action_kind="answer")], "rounds", f"e{attempt}", attempt)
    assert [(row.episode_id, row.part) for row in await curated(shop)] == [("e1", 0), ("e1", 1), ("e2", 0), ("e2", 1)]
    later = open_db(curate__per_task=2, build=2)
    acted = turn(0, (), SPEC.instruction, action="SELECT 9", action_kind="sql")
    land(later, [acted, turn(1, (), "[]", action='["412"]', action_kind="answer")], "rounds", "e9", 9)
    await curated(later)
    capped = later.warehouse.query(
        "SELECT split_part(source, '/', 1) FROM rejections WHERE reason = 'capped' ORDER BY 1"
    )
    assert capped == [("e3",), ("e4",), ("e9",)], "the next build remembers"


NEW = Rule("is_short", 1, lambda candidate, kept: None)
TABLES_OF_RULES = {
    "today's": (rules.RULES, ()),
    "a rule that decides otherwise": (
        tuple(rule._replace(contract=2) if rule.name == "capped" else rule for rule in rules.RULES),
        (("capped", 2),),
    ),
    "a new rule": ((*rules.RULES, NEW), (("is_short", 1),)),
    "one rule less": (rules.RULES[1:], (("benchmark", 0),)),
    "another order": (rules.RULES[::-1], ()),
}


@pytest.mark.parametrize("case", TABLES_OF_RULES)
def test_a_changed_a_new_or_a_missing_rule_is_another_curation_and_today_s_are_none(
    case: str, open_db: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_db().curation_id
    changed, counted = TABLES_OF_RULES[case]
    assert rules.changes_since_first(changed) == counted
    monkeypatch.setattr("tasks.workshop.RULES", changed)
    assert (open_db().curation_id != before) == bool(counted)


def test_a_dialect_of_a_world_that_is_no_part_of_the_run_is_found_where_the_run_can_make_it(tmp_path: Path) -> None:
    worlds = Worlds({}, lambda name: DbWorld.on_sqlite(tmp_path))
    assert worlds.dialect("db", "tools").name == "tools"
