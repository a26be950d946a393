"""A task, and short ways to write turns and completions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.completion import Completion, CompletionRequest
from schemas.episode import Call, Turn
from schemas.message import ToolCall
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from teachers.scripted import receipt


def _turn(index: int, observation: str, kind: str, text: str, **fields: Any) -> Turn:
    given = {"episode_id": "e", "landing": "l", "thought": None, "thought_source": None}
    return Turn(index=index, observation=observation, action_kind=kind, action=text, **{**given, **fields})


def _call(call_id: str, name: str, arguments: str, kind: str, text: str, observation: str | None = None) -> Call:
    return Call(call_id=call_id, name=name, arguments=arguments, action_kind=kind, action=text, observation=observation)


def _completion(reply: str = "", *calls: ToolCall) -> Completion:
    request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=())
    return receipt(request, reply).model_copy(update={"tool_calls": calls})


@pytest.fixture(scope="session")
def turn() -> Callable[..., Turn]:
    return _turn


@pytest.fixture(scope="session")
def call() -> Callable[..., Call]:
    return _call


@pytest.fixture(scope="session")
def completion() -> Callable[..., Completion]:
    return _completion


@pytest.fixture(scope="session")
def spec() -> TaskSpec:
    return TaskSpec.make(
        environment="os",
        instruction="Count.",
        setup=Setup(database_name="shelter", dialect="sqlite"),
        check=Check(kind="match", answer="1"),
        origin="own",
        provenance=Provenance(source="test"),
    )
