"""Episode and Turn: one attempt at a TaskSpec, as it happened. Failures are kept for ever."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from schemas.record import VOLATILE, Record, digest
from schemas.task_spec import Origin

Outcome = Literal[
    "finished",
    "turn_limit",
    "token_limit",
    "repeated",
    "invalid_action",
    "refused",
    "empty",
    "environment_error",
    "teacher_error",
]
"""How an attempt ended. The last two are not final: landed, and planned again by the next run."""

NOT_FINAL: tuple[Outcome, ...] = ("environment_error", "teacher_error")

VerdictName = Literal["passed", "failed", "unknown"]
SolverKind = Literal["teacher", "reference", "recorded"]
ThoughtSource = Literal["teacher", "backfilled", "recorded", "reasoning"]


_CODE = re.compile(r"([a-z][a-z0-9_]*): ")


class RewardPart(Record):
    name: str
    value: float


class Usage(Record):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0


class Verdict(Record):
    """What the check found."""

    name: VerdictName
    """unknown = the check or its sandbox broke; not final."""
    reward: float = 0.0
    """In [0, 1]; 0 where unknown, and then not to be used."""
    parts: tuple[RewardPart, ...] = ()
    """Named parts of the reward."""
    detail: str = ""
    """Why, in words: the comparison that failed, the exit code, the missing write."""
    reason: str = ""
    """Why, as a stable code of the world's: check_says_no, wrong_output, ...; empty = it stands before a colon in
    `detail` (`wrong_rows: ...`), or the verdict needs none."""

    @property
    def code(self) -> str:
        """Return the code of a verdict other than passed; empty = it gives none."""
        found = None if self.name == "passed" else _CODE.match(self.detail)
        return "" if self.name == "passed" else self.reason or (found[1] if found else "")


class Solver(Record):
    """A policy under collection: teacher, prompt and loop."""

    kind: SolverKind
    model: str | None = None
    solver_id: str
    """h(kind, teacher, model, sampling, prompt sha, loop contract); recorded: h(kind, model, agent, loop contract)."""
    dialect: str = "react"
    """How it was spoken to, and how its episodes are worded for training: react, tools, or what the world offers."""


class Call(Record):
    """One tool call of a turn, and what it gave."""

    call_id: str
    name: str
    arguments: str
    """JSON text as the model wrote it; it may be broken where the turn is not valid."""
    action_kind: str
    """What it is to the world: bash, sql, answer, ...; `invalid` = no action of this world."""
    action: str
    """The action's text; the arguments as canonical JSON where no one argument is the text."""
    observation: str | None = None
    """What it gave, truncated as it was shown; None = it was not carried out."""


class Turn(Record):
    """One (observation, thought, action)."""

    episode_id: str
    landing: Annotated[str, VOLATILE]
    """The landing that wrote it; a turn counts only where its landing stands in `episodes`."""
    index: int
    """From 0."""
    observation: str
    """What the agent saw before this turn's action (index 0: the instruction), truncated as it was shown."""
    thought: str | None
    """None = the action came without one."""
    thought_source: ThoughtSource | None
    """teacher = it stood in the reply; recorded = in a recording's turn. What curation adds stands in no stored turn:
    backfilled = written afterwards, reasoning = the model's reasoning."""
    action: str
    """The action's text: the command, the statement, the answer; of several calls the first one's."""
    action_kind: str
    """bash, sql, answer, finish, or what the world offers."""
    action_raw: str | None = None
    """The text before it was snapped to an admissible action; None = not snapped."""
    reply: str | None = None
    """The solver's reply as it came, thought included; None = no model wrote it."""
    valid: bool = True
    """Whether the world understood the action."""
    completion_id: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str | None = None
    """What the model thought aloud apart from its reply; None = nothing, or the endpoint kept it."""
    calls: tuple[Call, ...] = ()
    """The turn's tool calls in their order; empty where the dialect is text."""


class Episode(Record):
    """One attempt."""

    episode_id: str
    """h(task_id, solver_id, world_id, attempt)."""
    task_id: str
    environment: str
    origin: Origin
    solver: Solver
    world_id: str
    """h(world, contract, limits, image digest)."""
    build: int
    """Number of the build that planned it; below 0 = of a stage that was run by itself."""
    attempt: int
    """The solver's chances, from 1."""
    try_number: int = 1
    """Ours, from 1: an outage is tried again without costing the solver a chance."""
    outcome: Outcome
    outcome_reason: str = ""
    """Stable code or text beside the outcome: not_reproducible, stopped_by, ..."""
    verdict: VerdictName
    verdict_detail: str = ""
    reward: float
    rewards: tuple[RewardPart, ...] = ()
    answer: str | None = None
    """The final answer; None = none was given."""
    n_turns: int
    usage: Usage = Usage()
    cost_usd: Annotated[float, VOLATILE] = 0.0
    """Price of its completions at the configured prices."""
    started_at: Annotated[datetime | None, VOLATILE] = None
    seconds: Annotated[float, VOLATILE] = 0.0
    """Wall time, set-up and verification included."""
    landing: Annotated[str, VOLATILE]
    image: str | None = None
    """OS: digest of the base image. DB: engine and version; the database's digest stands in the task's set-up."""
    sandbox: str | None = None
    """Backend and kind of limits that held: bubblewrap/rlimit, ..."""
    software: str | None = None
    """Version of Trajmill."""
    recording_id: str | None = None
    """The recording whose actions were run again; None = the solver acted here."""
    state_digest: Annotated[str | None, VOLATILE] = None
    """Digest of what the agent left behind (files, tables and schema), for `trajmill verify`; None = not recorded.
    Volatile, since a file may hold the time."""
    work_digest: Annotated[str | None, VOLATILE] = None
    """Digest of what counts of that, by-products of programs apart; None = as `state_digest`."""
    check_contract: int = 1
    """Contract of the world's checks that gave the verdict; 1 (NULL in SQL) also where it was not recorded yet."""
    told: str | None = None
    """JSON of what the solver was told of the world beside the task (limits, commands that are there): its rows say the
    same. None = nothing, as before contract 3 of the solvers' prompts."""
    verdict_reason: Annotated[str, VOLATILE] = ""
    """Code of the check's reason for a verdict other than passed (`failures` has it of every episode, earlier ones
    included); empty = none was given. Not part of digests: `verdict_detail` says the same in words."""

    @property
    def is_final(self) -> bool:
        """Whether no later run plans it again."""
        return self.outcome not in NOT_FINAL and self.verdict != "unknown"


def make_episode_id(task_id: str, solver_id: str, world_id: str, attempt: int) -> str:
    """Return the id of one attempt; `try_number` is ours and does not count."""
    return digest("episode", task_id, solver_id, world_id, attempt)
