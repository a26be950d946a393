"""What InterCode's logs share: tasks and episodes as JSON lines, one episode of a model a line.

Source: princeton-nlp/intercode@c3e46d82, MIT. Two loops recorded them (experiments/eval_n_turn.py, eval_react.py):
`multiturn` judged the result of every turn and stopped at the first reward of 1; `react` writes a thought and
`execute[...]` or `submit`, keeps 350 characters or 25 rows of what it sees, and submits by itself at the last turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from formats.catalogue import Option
from formats.json_values import UNREADABLE_VALUE, Unread, read_values
from schemas.invalid_values import explain
from schemas.recording import SUBMIT, RecordedTurn, Recording
from schemas.rejection import Rejection

LICENSE = "MIT"
"""Of princeton-nlp/intercode."""
_EXECUTE = re.compile(r"execute\[(.*)\]", re.DOTALL)
_RECORDER_SUBMITS = "EXCEEDED MAX TURNS: submit"
"""eval_react.py writes this for a thought where it submits by itself."""
TASKS = Option("tasks", "the tasks that the episodes are about", metavar="FILE", required=True)
REASONS = {
    **UNREADABLE_VALUE,
    "not_intercode": "lacks a field",
    "other_world": "is an episode of another of InterCode's worlds",
    "no_task": "is about a task that --tasks does not have, or that could not be used",
    "other_question": "asks something else than its task",
    "no_turns": "did nothing",
}

M = TypeVar("M", bound=BaseModel)


class InterCodeTask(BaseModel):
    task_id: int
    query: str
    gold: str
    db: str | None = None
    hardness: str | None = None


class InterCodeTurn(BaseModel):
    action: str
    observation: str | None = None
    thought: str | None = None


class InterCodeEpisode(BaseModel):
    env: str
    model: str
    prompting: str
    task_id: int
    query: str
    turns: list[InterCodeTurn]
    max_reward: float


@dataclass(frozen=True)
class LogLine(Generic[M]):
    """One line that could be read."""

    value: M
    source: str
    raw: bytes

    def reject(self, reason: str, detail: str) -> Rejection:
        """Turn the line away."""
        return _reject(reason, detail, self.source, self.raw)


def read_lines(path: Path, model: type[M]) -> Iterator[LogLine[M] | Rejection]:
    """Yield every line of a file as a `model`, or as a rejection of stage `import`.

    Raises:
        InputError: the file cannot be read at all.
    """
    for row in read_values(path):
        if isinstance(row, Unread):
            yield row.reject(path.name, "import")
            continue
        source = f"{path.name}:{row.line}"
        try:
            yield LogLine(model.model_validate(row.value), source, row.raw)
        except ValidationError as error:
            yield _reject("not_intercode", explain(error, model), source, row.raw)


def read_recording(line: LogLine[InterCodeEpisode], task_id: str, environment: str, kind: str) -> Recording:
    """Return an episode as a recording of a task; `kind` is what an executed action is in our world."""
    episode = line.value
    turns = [_turn(turn, kind) for turn in episode.turns]
    if turns and turns[-1].action_kind != SUBMIT:
        turns.append(RecordedTurn(action="", action_kind=SUBMIT))  # the loop judged the last result as it stood
    return Recording.make(
        task_id=task_id,
        environment=environment,
        model=episode.model,
        agent=f"intercode-{episode.prompting}",
        turns=tuple(turns),
        reward=episode.max_reward,
        success=episode.max_reward == 1,
        source=line.source,
        license=LICENSE,
    )


def _turn(turn: InterCodeTurn, kind: str) -> RecordedTurn:
    thought = turn.thought.strip() if turn.thought and turn.thought.strip() != _RECORDER_SUBMITS else None
    if turn.action.strip() == SUBMIT:
        return RecordedTurn(thought=thought or None, action="", action_kind=SUBMIT, observation=turn.observation)
    return RecordedTurn(
        thought=thought or None, action=_executed(turn.action), action_kind=kind, observation=turn.observation
    )


def _executed(action: str) -> str:
    """Return what was executed; a text that the recorder could not read stays, for our world to say what it is."""
    found = _EXECUTE.search(action)
    return found[1] if found else action.removeprefix("execute[")


def _reject(reason: str, detail: str, source: str, raw: bytes) -> Rejection:
    return Rejection.make(stage="import", reason=reason, detail=detail, source=source, raw=raw)
