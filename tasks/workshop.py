"""The workshop: what a run has open, found by tasks without passing through Prefect.

Flows open it (`flows/open_workshop.py`); a task gets small references (build, part, index) and takes the rest here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import prompts
from environments.base import Dialect, World
from environments.registry import Worlds
from prompts import Prompt
from schemas.completion import CompletionRequest, Purpose, Sampling
from schemas.episode import Solver, SolverKind
from schemas.errors import ConfigError
from schemas.message import Message, Tool
from schemas.record import digest
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec
from tasks.collect.roll_out import LOOP_CONTRACT, Rules
from tasks.curate.episode import RENDERER
from tasks.curate.rules import RULES, changes_since_first
from tasks.progress import Progress
from teachers.base import Teacher
from teachers.ledger.ledger import Ledger
from teachers.mixture_of_agents import PROMPT as AGGREGATE
from warehouse.state import State
from warehouse.warehouse import Warehouse


@dataclass
class Workshop:
    """Everything that is open while a run lasts."""

    config: RunConfig
    config_name: str
    home: Path
    build: int
    resumed: bool
    warehouse: Warehouse
    state: State
    ledger: Ledger
    teacher: Teacher
    worlds: Worlds
    progress: Progress = field(default_factory=Progress)

    async def open_world(self, name: str) -> World:
        """Return a world of this run, opened when it is first asked for.

        Raises:
            ConfigError: the run was configured without it, or it does not work on this machine.
        """
        return await self.worlds.enter(name)

    def dialect_of(self, spec: TaskSpec) -> Dialect:
        """Return the dialect that a task's solver is spoken to in: of several configured ones the task is dealt one.

        A world that has one dialect alone leaves no choice.
        """
        known, chosen = self.worlds[spec.environment].dialects, self.config.collect.dialect
        if chosen is None or len(known) == 1:
            return next(iter(known.values()))
        names = (chosen,) if isinstance(chosen, str) else chosen
        offered = [name for name in names if name in known] or list(names)
        dealt = offered[int(digest("dialect", spec.task_id), 16) % len(offered)] if len(offered) > 1 else offered[0]
        return self.worlds.dialect(spec.environment, dealt)

    def request(
        self,
        purpose: Purpose,
        model: str,
        messages: tuple[Message, ...],
        prompt: Prompt,
        *,
        temperature: float,
        attempt: int = 1,
        seed: int | None = None,
        key: str = "",
        tools: tuple[Tool, ...] = (),
        stop: tuple[str, ...] = (),
    ) -> CompletionRequest:
        """Word messages as a request of this run's teacher."""
        teacher = self.config.teacher
        sampling = Sampling(temperature=temperature, max_tokens=teacher.max_output_tokens, seed=seed, stop=stop)
        return CompletionRequest(
            purpose=purpose,
            teacher=teacher.name,
            model=model,
            messages=messages,
            sampling=sampling,
            prompt_sha=prompt.sha256,
            attempt=attempt,
            key=key,
            tools=tools,
        )

    def solver_rules(self, spec: TaskSpec, kind: SolverKind = "teacher") -> Rules:
        """Return what the loop asks and when it stops, for a solver on a task."""
        teacher, world = self.config.teacher, self.worlds[spec.environment]
        told = world.told and {**world.told, **({"tokens": teacher.max_output_tokens} if kind == "teacher" else {})}
        dialect = self.dialect_of(spec)
        dialect = dialect.knowing(told) if told else dialect

        def ask(messages: tuple[Message, ...], attempt: int) -> CompletionRequest:
            return self.request(
                "collect_episodes",
                teacher.solver_of(spec.environment),
                messages,
                dialect.prompt,
                temperature=teacher.solver_temperature,
                attempt=attempt,
                seed=self.config.seed * 1000 + attempt,
                tools=dialect.tools(),
                stop=dialect.stop,
            )

        most = world.max_turns, self.config.collect.max_tokens, self.config.collect.repairs
        return Rules(self._solver(kind, dialect, teacher.solver_of(spec.environment)), ask, dialect, *most, told)

    def _solver(self, kind: SolverKind, dialect: Dialect, model: str) -> Solver:
        teacher = self.config.teacher
        if kind == "reference":  # it says nothing to anybody: the dialect only words its row
            return Solver(
                kind="reference", solver_id=digest("solver", "reference", LOOP_CONTRACT), dialect=dialect.name
            )
        sampling = (teacher.solver_temperature, teacher.max_output_tokens, self.config.seed)
        named = (teacher.name, self._identity(model), sampling, dialect.prompt.sha256, LOOP_CONTRACT)
        spoken = () if (dialect.name, dialect.contract) == ("react", 1) else (dialect.name, dialect.contract)
        solver_id = digest("solver", "teacher", *named, *spoken)
        return Solver(kind="teacher", model=model, solver_id=solver_id, dialect=dialect.name)

    @property
    def curation_id(self) -> str:
        """h(renderer, backfill prompt sha, teacher, thresholds, rules where they are not the first ones)."""
        teacher, curate = self.config.teacher, self.config.curate
        backfiller = self._identity(teacher.backfiller)
        rules = changes_since_first(RULES)
        named = (RENDERER, prompts.load("backfill").sha256, teacher.name, backfiller, curate)
        return digest("curation", *named, *((rules,) if rules else ()))

    def _identity(self, model: str) -> Any:
        """Return what a model is in ids: its name, or for a mixture's name all that it is made of."""
        mixture = self.config.teacher.mixtures.get(model)
        return model if mixture is None else (model, mixture, prompts.load(AGGREGATE).sha256)


_current: ContextVar[Workshop | None] = ContextVar("workshop", default=None)


def current_workshop() -> Workshop:
    """Return the run's workshop.

    Raises:
        ConfigError: called outside a flow.
    """
    workshop = _current.get()
    if workshop is None:
        raise ConfigError("no workshop is open: tasks run inside a flow of flows/")
    return workshop


def begin_task() -> Workshop:
    """Return the run's workshop and count a Prefect task run: the first line of every task."""
    workshop = current_workshop()
    workshop.progress.task_runs += 1
    return workshop


def workshop_or_none() -> Workshop | None:
    """Return the workshop that is open, if one is."""
    return _current.get()


@contextmanager
def at_work(workshop: Workshop) -> Iterator[Workshop]:
    """Make a workshop the current one."""
    token = _current.set(workshop)
    try:
        yield workshop
    finally:
        _current.reset(token)
