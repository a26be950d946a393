"""Recordings run again in our world: their thoughts, our observations and our verdict; each landed once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.open_workshop import open_workshop
from schemas.episode import Episode
from schemas.message import ToolCall
from schemas.recording import SUBMIT, Recorded, RecordedTurn, Recording
from schemas.rejection import Rejection
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec
from schemas.trajectory import Trajectory
from tasks.collect.land_recordings import land_recordings
from tasks.collect.recordings import plan_replay_shards, replay_shard
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

PLANTS = TableData(
    name="plants",
    columns=(Column(name="name"), Column(name="height_cm", type="INTEGER")),
    rows=(("fern", 40), ("palm", 900), ("oak", 2000)),
)
SPEC = TaskSpec.make(
    environment="db",
    instruction="Which plants are taller than 100 cm?",
    setup=Setup(tables=(PLANTS,), database_name="garden"),
    reference=(Script(code="SELECT name FROM plants WHERE height_cm > 100"),),
    check=Check(kind="rows"),
    origin="recorded",
    license="MIT",
    provenance=Provenance(source="log.jsonl:1"),
)
LOOK = RecordedTurn(thought="What is there?", action_kind="sql", action="SELECT * FROM plants", observation="[]")
RIGHT = RecordedTurn(
    thought="Compare.", action_kind="sql", action="SELECT name FROM plants WHERE height_cm >= 101", observation="[?]"
)
HAND_IN = RecordedTurn(thought="That is it.", action="", action_kind=SUBMIT)

Shop = Callable[..., AbstractAsyncContextManager[Workshop]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))

    @asynccontextmanager
    async def opened(**overrides: Any) -> AsyncIterator[Workshop]:
        dotted = {name.replace("__", "."): value for name, value in overrides.items()}
        async with open_workshop("collect", "smoke", {"environments": ["db"], **dotted}, asks=False) as workshop:
            yield workshop

    return opened


def recording(*turns: RecordedTurn, model: str = "gpt-4", source: str = "log.jsonl:1", **said: Any) -> Recording:
    fields = {"task_id": SPEC.task_id, "environment": "db", "agent": "react", "license": "MIT", **said}
    return Recording.make(turns=turns, model=model, source=source, **fields)


async def replay(workshop: Workshop) -> None:
    for part, index in plan_replay_shards(workshop, "db", None):
        await replay_shard.fn(workshop.build, part, index)


async def replayed(shop: Shop, *recordings: Recording, **overrides: Any) -> list[Episode]:
    """Land recordings and run them again; episodes in the order of the recordings."""
    async with shop(**overrides) as workshop:
        land_recordings(workshop.warehouse, [Recorded(each, SPEC) for each in recordings])
        await replay(workshop)
        found = {episode.recording_id: episode for episode in workshop.warehouse.read("latest_episodes")}
    return [found[each.recording_id] for each in recordings]


async def test_a_recording_becomes_an_episode_with_our_observations_and_our_verdict(shop: Shop, tmp_path: Path) -> None:
    right = recording(LOOK, RIGHT, HAND_IN, reward=0.0, success=False)
    (episode,) = await replayed(shop, right)
    assert (episode.outcome, episode.verdict, episode.reward) == ("finished", "passed", 1.0)
    assert (episode.solver.kind, episode.solver.model, episode.origin) == ("recorded", "gpt-4", "recorded")
    assert episode.answer == '["palm", "oak"]' and episode.usage.requests == 0
    turns = Warehouse(tmp_path).read("turns")
    assert [turn.observation for turn in turns[1:]] == [
        "3 rows (name, height_cm):\n[('fern', 40), ('palm', 900), ('oak', 2000)]",
        "2 rows (name):\n[('palm',), ('oak',)]",
    ]
    assert [turn.thought for turn in turns] == ["What is there?", "Compare.", "That is it."]
    assert {turn.thought_source for turn in turns} == {"recorded"}
    assert turns[2].action_kind == "answer" and turns[2].action == '["palm", "oak"]'
    (kept,) = Warehouse(tmp_path).read("recordings")
    assert kept == right and kept.success is False  # theirs stands beside ours


WAYS = {
    "an action that our world does not have": (
        (RecordedTurn(action="ls", action_kind="bash"), HAND_IN),
        ("invalid_action", "turn 0: the db world cannot do 'bash'"),
    ),
    "an action that says nothing": (
        (LOOK, RecordedTurn(action=" ", action_kind="sql"), HAND_IN),
        ("invalid_action", "turn 1: the db world cannot do 'sql'"),
    ),
    "a log that breaks off": ((LOOK, RIGHT), ("turn_limit", "the recording ends without an answer")),
    "turns after the answer": ((RIGHT, HAND_IN, LOOK), ("finished", "1 recorded turns after the end were not run")),
    "no turns at all": ((), ("turn_limit", "the recording ends without an answer")),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_recording_did_is_its_outcome_never_a_crash(way: str, shop: Shop) -> None:
    turns, ended = WAYS[way]
    (episode,) = await replayed(shop, recording(*turns))
    assert (episode.outcome, episode.outcome_reason) == ended and episode.is_final
    assert episode.verdict == ("passed" if ended[0] == "finished" else "failed")


async def test_a_failed_statement_is_no_empty_result(shop: Shop) -> None:
    """A reference without rows would take an error for right, if what is handed in after it were `[]`."""
    wrong = RecordedTurn(action="SELECT colour FROM plants", action_kind="sql")
    (episode,) = await replayed(shop, recording(LOOK, wrong, HAND_IN))
    assert episode.verdict == "failed" and episode.answer == "Error: no such column: colour"


async def test_recordings_of_one_model_and_agent_are_attempts_of_one_solver(shop: Shop) -> None:
    first, second, other = (
        recording(RIGHT, HAND_IN),
        recording(LOOK, HAND_IN),
        recording(RIGHT, HAND_IN, model="gpt-3.5"),
    )
    episodes = await replayed(shop, first, second, other)
    assert [episode.attempt for episode in episodes] == [1, 2, 1]
    assert episodes[0].solver == episodes[1].solver != episodes[2].solver
    assert len({episode.episode_id for episode in episodes}) == 3


async def test_what_is_final_is_not_run_again_and_what_landed_is_not_landed_twice(shop: Shop) -> None:
    recordings = [recording(LOOK, RIGHT, HAND_IN, model=f"m{number}") for number in range(5)]
    await replayed(shop, *recordings[:3], collect__shard_size=2)
    async with shop(collect__shard_size=2) as workshop:
        land_recordings(workshop.warehouse, [Recorded(each, SPEC) for each in recordings])
        shards = plan_replay_shards(workshop, "db", None)
        assert len(shards) == 1
        for _ in range(2):
            await replay_shard.fn(workshop.build, *shards[0])
        assert workshop.warehouse.count("episodes") == 5
        assert workshop.warehouse.query("SELECT count(*), count(DISTINCT landing) FROM turns") == [(15, 3)]


async def test_an_outage_is_tried_again_under_the_next_number(shop: Shop) -> None:
    broken = SPEC.model_copy(update={"setup": Setup(database="0" * 64), "task_id": "broken"})
    lost = Recording.make(**{**recording(RIGHT, HAND_IN).model_dump(), "task_id": "broken"})
    tries = []
    for _ in range(4):
        async with shop(collect__max_tries=3) as workshop:
            land_recordings(workshop.warehouse, [Recorded(lost, broken)])
            await replay(workshop)
            tries.append([e.try_number for e in workshop.warehouse.read("episodes") if not e.is_final])
    assert tries == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]


def test_the_same_recording_comes_in_once_and_an_unknown_task_is_told(tmp_path: Path) -> None:
    warehouse, first = Warehouse(tmp_path), recording(RIGHT, HAND_IN)
    again, lost = recording(RIGHT, HAND_IN, source="log.jsonl:2"), recording(LOOK, task_id="nobody's")
    rows = [Recorded(first, SPEC), Recorded(again, SPEC), Recorded(lost)]
    assert land_recordings(warehouse, rows) == {"kept": 1, "duplicate": 1, "unknown_task": 1}
    told: dict[str, Rejection] = {each.reason: each for each in warehouse.read("rejections")}
    assert told["duplicate"].detail == "the same recording as log.jsonl:1"
    assert "no task nobody's was imported" in told["unknown_task"].detail
    assert land_recordings(warehouse, rows) == {"imported_before": 3}
    more = [Recorded(recording(LOOK, RIGHT, HAND_IN)), Recorded(recording(LOOK, HAND_IN, agent="multiturn"))]
    assert land_recordings(warehouse, more) == {"kept": 2}
    numbers = warehouse.query("SELECT agent, number FROM recordings ORDER BY ALL")
    assert numbers == [("multiturn", 1), ("react", 1), ("react", 2)] and warehouse.count("task_specs") == 1


async def test_a_replayed_recording_is_curated_like_any_episode(shop: Shop, tmp_path: Path) -> None:
    failed = recording(LOOK, HAND_IN, reward=1.0, success=True)
    async with shop() as workshop:
        land_recordings(workshop.warehouse, [Recorded(recording(LOOK, RIGHT, HAND_IN), SPEC), Recorded(failed)])
        await replay(workshop)
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
    (kept,) = Warehouse(tmp_path).read("trajectories")
    assert isinstance(kept, Trajectory) and (kept.license, kept.model, kept.backfilled) == ("MIT", "gpt-4", False)
    assert "That is it." in kept.messages[-1].content and kept.messages[-1].content.endswith('["palm", "oak"]')
    (refused,) = Warehouse(tmp_path).read("rejections")
    assert refused.reason == "failed"


@pytest.mark.parametrize("dialect", ["react", "tools"])
async def test_a_recording_with_calls_is_curated_with_all_of_them_however_solvers_are_spoken_to(
    dialect: str, shop: Shop, tmp_path: Path
) -> None:
    look = ToolCall(call_id="c1", name="execute_sql", arguments='{"sql": "SELECT * FROM plants"}')
    right = ToolCall(
        call_id="c2", name="execute_sql", arguments='{"sql": "SELECT name FROM plants WHERE height_cm > 100"}'
    )
    end = ToolCall(call_id="c3", name="answer", arguments='{"answer": "[\\"palm\\", \\"oak\\"]"}')
    turns = [
        RecordedTurn(thought="Look.", action="", action_kind="calls", calls=(look, right)),
        RecordedTurn(thought="That is it.", action="", action_kind="calls", calls=(end,)),
    ]
    async with shop(collect__dialect=dialect) as workshop:
        land_recordings(workshop.warehouse, [Recorded(recording(*turns), SPEC)])
        await replay(workshop)
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
    (episode,) = Warehouse(tmp_path).read("episodes")
    assert (episode.verdict, episode.solver.kind, episode.solver.dialect) == ("passed", "recorded", "tools")
    (kept,) = Warehouse(tmp_path).read("trajectories")
    assert [call for message in kept.messages for call in message.tool_calls] == [look, right, end]
    assert kept.tools is not None and not kept.backfilled


def test_the_id_is_the_content() -> None:
    first = recording(LOOK, HAND_IN)
    assert first.recording_id == recording(LOOK, HAND_IN, source="elsewhere:9").recording_id
    for other in (
        recording(RIGHT, HAND_IN),
        recording(LOOK, HAND_IN, reward=1.0),
        recording(LOOK, HAND_IN, agent=None),
    ):
        assert other.recording_id != first.recording_id


@pytest.mark.parametrize(("kind", "verdict"), [("rows", "passed"), ("result", "failed")])
async def test_columns_in_another_order_answer_a_question_but_are_another_result(
    kind: Any, verdict: str, shop: Shop
) -> None:
    gold = (Script(code="SELECT name, height_cm FROM plants"),)
    turned = RecordedTurn(action="SELECT height_cm, name FROM plants", action_kind="sql")
    spec = TaskSpec.make(**{**SPEC.model_dump(exclude={"task_id"}), "reference": gold, "check": Check(kind=kind)})
    async with shop() as workshop:
        land_recordings(workshop.warehouse, [Recorded(recording(turned, HAND_IN, task_id=spec.task_id), spec)])
        await replay(workshop)
        assert workshop.warehouse.column("episodes", "verdict") == [verdict]
