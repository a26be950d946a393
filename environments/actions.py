"""What a solver does, what a dialect understood of it, and what the environment says to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.episode import Turn
from schemas.message import ToolCall
from schemas.record import canonical_json


@dataclass(frozen=True)
class Action:
    """One thing that the solver does."""

    kind: str
    """bash, sql, answer, finish, or what the world offers."""
    text: str = ""
    """The command, the statement, the answer; of an action with several arguments their canonical JSON."""
    arguments: Mapping[str, Any] | None = None
    """JSON arguments, where the dialect has tool calls."""

    @classmethod
    def of(cls, kind: str, arguments: Mapping[str, Any]) -> Action:
        """Return an action that is its arguments."""
        return cls(kind, canonical_json(arguments).decode() if arguments else "", arguments)


@dataclass(frozen=True)
class Reading:
    """What a dialect understood of a completion."""

    thought: str | None
    actions: tuple[Action, ...]
    """In their order; none = malformed."""
    problem: str = ""
    """Why it is malformed."""
    candidate: str = ""
    """Text that was meant to be the action: what is snapped to an admissible one."""
    calls: tuple[ToolCall, ...] = ()
    """The calls that the actions were read from, one each; malformed ones, too."""


@dataclass(frozen=True)
class Step:
    """What the environment says after `reset` or an action."""

    observation: str
    """As the solver sees it, truncated."""
    terminated: bool = False
    """The episode is over: an answer was given or the work committed."""
    truncated: bool = False
    """The world's own limit ended it."""
    admissible: tuple[str, ...] = ()
    """Actions that the world accepts now; empty = any text."""


def actions_of(turn: Turn) -> tuple[Action, ...]:
    """Return what a valid turn did: its calls, or its one action."""
    if not turn.calls:
        return (Action(turn.action_kind, turn.action),)
    return tuple(Action(call.action_kind, call.action, orjson.loads(call.arguments or "{}")) for call in turn.calls)


def answer_in(turns: Iterable[tuple[Action, Step]]) -> str | None:
    """Return the answer that a followed reference ended with; None = it ended without one."""
    answers = [action.text for action, _ in turns if action.kind == "answer"]
    return answers[-1] if answers else None
