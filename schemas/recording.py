"""Recording: what somebody else's agent did on a task, as its log has it. Theirs is kept here, ours in `episodes`."""

from __future__ import annotations

from typing import NamedTuple

from schemas.message import ToolCall
from schemas.record import Record, digest
from schemas.task_spec import TaskSpec

SUBMIT = "submit"
"""Action kind of a turn that hands in what the turn before it gave, without naming it."""


class RecordedTurn(Record):
    thought: str | None = None
    """What the agent wrote before its action; None = nothing, or it was not kept."""
    action: str
    """The action's text: the command, the statement, the answer; empty for `submit`."""
    action_kind: str
    """bash, sql, answer, finish, or `submit`: hand in what the action before gave."""
    observation: str | None = None
    """What the recorder saw after the action; None = nothing, or it was not kept."""
    calls: tuple[ToolCall, ...] = ()
    """What the agent did, where it called tools of the world: then `action` and `action_kind` are not read."""
    reasoning: str | None = None
    """What it thought aloud apart from its words; None = nothing, or it was not kept."""


class Recording(Record):
    """One recorded attempt at a task, told by its recorder; `collect --solver recorded` runs it again."""

    recording_id: str
    """h(task, model, agent, turns, what the recorder said of it)."""
    task_id: str
    environment: str
    """World that its actions are for."""
    model: str | None = None
    """Model that acted, in its source's words; None = not said."""
    agent: str | None = None
    """Loop or strategy that it acted in: react, multiturn, ...; None = not said."""
    number: int = 1
    """Which recording of this task by this model and agent it is, from 1, in the order of import."""
    turns: tuple[RecordedTurn, ...]
    reward: float | None = None
    """The recorder's; None = not said."""
    success: bool | None = None
    """Whether the recorder took it for solved; None = not said."""
    source: str
    """file:line."""
    license: str
    """SPDX name of the licence that the log is under."""

    @classmethod
    def make(cls, **fields: object) -> Recording:
        """Build a recording, its id computed from all but its number, source and licence."""
        made = cls.model_validate({"recording_id": "", **fields})
        parts = (made.task_id, made.model, made.agent, made.turns, made.reward, made.success)
        return made.model_copy(update={"recording_id": digest("recording", *parts)})


class Recorded(NamedTuple):
    """One usable line of a log, as an import reads it."""

    recording: Recording
    spec: TaskSpec | None = None
    """Its task; None = it names one that was imported before."""
