"""Homes of any size for measurements: rows that differ where ids do, laid out as columns to be made quickly."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.episode import Episode, Solver, Turn
from schemas.message import Message
from schemas.record import Record
from schemas.tables import TABLES
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from schemas.trajectory import Conversation, Trajectory
from tasks.privacy.placeholders import LOOKED_BY
from warehouse.columns import to_arrow
from warehouse.warehouse import Warehouse

CURATION = "bulk"
TURNS = 4
_WORDS = [
    f"{first}{last}" for first in ("ra", "to", "ke", "mi", "lo", "se", "un") for last in ("n", "st", "ber", "ity")
]
_BATCH = 50_000


def bulk_home(home: Path, *, agent: int, chats: int) -> Warehouse:
    """Make a home with so many trajectories, each with its task, episode and turns, and so many general chats."""
    warehouse = Warehouse(home)
    land_numbered(warehouse, "task_specs", bulk_task(), agent, {"task_id": "task-{}", "instruction": "Count to {}."})
    land_numbered(warehouse, "episodes", bulk_episode(), agent, {"episode_id": "episode-{}", "task_id": "task-{}"})
    for index in range(TURNS):
        land_numbered(warehouse, "turns", _turn(index), agent, {"episode_id": "episode-{}"})
    texts = random.Random(0)
    _land_messages(warehouse, "trajectories", _trajectory, agent, texts)
    _land_messages(warehouse, "conversations", _chat, chats, texts)
    return warehouse


def land_numbered(
    warehouse: Warehouse, table: str, row: Record, count: int, numbered: Mapping[str, str], first: int = 0
) -> None:
    """Land a row so many times; `numbered` columns are told apart by a number."""
    one = to_arrow(TABLES[table].record, [row])
    for start in range(first, first + count, _BATCH):
        numbers = range(start, min(first + count, start + _BATCH))
        columns = [
            pa.array([numbered[name].format(n) for n in numbers])
            if name in numbered
            else pa.chunked_array([one[name].combine_chunks().take(pa.array([0] * len(numbers)))])
            for name in one.column_names
        ]
        named = dict(zip(one.column_names, columns, strict=True))
        warehouse.land(table, pa.table(named), key=f"{table}/{row}/{start}"[:200] + str(start))


def _land_messages(
    warehouse: Warehouse, table: str, make: Callable[[int, random.Random], Record], count: int, texts: random.Random
) -> None:
    for start in range(0, count, 10_000):
        rows = [make(number, texts) for number in range(start, min(count, start + 10_000))]
        warehouse.land(table, rows, key=f"{table}/{start}")


def _say(texts: random.Random, words: int) -> str:
    return " ".join(texts.choices(_WORDS, k=words))


def bulk_task() -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction="Count.",
        setup=Setup(),
        check=Check(kind="match", answer="1"),
        origin="own",
        provenance=Provenance(source="bulk"),
    )


def bulk_episode() -> Episode:
    return Episode(
        episode_id="",
        task_id="",
        environment="db",
        origin="own",
        solver=Solver(kind="teacher", model="m", solver_id="solver"),
        world_id="world",
        build=1,
        attempt=1,
        outcome="finished",
        verdict="passed",
        reward=1.0,
        n_turns=TURNS,
        landing="bulk",
    )


def _turn(index: int) -> Turn:
    about: dict[str, Any] = {"thought_source": "teacher", "action_kind": "sql", "thought": "I look."}
    return Turn(episode_id="", landing="bulk", index=index, observation="[(1,)]", action=f"SELECT {index}", **about)


def _messages(texts: random.Random, opening: str, exchanges: int, words: int) -> tuple[Message, ...]:
    said = [Message(role="user", content=opening), Message(role="assistant", content="Ok.")] if opening else []
    for _ in range(exchanges):
        said.append(Message(role="user", content=_say(texts, words)))
        said.append(Message(role="assistant", content=_say(texts, words), train=True))
    return tuple(said)


def _trajectory(number: int, texts: random.Random) -> Trajectory:
    messages = _messages(texts, "You are asked about a database. " * 40, TURNS, 60)
    about: dict[str, Any] = {"origin": "own", "family": f"family{number % 9}", "difficulty": number % 3 + 1}
    return Trajectory(
        trajectory_id=f"trajectory-{number}",
        episode_id=f"episode-{number}",
        task_id=f"task-{number}",
        environment="db",
        messages=messages,
        n_trained=TURNS,
        trained_tokens=sum(m.tokens for m in messages if m.train),
        tokens=sum(m.tokens for m in messages),
        backfilled=False,
        model="m",
        reward=1.0,
        license="Apache-2.0",
        content_sha256=str(number),
        curation_id=CURATION,
        looked_at=LOOKED_BY,
        **about,
    )


def _chat(number: int, texts: random.Random) -> Conversation:
    messages = _messages(texts, "", 4, 65)
    return Conversation(
        conversation_id=f"conversation-{number}",
        messages=messages,
        n_trained=4,
        trained_tokens=sum(m.tokens for m in messages if m.train),
        tokens=sum(m.tokens for m in messages),
        language="en",
        language_score=0.9,
        source_model="gpt-4" if number % 5 == 0 else "gpt-3.5",
        source_id=None,
        source_file="chats.jsonl",
        source_line=number + 1,
        license="CC-BY-4.0",
        looked_at=LOOKED_BY,
    )
