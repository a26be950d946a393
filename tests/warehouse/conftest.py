"""Rows to land: small, whole, and told apart by a number."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas.episode import Episode, Solver, Turn
from schemas.message import Message
from schemas.rejection import Rejection
from schemas.task_spec import Check, Column, Provenance, Setup, TableData, TaskSpec
from schemas.trajectory import Conversation, Trajectory
from warehouse.warehouse import Warehouse

CHAT = (Message(role="user", content="Say hello."), Message(role="assistant", content="Hello!", train=True))


def task_spec(number: int, **changes: object) -> TaskSpec:
    cells = TableData(name="t", columns=(Column(name="a"),), rows=((1, "1", 1.5, None),))
    fields = {
        "task_id": f"task-{number}",
        "environment": "db",
        "instruction": f"Do {number}.",
        "setup": Setup(tables=(cells,)),
        "check": Check(kind="match", answer="1"),
        "origin": "own",
        "provenance": Provenance(source="test"),
    }
    return TaskSpec.model_validate({**fields, **changes})


def episode(number: int, landing: str = "landing", **changes: object) -> Episode:
    fields = {
        "episode_id": f"episode-{number}",
        "task_id": f"task-{number}",
        "environment": "db",
        "origin": "own",
        "solver": Solver(kind="teacher", solver_id="solver"),
        "world_id": "world",
        "build": 1,
        "attempt": 1,
        "outcome": "finished",
        "verdict": "passed",
        "reward": 1.0,
        "n_turns": 2,
        "landing": landing,
        "started_at": datetime.now(UTC),
    }
    return Episode.model_validate({**fields, **changes})


def turns(number: int, landing: str = "landing", count: int = 2) -> list[Turn]:
    return [
        Turn(
            episode_id=f"episode-{number}",
            landing=landing,
            index=index,
            observation="seen",
            thought=None,
            thought_source=None,
            action="SELECT 1",
            action_kind="sql",
        )
        for index in range(count)
    ]


def trajectory(number: int, **changes: object) -> Trajectory:
    fields = {
        "trajectory_id": f"trajectory-{number}",
        "episode_id": f"episode-{number}",
        "task_id": f"task-{number}",
        "environment": "db",
        "origin": "own",
        "family": None,
        "difficulty": None,
        "messages": CHAT,
        "n_trained": 1,
        "trained_tokens": 2,
        "tokens": 5,
        "backfilled": False,
        "model": None,
        "reward": 1.0,
        "license": "Apache-2.0",
        "curation_id": "curation",
        "content_sha256": str(number),
    }
    return Trajectory.model_validate({**fields, **changes})


def conversation(number: int, **changes: object) -> Conversation:
    fields = {
        "conversation_id": f"conversation-{number}",
        "messages": (Message(role="user", content=f"Count to {number}."), *CHAT[1:]),
        "n_trained": 1,
        "tokens": 6,
        "trained_tokens": 2,
        "language": "en",
        "language_score": 0.9,
        "source_model": "offline-a",
        "source_id": None,
        "source_file": "chats.jsonl",
        "source_line": number,
        "license": "Apache-2.0",
    }
    return Conversation.model_validate({**fields, **changes})


def rejection(number: int) -> Rejection:
    return Rejection.make(stage="ingest", reason="blank", detail="nothing there", source=f"a:{number}", raw="")


@pytest.fixture
def make() -> SimpleNamespace:
    return SimpleNamespace(
        task_spec=task_spec,
        episode=episode,
        turns=turns,
        trajectory=trajectory,
        conversation=conversation,
        rejection=rejection,
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "home")
